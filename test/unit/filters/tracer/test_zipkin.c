/* envoy.tracers.zipkin: what its typed configuration means. */
#include "test/unit/filters/tracer/tracer_fixture.h"

LK_TEST(zipkin, defaults_are_envoys)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_trace_provider *p = tracer_configure(&t, &lk_zipkin_tracer, "{collector_cluster: c}");
    LK_CHECK_NOT_NULL(p);
    LK_CHECK_EQ_UINT(p->formats.count, 1);
    LK_CHECK_EQ_UINT(p->formats.items[0], LK_TRACE_B3_MULTI);
    LK_CHECK(p->narrow_ids && p->share_span && p->b3_as_received && !p->split_spans && !p->restart_malformed);
    LK_CHECK_EQ_INT(p->naming, LK_SPAN_BY_HOST);
    tracer_check_warned(&t);
    typed_fini(&t);
}

LK_TEST(zipkin, options_are_taken_over)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_trace_provider *p =
        tracer_configure(&t, &lk_zipkin_tracer,
                         "{trace_id_128bit: true, shared_span_context: false, split_spans_for_request: true, "
                         "trace_context_option: USE_B3_WITH_W3C_PROPAGATION}");
    LK_CHECK(!p->narrow_ids && !p->share_span && p->split_spans);
    LK_CHECK_EQ_UINT(p->formats.count, 2);
    LK_CHECK_EQ_UINT(p->formats.items[1], LK_TRACE_W3C);
    typed_fini(&t);
}

LK_TEST(zipkin, bytes_that_are_no_message_are_refused)
{
    tracer_check_bytes_refused(&lk_zipkin_tracer);
}
