/*
 * A host is one endpoint as a configuration version describes it: immutable, shared by all workers. Its state (what is
 * known and counted of that address in that cluster) is found by identity and outlives versions.
 */
#pragma once

#include "proxy/base/ref.h"
#include "proxy/config/cluster_config.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lk_host_state {
    struct lk_ref ref;
    struct lk_addr addr;
    /* Idle age (ms) at which the server was seen to close keep-alive connections; 0: not known. See idle_learner.h. */
    _Atomic uint32_t idle_limit_ms;
    _Atomic uint32_t idle_candidate_ms;
    _Atomic uint32_t idle_seen;
    _Atomic uint64_t idle_learned_at_ms;
    _Atomic uint64_t cx_total, cx_active, cx_connect_fail;
    _Atomic uint64_t rq_total, rq_active, rq_success, rq_error, rq_timeout;
};

struct lk_host {
    struct lk_ref ref;
    struct lk_host_state *state;
    struct lk_endpoints *source; /* keeps hostname and metadata alive; NULL when made on the fly */
    struct lk_str hostname;
    const struct lk_metadata *metadata;
    const struct lk_locality *locality; /* NULL: none */
    uint32_t weight;
    uint16_t priority;
    uint16_t locality_index;
    uint32_t locality_weight;
    uint8_t health; /* enum lk_health_status from configuration */
    bool canary;
};

struct lk_host_state *lk_host_state_new(const struct lk_addr *addr);
void lk_host_state_unref(struct lk_host_state *state);

/* Takes its own references on state and source. */
struct lk_host *lk_host_new(struct lk_host_state *state, struct lk_endpoints *source);
void lk_host_ref(struct lk_host *host);
void lk_host_unref(struct lk_host *host);

enum lk_availability { LK_HOST_HEALTHY, LK_HOST_DEGRADED, LK_HOST_UNAVAILABLE };
enum lk_availability lk_host_availability(const struct lk_host *host);

static inline void lk_host_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
