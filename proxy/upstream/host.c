/* Hosts and their state: reference counting and availability. Any thread. */
#include "proxy/upstream/host.h"

#include "proxy/base/mem.h"

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

enum lk_availability lk_host_availability(const struct lk_host *host)
{
    switch ((enum lk_health_status)host->health) {
    case LK_HEALTH_UNKNOWN:
    case LK_HEALTH_HEALTHY:
        return LK_HOST_HEALTHY;
    case LK_HEALTH_DEGRADED:
        return LK_HOST_DEGRADED;
    case LK_HEALTH_UNHEALTHY:
    case LK_HEALTH_DRAINING:
    case LK_HEALTH_TIMEOUT:
        break;
    }
    return LK_HOST_UNAVAILABLE;
}
