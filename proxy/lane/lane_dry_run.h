/*
 * What a lane filter would do with a request, without a request: the forwarding code itself is run, in a runtime of its
 * own that is thrown away, so that nothing is counted, remembered or sent. What decides is asked a second time with a
 * recorder where the reasons are of interest; those are pure functions. Main thread.
 *
 * What it does not know: ids that the association remembers (it is empty here), and fallback budgets (nothing is
 * taken, and no lane is in its grace).
 */
#pragma once

#include "proxy/lane/lane_stream.h"

struct lk_lane_dry_input {
    struct lk_addr peer;
    struct lk_str identity;          /* what mutual TLS would have proved; empty: no mutual TLS */
    struct lk_headers *headers;      /* with pseudo-headers; not changed */
    struct lk_cluster_view *cluster; /* that the route would choose, on the main loop; NULL: not said */
};

enum lk_lane_dry_outcome {
    LK_LANE_DRY_NONE,     /* there was no mark */
    LK_LANE_DRY_KEPT,     /* it stands */
    LK_LANE_DRY_STRIPPED, /* it is taken off, the request goes on */
    LK_LANE_DRY_DROPPED,  /* what was read is no mark: conflicting or invalid values */
    LK_LANE_DRY_REFUSED,  /* the request is answered with 503 */
    LK_LANE_DRY_OPEN,     /* it depends on the cluster, which was not said */
};
const char *lk_lane_dry_outcome_name(enum lk_lane_dry_outcome outcome);

struct lk_lane_dry_candidate { /* of a trust decision */
    const char *rule;
    size_t index;
    const char *why; /* it fell; NULL: it holds */
};
struct lk_lane_dry_candidates {
    struct lk_lane_dry_candidate *items;
    size_t count;
};
struct lk_lane_dry_rule { /* of the entry rules, in order */
    size_t rule;
    enum lk_entry_verdict verdict;
    size_t detail;
};
struct lk_lane_dry_step { /* of the lanes that might serve, in order */
    struct lk_str lane;
    uint32_t hosts, healthy;
    enum lk_lane_reason reason;
};

struct lk_lane_dry_run {
    struct lk_arena arena; /* of all that is below */
    struct lk_trust_verdict trust;
    struct lk_lane_dry_candidates trust_candidates;
    struct lk_mark mark;
    struct lk_str mark_header; /* in which the mark stood; empty: none was found */
    bool asked_allow;          /* a stranger's mark: do the rules let it in */
    enum lk_trust_result allow;
    struct lk_lane_dry_candidates allow_candidates;
    enum lk_lane_dry_outcome outcome;
    struct lk_str requested; /* the lane of the request in the end; empty: base */
    enum lk_lane_origin origin;
    enum lk_lane_standing standing;
    bool entered; /* entry rules were asked */
    struct lk_entry_result entry;
    struct lk_str entry_rule; /* its name; may be empty */
    struct lk_lane_dry_rule *rules;
    size_t rule_count;
    uint64_t flags;               /* bits of enum lk_response_flag */
    const char *details;          /* of the refusal; NULL: it goes on */
    struct lk_headers *forwarded; /* without the values of secret headers; NULL: refused */
    bool chosen;                  /* the cluster is of the mesh: choice tells who would serve */
    struct lk_lane_choice choice;
    struct lk_lane_dry_step *steps;
    size_t step_count;
};

/* Free with lk_lane_dry_run_free, before the main loop's next turn. */
struct lk_lane_dry_run *lk_lane_dry_run_new(const struct lk_lane_settings *settings, struct lk_loop *loop,
                                            const struct lk_lane_dry_input *input);
void lk_lane_dry_run_free(struct lk_lane_dry_run *run);
