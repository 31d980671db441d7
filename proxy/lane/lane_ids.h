/*
 * Numbers for names of lanes, the same for the life of the process, so that a memory of marks (association.h) need not
 * hold names and outlives tables. Names are never forgotten but bounded: those of tables, and fewer of marks that no
 * table knows. Any function on any thread, except new and free; reading a name takes no lock.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdint.h>

#define LK_LANE_IDS_MAX 65536u        /* together */
#define LK_LANE_IDS_UNKNOWN_MAX 1024u /* that no table named */
#define LK_LANE_ID_NONE 0u            /* no id: there is no room */

struct lk_lane_ids;

struct lk_lane_ids *lk_lane_ids_new(void);
void lk_lane_ids_free(struct lk_lane_ids *ids);

/* The id of a name, made if new. known: a table has it, which is not held against the smaller limit. */
uint32_t lk_lane_ids_get(struct lk_lane_ids *ids, struct lk_str name, bool known);
/* The name of an id, good until the ids are freed; empty for NONE and what was never given out. */
struct lk_str lk_lane_ids_name(const struct lk_lane_ids *ids, uint32_t id);
