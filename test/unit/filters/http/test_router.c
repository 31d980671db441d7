/* envoy.filters.http.router: what its typed configuration means. The engine is tested beside it, in proxy/router. */
#include "proxy/router/router.h"
#include "test/unit/filters/typed.h"

#define TYPE "envoy.extensions.filters.http.router.v3.Router"

static const struct lk_router_config *configure(struct typed_test *t, const char *yaml)
{
    t->any = typed_any(t->context.arena, TYPE, yaml);
    return lk_router_filter.config_new(&t->context, &t->any, &t->errors);
}

LK_TEST(router_filter, defaults_are_envoys)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_router_config *config = configure(&t, "{}");
    LK_CHECK_NOT_NULL(config);
    LK_CHECK(!config->suppress_envoy_headers);
    LK_CHECK(!config->respect_expected_rq_timeout);
    LK_CHECK_EQ_PTR(config->clusters, t.clusters);
    typed_fini(&t);
}

LK_TEST(router_filter, options_are_taken_over)
{
    struct typed_test t;
    typed_init(&t);
    const struct lk_router_config *config =
        configure(&t, "{suppress_envoy_headers: true, respect_expected_rq_timeout: true}");
    LK_CHECK(config->suppress_envoy_headers && config->respect_expected_rq_timeout);
    typed_fini(&t);
}

LK_TEST(router_filter, is_the_last_of_its_chain)
{
    LK_CHECK(lk_router_filter.terminal);
    LK_CHECK_STR(lk_router_filter.type, TYPE);
}

LK_TEST(router_filter, bytes_that_are_no_message_are_refused)
{
    struct typed_test t;
    typed_init(&t);
    t.any = (struct lk_any){LK_STR(TYPE), LK_STR("\xff\xff\xff")};
    LK_CHECK_NULL(lk_router_filter.config_new(&t.context, &t.any, &t.errors));
    LK_CHECK_EQ_UINT(t.errors.count, 1);
    typed_fini(&t);
}
