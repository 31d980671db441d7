/* What the decoders of lanekeeper.lane.v1 share; nobody else includes this. */
#pragma once

#include "proxy/config/lane_table.h"
#include "xds/decode/decoder.h"

#include "lanekeeper/lane/v1/lane.pb-c.h"

/* The entry rules; lanes are known by then. */
void lk_decode_lane_rules(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__LaneTable *in,
                          struct lk_lane_table *table);
/* Equal for equal tables: maps are sorted before they are hashed. */
uint64_t lk_decode_lane_hash(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__LaneTable *in);

/* The conditions of a rule; NULL: none. *out lies where it stays, the arena frees its sets. */
void lk_decode_lane_match(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Match *in,
                          struct lk_entry_match *out);

/* A lane that another part names: its entry in the table, "base" included; NULL with a mistake at the field. */
const struct lk_lane *lk_decode_lane_ref(struct lk_decoder *decoder, const struct lk_lane_table *table,
                                         const char *field, const char *name);
/* "10.0.0.0/8", or an address alone. */
bool lk_decode_lane_cidr(struct lk_decoder *decoder, const char *text, struct lk_cidr *out);
const struct lk_cidr *lk_decode_lane_cidrs(struct lk_decoder *decoder, const char *field, size_t count,
                                           char *const *texts);
/* A header's name: a copy in lower case. */
struct lk_str lk_decode_lane_header_name(struct lk_decoder *decoder, const char *field, const char *name);
struct lk_str lk_decode_lane_cookie_name(struct lk_decoder *decoder, const char *field, const char *name);
/* What may stand in a header field: no control characters, no blanks at the ends. The value is not told. */
bool lk_decode_lane_header_value_ok(struct lk_decoder *decoder, const char *field, const char *value);
/* NULL leaves *out empty. */
void lk_decode_lane_secret(struct lk_decoder *decoder, const char *field, const Lanekeeper__Lane__V1__SecretHeader *in,
                           struct lk_secret_header *out);
