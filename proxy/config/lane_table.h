/*
 * The lane table, compiled: which lanes exist, how they fall back, which requests enter them. Immutable once it is
 * built, shared by all workers and refcounted; all of it lies in an arena of its own. Source:
 * lanekeeper.lane.v1.LaneTable (xds/proto/lanekeeper/lane/v1/lane.proto explains the fields). What is looked up per
 * request is here; entry rules are evaluated by proxy/lane/entry.
 */
#pragma once

#include "proxy/base/map.h"
#include "proxy/base/ref.h"
#include "proxy/config/lane_entry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_LANES_MAX 256u      /* of a table, without base */
#define LK_LANE_PARENTS_MAX 4u /* above each other */
#define LK_LANE_EMIT_MAX 32u   /* headers of one lane */
#define LK_LANE_INDEX_BASE 0u  /* base is lane 0 of every table, the others follow in the order of the table */
#define LK_LANE_CHAIN_MAX (LK_LANE_PARENTS_MAX + 3u) /* the lane, a parent for the service, its parents, base */

enum lk_lane_kind { LK_LANE_BASE_KIND, LK_LANE_GRAY, LK_LANE_SHADOW };
enum lk_lane_mode { LK_LANE_PERMISSIVE, LK_LANE_STRICT };
enum lk_lane_state { LK_LANE_ACTIVE, LK_LANE_DRAINING, LK_LANE_DISABLED };
enum lk_lane_base_mode { LK_LANE_BASE_UNTAGGED_ONLY, LK_LANE_BASE_NOT_IN_ACTIVE_LANE };
enum lk_lane_unknown_policy { LK_LANE_UNKNOWN_IS_BASE, LK_LANE_UNKNOWN_REJECTED };

struct lk_lane_header { /* emit_headers */
    struct lk_str name; /* lower case */
    struct lk_str value;
};

struct lk_lane_guard {
    bool enabled;
    double max_5xx_delta; /* 0: off */
    double max_p99_ratio; /* 0: off */
    uint32_t min_requests;
    uint32_t window_ms;
};

struct lk_lane {
    struct lk_str name;
    uint16_t index;
    enum lk_lane_kind kind;
    enum lk_lane_mode mode; /* SHADOW: always STRICT */
    enum lk_lane_state state;
    uint16_t parents[LK_LANE_PARENTS_MAX]; /* nearest first, without base */
    uint8_t parent_count;
    const struct lk_lane_header *emit; /* sorted by name */
    size_t emit_count;
    bool on_unhealthy, on_overload, on_retry;
    uint32_t min_healthy_percent;
    uint32_t cap_percent, cap_min_rps, cap_window_ms;
    uint32_t absent_grace_ms;
    int64_t expires_us; /* wall time; 0: never */
    struct lk_str owner;
    struct lk_lane_guard guard;
};

struct lk_lane_service {
    struct lk_str name;
    bool has_mode;
    enum lk_lane_mode mode;
    bool has_parent;
    uint16_t parent; /* LK_LANE_INDEX_BASE: base */
    bool has_target;
    uint16_t target;
    bool base_rescue; /* the table's where it says nothing */
};

struct lk_lane_table {
    struct lk_ref ref;
    struct lk_arena *arena;
    uint64_t revision;
    uint64_t hash; /* of the content: equal for equal tables on every pod, in whatever order their maps came */
    bool enabled;
    enum lk_lane_base_mode base_mode;
    enum lk_lane_unknown_policy unknown;
    bool base_rescue;
    const struct lk_lane *lanes; /* [0] is base */
    size_t lane_count;           /* with base */
    struct lk_map by_name;       /* -> const struct lk_lane; base is not in it */
    struct lk_map services;      /* -> const struct lk_lane_service */
    struct lk_entry_rule *rules; /* constant after lk_entry_prepare */
    size_t rule_count;
    bool rules_prepared;
    const void *attachment; /* of whoever publishes it: made before, freed with the arena */
};

/* An empty table that knows base only, with a reference for the caller. Its fields are filled by the decoder, then
 * nobody changes it. */
struct lk_lane_table *lk_lane_table_new(void);
struct lk_lane_table *lk_lane_table_ref(struct lk_lane_table *table);
/* NULL is allowed; any thread. */
void lk_lane_table_unref(struct lk_lane_table *table);

/* NULL when the table has no such lane; "base" is none. One hash. */
static inline const struct lk_lane *lk_lane_table_find(const struct lk_lane_table *table, struct lk_str name)
{
    return lk_map_get(&table->by_name, name);
}

/* The override for a cluster: by its name, else by the host in a name as "outbound|80|subset|host". NULL: none. */
const struct lk_lane_service *lk_lane_table_service(const struct lk_lane_table *table, struct lk_str cluster);

/* Expired lanes count as DISABLED. now_us is wall time. */
static inline bool lk_lane_expired(const struct lk_lane *lane, int64_t now_us)
{
    return lane->expires_us != 0 && now_us >= lane->expires_us;
}
/* Whether its endpoints may be used: ACTIVE or DRAINING, and not expired. */
static inline bool lk_lane_usable(const struct lk_lane *lane, int64_t now_us)
{
    return lane->state != LK_LANE_DISABLED && !lk_lane_expired(lane, now_us);
}
/* Whether entry rules may assign it: ACTIVE, and not expired. */
static inline bool lk_lane_assignable(const struct lk_lane *lane, int64_t now_us)
{
    return lane->state == LK_LANE_ACTIVE && !lk_lane_expired(lane, now_us);
}

/* What a mark comes to. */
enum lk_lane_standing {
    LK_LANE_IS_BASE, /* no mark, or "base" */
    LK_LANE_IS_ACTIVE,
    LK_LANE_IS_DRAINING,
    LK_LANE_IS_DISABLED,
    LK_LANE_IS_EXPIRED,
    LK_LANE_IS_UNKNOWN,   /* no such lane, or no table yet */
    LK_LANE_IS_TABLE_OFF, /* the table is disabled */
};
enum lk_lane_outcome {
    LK_LANE_SERVE,         /* by the lane (or base: then lane is base) */
    LK_LANE_SERVE_BASE,    /* by base; the mark is carried on */
    LK_LANE_REJECT,        /* 503: unknown, and the table says REJECT */
    LK_LANE_REFUSE_SHADOW, /* 503 LS: a shadow mark that cannot be honoured is never served by anybody else */
};
struct lk_lane_resolution {
    enum lk_lane_standing standing;
    enum lk_lane_outcome outcome;
    const struct lk_lane *lane; /* of the table; NULL when it has none of that name, or there is no table */
};
/* Pure; one hash. table NULL: none has come yet. A mark that begins with "shadow-" is served by its lane or refused,
 * whatever the table looks like. */
struct lk_lane_resolution lk_lane_table_resolve(const struct lk_lane_table *table, struct lk_str name, int64_t now_us);
/* The same where the lane was looked up already: NULL, when the table has none of that name. It is not base's. */
struct lk_lane_resolution lk_lane_table_judge(const struct lk_lane_table *table, const struct lk_lane *lane,
                                              struct lk_str name, int64_t now_us);
/* "active", "unknown", ...: for logs and admin. */
const char *lk_lane_standing_name(enum lk_lane_standing standing);

/*
 * The lanes whose endpoints serve a request of `lane` at a service (its override, or NULL), in order: the lane, its
 * parents, base. STRICT: the lane alone. SHADOW: the lane alone; base endpoints that are shadow_ok are the caller's
 * business. DISABLED and expired lanes are left out, each lane occurs once. Returns how many are in out; 0 when
 * a STRICT lane is not usable.
 */
size_t lk_lane_table_chain(const struct lk_lane_table *table, const struct lk_lane *lane,
                           const struct lk_lane_service *service, int64_t now_us, uint16_t out[LK_LANE_CHAIN_MAX]);
