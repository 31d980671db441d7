/*
 * Marks in headers of any bytes: the first byte of each line of the input chooses the header, the rest is its value;
 * the first byte of all says whether every carrier is configured or only the usual ones.
 * What is read is a lane's name; after a strip nothing is read and nothing is left to strip; what is written is read
 * back alone; a copy is edited without touching the original.
 * lk_fuzz_library: lk_lane
 */
#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"
#include "proxy/lane/carriers.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "x-lane",           "baggage", "tracestate", "traceparent", "sw8-correlation",
    "x-asm-prefer-tag", "x-tag",   "x-emit",     ":method",     "via",
};

static void compile(struct lk_lane_carriers *carriers, struct lk_header_set *emit_names, struct lk_arena *arena,
                    bool full)
{
    struct lk_str aliases[] = {LK_STR("x-asm-prefer-tag"), LK_STR("x-tag")};
    struct lk_lane_filter_carriers config = {
        .header = LK_STR("x-lane"),
        .baggage_key = LK_STR("lane"),
        .tracestate_key = full ? LK_STR("lk") : LK_STR(""),
        .sw8_correlation_key = full ? LK_STR("lane") : LK_STR(""),
        .aliases = aliases,
        .alias_count = 2,
    };
    struct lk_errors errors;
    lk_errors_init(&errors);
    LK_ASSERT(lk_carriers_compile(carriers, arena, &config, &errors));
    lk_errors_fini(&errors);
    struct lk_header_key emit = lk_header_key(arena, LK_STR("x-emit"));
    lk_header_set_init(emit_names, arena, &emit, 1);
}

static struct lk_mark check_read(const struct lk_lane_carriers *carriers, const struct lk_headers *headers)
{
    struct lk_mark mark = lk_carriers_read(carriers, headers);
    LK_ASSERT(mark.found == (mark.name.len > 0));
    if (mark.found) {
        LK_ASSERT(lk_lane_name_valid(mark.name) && !lk_lane_name_is_base(mark.name));
        LK_ASSERT(!mark.conflict || lk_lane_name_is_shadow(mark.name));
    }
    LK_ASSERT(!mark.invalid_shadow || mark.invalid > 0);
    return mark;
}

static void check_clean(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                        struct lk_headers *headers)
{
    struct lk_mark mark = check_read(carriers, headers);
    LK_ASSERT(!mark.found && !mark.conflict && mark.invalid == 0);
    LK_ASSERT(!lk_carriers_strip(carriers, emit_names, headers));
}

static void check_same(const struct lk_headers *a, const struct lk_headers *b)
{
    const struct lk_header *other = b->items;
    LK_ASSERT(a->bytes == b->bytes);
    LK_HEADERS_FOREACH(h, a)
    {
        while (other->removed)
            other++;
        LK_ASSERT(lk_str_eq(h->name, other->name) && lk_str_eq(h->value, other->value));
        other++;
    }
}

/* Writes as after a reading and as after none: both leave the same block, in which the name is all that is read. */
static void check_write(const struct lk_lane_carriers *carriers, const struct lk_header_set *emit_names,
                        const struct lk_headers *before, const struct lk_mark *seen)
{
    struct lk_lane_header emit = {LK_STR("x-emit"), LK_STR("1")};
    struct lk_str name = seen->found ? seen->name : LK_STR("gray");
    struct lk_headers headers;
    struct lk_headers unseen;
    lk_headers_copy(&headers, before, before->arena);
    lk_headers_copy(&unseen, before, before->arena);
    lk_carriers_write(carriers, emit_names, seen, name, &emit, 1, &headers);
    lk_carriers_write(carriers, emit_names, NULL, name, &emit, 1, &unseen);
    check_same(&headers, &unseen);
    struct lk_mark mark = check_read(carriers, &headers);
    LK_ASSERT(lk_str_eq(mark.name, name) && mark.carrier == LK_MARK_HEADER && !mark.conflict && mark.invalid == 0);
    LK_ASSERT(lk_carriers_strip(carriers, emit_names, &headers));
    check_clean(carriers, emit_names, &headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 100000)
        return 0;
    char *copy = malloc(size);
    memcpy(copy, data, size);
    struct lk_arena arena;
    struct lk_headers headers;
    struct lk_headers edited;
    struct lk_lane_carriers carriers;
    struct lk_header_set emit_names;
    lk_arena_init(&arena);
    compile(&carriers, &emit_names, &arena, data[0] & 1);
    lk_headers_init(&headers, &arena);
    struct lk_str rest = lk_str(copy + 1, size - 1);
    for (unsigned lines = 0; rest.ptr != NULL && lines < 100; lines++) {
        struct lk_str line = lk_str_split(&rest, '\n');
        struct lk_str name = lk_str_from(names[line.len > 0 ? (unsigned char)line.ptr[0] % LK_ARRAY_LEN(names) : 0]);
        lk_headers_add_raw(&headers, lk_header_id_of(name), name, lk_str_drop(line, 1));
    }
    struct lk_mark mark = check_read(&carriers, &headers);
    lk_headers_copy(&edited, &headers, &arena);
    lk_carriers_strip(&carriers, &emit_names, &edited);
    check_clean(&carriers, &emit_names, &edited);
    check_write(&carriers, &emit_names, &headers, &mark);
    LK_ASSERT(memcmp(copy, data, size) == 0);
    lk_arena_reset(&arena);
    free(copy);
    return 0;
}
