/*
 * Reading, stripping and writing marks, see carriers.h. Workers; carriers_config.c compiles the structure.
 */
#include "proxy/lane/carriers.h"

#include "proxy/config/lane_name.h"
#include "proxy/http/baggage.h"
#include "proxy/lane/mark_correlation.h"
#include "proxy/lane/mark_tracestate.h"

static const struct lk_header_key tracestate_key = {LK_HEADER_TRACESTATE, LK_STR_INIT("tracestate")};
static const struct lk_header_key correlation_key = {LK_HEADER_SW8_CORRELATION, LK_STR_INIT("sw8-correlation")};

static bool is_mark(struct lk_str name)
{
    return name.len > 0 && !lk_lane_name_is_base(name);
}

/* One more value that some carrier holds. */
static void consider(struct lk_mark *mark, struct lk_str value, enum lk_mark_carrier carrier)
{
    if (!is_mark(value))
        return;
    if (!lk_lane_name_valid(value)) {
        mark->invalid++;
        mark->invalid_shadow |= lk_str_has_iprefix(value, LK_STR("shadow-"));
        return;
    }
    bool differs = mark->found && !lk_str_eq(mark->name, value);
    mark->conflict |= differs;
    if (!mark->found || (differs && lk_lane_name_is_shadow(value) && !lk_lane_name_is_shadow(mark->name))) {
        mark->found = true;
        mark->name = value;
        mark->carrier = carrier;
    }
}

static void read_lines(struct lk_mark *mark, const struct lk_headers *headers, const struct lk_header_key *key,
                       enum lk_mark_carrier carrier)
{
    struct lk_list_iter iter;
    struct lk_str value;
    lk_list_begin(&iter, headers, key);
    while (lk_list_next(&iter, &value))
        consider(mark, value, carrier);
}

/* A CONNECT that opens a tunnel; one with :protocol (RFC 8441) is a request like others. */
static bool opens_tunnel(const struct lk_headers *headers)
{
    return lk_str_eq(lk_headers_get(headers, LK_HEADER_METHOD), LK_STR("CONNECT")) &&
           lk_headers_find(headers, LK_HEADER_PROTOCOL) == NULL;
}

static void read_baggage(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    if (key.len == 0 || !lk_headers_maybe(headers, LK_HEADER_BAGGAGE) || opens_tunnel(headers))
        return;
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    lk_baggage_begin(&iter, headers);
    while (lk_baggage_find(&iter, key, &member))
        consider(mark, lk_baggage_decode(headers->arena, member.value), LK_MARK_BAGGAGE);
}

static void read_tracestate(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    if (key.len == 0 || !lk_headers_maybe(headers, LK_HEADER_TRACESTATE) || !lk_mark_tracestate_usable(headers))
        return;
    struct lk_list_iter iter;
    struct lk_str member;
    struct lk_str value;
    lk_list_begin(&iter, headers, &tracestate_key);
    while (lk_list_next(&iter, &member)) {
        if (lk_mark_tracestate_value(member, key, &value))
            consider(mark, value, LK_MARK_TRACESTATE);
    }
}

static void read_correlation(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    if (key.len == 0)
        return;
    struct lk_list_iter iter;
    struct lk_str item;
    struct lk_str value;
    lk_list_begin(&iter, headers, &correlation_key);
    while (lk_list_next(&iter, &item)) {
        if (lk_mark_correlation_value(item, key, headers->arena, &value))
            consider(mark, value, LK_MARK_SW8_CORRELATION);
    }
}

struct lk_mark lk_carriers_read(const struct lk_lane_carriers *carriers, const struct lk_headers *headers)
{
    struct lk_mark mark = {0};
    if (!lk_header_set_any(&carriers->all, headers))
        return mark;
    read_lines(&mark, headers, &carriers->header, LK_MARK_HEADER);
    read_baggage(&mark, headers, carriers->baggage);
    read_tracestate(&mark, headers, carriers->tracestate);
    read_correlation(&mark, headers, carriers->sw8_correlation);
    for (size_t i = 0; i < carriers->alias_count; i++)
        read_lines(&mark, headers, &carriers->aliases[i], LK_MARK_ALIAS);
    if (mark.conflict && !lk_lane_name_is_shadow(mark.name)) {
        mark.found = false;
        mark.name = lk_str(NULL, 0);
    }
    return mark;
}

bool lk_carriers_strip(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                       struct lk_headers *headers)
{
    bool removed = emit_names != NULL && lk_header_set_remove(emit_names, headers) > 0;
    if (!lk_header_set_any(&carriers->all, headers))
        return removed;
    removed |= lk_header_set_remove(&carriers->names, headers) > 0;
    if (carriers->baggage.len > 0)
        removed |= lk_baggage_remove(headers, carriers->baggage);
    if (carriers->tracestate.len > 0)
        removed |= lk_mark_tracestate_remove(headers, carriers->tracestate);
    if (carriers->sw8_correlation.len > 0)
        removed |= lk_mark_correlation_remove(headers, carriers->sw8_correlation);
    return removed;
}

/* An alias that says something else would make the next hop read two marks. */
static void drop_other_aliases(const struct lk_lane_carriers *carriers, struct lk_str name, struct lk_headers *headers)
{
    for (size_t i = 0; i < carriers->alias_count; i++) {
        struct lk_header *h = lk_headers_find_key(headers, &carriers->aliases[i]);
        for (; h != NULL; h = lk_headers_next(headers, h)) {
            if (!lk_str_eq(lk_str_trim(h->value), name))
                lk_headers_remove_entry(headers, h);
        }
    }
}

static void write_emit(const struct lk_lane_emit *emit, struct lk_headers *headers)
{
    struct lk_header_key key = emit->key;
    if (key.id == LK_HEADER_OTHER)
        key.name = lk_arena_str(headers->arena, key.name);
    lk_headers_set_key(headers, &key, lk_arena_str(headers->arena, emit->value));
}

void lk_carriers_write(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                       struct lk_str name, const struct lk_lane_emit *emit, size_t emit_count,
                       struct lk_headers *headers)
{
    if (!is_mark(name)) {
        lk_carriers_strip(carriers, emit_names, headers);
        return;
    }
    name = lk_arena_str(headers->arena, name);
    drop_other_aliases(carriers, name, headers);
    lk_headers_set_key(headers, &carriers->header, name);
    if (carriers->baggage.len > 0 && !opens_tunnel(headers))
        lk_baggage_set(headers, carriers->baggage, name);
    if (carriers->tracestate.len > 0)
        lk_mark_tracestate_set(headers, carriers->tracestate, name);
    if (carriers->sw8_correlation.len > 0)
        lk_mark_correlation_set(headers, carriers->sw8_correlation, name);
    if (emit_names != NULL)
        lk_header_set_remove(emit_names, headers);
    for (size_t i = 0; i < emit_count; i++)
        write_emit(&emit[i], headers);
}
