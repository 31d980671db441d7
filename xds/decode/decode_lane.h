/*
 * Decoders of lanekeeper.lane.v1: the lane table and the filter's configuration, with every rule that they must obey.
 * Main thread, pure.
 */
#pragma once

#include "proxy/config/lane_filter_config.h"
#include "xds/decode/decoder.h"

#include "lanekeeper/lane/v1/lane.pb-c.h"

/* A table of its own, with a reference for the caller. NULL when a mistake was appended, each at its path below the
 * current one. */
struct lk_lane_table *lk_decode_lane_table(const Lanekeeper__Lane__V1__LaneTable *in, struct lk_errors *errors);
/* In the decoder's arena, which also holds the reference to an inline table. After a mistake the result is good for
 * nothing. */
const struct lk_lane_filter_config *lk_decode_lane_filter(struct lk_decoder *decoder,
                                                          const Lanekeeper__Lane__V1__LaneFilter *in);
