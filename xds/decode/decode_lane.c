/* The lane table: lanes, their parents and headers, exceptions for services. Entry rules have a file of their own. */
#include "xds/decode/decode_lane.h"

#include "proxy/config/lane_name.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_lane_parts.h"
#include "xds/decode/decode_matcher.h"

#include <math.h>
#include <stdlib.h>

#define MIN_HEALTHY_PERCENT 1
#define CAP_PERCENT 20
#define CAP_MIN_RPS 10
#define CAP_WINDOW_MS 10000
#define ABSENT_GRACE_MS 5000
#define GUARD_MIN_REQUESTS 50
#define GUARD_WINDOW_MS 10000
#define GUARD_WINDOW_MIN_MS 1000
#define GUARD_WINDOW_MAX_MS 3600000
#define TIMESTAMP_MAX 253402300799LL /* the end of the year 9999 */
#define NO_PARENT -1

typedef Lanekeeper__Lane__V1__Lane lane_proto;
typedef Lanekeeper__Lane__V1__LaneTable table_proto;

/* --- one lane ----------------------------------------------------------------------------------------------------- */

static void lane_name(struct lk_decoder *decoder, const char *name)
{
    if (name[0] == 0)
        lk_errors_add_at(decoder->errors, "name", "must not be empty, expected the name of a lane");
    else if (!lk_lane_name_valid(lk_str_from(name)))
        lk_errors_add_at(decoder->errors, "name",
                         "'%s' is no name of a lane, expected 1 to %u of a-z, 0-9, '.' and '-' with a letter or digit "
                         "at both ends",
                         name, LK_LANE_NAME_MAX);
    else if (lk_lane_name_is_base(lk_str_from(name)))
        lk_errors_add_at(decoder->errors, "name", "'base' is reserved, expected another name");
}

static void lane_kind(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    bool shadow = in->kind == LANEKEEPER__LANE__V1__LANE__KIND__SHADOW;
    bool named_so = lk_lane_name_is_shadow(out->name);

    lk_decode_enum_ok(decoder, "kind", &lanekeeper__lane__v1__lane__kind__descriptor, (int)in->kind);
    lk_decode_enum_ok(decoder, "mode", &lanekeeper__lane__v1__lane__mode__descriptor, (int)in->mode);
    lk_decode_enum_ok(decoder, "state", &lanekeeper__lane__v1__lane__state__descriptor, (int)in->state);
    out->kind = shadow || named_so ? LK_LANE_SHADOW : LK_LANE_GRAY;
    out->mode = in->mode == LANEKEEPER__LANE__V1__LANE__MODE__STRICT || shadow ? LK_LANE_STRICT : LK_LANE_PERMISSIVE;
    out->state = (enum lk_lane_state)in->state;
    if (shadow && !named_so)
        lk_errors_add_at(decoder->errors, "name", "'%s' names a SHADOW lane, expected a name that begins with shadow-",
                         in->name);
    if (!shadow && named_so)
        lk_errors_add_at(decoder->errors, "kind", "'%s' begins with shadow-, expected SHADOW", in->name);
    if (shadow && in->mode == LANEKEEPER__LANE__V1__LANE__MODE__PERMISSIVE)
        lk_errors_add_at(decoder->errors, "mode", "a SHADOW lane falls back to nothing, expected STRICT");
}

/* Fields that frame a message or belong to one connection. */
static bool header_is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade",
        "te",   "trailer",        "proxy-connection",  "expect"};

    for (size_t i = 0; i < LK_ARRAY_LEN(reserved); i++)
        if (lk_str_ieq(lk_str_from(reserved[i]), lk_str_from(name)))
            return true;
    return false;
}

static int compare_headers(const void *a, const void *b)
{
    return lk_str_cmp(((const struct lk_lane_header *)a)->name, ((const struct lk_lane_header *)b)->name);
}

static void emit_header(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Lane__EmitHeadersEntry *in,
                        struct lk_lane_header *out)
{
    size_t mark = lk_errors_push_key(decoder->errors, "emit_headers", lk_str_from(in->key));

    if (lk_decode_header_name_ok(decoder, NULL, in->key, false) && header_is_reserved(in->key))
        lk_errors_add(decoder->errors, "'%s' cannot be set, expected a header that does not frame the message",
                      in->key);
    lk_decode_lane_header_value_ok(decoder, NULL, in->value);
    out->name = lk_decode_lower(decoder, in->key);
    out->value = lk_decode_str(decoder, in->value);
    lk_errors_pop(decoder->errors, mark);
}

static void emit_headers(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    size_t count = LK_MIN(in->n_emit_headers, (size_t)LK_LANE_EMIT_MAX);
    struct lk_lane_header *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    if (in->n_emit_headers > count)
        lk_errors_add_at(decoder->errors, "emit_headers", "%zu headers, expected at most %u", in->n_emit_headers,
                         LK_LANE_EMIT_MAX);
    for (size_t i = 0; i < count; i++)
        emit_header(decoder, in->emit_headers[i], &list[i]);
    if (count > 1)
        qsort(list, count, sizeof(*list), compare_headers);
    for (size_t i = 1; i < count; i++)
        if (lk_str_eq(list[i - 1].name, list[i].name))
            lk_errors_add_at(decoder->errors, "emit_headers", "'%.*s' is given twice, expected each header once",
                             LK_STR_ARG(list[i].name));
    out->emit = list;
    out->emit_count = count;
}

static void fallback(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    const Lanekeeper__Lane__V1__FallbackCap *cap = in->cap;

    out->on_unhealthy = lk_decode_bool(in->on != NULL ? in->on->unhealthy : NULL, true);
    out->on_overload = in->on != NULL && in->on->overload;
    out->on_retry = in->on != NULL && in->on->retry;
    out->min_healthy_percent = lk_decode_range(decoder, "min_healthy_percent",
                                               lk_decode_u32(in->min_healthy_percent, MIN_HEALTHY_PERCENT), 0, 100);
    out->absent_grace_ms = lk_decode_ms(decoder, "absent_grace", in->absent_grace, ABSENT_GRACE_MS, LK_DURATION_ANY);
    size_t mark = lk_errors_push(decoder->errors, "cap");

    out->cap_percent =
        lk_decode_range(decoder, "percent", lk_decode_u32(cap != NULL ? cap->percent : NULL, CAP_PERCENT), 0, 100);
    out->cap_min_rps = lk_decode_u32(cap != NULL ? cap->min_rps : NULL, CAP_MIN_RPS);
    out->cap_window_ms =
        lk_decode_ms(decoder, "window", cap != NULL ? cap->window : NULL, CAP_WINDOW_MS, LK_DURATION_POSITIVE);
    lk_errors_pop(decoder->errors, mark);
}

static void expires(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    const Google__Protobuf__Timestamp *at = in->expires;

    if (at == NULL)
        return;
    if (at->seconds < 1 || at->seconds > TIMESTAMP_MAX || at->nanos < 0 || at->nanos > 999999999)
        lk_errors_add_at(decoder->errors, "expires", "out of range, expected a time from 1970 to 9999");
    else
        out->expires_us = at->seconds * 1000000 + at->nanos / 1000;
}

static void guard_limits(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Guard *in, struct lk_lane_guard *out)
{
    if (!(in->max_5xx_delta >= 0 && in->max_5xx_delta <= 1))
        lk_errors_add_at(decoder->errors, "max_5xx_delta", "out of range, expected a share from 0 to 1");
    if (in->max_p99_ratio != 0 && !(in->max_p99_ratio >= 1 && isfinite(in->max_p99_ratio)))
        lk_errors_add_at(decoder->errors, "max_p99_ratio", "out of range, expected 0 or a ratio from 1 up");
    if (in->max_5xx_delta == 0 && in->max_p99_ratio == 0)
        lk_errors_add(decoder->errors, "sets no limit, expected max_5xx_delta or max_p99_ratio");
    out->max_5xx_delta = in->max_5xx_delta;
    out->max_p99_ratio = in->max_p99_ratio;
}

static void guard(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    struct lk_lane_guard *guard = &out->guard;

    if (in->guard == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "guard");

    if (out->kind == LK_LANE_SHADOW)
        lk_errors_add(decoder->errors, "a SHADOW lane is not compared with base, expected none");
    guard->enabled = true;
    guard_limits(decoder, in->guard, guard);
    guard->min_requests = lk_decode_range(decoder, "min_requests",
                                          lk_decode_u32(in->guard->min_requests, GUARD_MIN_REQUESTS), 1, UINT32_MAX);
    guard->window_ms = lk_decode_ms(decoder, "window", in->guard->window, GUARD_WINDOW_MS, LK_DURATION_POSITIVE);
    if (guard->window_ms < GUARD_WINDOW_MIN_MS || guard->window_ms > GUARD_WINDOW_MAX_MS)
        lk_errors_add_at(decoder->errors, "window", "out of range, expected 1s to 3600s");
    lk_errors_pop(decoder->errors, mark);
}

static void one_lane(struct lk_decoder *decoder, const lane_proto *in, struct lk_lane *out)
{
    lane_name(decoder, in->name);
    out->name = lk_decode_str(decoder, in->name);
    lane_kind(decoder, in, out);
    emit_headers(decoder, in, out);
    fallback(decoder, in, out);
    expires(decoder, in, out);
    guard(decoder, in, out);
    out->owner = lk_decode_str(decoder, in->owner);
}

/* --- lanes and their parents -------------------------------------------------------------------------------------- */

const struct lk_lane *lk_decode_lane_ref(struct lk_decoder *decoder, const struct lk_lane_table *table,
                                         const char *field, const char *name)
{
    const struct lk_lane *lane;

    if (lk_lane_name_is_base(lk_str_from(name)))
        return &table->lanes[LK_LANE_INDEX_BASE];
    lane = lk_lane_table_find(table, lk_str_from(name));
    if (lane == NULL)
        lk_errors_add_at(decoder->errors, field, "there is no lane '%s', expected one of this table", name);
    return lane;
}

/* Index of the parent as written, NO_PARENT where base is. */
static int direct_parent(struct lk_decoder *decoder, const struct lk_lane_table *table, const lane_proto *in,
                         const struct lk_lane *lane)
{
    const struct lk_lane *parent;

    if (in->parent[0] == 0)
        return NO_PARENT;
    if (lane->kind == LK_LANE_SHADOW) {
        lk_errors_add_at(decoder->errors, "parent", "a SHADOW lane falls back to nothing, expected none");
        return NO_PARENT;
    }
    parent = lk_decode_lane_ref(decoder, table, "parent", in->parent);
    if (parent == NULL || parent->kind == LK_LANE_BASE_KIND)
        return NO_PARENT;
    if (parent->kind == LK_LANE_SHADOW) {
        lk_errors_add_at(decoder->errors, "parent", "'%s' is a SHADOW lane, expected a GRAY one", in->parent);
        return NO_PARENT;
    }
    return parent->index;
}

static void parent_chain(struct lk_decoder *decoder, const struct lk_lane_table *table, const int *parents,
                         struct lk_lane *lane)
{
    size_t steps = 0;

    for (int at = parents[lane->index]; at != NO_PARENT && steps <= table->lane_count; at = parents[at], steps++) {
        if (at == lane->index) {
            lk_errors_add_at(decoder->errors, "parent", "'%.*s' is its own ancestor, expected no circle",
                             LK_STR_ARG(lane->name));
            return;
        }
        if (steps < LK_LANE_PARENTS_MAX)
            lane->parents[lane->parent_count++] = (uint16_t)at;
    }
    /* a circle above that the lane is not part of is reported at its members */
    if (steps > LK_LANE_PARENTS_MAX && steps <= table->lane_count)
        lk_errors_add_at(decoder->errors, "parent", "%zu parents above each other, expected at most %u", steps,
                         LK_LANE_PARENTS_MAX);
}

static void decode_parents(struct lk_decoder *decoder, const table_proto *in, const struct lk_lane_table *table,
                           struct lk_lane *lanes)
{
    int *parents = lk_arena_array(&decoder->scratch, table->lane_count, sizeof(*parents));
    size_t mark;

    parents[LK_LANE_INDEX_BASE] = NO_PARENT;
    for (size_t i = 1; i < table->lane_count; i++) {
        mark = lk_errors_push_index(decoder->errors, "lanes", i - 1);
        parents[i] = direct_parent(decoder, table, in->lanes[i - 1], &lanes[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    for (size_t i = 1; i < table->lane_count; i++) {
        mark = lk_errors_push_index(decoder->errors, "lanes", i - 1);
        parent_chain(decoder, table, parents, &lanes[i]);
        lk_errors_pop(decoder->errors, mark);
    }
}

static void decode_lanes(struct lk_decoder *decoder, const table_proto *in, struct lk_lane_table *table)
{
    size_t count = LK_MIN(in->n_lanes, (size_t)LK_LANES_MAX);
    struct lk_lane *lanes = lk_arena_array(decoder->arena, count + 1, sizeof(*lanes));

    if (in->n_lanes > count)
        lk_errors_add_at(decoder->errors, "lanes", "%zu lanes, expected at most %u", in->n_lanes, LK_LANES_MAX);
    lanes[LK_LANE_INDEX_BASE] = table->lanes[LK_LANE_INDEX_BASE];
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "lanes", i);
        struct lk_lane *lane = &lanes[i + 1];

        lane->index = (uint16_t)(i + 1);
        one_lane(decoder, in->lanes[i], lane);
        if (lane->name.len > 0 && lk_lane_table_find(table, lane->name) != NULL)
            lk_errors_add_at(decoder->errors, "name", "'%s' is given twice, expected unique names", in->lanes[i]->name);
        else if (lane->name.len > 0)
            lk_map_set(&table->by_name, lane->name, lane);
        lk_errors_pop(decoder->errors, mark);
    }
    table->lanes = lanes;
    table->lane_count = count + 1;
    decode_parents(decoder, in, table, lanes);
}

/* --- services ----------------------------------------------------------------------------------------------------- */

static bool service_lane(struct lk_decoder *decoder, const struct lk_lane_table *table, const char *field,
                         const char *name, uint16_t *out)
{
    const struct lk_lane *lane;

    if (name[0] == 0)
        return false;
    lane = lk_decode_lane_ref(decoder, table, field, name);
    if (lane != NULL && lane->kind == LK_LANE_SHADOW)
        lk_errors_add_at(decoder->errors, field, "'%s' is a SHADOW lane, expected a GRAY one or base", name);
    *out = lane != NULL ? lane->index : LK_LANE_INDEX_BASE;
    return true;
}

static void one_service(struct lk_decoder *decoder, const struct lk_lane_table *table,
                        const Lanekeeper__Lane__V1__ServiceOverride *in, struct lk_lane_service *out)
{
    lk_decode_enum_ok(decoder, "mode", &lanekeeper__lane__v1__lane__mode__descriptor, (int)in->mode);
    out->has_mode = in->mode != LANEKEEPER__LANE__V1__LANE__MODE__DEFAULT;
    out->mode = in->mode == LANEKEEPER__LANE__V1__LANE__MODE__STRICT ? LK_LANE_STRICT : LK_LANE_PERMISSIVE;
    out->has_parent = service_lane(decoder, table, "parent", in->parent, &out->parent);
    out->has_target = service_lane(decoder, table, "target", in->target, &out->target);
    out->base_rescue = lk_decode_bool(in->base_rescue, table->base_rescue);
    if (!out->has_mode && !out->has_parent && !out->has_target && in->base_rescue == NULL)
        lk_errors_add(decoder->errors, "changes nothing, expected mode, parent, target or base_rescue");
}

static void decode_services(struct lk_decoder *decoder, const table_proto *in, struct lk_lane_table *table)
{
    static const Lanekeeper__Lane__V1__ServiceOverride nothing = LANEKEEPER__LANE__V1__SERVICE_OVERRIDE__INIT;

    for (size_t i = 0; i < in->n_service; i++) {
        const char *key = in->service[i]->key;
        size_t mark = lk_errors_push_key(decoder->errors, "service", lk_str_from(key));
        struct lk_lane_service *out = lk_arena_zalloc(decoder->arena, sizeof(*out));

        out->name = lk_decode_str(decoder, key);
        if (key[0] == 0)
            lk_errors_add(decoder->errors, "the empty name, expected that of a cluster");
        one_service(decoder, table, in->service[i]->value != NULL ? in->service[i]->value : &nothing, out);
        lk_map_set(&table->services, out->name, out);
        lk_errors_pop(decoder->errors, mark);
    }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void decode_table(struct lk_decoder *decoder, const table_proto *in, struct lk_lane_table *table)
{
    lk_decode_enum_ok(decoder, "base_mode", &lanekeeper__lane__v1__lane_table__base_mode__descriptor,
                      (int)in->base_mode);
    lk_decode_enum_ok(decoder, "unknown", &lanekeeper__lane__v1__lane_table__unknown_policy__descriptor,
                      (int)in->unknown);
    table->revision = in->revision;
    table->enabled = lk_decode_bool(in->enabled, true);
    table->base_mode = (enum lk_lane_base_mode)in->base_mode;
    table->unknown = (enum lk_lane_unknown_policy)in->unknown;
    table->base_rescue = in->base_rescue;
    decode_lanes(decoder, in, table);
    decode_services(decoder, in, table);
    lk_decode_lane_rules(decoder, in, table);
    table->hash = lk_decode_lane_hash(decoder, in);
}

struct lk_lane_table *lk_decode_lane_table(const table_proto *in, struct lk_errors *errors)
{
    size_t before = errors->count + errors->dropped;
    struct lk_lane_table *table = lk_lane_table_new();
    struct lk_decoder decoder;

    lk_decoder_init(&decoder, table->arena, errors);
    decode_table(&decoder, in, table);
    lk_decoder_fini(&decoder);
    if (errors->count + errors->dropped == before)
        return table;
    lk_lane_table_unref(table);
    return NULL;
}
