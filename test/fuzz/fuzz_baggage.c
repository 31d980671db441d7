/*
 * Baggage of any bytes, one header line for each line of the input; its first line is the value that is set. Nothing
 * reads beyond its slice; both limits hold on what is read and written; members of others pass byte for byte and in
 * order; ours is first, alone, and reads back.
 * lk_fuzz_library: lk_http
 */
#include "proxy/base/mem.h"
#include "proxy/http/baggage.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lk_str lane = LK_STR_INIT("lane");
static const struct lk_header_key baggage = {LK_HEADER_BAGGAGE, LK_STR_INIT("baggage")};

static bool is_ours(struct lk_str member)
{
    struct lk_str rest = member;
    struct lk_str pair = lk_str_split(&rest, ';');
    size_t equals = lk_str_find_byte(pair, '=');
    return equals < pair.len && lk_str_eq(lk_str_trim(lk_str(pair.ptr, equals)), lane);
}

static void check_reading(const struct lk_headers *headers)
{
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    size_t members = 0;
    size_t bytes = 0;
    lk_baggage_begin(&iter, headers);
    while (lk_baggage_next(&iter, &member)) {
        bytes += member.text.len + (members > 0);
        members++;
        LK_ASSERT(member.text.len > 0 && lk_str_find_byte(member.text, ',') == member.text.len);
        LK_ASSERT(lk_str_eq(lk_str_trim(member.text), member.text));
        LK_ASSERT(member.key.len + member.value.len < member.text.len || member.key.len == 0);
        LK_ASSERT(is_ours(member.text) == lk_str_eq(member.key, lane));
        LK_ASSERT(lk_str_is_utf8(lk_baggage_decode(headers->arena, member.value)));
    }
    LK_ASSERT(members <= LK_BAGGAGE_MAX_MEMBERS && bytes <= LK_BAGGAGE_MAX_BYTES);
}

/* The members of `after` behind `skip` are the first members of others of `before`; returns how many. */
static size_t check_others(const struct lk_headers *before, const struct lk_headers *after, size_t skip)
{
    struct lk_list_iter old;
    struct lk_list_iter new;
    struct lk_str was;
    struct lk_str is;
    size_t others = 0;
    lk_list_begin(&old, before, &baggage);
    lk_list_begin(&new, after, &baggage);
    while (lk_list_next(&new, &is)) {
        if (skip > 0) {
            skip--;
            continue;
        }
        do
            LK_ASSERT(lk_list_next(&old, &was));
        while (is_ours(was));
        LK_ASSERT(lk_str_eq(was, is));
        others++;
    }
    return others;
}

static struct lk_str only_line(const struct lk_headers *headers)
{
    const struct lk_header *line = lk_headers_find(headers, LK_HEADER_BAGGAGE);
    LK_ASSERT(line != NULL && lk_headers_next(headers, line) == NULL && line->value.len <= LK_BAGGAGE_MAX_BYTES);
    return line->value;
}

static void check_set(const struct lk_headers *before, struct lk_arena *arena, struct lk_str value)
{
    struct lk_headers after;
    struct lk_baggage_iter iter;
    struct lk_baggage_member member;
    lk_headers_copy(&after, before, arena);
    if (!lk_baggage_set(&after, lane, value)) {
        LK_ASSERT(value.len * 3 + 5 > LK_BAGGAGE_MAX_BYTES);
        return;
    }
    struct lk_str line = only_line(&after);
    LK_ASSERT(lk_str_has_prefix(line, LK_STR("lane=")));
    LK_ASSERT(check_others(before, &after, 1) < LK_BAGGAGE_MAX_MEMBERS);
    lk_baggage_begin(&iter, &after);
    LK_ASSERT(lk_baggage_find(&iter, lane, &member));
    if (lk_str_is_utf8(value))
        LK_ASSERT(lk_str_eq(lk_baggage_decode(arena, member.value), value));
    LK_ASSERT(!lk_baggage_find(&iter, lane, &member));
    LK_ASSERT(lk_baggage_set(&after, lane, value));
    LK_ASSERT(lk_str_eq(only_line(&after), line));
    LK_ASSERT(lk_baggage_remove(&after, lane));
    check_others(before, &after, 0);
}

static void check_remove(const struct lk_headers *before, struct lk_arena *arena)
{
    struct lk_headers after;
    struct lk_list_iter iter;
    struct lk_str member;
    bool any = false;
    lk_headers_copy(&after, before, arena);
    lk_list_begin(&iter, before, &baggage);
    while (lk_list_next(&iter, &member))
        any |= is_ours(member);
    LK_ASSERT(lk_baggage_remove(&after, lane) == any);
    size_t kept = check_others(before, &after, 0);
    if (any && kept > 0)
        only_line(&after);
    LK_ASSERT(!any || kept > 0 || lk_headers_find(&after, LK_HEADER_BAGGAGE) == NULL);
    LK_ASSERT(!lk_baggage_remove(&after, lane));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 100000)
        return 0;
    char *copy = malloc(size);
    memcpy(copy, data, size);
    struct lk_arena arena;
    struct lk_headers headers;
    struct lk_str rest = lk_str(copy, size);
    struct lk_str value = lk_str_split(&rest, '\n');
    lk_arena_init(&arena);
    lk_headers_init(&headers, &arena);
    for (unsigned lines = 0; rest.ptr != NULL && lines < 100; lines++)
        lk_headers_add(&headers, LK_HEADER_BAGGAGE, lk_str_split(&rest, '\n'));
    check_reading(&headers);
    check_set(&headers, &arena, value);
    check_remove(&headers, &arena);
    lk_arena_reset(&arena);
    free(copy);
    return 0;
}
