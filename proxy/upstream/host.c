/* Hosts and their state: reference counting and availability. Any thread. */
#include "proxy/upstream/host.h"

#include "proxy/base/mem.h"

#include <string.h>

struct lk_host_state *lk_host_state_new(const struct lk_addr *addr)
{
    struct lk_host_state *state;
    if (addr->family == AF_UNIX) {
        /* the path must outlive the configuration it came from */
        state = lk_calloc(1, sizeof(*state) + sizeof(struct sockaddr_un));
        state->addr = *addr;
        state->addr.un = (struct sockaddr_un *)(state + 1);
        *state->addr.un = *addr->un;
    } else {
        state = lk_calloc(1, sizeof(*state));
        state->addr = *addr;
    }
    lk_ref_init(&state->ref);
    return state;
}

void lk_host_state_unref(struct lk_host_state *state)
{
    if (lk_ref_put(&state->ref))
        lk_free(state);
}

struct lk_host *lk_host_new(struct lk_host_state *state, struct lk_endpoints *source)
{
    struct lk_host *host = lk_calloc(1, sizeof(*host));
    lk_ref_init(&host->ref);
    lk_ref_get(&state->ref);
    host->state = state;
    host->source = source;
    if (source != NULL)
        lk_ref_get(&source->ref);
    host->weight = 1;
    return host;
}

void lk_host_ref(struct lk_host *host)
{
    lk_ref_get(&host->ref);
}

void lk_host_unref(struct lk_host *host)
{
    if (!lk_ref_put(&host->ref))
        return;
    lk_host_state_unref(host->state);
    if (host->source != NULL && lk_ref_put(&host->source->ref) && host->source->arena != NULL)
        lk_arena_free(host->source->arena);
    lk_free(host);
}

bool lk_host_flags_set(struct lk_host_state *state, uint32_t flags)
{
    return (atomic_fetch_or_explicit(&state->flags, flags, memory_order_relaxed) & flags) != flags;
}

bool lk_host_flags_clear(struct lk_host_state *state, uint32_t flags)
{
    return (atomic_fetch_and_explicit(&state->flags, ~flags, memory_order_relaxed) & flags) != 0;
}

enum lk_availability lk_host_availability(const struct lk_host *host)
{
    uint32_t flags = lk_host_flags(host->state);
    if ((flags & (LK_HOST_FAILED_CHECK | LK_HOST_EJECTED)) != 0)
        return LK_HOST_UNAVAILABLE;
    switch ((enum lk_health_status)host->health) {
    case LK_HEALTH_UNKNOWN:
    case LK_HEALTH_HEALTHY:
        return (flags & LK_HOST_DEGRADED_CHECK) != 0 ? LK_HOST_DEGRADED : LK_HOST_HEALTHY;
    case LK_HEALTH_DEGRADED:
        return LK_HOST_DEGRADED;
    case LK_HEALTH_UNHEALTHY:
    case LK_HEALTH_DRAINING:
    case LK_HEALTH_TIMEOUT:
        break;
    }
    return LK_HOST_UNAVAILABLE;
}

struct lk_str lk_host_flags_text(const struct lk_host *host, char buf[LK_HOST_FLAGS_TEXT_MAX])
{
    uint32_t flags = lk_host_flags(host->state);
    bool failed = host->health == LK_HEALTH_UNHEALTHY || host->health == LK_HEALTH_TIMEOUT;
    /* in Envoy's order */
    const struct {
        bool set;
        const char *text;
    } all[] = {
        {(flags & LK_HOST_FAILED_CHECK) != 0, "/failed_active_hc"},
        {(flags & LK_HOST_EJECTED) != 0, "/failed_outlier_check"},
        {failed, "/failed_eds_health"},
        {(flags & LK_HOST_DEGRADED_CHECK) != 0, "/degraded_active_hc"},
        {host->health == LK_HEALTH_DEGRADED, "/degraded_eds_health"},
        {(flags & LK_HOST_PENDING_CHECK) != 0, "/pending_active_hc"},
        {(flags & LK_HOST_EXCLUDED) != 0, "/excluded_via_immediate_hc_fail"},
        {(flags & LK_HOST_CHECK_TIMEOUT) != 0, "/active_hc_timeout"},
        {host->health == LK_HEALTH_DRAINING, "/eds_status_draining"},
    };
    size_t len = 0;
    for (size_t i = 0; i < LK_ARRAY_LEN(all); i++) {
        size_t more = all[i].set ? strlen(all[i].text) : 0;
        memcpy(buf + len, all[i].text, more);
        len += more;
    }
    return len > 0 ? lk_str(buf, len) : LK_STR("healthy");
}
