/* envoy.tracers.opentelemetry: what its typed configuration and OTEL_PROPAGATORS mean. */
#include "test/unit/filters/tracer/tracer_fixture.h"

LK_TEST(opentelemetry, speaks_w3c_and_starts_malformed_traces_anew)
{
    struct typed_test t;
    typed_init(&t);
    unsetenv("OTEL_PROPAGATORS");
    const struct lk_trace_provider *p = tracer_configure(&t, &lk_opentelemetry_tracer, "{service_name: s}");
    LK_CHECK_NOT_NULL(p);
    LK_CHECK_EQ_UINT(p->formats.count, 1);
    LK_CHECK_EQ_UINT(p->formats.items[0], LK_TRACE_W3C);
    LK_CHECK(p->restart_malformed && p->local_drops && !p->narrow_ids && !p->share_span);
    tracer_check_warned(&t);
    typed_fini(&t);
}

LK_TEST(opentelemetry, the_environment_chooses_other_propagators)
{
    struct typed_test t;
    typed_init(&t);
    setenv("OTEL_PROPAGATORS", "b3multi, jaeger,baggage,skywalking,b3,tracecontext,jaeger", 1);
    const struct lk_trace_provider *p = tracer_configure(&t, &lk_opentelemetry_tracer, "{}");
    static const uint8_t expected[] = {LK_TRACE_B3_MULTI, LK_TRACE_JAEGER, LK_TRACE_SKYWALKING, LK_TRACE_B3,
                                       LK_TRACE_W3C};
    LK_CHECK_EQ_UINT(p->formats.count, sizeof(expected));
    LK_CHECK_MEM(p->formats.items, expected, sizeof(expected));
    LK_CHECK_EQ_UINT(t.errors.warning_count, 1);
    setenv("OTEL_PROPAGATORS", "none", 1);
    LK_CHECK_EQ_UINT(tracer_configure(&t, &lk_opentelemetry_tracer, "{}")->formats.count, 0);
    setenv("OTEL_PROPAGATORS", "xray", 1);
    tracer_configure(&t, &lk_opentelemetry_tracer, "{}");
    unsetenv("OTEL_PROPAGATORS");
    LK_CHECK_CONTAINS(t.errors.warnings[2].text, "xray");
    typed_fini(&t);
}

LK_TEST(opentelemetry, bytes_that_are_no_message_are_refused)
{
    tracer_check_bytes_refused(&lk_opentelemetry_tracer);
}
