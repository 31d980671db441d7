/* Durations, addresses, fractions, data sources, metadata. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_common.h"
#include "xds/decode/decode_metadata.h"

static struct lk_decode_fixture fixture;

static void begin(void)
{
    lk_decode_fixture_init(&fixture);
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static uint32_t ms(int64_t seconds, int32_t nanos, enum lk_duration_rule rule)
{
    Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;

    duration.seconds = seconds;
    duration.nanos = nanos;
    return lk_decode_ms(&fixture.decoder, "timeout", &duration, 7, rule);
}

LK_TEST(decode_common, turns_durations_into_milliseconds)
{
    begin();
    LK_CHECK_EQ_UINT(lk_decode_ms(&fixture.decoder, "timeout", NULL, 7, LK_DURATION_POSITIVE), 7);
    LK_CHECK_EQ_UINT(ms(1, 500000000, LK_DURATION_ANY), 1500);
    LK_CHECK_EQ_UINT(ms(0, 0, LK_DURATION_ANY), 0);
    LK_CHECK_EQ_UINT(ms(0, 1, LK_DURATION_POSITIVE), 1);
    LK_CHECK_EQ_UINT(ms(315576000000, 0, LK_DURATION_ANY), UINT32_MAX);
    lk_decode_fixture_clean(&fixture);
    end();
}

LK_TEST(decode_common, refuses_impossible_durations)
{
    begin();
    ms(-1, 0, LK_DURATION_ANY);
    lk_decode_fixture_mistake(&fixture, "timeout", "negative");
    ms(0, 0, LK_DURATION_POSITIVE);
    lk_decode_fixture_mistake(&fixture, "timeout", "more than 0s");
    ms(315576000001, 0, LK_DURATION_ANY);
    lk_decode_fixture_mistake(&fixture, "timeout", "out of range");
    ms(0, 1000000000, LK_DURATION_ANY);
    LK_CHECK_EQ_UINT(fixture.errors.count, 4);
    end();
}

static bool address(const char *yaml, enum lk_address_rule rule, struct lk_decoded_address *out)
{
    return lk_decode_address(&fixture.decoder, "address",
                             lk_decode_fixture_message(&fixture, &envoy__config__core__v3__address__descriptor, yaml),
                             rule, out);
}

LK_TEST(decode_common, reads_ip_addresses_names_and_pipes)
{
    struct lk_decoded_address out;
    char text[LK_ADDR_TEXT_MAX];

    begin();
    LK_CHECK(address("socket_address: {address: '::1', port_value: 80}", LK_ADDRESS_IP, &out));
    LK_CHECK_LKSTR(lk_addr_text(&out.addr, text), "[::1]:80");
    LK_CHECK(address("socket_address: {address: foo.example, port_value: 80}", LK_ADDRESS_IP_OR_NAME, &out));
    LK_CHECK_EQ_UINT(out.addr.len, 0);
    LK_CHECK_LKSTR(out.name, "foo.example");
    LK_CHECK_EQ_UINT(out.port, 80);
    LK_CHECK(address("pipe: {path: /tmp/x, mode: 384}", LK_ADDRESS_IP, &out));
    LK_CHECK_LKSTR(lk_addr_text(&out.addr, text), "/tmp/x");
    LK_CHECK_EQ_UINT(out.pipe_mode, 0600);
    lk_decode_fixture_clean(&fixture);
    end();
}

LK_TEST(decode_common, names_what_is_wrong_with_an_address)
{
    static const struct {
        const char *yaml, *path, *part;
    } rows[] = {
        {"{}", "address", "expected one of"},
        {"socket_address: {address: foo, port_value: 1}", "address.socket_address.address", "IP address"},
        {"socket_address: {address: '', port_value: 1}", "address.socket_address.address", "empty"},
        {"socket_address: {address: 1.2.3.4, port_value: 65536}", "address.socket_address.port_value", "65535"},
        {"socket_address: {address: 1.2.3.4}", "address.socket_address.port_value", "required"},
        {"socket_address: {address: 1.2.3.4, named_port: x}", "address.socket_address.named_port", "not supported"},
        {"socket_address: {protocol: UDP, address: 1.2.3.4, port_value: 1}", "address.socket_address.protocol", "UDP"},
        {"pipe: {path: ''}", "address.pipe.path", "empty"},
        {"pipe: {path: '@x', mode: 1}", "address.pipe.mode", "abstract"},
        {"pipe: {path: /x, mode: 512}", "address.pipe.mode", "0777"},
        {"envoy_internal_address: {server_listener_name: x}", "address.envoy_internal_address", "not supported"},
    };
    struct lk_decoded_address out;

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        begin();
        LK_CHECK(!address(rows[i].yaml, LK_ADDRESS_IP, &out));
        lk_decode_fixture_mistake(&fixture, rows[i].path, rows[i].part);
        end();
    }
    begin();
    LK_CHECK(!lk_decode_address(&fixture.decoder, "address", NULL, LK_ADDRESS_IP, &out));
    lk_decode_fixture_mistake(&fixture, "address", "required");
    end();
}

LK_TEST(decode_common, scales_fractions_and_caps_them)
{
    struct lk_fraction out = {0};
    const Envoy__Config__Core__V3__RuntimeFractionalPercent *in;
    const ProtobufCMessageDescriptor *desc = &envoy__config__core__v3__runtime_fractional_percent__descriptor;

    begin();
    in = lk_decode_fixture_message(&fixture, desc,
                                   "{default_value: {numerator: 5, denominator: TEN_THOUSAND}, runtime_key: k}");
    lk_decode_runtime_fraction(&fixture.decoder, "f", in, &out);
    LK_CHECK_EQ_UINT(out.per_million, 500);
    LK_CHECK_EQ_UINT(out.denominator, 10000);
    LK_CHECK_LKSTR(out.runtime_key, "k");
    in = lk_decode_fixture_message(&fixture, desc, "{default_value: {numerator: 4000000000}}");
    lk_decode_runtime_fraction(&fixture.decoder, "f", in, &out);
    LK_CHECK_EQ_UINT(out.per_million, 1000000);
    lk_decode_fixture_clean(&fixture);
    in = lk_decode_fixture_message(&fixture, desc, "{}");
    lk_decode_runtime_fraction(&fixture.decoder, "f", in, &out);
    lk_decode_fixture_mistake(&fixture, "f.default_value", "required");
    end();
}

LK_TEST(decode_common, reads_data_sources_within_a_limit)
{
    const ProtobufCMessageDescriptor *desc = &envoy__config__core__v3__data_source__descriptor;
    struct lk_str out;

    begin();
    setenv("LK_TEST_SOURCE", "from-env", 1);
    LK_CHECK(lk_decode_data_source(&fixture.decoder, "body",
                                   lk_decode_fixture_message(&fixture, desc, "inline_string: abc"), 3, &out));
    LK_CHECK_LKSTR(out, "abc");
    LK_CHECK(lk_decode_data_source(&fixture.decoder, "body",
                                   lk_decode_fixture_message(&fixture, desc, "inline_bytes: YWJj"), 3, &out));
    LK_CHECK_LKSTR(out, "abc");
    LK_CHECK(lk_decode_data_source(&fixture.decoder, "body",
                                   lk_decode_fixture_message(&fixture, desc, "environment_variable: LK_TEST_SOURCE"),
                                   100, &out));
    LK_CHECK_LKSTR(out, "from-env");
    lk_decode_fixture_clean(&fixture);
    LK_CHECK(!lk_decode_data_source(&fixture.decoder, "body",
                                    lk_decode_fixture_message(&fixture, desc, "inline_string: abcd"), 3, &out));
    lk_decode_fixture_mistake(&fixture, "body", "4 bytes");
    end();
    begin();
    LK_CHECK(!lk_decode_data_source(&fixture.decoder, "body",
                                    lk_decode_fixture_message(&fixture, desc, "filename: /no/such/file"), 3, &out));
    lk_decode_fixture_mistake(&fixture, "body.filename", "/no/such/file");
    end();
}

LK_TEST(decode_common, keeps_equal_metadata_once)
{
    const ProtobufCMessageDescriptor *desc = &envoy__config__core__v3__metadata__descriptor;
    const char *yaml = "filter_metadata: {envoy.lb: {lane: gray, n: 1, list: [true, null]}}";
    struct lk_str path[] = {LK_STR("lane")};

    begin();
    const struct lk_metadata *a = lk_decode_metadata(&fixture.decoder, lk_decode_fixture_message(&fixture, desc, yaml));
    const struct lk_metadata *b = lk_decode_metadata(&fixture.decoder, lk_decode_fixture_message(&fixture, desc, yaml));
    const struct lk_metadata *c = lk_decode_metadata(
        &fixture.decoder, lk_decode_fixture_message(&fixture, desc, "filter_metadata: {envoy.lb: {lane: blue}}"));

    LK_CHECK_EQ_PTR(a, b);
    LK_CHECK(a != c);
    LK_CHECK_LKSTR(lk_metadata_get(a, LK_STR("envoy.lb"), path, 1)->text, "gray");
    LK_CHECK_NULL(lk_decode_metadata(&fixture.decoder, NULL));
    LK_CHECK_NULL(lk_decode_metadata(&fixture.decoder, lk_decode_fixture_message(&fixture, desc, "{}")));
    end();
}
