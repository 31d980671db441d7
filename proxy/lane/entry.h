/*
 * Which lane a request without a mark enters: the entry rules of the lane table. A pure function of the table, the
 * request and a random number; nothing is sent, nothing is counted. Any thread. Asked once per inbound request, by the
 * lane filter where its role is ENTRY; the answer holds for all that the request causes.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/config/lane_table.h"
#include "proxy/http/headers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of lanes by index. */
struct lk_lane_set {
    uint64_t bits[(LK_LANES_MAX + 1 + 63) / 64];
};
static inline void lk_lane_set_add(struct lk_lane_set *set, uint16_t lane)
{
    set->bits[lane / 64] |= (uint64_t)1 << lane % 64;
}
static inline bool lk_lane_set_has(const struct lk_lane_set *set, uint16_t lane)
{
    return (set->bits[lane / 64] >> lane % 64 & 1) != 0;
}

/* Once, before workers see the table: names of headers become ids, salts become seeds. */
void lk_entry_prepare(struct lk_lane_table *table);

struct lk_entry_request {
    const struct lk_headers *headers;  /* with :path and :authority; its arena may be used for scratch memory */
    const struct lk_addr *source;      /* NULL or len 0: not known */
    struct lk_str principal;           /* verified identity of the caller; empty: none */
    int64_t now_us;                    /* wall time */
    const struct lk_lane_set *stopped; /* lanes that a guard keeps closed; NULL: none */
};

enum lk_entry_reason {
    LK_ENTRY_NO_RULE, /* none holds */
    LK_ENTRY_TABLE_OFF,
    LK_ENTRY_BY_RULE,       /* the rule names a lane (or base) */
    LK_ENTRY_BY_SPLIT,      /* the bucket lies in a part */
    LK_ENTRY_OUTSIDE,       /* in none: base */
    LK_ENTRY_KEYLESS,       /* no key, and on_missing_key says base */
    LK_ENTRY_NOT_ACTIVE,    /* the lane takes no new requests: draining, disabled or expired */
    LK_ENTRY_GUARD_TRIPPED, /* the lane is in `stopped` */
};
struct lk_entry_result {
    uint16_t lane;     /* index in the table; LK_LANE_INDEX_BASE: base */
    uint16_t intended; /* the lane but for NOT_ACTIVE and GUARD_TRIPPED */
    enum lk_entry_reason reason;
    bool refused; /* intended is a shadow lane that cannot be entered now: pressure tests never become base's instead */
    int rule;     /* index, -1: none */
    bool has_bucket;
    uint16_t bucket;
    const struct lk_entry_split *set_cookie; /* the response is to set this split's cookie; NULL: none */
    char cookie_value[17];
};

/* Why a rule fell, in the order in which conditions are tried; detail is the index of the condition of its kind. */
enum lk_entry_verdict {
    LK_ENTRY_TAKEN,
    LK_ENTRY_FELL_CIDR,
    LK_ENTRY_FELL_PRINCIPAL,
    LK_ENTRY_FELL_SECRET,
    LK_ENTRY_FELL_PATH,
    LK_ENTRY_FELL_HOST,
    LK_ENTRY_FELL_HEADER,
    LK_ENTRY_FELL_COOKIE,
    LK_ENTRY_FELL_QUERY,
};
/* Told of every rule that was asked, in order. */
struct lk_entry_recorder {
    void (*on_rule)(struct lk_entry_recorder *recorder, size_t rule, enum lk_entry_verdict verdict, size_t detail);
};

/* recorder is NULL when forwarding. The first rule that holds decides, also when it decides for base. Rules are asked
 * of a table that is off too, for the sake of shadow lanes. random is the request's own: on_missing_key draws from
 * it. */
struct lk_entry_result lk_entry_assign(const struct lk_lane_table *table, const struct lk_entry_request *request,
                                       uint64_t random, struct lk_entry_recorder *recorder);

/* Bucket of a key, 0 to 9,999: the same in every process and build. */
uint16_t lk_entry_bucket(const struct lk_entry_split *split, struct lk_str key);
/* The value of Set-Cookie for a result that has set_cookie; in the arena. */
struct lk_str lk_entry_cookie(const struct lk_entry_result *result, struct lk_arena *arena);

/* For logs and /explain. */
const char *lk_entry_reason_name(enum lk_entry_reason reason);
const char *lk_entry_verdict_name(enum lk_entry_verdict verdict);
