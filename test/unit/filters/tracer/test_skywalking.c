/* envoy.tracers.skywalking: what its typed configuration means. */
#include "proxy/config/bootstrap_config.h"
#include "test/unit/filters/tracer/tracer_fixture.h"

LK_TEST(skywalking, tells_configured_names)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_trace_provider *p =
        tracer_configure(&t, &lk_skywalking_tracer, "{client_config: {service_name: s, instance_name: i}}");
    LK_CHECK_NOT_NULL(p);
    LK_CHECK_LKSTR(p->service, "s");
    LK_CHECK_LKSTR(p->instance, "i");
    LK_CHECK_EQ_UINT(p->formats.count, 1);
    LK_CHECK_EQ_UINT(p->formats.items[0], LK_TRACE_SKYWALKING);
    LK_CHECK(p->skip_unsampled && p->restart_malformed);
    LK_CHECK_EQ_INT(p->naming, LK_SPAN_BY_PATH);
    tracer_check_warned(&t);
    typed_fini(&t);
}

LK_TEST(skywalking, the_node_names_what_configuration_does_not)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_trace_provider *p = tracer_configure(&t, &lk_skywalking_tracer, "{}");
    LK_CHECK_LKSTR(p->service, "lanekeeper");
    LK_CHECK_LKSTR(p->instance, "lanekeeper");
    const struct lk_bootstrap_config bootstrap = {.node = {.id = LK_STR("pod"), .cluster = LK_STR("app")}};
    t.context.bootstrap = &bootstrap;
    p = tracer_configure(&t, &lk_skywalking_tracer, "{client_config: {}}");
    LK_CHECK_LKSTR(p->service, "app");
    LK_CHECK_LKSTR(p->instance, "pod");
    typed_fini(&t);
}

LK_TEST(skywalking, bytes_that_are_no_message_are_refused)
{
    tracer_check_bytes_refused(&lk_skywalking_tracer);
}
