/* Estimates a server's keep-alive limit from what it does. Any worker. */
#include "proxy/upstream/idle_learner.h"

#include "proxy/base/mem.h"

#define EVIDENCE_LIFETIME_MS 300000u
#define MIN_AGE_MS 20u /* below this it is a restart or a refusal, not a keep-alive limit */
#define NEEDED 2u      /* ages that agree before the pool acts on them */

static uint32_t load(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Ages agree when they differ by less than a tenth or 60 ms: a server's timer is coarse, its restarts are not periodic.
 */
static bool agrees(uint32_t a, uint32_t b)
{
    uint32_t diff = a > b ? a - b : b - a;
    return diff <= LK_MAX(60u, LK_MAX(a, b) / 10);
}

static void accept_limit(struct lk_host_state *state, uint32_t limit_ms, uint64_t now_ms)
{
    store(&state->idle_limit_ms, limit_ms);
    atomic_store_explicit(&state->idle_learned_at_ms, now_ms, memory_order_relaxed);
}

void lk_idle_learner_closed(struct lk_host_state *state, uint32_t age_ms, uint64_t now_ms)
{
    if (age_ms < MIN_AGE_MS)
        return;
    uint32_t candidate = load(&state->idle_candidate_ms);
    if (candidate == 0 || !agrees(candidate, age_ms)) {
        store(&state->idle_candidate_ms, age_ms);
        store(&state->idle_seen, 1);
        return;
    }
    uint32_t lowest = LK_MIN(candidate, age_ms);
    store(&state->idle_candidate_ms, lowest);
    uint32_t seen = load(&state->idle_seen) + 1;
    store(&state->idle_seen, seen);
    if (seen >= NEEDED)
        accept_limit(state, lowest, now_ms);
}

void lk_idle_learner_hint(struct lk_host_state *state, uint32_t timeout_ms, uint64_t now_ms)
{
    if (timeout_ms >= MIN_AGE_MS)
        accept_limit(state, timeout_ms, now_ms);
}

uint32_t lk_idle_learner_limit(const struct lk_host_state *state, uint64_t now_ms)
{
    uint32_t limit = load(&state->idle_limit_ms);
    if (limit == 0)
        return UINT32_MAX;
    uint64_t learned_at = atomic_load_explicit(&state->idle_learned_at_ms, memory_order_relaxed);
    if (now_ms > learned_at + EVIDENCE_LIFETIME_MS)
        return UINT32_MAX;
    /* stay clear of the server's timer granularity and of one network delay */
    uint32_t margin = LK_MIN(1000u, LK_MAX(40u, limit / 20));
    return limit > margin + margin ? limit - margin : limit / 2;
}
