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

/* What checks and detection found out about a host; Envoy's health flags. */
enum lk_host_flag {
    LK_HOST_FAILED_CHECK = 1u << 0,   /* active health checks fail, or none has passed yet */
    LK_HOST_EJECTED = 1u << 1,        /* by outlier detection */
    LK_HOST_DEGRADED_CHECK = 1u << 2, /* it says so itself */
    LK_HOST_PENDING_CHECK = 1u << 3,  /* ignore_new_hosts_until_first_hc: not checked yet */
    LK_HOST_EXCLUDED = 1u << 4,       /* it asked for it: x-envoy-immediate-health-check-fail */
    LK_HOST_CHECK_TIMEOUT = 1u << 5,  /* FAILED_CHECK, and the last check was not answered in time */
};

/* Errors in a row, of three kinds that are counted by themselves. */
enum lk_outlier_kind { LK_OUTLIER_5XX, LK_OUTLIER_GATEWAY, LK_OUTLIER_LOCAL_ORIGIN, LK_OUTLIER_KIND_COUNT };

struct lk_host_state {
    struct lk_ref ref;
    struct lk_addr addr;
    /* Bits of enum lk_host_flag. Written by the main thread; workers add EXCLUDED. */
    _Atomic uint32_t flags;
    _Atomic uint32_t errors_in_row[LK_OUTLIER_KIND_COUNT]; /* zero but for outlier detection */
    void *check;   /* main thread: struct lk_check of health_checker.c, NULL: not checked */
    void *outlier; /* main thread: record of outlier.c, NULL: not watched */
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
    const struct lk_endpoint_check *check; /* NULL: checked as its cluster says */
};

struct lk_host_state *lk_host_state_new(const struct lk_addr *addr);
void lk_host_state_unref(struct lk_host_state *state);

/* Takes its own references on state and source. */
struct lk_host *lk_host_new(struct lk_host_state *state, struct lk_endpoints *source);
void lk_host_ref(struct lk_host *host);
void lk_host_unref(struct lk_host *host);

/* Configured status and flags together. */
enum lk_availability { LK_HOST_HEALTHY, LK_HOST_DEGRADED, LK_HOST_UNAVAILABLE };
enum lk_availability lk_host_availability(const struct lk_host *host);

static inline uint32_t lk_host_flags(const struct lk_host_state *state)
{
    return atomic_load_explicit(&((struct lk_host_state *)state)->flags, memory_order_relaxed);
}

/* Not counted when the share of healthy hosts is asked for. */
static inline bool lk_host_excluded(const struct lk_host *host)
{
    return (lk_host_flags(host->state) & (LK_HOST_PENDING_CHECK | LK_HOST_EXCLUDED)) != 0;
}

/* Both return whether something changed. Readers learn of it with the cluster's next health epoch. */
bool lk_host_flags_set(struct lk_host_state *state, uint32_t flags);
bool lk_host_flags_clear(struct lk_host_state *state, uint32_t flags);
/* Envoy's text, "/failed_active_hc/failed_eds_health" or "healthy". */
#define LK_HOST_FLAGS_TEXT_MAX 256
struct lk_str lk_host_flags_text(const struct lk_host *host, char buf[LK_HOST_FLAGS_TEXT_MAX]);

static inline void lk_host_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
