/* Tracing of routes and tags of spans: values, defaults and every mistake with its path. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_tracing.h"

static struct lk_decode_fixture fixture;

static const struct lk_route_tracing *decode(const char *yaml)
{
    lk_decode_fixture_init(&fixture);
    return lk_decode_route_tracing(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &envoy__config__route__v3__tracing__descriptor, yaml));
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static void mistake(const char *tag, const char *path, const char *part)
{
    char yaml[512];
    char full[128];
    snprintf(yaml, sizeof(yaml), "{custom_tags: [%s]}", tag);
    snprintf(full, sizeof(full), "tracing.custom_tags[0]%s%s", path[0] != '\0' ? "." : "", path);
    decode(yaml);
    lk_decode_fixture_mistake(&fixture, full, part);
    end();
}

LK_TEST(decode_tracing, percentages_are_100_by_default_and_have_runtime_keys)
{
    const struct lk_route_tracing *out = decode("{}");
    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(out->sampling.client.per_million, 1000000);
    LK_CHECK_EQ_UINT(out->sampling.random.per_million, 1000000);
    LK_CHECK_EQ_UINT(out->sampling.overall.per_million, 1000000);
    LK_CHECK_LKSTR(out->sampling.client.runtime_key, "tracing.client_enabled");
    LK_CHECK_LKSTR(out->sampling.random.runtime_key, "tracing.random_sampling");
    LK_CHECK_LKSTR(out->sampling.overall.runtime_key, "tracing.global_enabled");
    LK_CHECK_NULL(out->operation);
    LK_CHECK_EQ_UINT(out->tags.count, 0);
    end();
    lk_decode_fixture_init(&fixture);
    LK_CHECK_NULL(lk_decode_route_tracing(&fixture.decoder, NULL));
    end();
}

LK_TEST(decode_tracing, percentages_and_operations_are_taken_over)
{
    const struct lk_route_tracing *out =
        decode("{client_sampling: {numerator: 0}, random_sampling: {numerator: 25, denominator: TEN_THOUSAND}, "
               "overall_sampling: {numerator: 50}, operation: 'a %PROTOCOL%', upstream_operation: b}");
    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_UINT(out->sampling.client.per_million, 0);
    LK_CHECK_EQ_UINT(out->sampling.random.per_million, 2500);
    LK_CHECK_EQ_UINT(out->sampling.random.denominator, 10000);
    LK_CHECK_EQ_UINT(out->sampling.overall.per_million, 500000);
    LK_CHECK_EQ_UINT(out->operation->count, 2);
    LK_CHECK_EQ_UINT(out->upstream_operation->count, 1);
    end();
}

LK_TEST(decode_tracing, tags_have_five_sources)
{
    setenv("LK_TEST_TAG", "from outside", 1);
    const struct lk_route_tracing *out =
        decode("{custom_tags: [{tag: a, literal: {value: v}}, {tag: b, environment: {name: LK_TEST_TAG}}, "
               "{tag: c, environment: {name: LK_TEST_ABSENT, default_value: d}}, "
               "{tag: e, request_header: {name: X-One, default_value: d}}, "
               "{tag: f, metadata: {kind: {host: {}}, metadata_key: {key: ns, path: [{key: p}, {key: q}]}}}, "
               "{tag: g, value: '%REQ(x)%'}]}");
    lk_decode_fixture_clean(&fixture);
    const struct lk_trace_tag_config *tags = out->tags.items;
    LK_CHECK_EQ_UINT(out->tags.count, 6);
    LK_CHECK_LKSTR(tags[0].text, "v");
    LK_CHECK_EQ_INT(tags[1].source, LK_TRACE_TAG_LITERAL);
    LK_CHECK_LKSTR(tags[1].text, "from outside");
    LK_CHECK_LKSTR(tags[2].text, "d");
    LK_CHECK_EQ_INT(tags[3].source, LK_TRACE_TAG_HEADER);
    LK_CHECK_LKSTR(tags[3].text, "x-one");
    LK_CHECK_LKSTR(tags[3].fallback, "d");
    LK_CHECK_EQ_INT(tags[4].metadata, LK_TRACE_METADATA_HOST);
    LK_CHECK_EQ_UINT(tags[4].path_len, 2);
    LK_CHECK_LKSTR(tags[4].path[1], "q");
    LK_CHECK_EQ_INT(tags[5].source, LK_TRACE_TAG_FORMAT);
    LK_CHECK_NOT_NULL(tags[5].format);
    unsetenv("LK_TEST_TAG");
    end();
}

LK_TEST(decode_tracing, mistakes_in_tags_are_named)
{
    mistake("{literal: {value: v}}", "tag", "must not be empty");
    mistake("{tag: t}", "", "expected one of literal");
    mistake("{tag: t, literal: {}}", "literal.value", "must not be empty");
    mistake("{tag: t, environment: {}}", "environment.name", "must not be empty");
    mistake("{tag: t, request_header: {}}", "request_header.name", "must not be empty");
    mistake("{tag: t, metadata: {metadata_key: {key: k, path: [{key: p}]}}}", "metadata.kind", "expected one of");
    mistake("{tag: t, metadata: {kind: {route: {}}}}", "metadata.metadata_key", "needs a key and a path");
    mistake("{tag: t, metadata: {kind: {route: {}}, metadata_key: {key: k}}}", "metadata.metadata_key",
            "needs a key and a path");
    mistake("{tag: t, value: '%NONSENSE%'}", "value", "NONSENSE");
}
