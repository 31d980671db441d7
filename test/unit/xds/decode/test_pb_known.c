/* What is set but not acted on is reported by name, or refused where it decides something. */
#include "test/unit/xds/decode/fixture.h"

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/listener/v3/listener_components.pb-c.h"
#include "xds/decode/pb_known.h"
#include "xds/decode/pb_pack.h"

static void report(struct fixture *f, const char *type, const char *text)
{
    decode_good(f, type, text);
    lk_pb_report_unsupported(f->message, false, &f->errors);
}

LK_TEST(pb_known, what_is_acted_on_is_not_mentioned)
{
    struct fixture f;

    fixture_init(&f);
    report(&f, "envoy.config.bootstrap.v3.Bootstrap",
           "node: {id: a}\nstatic_resources:\n  clusters: [{name: a, type: STATIC, connect_timeout: 1s}]\n");
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_EQ_UINT(f.errors.warning_count, 0);
    fixture_fini(&f);
}

LK_TEST(pb_known, the_first_message_of_the_table_is_read_right)
{
    struct fixture f;

    fixture_init(&f);
    report(&f, "envoy.config.accesslog.v3.AccessLog", "name: a\nfilter: {response_flag_filter: {flags: [UF]}}\n");
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_EQ_UINT(f.errors.warning_count, 0);
    fixture_fini(&f);
}

LK_TEST(pb_known, a_field_without_effect_is_a_warning_at_its_path)
{
    struct fixture f;

    fixture_init(&f);
    report(&f, "envoy.config.bootstrap.v3.Bootstrap",
           "static_resources:\n  listeners:\n  - name: a\n  - name: b\n    enable_mptcp: true\n");
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_EQ_UINT(f.errors.warning_count, 1);
    LK_CHECK_STR(f.errors.warnings[0].path, "static_resources.listeners[1].enable_mptcp");
    fixture_fini(&f);
}

LK_TEST(pb_known, a_condition_that_is_not_built_rejects)
{
    struct fixture f;

    fixture_init(&f);
    report(&f, "envoy.config.listener.v3.Listener",
           "filter_chains:\n- filter_chain_match: {address_suffix: x, destination_port: 80}\n");
    check_only_error(&f, 0, "filter_chains[0].filter_chain_match.address_suffix", "not supported");
    LK_CHECK_EQ_INT(f.errors.items[0].code, LK_ERROR_UNSUPPORTED);
    fixture_fini(&f);
}

LK_TEST(pb_known, the_walk_goes_into_anys_and_maps)
{
    struct fixture f;

    fixture_init(&f);
    report(&f, "envoy.config.cluster.v3.Cluster",
           "typed_extension_protocol_options:\n  h:\n"
           "    \"@type\": t/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
           "    explicit_http_config: {http_protocol_options: {allow_custom_methods: true}}\n");
    LK_CHECK_EQ_UINT(f.errors.warning_count, 1);
    LK_CHECK_STR(f.errors.warnings[0].path, "typed_extension_protocol_options[\"h\"].explicit_http_config."
                                            "http_protocol_options.allow_custom_methods");
    fixture_fini(&f);
}

static void report_tag(struct fixture *f, bool reject)
{
    struct lk_error error;

    f->message = lk_pb_unpack(&f->arena, &envoy__config__listener__v3__filter_chain__descriptor,
                              LK_STR("\x3a\x01x\xf8\x07\x01"), &error);
    LK_CHECK_NOT_NULL(f->message);
    lk_pb_report_unsupported(f->message, reject, &f->errors);
}

LK_TEST(pb_known, a_tag_nobody_knows_is_reported_by_message_and_number)
{
    struct fixture f;

    fixture_init(&f);
    report_tag(&f, false);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    LK_CHECK_EQ_UINT(f.errors.warning_count, 1);
    LK_CHECK_CONTAINS(f.errors.warnings[0].text, "field number 127 of envoy.config.listener.v3.FilterChain");
    report_tag(&f, true);
    LK_CHECK_EQ_UINT(f.errors.count, 1);
    fixture_fini(&f);
}
