/*
 * What the lane filter tells a rehearsal (proxy/filter/explain.h): the recorders of its decisions, kept in the stream
 * and in its selector while they run. With one nothing is remembered, taken or told to others: ids are looked up and
 * not bound, budgets are looked at. NULL when forwarding. Owner: the stream's worker.
 */
#pragma once

#include "proxy/filter/explain.h"
#include "proxy/lane/carriers.h"
#include "proxy/lane/entry.h"
#include "proxy/lane/lane_egress.h"
#include "proxy/lane/lane_pick.h"
#include "proxy/lane/trust.h"

struct lk_lane_stream;
struct lk_lane_selector;

struct lk_lane_recorder {
    struct lk_explain *explain;
    struct lk_lane_stream *stream;
    struct lk_trust_recorder trust;
    struct lk_entry_recorder entry;
    struct lk_lane_pick_recorder pick;
    struct lk_note *trust_notes, *entry_notes, *pick_notes; /* lists of the steps in progress; NULL: not begun */
};

/* Sets stream->recorder, in its arena. */
struct lk_lane_recorder *lk_lane_recorder_new(struct lk_lane_stream *stream, struct lk_explain *explain);
/* The request passed the filter, or was refused: what it came to. */
void lk_lane_recorder_end(struct lk_lane_recorder *recorder, bool passed);

static inline const struct lk_trust_recorder *lk_lane_recorder_trust(const struct lk_lane_recorder *recorder)
{
    return recorder != NULL ? &recorder->trust : NULL;
}
static inline struct lk_entry_recorder *lk_lane_recorder_entry(struct lk_lane_recorder *recorder)
{
    return recorder != NULL ? &recorder->entry : NULL;
}
static inline struct lk_lane_pick_recorder *lk_lane_recorder_pick(struct lk_lane_recorder *recorder)
{
    return recorder != NULL ? &recorder->pick : NULL;
}
static inline uint64_t lk_lane_recorder_random(const struct lk_lane_recorder *recorder)
{
    return recorder->explain->random;
}

/* What was read from the carriers. */
void lk_lane_recorder_mark(struct lk_lane_recorder *recorder, const struct lk_mark *mark);
/* One piece of evidence for a lane; name empty: none. origin is static. */
void lk_lane_recorder_evidence(struct lk_lane_recorder *recorder, const char *origin, struct lk_str name,
                               const char *remark);
void lk_lane_recorder_boundary(struct lk_lane_recorder *recorder, struct lk_str cluster,
                               const struct lk_lane_boundary *boundary);
/* The selector's answer for a try. */
void lk_lane_recorder_choice(struct lk_lane_recorder *recorder, const struct lk_lane_selector *selector,
                             const struct lk_lane_choice *choice);
