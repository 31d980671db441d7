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
    if (!is_mark(value) || (mark->found && lk_str_eq(mark->name, value)))
        return;
    if (!lk_lane_name_valid(value)) {
        mark->invalid++;
        mark->invalid_shadow |= lk_str_has_iprefix(value, LK_STR("shadow-"));
        return;
    }
    mark->conflict |= mark->found;
    if (!mark->found || (lk_lane_name_is_shadow(value) && !lk_lane_name_is_shadow(mark->name))) {
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

/* Nearly always one line with one name, which may then be settled. */
static void read_header(struct lk_mark *mark, const struct lk_headers *headers, const struct lk_header_key *key)
{
    const struct lk_header *h = lk_headers_find_key(headers, key);
    if (h == NULL)
        return;
    mark->stands = true;
    if (lk_headers_next(headers, h) != NULL || lk_str_find_byte(h->value, ',') < h->value.len) {
        read_lines(mark, headers, key, LK_MARK_HEADER);
        return;
    }
    consider(mark, lk_str_trim(h->value), LK_MARK_HEADER);
    mark->settled = mark->found && mark->name.len == h->value.len;
}

/* A CONNECT that opens a tunnel; one with :protocol (RFC 8441) is a request like others. */
static bool opens_tunnel(const struct lk_headers *headers)
{
    return lk_str_eq(lk_headers_get(headers, LK_HEADER_METHOD), LK_STR("CONNECT")) &&
           lk_headers_find(headers, LK_HEADER_PROTOCOL) == NULL;
}

static void read_members(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    lk_baggage_begin(&iter, headers);
    while (lk_baggage_find(&iter, key, &member)) {
        bool escaped = lk_str_find_byte(member.value, '%') < member.value.len;
        consider(mark, escaped ? lk_baggage_decode(headers->arena, member.value) : member.value, LK_MARK_BAGGAGE);
    }
}

static void read_baggage(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    if (key.len == 0)
        return;
    bool there = lk_headers_maybe(headers, LK_HEADER_BAGGAGE);
    if (there && mark->settled && lk_baggage_says(headers, key, mark->name))
        return;
    there = there && lk_baggage_maybe(headers, key);
    mark->stands |= there;
    if (opens_tunnel(headers))
        return;
    mark->settled = false;
    if (there)
        read_members(mark, headers, key);
}

static void read_tracestate(struct lk_mark *mark, const struct lk_headers *headers, struct lk_str key)
{
    if (key.len == 0)
        return;
    mark->settled = false;
    if (!lk_headers_maybe(headers, LK_HEADER_TRACESTATE))
        return;
    mark->stands = true;
    if (!lk_mark_tracestate_usable(headers))
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
    mark->settled = false;
    if (!lk_headers_maybe(headers, LK_HEADER_SW8_CORRELATION))
        return;
    mark->stands = true;
    struct lk_list_iter iter;
    struct lk_str item;
    struct lk_str value;
    lk_list_begin(&iter, headers, &correlation_key);
    while (lk_list_next(&iter, &item)) {
        if (lk_mark_correlation_value(item, key, headers->arena, &value))
            consider(mark, value, LK_MARK_SW8_CORRELATION);
    }
}

static void read_aliases(struct lk_mark *mark, const struct lk_headers *headers,
                         const struct lk_lane_carriers *carriers)
{
    for (size_t i = 0; i < carriers->alias_count; i++) {
        if (lk_headers_find_key(headers, &carriers->aliases[i]) == NULL)
            continue;
        mark->settled = false;
        mark->stands = true;
        read_lines(mark, headers, &carriers->aliases[i], LK_MARK_ALIAS);
    }
}

struct lk_mark lk_carriers_read(const struct lk_lane_carriers *carriers, const struct lk_headers *headers)
{
    struct lk_mark mark = {0};
    if (!lk_header_set_any(&carriers->all, headers))
        return mark;
    read_header(&mark, headers, &carriers->header);
    read_baggage(&mark, headers, carriers->baggage);
    read_tracestate(&mark, headers, carriers->tracestate);
    read_correlation(&mark, headers, carriers->sw8_correlation);
    read_aliases(&mark, headers, carriers);
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

/* The name as it stands in the block then. */
static struct lk_str write_header(const struct lk_header_key *key, struct lk_str name, struct lk_headers *headers)
{
    const struct lk_header *h = lk_headers_find_key(headers, key);
    if (h != NULL && lk_str_eq(h->value, name) && lk_headers_next(headers, h) == NULL)
        return h->value;
    name = lk_arena_str(headers->arena, name);
    lk_headers_set_key(headers, key, name);
    return name;
}

static void write_emit(const struct lk_lane_header *emit, struct lk_headers *headers)
{
    struct lk_header_key key = {lk_header_id_of(emit->name), emit->name};
    if (key.id == LK_HEADER_OTHER)
        key.name = lk_arena_str(headers->arena, key.name);
    lk_headers_set_key(headers, &key, lk_arena_str(headers->arena, emit->value));
}

static void write_carriers(const struct lk_lane_carriers *carriers, struct lk_str name, struct lk_headers *headers)
{
    name = write_header(&carriers->header, name, headers);
    drop_other_aliases(carriers, name, headers);
    if (carriers->baggage.len > 0 && !opens_tunnel(headers))
        lk_baggage_set(headers, carriers->baggage, name);
    if (carriers->tracestate.len > 0)
        lk_mark_tracestate_set(headers, carriers->tracestate, name);
    if (carriers->sw8_correlation.len > 0)
        lk_mark_correlation_set(headers, carriers->sw8_correlation, name);
}

void lk_carriers_write(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                       const struct lk_mark *seen, struct lk_str name, const struct lk_lane_header *emit,
                       size_t emit_count, struct lk_headers *headers)
{
    if (!is_mark(name)) {
        lk_carriers_strip(carriers, emit_names, headers);
        return;
    }
    if (seen == NULL || !seen->settled || !lk_str_eq(seen->name, name))
        write_carriers(carriers, name, headers);
    if (emit_names != NULL)
        lk_header_set_remove(emit_names, headers);
    for (size_t i = 0; i < emit_count; i++)
        write_emit(&emit[i], headers);
}
