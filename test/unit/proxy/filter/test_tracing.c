/* Spans of a request and its tries: which context goes upstream, what is handed to the tracer. */
#include "proxy/filter/tracing.h"

#include "proxy/base/mem.h"
#include "proxy/config/metadata.h"
#include "proxy/config/route_config.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/http_stream.h"
#include "test/support/header_fixture.h"
#include "test/support/lk_test.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define W3C(flags) "traceparent: 00-" TRACE "-" SPAN "-" flags "\n"
#define HEAD ":method: GET\n:authority: web.test\n:path: /a?b=c\n"

/* What the tracer of the tests was handed, copied out of the stream. */
static struct {
    unsigned count;
    struct lk_trace_span spans[4];
} ended;

static void on_span_end(const struct lk_trace_provider *provider, const struct lk_trace_span *span,
                        struct lk_loop *loop)
{
    (void)provider;
    (void)loop;
    LK_CHECK(ended.count < LK_ARRAY_LEN(ended.spans));
    ended.spans[ended.count++] = *span;
}

static const struct lk_tracer recorder = {.name = "test", .type = "test", .on_span_end = on_span_end};
static const struct lk_tracer silent = {.name = "test", .type = "test"};

struct setup {
    struct lk_http_stream stream;
    struct lk_header_fixture block; /* the request */
    struct lk_header_fixture reply;
    struct lk_conn_info conn;
    struct lk_addr host;
    struct lk_trace_provider provider;
    struct lk_tracing_config config;
};

static struct setup *begin(const char *headers, enum lk_trace_format format)
{
    struct setup *s = calloc(1, sizeof(*s));
    char text[1024];
    ended.count = 0;
    snprintf(text, sizeof(text), "%s%s", HEAD, headers);
    lk_header_fixture_begin(&s->block, text);
    lk_header_fixture_begin(&s->reply, "");
    lk_arena_init(&s->stream.arena);
    s->stream.request = &s->block.headers;
    s->stream.info.conn = &s->conn;
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.0.0.7"), 1234, &s->conn.remote));
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.0.0.8"), 8080, &s->host));
    s->stream.info.upstream.host_addr = &s->host;
    s->stream.info.upstream.cluster = s->stream.info.upstream.cluster_alt = LK_STR("web");
    lk_trace_formats_add(&s->provider.formats, format);
    s->config = (struct lk_tracing_config){
        .tracer = &recorder, .provider = &s->provider, .max_path_tag_length = 256, .node_id = LK_STR("node")};
    return s;
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->stream.arena);
    lk_header_fixture_end(&s->block);
    lk_header_fixture_end(&s->reply);
    free(s);
}

static struct lk_str header(struct setup *s, enum lk_header_id id)
{
    return lk_headers_get(&s->block.headers, id);
}

static void one_try(struct setup *s, unsigned attempt, unsigned status)
{
    lk_trace_try_begin(&s->stream, attempt);
    lk_trace_try_inject(&s->stream, &s->block.headers);
    if (status != 0)
        lk_trace_try_answered(&s->stream, status);
    lk_trace_try_end(&s->stream);
}

static struct lk_str tag_of(const struct lk_trace_span *span, const char *name)
{
    for (unsigned i = 0; i < span->tag_count; i++)
        if (lk_str_eq(span->tags[i].name, lk_str_from(name)))
            return span->tags[i].value;
    return lk_str(NULL, 0);
}

LK_TEST(tracing, the_span_of_the_request_is_the_parent_of_what_is_injected)
{
    struct setup *s = begin(W3C("03") "tracestate: a=1\n", LK_TRACE_W3C);
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    struct lk_str parent = header(s, LK_HEADER_TRACEPARENT);
    LK_CHECK(lk_str_has_prefix(parent, LK_STR("00-" TRACE "-")));
    LK_CHECK(lk_str_has_suffix(parent, LK_STR("-03")));
    LK_CHECK_LKSTR_EQ(lk_str(parent.ptr + 36, 16), s->stream.info.span_id);
    LK_CHECK_LKSTR(s->stream.info.trace_id, TRACE);
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACESTATE), "a=1");
    s->stream.info.response_code = 200;
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.count, 1);
    LK_CHECK_EQ_UINT(ended.spans[0].context.parent, 0xb7ad6b7169203331);
    LK_CHECK_NOT_NULL(ended.spans[0].received);
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.count, 1);
    finish(s);
}

LK_TEST(tracing, tries_have_spans_of_their_own_where_asked_for)
{
    struct setup *s = begin("", LK_TRACE_W3C);
    s->config.spawn_upstream_span = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 0);
    struct lk_str first = header(s, LK_HEADER_TRACEPARENT);
    one_try(s, 2, 503);
    struct lk_str second = header(s, LK_HEADER_TRACEPARENT);
    LK_CHECK(!lk_str_eq(first, second));
    LK_CHECK_EQ_UINT(ended.count, 1);
    s->stream.info.response_code = 200;
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.count, 3);
    const struct lk_trace_span *request = &ended.spans[2];
    for (unsigned i = 0; i < 2; i++) {
        const struct lk_trace_span *span = &ended.spans[i];
        LK_CHECK_EQ_UINT(span->context.parent, request->context.span);
        LK_CHECK_EQ_UINT(span->context.trace_low, request->context.trace_low);
        LK_CHECK_EQ_INT(span->kind, LK_SPAN_CLIENT);
        LK_CHECK_LKSTR(span->name, "router web egress");
        LK_CHECK_LKSTR(span->peer, "10.0.0.8:8080");
        LK_CHECK(span->error);
        LK_CHECK(span->end_wall_us >= span->start_wall_us && span->start_wall_us > 0);
    }
    LK_CHECK_LKSTR(tag_of(&ended.spans[0], "http.status_code"), "0");
    LK_CHECK_LKSTR(tag_of(&ended.spans[1], "http.status_code"), "503");
    LK_CHECK_LKSTR(tag_of(&ended.spans[1], "retry.count"), "1");
    LK_CHECK_EQ_INT(request->kind, LK_SPAN_SERVER);
    LK_CHECK(!request->error);
    finish(s);
}

LK_TEST(tracing, what_is_not_sampled_travels_and_is_not_recorded)
{
    struct setup *s = begin(W3C("00"), LK_TRACE_W3C);
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    LK_CHECK(lk_str_has_suffix(header(s, LK_HEADER_TRACEPARENT), LK_STR("-00")));
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.count, 0);
    finish(s);
}

struct outcome {
    const char *in;
    bool traced;
    bool local_drops;
    const char *flags;
};

LK_TEST(tracing, received_decisions_count_before_the_local_one)
{
    static const struct outcome rows[] = {
        {"", true, false, "-03"},        {"", false, false, "-02"},       {W3C("01"), false, false, "-01"},
        {W3C("00"), true, false, "-00"}, {W3C("01"), false, true, "-00"}, {W3C("00"), true, true, "-00"},
        {W3C("01"), true, true, "-01"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct setup *s = begin(rows[i].in, LK_TRACE_W3C);
        s->provider.local_drops = rows[i].local_drops;
        lk_trace_request_begin(&s->stream, &s->config, NULL, rows[i].traced);
        one_try(s, 1, 200);
        LK_CHECK_LKSTR(lk_str_drop(header(s, LK_HEADER_TRACEPARENT), 52), rows[i].flags);
        finish(s);
    }
}

LK_TEST(tracing, a_malformed_context_starts_anew_or_passes_by_the_provider)
{
    struct setup *s = begin("traceparent: bad\ntracestate: a=1\n", LK_TRACE_W3C);
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    LK_CHECK_NULL(s->stream.trace);
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACEPARENT), "bad");
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACESTATE), "a=1");
    LK_CHECK_EQ_UINT(s->stream.info.trace_id.len, 0);
    s->provider.restart_malformed = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    LK_CHECK_EQ_UINT(header(s, LK_HEADER_TRACEPARENT).len, 55);
    LK_CHECK_NULL(header(s, LK_HEADER_TRACESTATE).ptr);
    finish(s);
}

LK_TEST(tracing, without_a_provider_or_propagation_headers_pass)
{
    struct setup *s = begin(W3C("01"), LK_TRACE_W3C);
    s->config.no_propagation = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACEPARENT), "00-" TRACE "-" SPAN "-01");
    s->stream.trace = NULL;
    s->config = (struct lk_tracing_config){.tracer = NULL};
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    LK_CHECK_NULL(s->stream.trace);
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACEPARENT), "00-" TRACE "-" SPAN "-01");
    finish(s);
}

LK_TEST(tracing, a_tracer_that_takes_no_spans_still_propagates)
{
    struct setup *s = begin("", LK_TRACE_W3C);
    s->config.tracer = &silent;
    s->config.spawn_upstream_span = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    one_try(s, 1, 200);
    one_try(s, 2, 200);
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(header(s, LK_HEADER_TRACEPARENT).len, 55);
    finish(s);
}

LK_TEST(tracing, zipkin_shares_spans_narrows_ids_and_keeps_the_form_of_b3)
{
    struct setup *s = begin("b3: " TRACE "-" SPAN "-1-00f067aa0ba902b7\n", LK_TRACE_B3_MULTI);
    s->provider.share_span = s->provider.b3_as_received = s->provider.narrow_ids = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, false);
    one_try(s, 1, 200);
    LK_CHECK_LKSTR(header(s, LK_HEADER_B3), TRACE "-" SPAN "-1-00f067aa0ba902b7");
    LK_CHECK(s->stream.trace->span.shared);
    finish(s);
    s = begin("", LK_TRACE_B3_MULTI);
    s->provider.narrow_ids = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, false);
    one_try(s, 1, 200);
    LK_CHECK_EQ_UINT(header(s, LK_HEADER_X_B3_TRACEID).len, 16);
    LK_CHECK_LKSTR_EQ(header(s, LK_HEADER_X_B3_TRACEID), header(s, LK_HEADER_X_B3_SPANID));
    LK_CHECK_LKSTR_EQ(header(s, LK_HEADER_X_B3_TRACEID), s->stream.info.trace_id);
    LK_CHECK_LKSTR(header(s, LK_HEADER_X_B3_SAMPLED), "0");
    finish(s);
}

LK_TEST(tracing, an_outbound_span_is_never_shared)
{
    struct setup *s = begin("b3: " TRACE "-" SPAN "-1\n", LK_TRACE_B3);
    s->provider.share_span = true;
    s->config.outbound = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    LK_CHECK(!s->stream.trace->span.shared);
    LK_CHECK_EQ_UINT(s->stream.trace->span.context.parent, 0xb7ad6b7169203331);
    LK_CHECK_EQ_INT(s->stream.trace->span.kind, LK_SPAN_CLIENT);
    finish(s);
}

LK_TEST(tracing, skywalking_tells_who_calls_from_where_to_whom)
{
    struct setup *s = begin("", LK_TRACE_SKYWALKING);
    s->provider.naming = LK_SPAN_BY_PATH;
    s->provider.skip_unsampled = true;
    s->provider.service = LK_STR("svc");
    s->provider.instance = LK_STR("inst");
    lk_trace_request_begin(&s->stream, &s->config, NULL, false);
    LK_CHECK_NULL(s->stream.trace);
    s->config.spawn_upstream_span = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    lk_trace_request_rename(&s->stream, LK_STR("renamed"));
    one_try(s, 1, 200);
    struct lk_trace_context read = {.decision = LK_TRACE_DEFER};
    const char *why;
    LK_CHECK_EQ_INT(lk_trace_propagators[LK_TRACE_SKYWALKING].read(&s->block.headers, &s->block.arena, &read, &why),
                    LK_TRACE_FOUND);
    LK_CHECK_LKSTR(read.sw.service, "svc");
    LK_CHECK_LKSTR(read.sw.instance, "inst");
    LK_CHECK_LKSTR(read.sw.endpoint, "/a?b=c");
    LK_CHECK_LKSTR(read.sw.target, "10.0.0.8:8080");
    LK_CHECK_EQ_UINT(read.sw.span_id, 1);
    LK_CHECK_LKSTR_EQ(read.sw.trace_id, s->stream.info.trace_id);
    LK_CHECK_LKSTR(s->stream.trace->span.name, "renamed");
    finish(s);
}

LK_TEST(tracing, names_come_from_direction_host_path_or_format)
{
    struct setup *s = begin("", LK_TRACE_W3C);
    struct lk_error error;
    struct lk_route_tracing route = {.operation =
                                         lk_format_compile(&s->block.arena, LK_STR("%REQ(:METHOD)% x"), NULL, &error)};
    lk_route_tracing_prepare(&route);
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    LK_CHECK_LKSTR(s->stream.trace->span.name, "ingress");
    s->config.outbound = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    LK_CHECK_LKSTR(s->stream.trace->span.name, "egress web.test");
    s->provider.naming = LK_SPAN_BY_HOST;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    LK_CHECK_LKSTR(s->stream.trace->span.name, "web.test");
    lk_trace_request_begin(&s->stream, &s->config, &route, true);
    LK_CHECK_LKSTR(s->stream.trace->span.name, "GET x");
    finish(s);
}

LK_TEST(tracing, tags_tell_what_the_request_was)
{
    struct setup *s = begin("x-request-id: 7\nx-forwarded-proto: https\nuser-agent: ua\nx-client-trace-id: c\n"
                            "content-type: application/grpc\ngrpc-timeout: 1S\n",
                            LK_TRACE_W3C);
    static const char *const tags[][2] = {
        {"node_id", "node"},
        {"guid:x-request-id", "7"},
        {"http.url", "https://web.test/a?b"},
        {"http.method", "GET"},
        {"downstream_cluster", "-"},
        {"user_agent", "ua"},
        {"http.protocol", "HTTP/1.1"},
        {"peer.address", "10.0.0.7"},
        {"guid:x-client-trace-id", "c"},
        {"grpc.path", "/a?b=c"},
        {"grpc.authority", "web.test"},
        {"grpc.content_type", "application/grpc"},
        {"grpc.timeout", "1S"},
        {"request_size", "3"},
        {"response_size", "5"},
        {"component", "proxy"},
        {"upstream_cluster", "web"},
        {"upstream_cluster.name", "web"},
        {"upstream_address", "10.0.0.8:8080"},
        {"http.status_code", "200"},
        {"response_flags", "-"},
        {"grpc.status_code", "13"},
        {"error", "true"},
    };
    s->config.max_path_tag_length = 4;
    s->config.verbose = true;
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    struct lk_stream_info *info = &s->stream.info;
    info->protocol = LK_HTTP11;
    info->has_protocol = true;
    info->bytes_received = 3;
    info->bytes_sent = 5;
    info->response_code = 200;
    info->start_us = 1000;
    info->start_wall_us = 5000000;
    info->last_downstream_rx_us = 1500;
    lk_headers_add(&s->reply.headers, LK_HEADER_GRPC_STATUS, LK_STR("13"));
    s->stream.response_trailers = &s->reply.headers;
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.count, 1);
    for (size_t i = 0; i < LK_ARRAY_LEN(tags); i++) {
        struct lk_str value = tag_of(&ended.spans[0], tags[i][0]);
        LK_CHECK_MSG(lk_str_eq(value, lk_str_from(tags[i][1])), "%s is \"%.*s\"", tags[i][0], LK_STR_ARG(value));
    }
    LK_CHECK_EQ_UINT(ended.spans[0].tag_count, LK_ARRAY_LEN(tags));
    LK_CHECK(ended.spans[0].error);
    LK_CHECK_EQ_UINT(ended.spans[0].log_count, 1);
    LK_CHECK_LKSTR(ended.spans[0].logs[0].event, "last_downstream_rx_byte_received");
    LK_CHECK_EQ_INT(ended.spans[0].logs[0].wall_us, 5000500);
    finish(s);
}

LK_TEST(tracing, configured_tags_take_their_values_from_four_sources_and_the_route_wins)
{
    struct setup *s = begin("x-one: 1\nx-one: 2\n", LK_TRACE_W3C);
    struct lk_error error;
    static const struct lk_value leaf = {
        .kind = LK_VALUE_TEXT, .name = LK_STR_INIT("key"), .text = LK_STR_INIT("deep")};
    static const struct lk_value ns = {
        .kind = LK_VALUE_OBJECT, .name = LK_STR_INIT("ns"), .children = &leaf, .child_count = 1};
    static const struct lk_metadata metadata = {.root = {.kind = LK_VALUE_OBJECT, .children = &ns, .child_count = 1}};
    static const struct lk_str path[] = {LK_STR_INIT("key")};
    const struct lk_route route = {.metadata = &metadata};
    const struct lk_trace_tag_config own[] = {
        {.tag = LK_STR("literal"), .text = LK_STR("manager's")},
        {.tag = LK_STR("header"), .source = LK_TRACE_TAG_HEADER, .text = LK_STR("x-one"), .fallback = LK_STR("f")},
        {.tag = LK_STR("absent"), .source = LK_TRACE_TAG_HEADER, .text = LK_STR("x-two"), .fallback = LK_STR("f")},
        {.tag = LK_STR("nothing"), .source = LK_TRACE_TAG_HEADER, .text = LK_STR("x-two")},
        {.tag = LK_STR("route"),
         .source = LK_TRACE_TAG_METADATA,
         .metadata = LK_TRACE_METADATA_ROUTE,
         .text = LK_STR("ns"),
         .path = path,
         .path_len = 1},
        {.tag = LK_STR("cluster"),
         .source = LK_TRACE_TAG_METADATA,
         .metadata = LK_TRACE_METADATA_CLUSTER,
         .text = LK_STR("ns"),
         .fallback = LK_STR("none"),
         .path = path,
         .path_len = 1},
        {.tag = LK_STR("format"),
         .source = LK_TRACE_TAG_FORMAT,
         .format = lk_format_compile(&s->block.arena, LK_STR("<%REQ(:METHOD)%>"), NULL, &error)},
    };
    const struct lk_trace_tag_config of_route[] = {{.tag = LK_STR("literal"), .text = LK_STR("route's")}};
    const struct lk_route_tracing tracing = {.tags = {of_route, 1}};
    s->config.tags = (struct lk_trace_tags_config){own, LK_ARRAY_LEN(own)};
    lk_trace_tags_prepare(&s->config.tags);
    s->stream.info.route = &route;
    lk_trace_request_begin(&s->stream, &s->config, &tracing, true);
    lk_trace_request_end(&s->stream);
    const struct lk_trace_span *span = &ended.spans[0];
    LK_CHECK_LKSTR(tag_of(span, "literal"), "route's");
    LK_CHECK_LKSTR(tag_of(span, "header"), "1");
    LK_CHECK_LKSTR(tag_of(span, "absent"), "f");
    LK_CHECK_NULL(tag_of(span, "nothing").ptr);
    LK_CHECK_LKSTR(tag_of(span, "route"), "deep");
    LK_CHECK_LKSTR(tag_of(span, "cluster"), "none");
    LK_CHECK_LKSTR(tag_of(span, "format"), "<GET>");
    finish(s);
}

LK_TEST(tracing, tags_are_bounded)
{
    struct setup *s = begin("", LK_TRACE_W3C);
    struct lk_trace_tag_config many[LK_TRACE_TAGS_MAX * 2];
    for (size_t i = 0; i < LK_ARRAY_LEN(many); i++)
        many[i] = (struct lk_trace_tag_config){.tag = LK_STR("t"), .text = LK_STR("v")};
    s->config.tags = (struct lk_trace_tags_config){many, LK_ARRAY_LEN(many)};
    lk_trace_request_begin(&s->stream, &s->config, NULL, true);
    lk_trace_request_end(&s->stream);
    LK_CHECK_EQ_UINT(ended.spans[0].tag_count, LK_TRACE_TAGS_MAX);
    finish(s);
}

static bool tag_is_wanted;

static struct lk_str own_tag(const struct lk_log_event *event, struct lk_str argument)
{
    LK_CHECK_EQ_UINT(argument.len, 0);
    return tag_is_wanted ? lk_headers_get(event->request, LK_HEADER_METHOD) : lk_str(NULL, 0);
}

LK_TEST(tracing, filters_may_register_tags_of_the_requests_span)
{
    lk_trace_register_tag("filter.method", own_tag);
    for (unsigned wanted = 0; wanted < 2; wanted++) {
        struct setup *s = begin("", LK_TRACE_W3C);
        s->config.spawn_upstream_span = true;
        tag_is_wanted = wanted;
        lk_trace_request_begin(&s->stream, &s->config, NULL, true);
        one_try(s, 1, 200);
        s->stream.info.response_code = 200;
        lk_trace_request_end(&s->stream);
        LK_CHECK_EQ_UINT(ended.count, 2);
        LK_CHECK_NULL(tag_of(&ended.spans[0], "filter.method").ptr); /* the try's */
        LK_CHECK_LKSTR_EQ(tag_of(&ended.spans[1], "filter.method"), lk_str_from(wanted ? "GET" : ""));
        LK_CHECK((tag_of(&ended.spans[1], "filter.method").ptr != NULL) == (wanted == 1));
        finish(s);
    }
}

LK_TEST(tracing, mirrored_copy_goes_on_below_the_requests_span)
{
    static const struct {
        enum lk_mirror_sampling sampled;
        const char *received, *flags;
    } cases[] = {
        {LK_MIRROR_SAMPLED_AS_REQUEST, W3C("01"), "-01"},
        {LK_MIRROR_SAMPLED_AS_REQUEST, W3C("00"), "-00"},
        {LK_MIRROR_SAMPLED, W3C("00"), "-01"},
        {LK_MIRROR_NOT_SAMPLED, W3C("01"), "-00"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct setup *s = begin(cases[i].received, LK_TRACE_W3C);
        lk_trace_request_begin(&s->stream, &s->config, NULL, true);
        lk_trace_mirror_inject(&s->stream, &s->block.headers, cases[i].sampled);
        struct lk_str parent = header(s, LK_HEADER_TRACEPARENT);
        LK_CHECK(lk_str_has_prefix(parent, LK_STR("00-" TRACE "-")));
        LK_CHECK(lk_str_has_suffix(parent, lk_str_from(cases[i].flags)));
        LK_CHECK_LKSTR_EQ(lk_str(parent.ptr + 36, 16), s->stream.info.span_id);
        finish(s);
    }
}

LK_TEST(tracing, mirrored_copy_of_an_untraced_request_stays_as_it_is)
{
    struct setup *s = begin("traceparent: x\n", LK_TRACE_W3C);
    lk_trace_mirror_inject(&s->stream, &s->block.headers, LK_MIRROR_SAMPLED);
    LK_CHECK_LKSTR(header(s, LK_HEADER_TRACEPARENT), "x");
    finish(s);
}
