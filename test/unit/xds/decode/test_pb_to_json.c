/* Messages to JSON: names, forms, secrets, and that what is printed reads back. */
#include "test/unit/xds/decode/fixture.h"

#include "google/protobuf/any.pb-c.h"
#include "xds/decode/pb_pack.h"
#include "xds/decode/pb_to_json.h"

#include <stdlib.h>

/* The message that YAML gives, printed compactly with sorted keys. */
static void check_json(const char *type, const char *text, const char *expected)
{
    struct fixture f;
    json_t *json;
    char *out;

    fixture_init(&f);
    decode_good(&f, type, text);
    json = lk_pb_to_json(f.message);
    out = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    LK_CHECK_STR(out, expected);
    free(out);
    json_decref(json);
    fixture_fini(&f);
}

LK_TEST(pb_to_json, prints_snake_case_names_and_leaves_defaults_out)
{
    check_json("envoy.config.cluster.v3.Cluster", "altStatName: x\nname: ''\nlbPolicy: ROUND_ROBIN\n",
               "{\"alt_stat_name\":\"x\"}");
}

LK_TEST(pb_to_json, prints_the_chosen_member_of_a_oneof_even_at_its_default)
{
    check_json("envoy.config.cluster.v3.Cluster", "type: STATIC\n", "{\"type\":\"STATIC\"}");
    check_json("envoy.config.core.v3.SocketAddress", "port_value: 0\n", "{\"port_value\":0}");
}

LK_TEST(pb_to_json, prints_well_known_types_in_their_forms)
{
    check_json("google.protobuf.Duration", "0.25s", "\"0.250s\"");
    check_json("google.protobuf.Duration", "-1.000001s", "\"-1.000001s\"");
    check_json("google.protobuf.Duration", "3600s", "\"3600s\"");
    check_json("google.protobuf.Timestamp", "2026-02-28T23:59:59.5Z", "\"2026-02-28T23:59:59.500Z\"");
    check_json("google.protobuf.Timestamp", "0001-01-01T00:00:00Z", "\"0001-01-01T00:00:00Z\"");
    check_json("google.protobuf.Timestamp", "2000-02-29T12:00:00Z", "\"2000-02-29T12:00:00Z\"");
    check_json("google.protobuf.UInt32Value", "7", "7");
    check_json("google.protobuf.UInt64Value", "7", "\"7\"");
    check_json("google.protobuf.BytesValue", "\"aGk\"", "\"aGk=\"");
    check_json("google.protobuf.Struct", "{a: [1, yes, ~, x], b: {}}", "{\"a\":[1,true,null,\"x\"],\"b\":{}}");
}

LK_TEST(pb_to_json, prints_an_any_with_its_type)
{
    check_json("google.protobuf.Any",
               "\"@type\": t/envoy.extensions.filters.http.router.v3.Router\nsuppress_envoy_headers: true\n",
               "{\"@type\":\"t/envoy.extensions.filters.http.router.v3.Router\",\"suppress_envoy_headers\":true}");
    check_json("google.protobuf.Any", "\"@type\": t/google.protobuf.StringValue\nvalue: a\n",
               "{\"@type\":\"t/google.protobuf.StringValue\",\"value\":\"a\"}");
    check_json("google.protobuf.Any", "{}", "{}");
}

static void check_any_bytes(const char *type_url, struct lk_str bytes, const char *expected)
{
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    json_t *json;
    char *out;

    any.type_url = (char *)(uintptr_t)type_url;
    any.value.data = (uint8_t *)(uintptr_t)bytes.ptr;
    any.value.len = bytes.len;
    json = lk_pb_to_json(&any.base);
    out = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    LK_CHECK_STR(out, expected);
    free(out);
    json_decref(json);
}

LK_TEST(pb_to_json, an_any_that_cannot_be_read_keeps_its_type)
{
    check_any_bytes("t/foo.Bar", LK_STR("\x01\x02"), "{\"@type\":\"t/foo.Bar\",\"value\":\"AQI=\"}");
    check_any_bytes("t/envoy.config.core.v3.Node", LK_STR("\x0a"),
                    "{\"@type\":\"t/envoy.config.core.v3.Node\",\"error\":\"malformed value of field 1 in "
                    "envoy.config.core.v3.Node\"}");
}

LK_TEST(pb_to_json, never_shows_secrets)
{
    check_json("envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
               "certificate_chain: {inline_string: chain}\nprivate_key: {inline_string: hunter2}\n"
               "password: {inline_bytes: \"aHVudGVyMg==\"}\n",
               "{\"certificate_chain\":{\"inline_string\":\"chain\"},"
               "\"password\":{\"inline_bytes\":\"W3JlZGFjdGVkXQ==\"},"
               "\"private_key\":{\"inline_string\":\"[redacted]\"}}");
    check_json("envoy.extensions.transport_sockets.tls.v3.GenericSecret", "secrets: {a: {inline_string: hunter2}}\n",
               "{\"secrets\":{\"a\":{\"inline_string\":\"[redacted]\"}}}");
    check_json("google.protobuf.Any",
               "\"@type\": t/envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys\n"
               "keys: [{inline_string: hunter2}]\n",
               "{\"@type\":\"t/envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys\","
               "\"keys\":[{\"inline_string\":\"[redacted]\"}]}");
}

LK_TEST(pb_to_json, maps_are_objects)
{
    check_json("envoy.config.core.v3.Metadata", "filter_metadata: {b: {x: 1}, a: {}}\n",
               "{\"filter_metadata\":{\"a\":{},\"b\":{\"x\":1}}}");
}

LK_TEST(pb_to_json, what_is_printed_reads_back_as_the_same_message)
{
    struct fixture f;
    struct lk_str before;
    struct lk_str after;
    char *text;

    fixture_init(&f);
    decode_good(&f, "envoy.config.bootstrap.v3.Bootstrap",
                "node: {id: a, metadata: {n: 1.5, m: [x, {}]}}\nstats_flush_interval: 1.5s\n"
                "static_resources:\n  clusters:\n  - name: a\n    type: STATIC\n    max_requests_per_connection: 5\n"
                "    typed_extension_protocol_options:\n      h:\n"
                "        \"@type\": t/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
                "        explicit_http_config: {http_protocol_options: {}}\n");
    before = lk_pb_pack(&f.arena, f.message);
    text = lk_pb_to_json_text(f.message);
    parse(&f, text, LK_YAML_SYNTAX_JSON);
    f.message = lk_pb_from_tree(&f.arena, f.message->descriptor, f.tree, &f.options, &f.errors);
    LK_CHECK_EQ_UINT(f.errors.count, 0);
    after = lk_pb_pack(&f.arena, f.message);
    LK_CHECK_LKSTR_EQ(before, after);
    free(text);
    fixture_fini(&f);
}
