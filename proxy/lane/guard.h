/*
 * A gray release that stops itself. An entry compares what became of the requests that it assigned to a lane with what
 * became of base requests in the scope of the same rule; when the lane is worse than it may be, the entry assigns
 * nothing to it any more, until a table with a higher revision comes. What hits base as much trips nothing.
 *
 * Threads: recording and lk_guard_is_tripped on any worker, without a lock; arming, evaluation and verdicts on the main
 * loop; references on any thread. State is found by the lane's name and outlives tables. Time is the caller's, in
 * milliseconds of one monotonic clock.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Period of the timer that calls lk_guards_evaluate: a fault trips at most this much later than one window after its
 * begin (and long before, as a rule). */
#define LK_GUARD_PERIOD_MS 250
#define LK_GUARD_WINDOW_MIN_MS 1000

/* Lane.guard. A limit that is not above zero is off. */
struct lk_guard_config {
    double max_5xx_delta;  /* share of 5xx of the lane less that of base, 0..1 */
    double max_p99_ratio;  /* p99 of the lane to p99 of base */
    uint32_t min_requests; /* of each side within the window, below which there is no verdict; 0 counts as 1 */
    uint32_t window_ms;    /* at least LK_GUARD_WINDOW_MIN_MS */
};

enum lk_guard_side { LK_GUARD_LANE, LK_GUARD_BASE, LK_GUARD_SIDES };

enum lk_guard_reason { LK_GUARD_FINE, LK_GUARD_TOO_FEW, LK_GUARD_5XX, LK_GUARD_LATENCY };

struct lk_guard_figures {
    uint32_t requests;
    uint32_t failed; /* 5xx */
    uint64_t p99_us;
};

/* What an evaluation saw. Of a tripped guard: what tripped it. */
struct lk_guard_verdict {
    bool tripped;
    enum lk_guard_reason reason;
    uint64_t revision; /* of the table in force */
    uint64_t at_ms;
    uint32_t seen_ms; /* the stretch that the figures are of: the window, less at its start */
    struct lk_guard_figures sides[LK_GUARD_SIDES];
    struct lk_guard_config config;
};

struct lk_guards;
struct lk_guard;

/* `threads` = workers + 1, indexed by lk_stats_thread. */
struct lk_guards *lk_guards_new(unsigned threads);
/* Every guard must have been given back. */
void lk_guards_free(struct lk_guards *guards);

/*
 * Main loop, when a table with this lane comes into force: the lane's guard, with a reference. A revision above the
 * last one brings its configuration and re-arms a guard that had tripped, which then judges only requests assigned
 * under that revision or later; one that had not tripped keeps what its window holds, so that tables pushed in quick
 * succession do not blind it. The same revision or a lower one changes nothing.
 */
struct lk_guard *lk_guard_arm(struct lk_guards *guards, struct lk_str lane, uint64_t revision,
                              const struct lk_guard_config *config, uint64_t now_ms);
void lk_guard_unref(struct lk_guard *guard);
/* Main loop, when a table of this revision is in force: frees guards that nobody references and that it would re-arm
 * anyway. */
void lk_guards_prune(struct lk_guards *guards, uint64_t revision);

/* Whether an entry whose table has this revision must assign nothing to the lane. One relaxed load. */
bool lk_guard_is_tripped(const struct lk_guard *guard, uint64_t revision);
/* One request is over: the side it was on, the revision it was assigned under, whether the entry saw a 5xx, and how
 * long the whole chain took. */
void lk_guard_record(struct lk_guard *guard, enum lk_guard_side side, uint64_t revision, bool is_5xx,
                     uint64_t latency_us);

/* Main loop: judges a guard; true when it tripped just now. */
bool lk_guard_evaluate(struct lk_guard *guard, uint64_t now_ms);
typedef void (*lk_guard_tripped_fn)(void *arg, struct lk_str lane, const struct lk_guard_verdict *verdict);
/* Main loop, every LK_GUARD_PERIOD_MS: judges all guards that are referenced; on_tripped is called for each that
 * tripped just now. */
void lk_guards_evaluate(struct lk_guards *guards, uint64_t now_ms, lk_guard_tripped_fn on_tripped, void *arg);
/* Main loop: the last verdict; all zero before the first evaluation. Good until the next one. */
const struct lk_guard_verdict *lk_guard_verdict(const struct lk_guard *guard);

#define LK_GUARD_TEXT_MAX 256
/* The verdict in a line for the log, with both figures: "5xx 50.0% of 120 (base 0.1% of 2280, limit +5.0%), p99 20 ms
 * (base 18 ms, limit x2.0) in 10.0 s". Returns the length. */
size_t lk_guard_verdict_text(const struct lk_guard_verdict *verdict, char out[LK_GUARD_TEXT_MAX]);
