/* Hosts: what their status and flags make of them. */
#include "test/unit/proxy/upstream/hosts.h"

static struct lk_host_set *one(uint8_t health, uint32_t flags)
{
    const struct test_host spec = {.health = health};
    struct lk_host_set *set = test_hosts(&spec, 1);
    lk_host_flags_set(set->hosts[0]->state, flags);
    return set;
}

LK_TEST(host, is_as_fit_as_its_worst_report)
{
    static const struct {
        uint8_t health;
        uint32_t flags;
        enum lk_availability availability;
        const char *text;
    } rows[] = {
        {LK_HEALTH_UNKNOWN, 0, LK_HOST_HEALTHY, "healthy"},
        {LK_HEALTH_HEALTHY, LK_HOST_FAILED_CHECK, LK_HOST_UNAVAILABLE, "/failed_active_hc"},
        {LK_HEALTH_HEALTHY, LK_HOST_EJECTED, LK_HOST_UNAVAILABLE, "/failed_outlier_check"},
        {LK_HEALTH_HEALTHY, LK_HOST_DEGRADED_CHECK, LK_HOST_DEGRADED, "/degraded_active_hc"},
        {LK_HEALTH_DEGRADED, LK_HOST_EJECTED, LK_HOST_UNAVAILABLE, "/failed_outlier_check/degraded_eds_health"},
        {LK_HEALTH_DEGRADED, 0, LK_HOST_DEGRADED, "/degraded_eds_health"},
        {LK_HEALTH_UNHEALTHY, LK_HOST_DEGRADED_CHECK, LK_HOST_UNAVAILABLE, "/failed_eds_health/degraded_active_hc"},
        {LK_HEALTH_TIMEOUT, 0, LK_HOST_UNAVAILABLE, "/failed_eds_health"},
        {LK_HEALTH_DRAINING, LK_HOST_FAILED_CHECK | LK_HOST_CHECK_TIMEOUT, LK_HOST_UNAVAILABLE,
         "/failed_active_hc/active_hc_timeout/eds_status_draining"},
        {LK_HEALTH_UNKNOWN, LK_HOST_FAILED_CHECK | LK_HOST_PENDING_CHECK | LK_HOST_EXCLUDED, LK_HOST_UNAVAILABLE,
         "/failed_active_hc/pending_active_hc/excluded_via_immediate_hc_fail"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_host_set *set = one(rows[i].health, rows[i].flags);
        char text[LK_HOST_FLAGS_TEXT_MAX];
        LK_CHECK_EQ_INT(lk_host_availability(set->hosts[0]), rows[i].availability);
        LK_CHECK_LKSTR(lk_host_flags_text(set->hosts[0], text), rows[i].text);
        lk_host_set_unref(set);
    }
}

LK_TEST(host, flags_tell_whether_they_changed)
{
    struct lk_host_set *set = one(LK_HEALTH_UNKNOWN, 0);
    struct lk_host_state *state = set->hosts[0]->state;
    LK_CHECK(lk_host_flags_set(state, LK_HOST_EJECTED));
    LK_CHECK(!lk_host_flags_set(state, LK_HOST_EJECTED));
    LK_CHECK(lk_host_flags_set(state, LK_HOST_EJECTED | LK_HOST_EXCLUDED));
    LK_CHECK(lk_host_excluded(set->hosts[0]));
    LK_CHECK(lk_host_flags_clear(state, LK_HOST_EXCLUDED | LK_HOST_PENDING_CHECK));
    LK_CHECK(!lk_host_flags_clear(state, LK_HOST_EXCLUDED));
    LK_CHECK_EQ_UINT(lk_host_flags(state), LK_HOST_EJECTED);
    lk_host_set_unref(set);
}
