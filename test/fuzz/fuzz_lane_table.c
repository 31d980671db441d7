/*
 * Any bytes as a lane table: text to table, then what workers do with it. Nothing may crash; what was accepted obeys
 * the rules that lookups rely on, and its shadow lanes fail closed. The first byte chooses syntax and leniency.
 * lk_fuzz_library: lk_filters
 */
#include "proxy/base/mem.h"
#include "proxy/config/lane_name.h"
#include "proxy/lane/entry.h"
#include "xds/decode/lane_file.h"

#include <stdlib.h>

#define NOW 1000000000000000LL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lane(const struct lk_lane_table *table, const struct lk_lane *lane)
{
    struct lk_lane_resolution got = lk_lane_table_resolve(table, lane->name, NOW);
    uint16_t chain[LK_LANE_CHAIN_MAX];
    size_t count = lk_lane_table_chain(table, lane, NULL, NOW, chain);

    LK_ASSERT(lk_lane_name_valid(lane->name) && !lk_lane_name_is_base(lane->name));
    LK_ASSERT(got.lane == lane);
    LK_ASSERT((lane->kind == LK_LANE_SHADOW) == lk_lane_name_is_shadow(lane->name));
    if (lane->kind == LK_LANE_SHADOW) {
        LK_ASSERT(got.outcome == LK_LANE_SERVE || got.outcome == LK_LANE_REFUSE_SHADOW);
        LK_ASSERT(lane->parent_count == 0 && count <= 1);
    } else if (lane->mode == LK_LANE_PERMISSIVE) {
        LK_ASSERT(count >= 1 && chain[count - 1] == LK_LANE_INDEX_BASE);
    }
    for (size_t i = 0; i < count; i++)
        LK_ASSERT(chain[i] < table->lane_count);
}

static void check_services(const struct lk_lane_table *table)
{
    struct lk_map_slot *slot;

    for (size_t at = 0; (slot = lk_map_next(&table->services, &at)) != NULL;) {
        uint16_t chain[LK_LANE_CHAIN_MAX];

        for (size_t i = 0; i < table->lane_count; i++)
            LK_ASSERT(lk_lane_table_chain(table, &table->lanes[i], slot->value, NOW, chain) <= LK_LANE_CHAIN_MAX);
    }
}

static void check_split(const struct lk_lane_table *table, const struct lk_entry_split *split)
{
    unsigned sum = 0;

    for (size_t i = 0; i < split->part_count; i++) {
        LK_ASSERT(split->parts[i].start <= split->parts[i].end && split->parts[i].end <= LK_LANE_BUCKETS);
        LK_ASSERT(table->lanes[split->parts[i].lane].kind != LK_LANE_SHADOW);
        sum += (unsigned)(split->parts[i].end - split->parts[i].start);
    }
    LK_ASSERT(sum <= LK_LANE_BUCKETS);
}

static void check_assign(struct lk_lane_table *table, struct lk_arena *arena)
{
    struct lk_headers headers;
    struct lk_addr source;
    struct lk_entry_request request = {.headers = &headers, .source = &source, .now_us = NOW};

    lk_headers_init(&headers, arena);
    lk_headers_add(&headers, LK_HEADER_PATH, LK_STR("/a?b=%63&d"));
    lk_headers_add(&headers, LK_HEADER_AUTHORITY, LK_STR("Example.com:80"));
    lk_headers_add(&headers, LK_HEADER_COOKIE, LK_STR("a=b; c"));
    LK_ASSERT(lk_addr_parse_ip(LK_STR("10.0.0.1"), 1, &source));
    lk_entry_prepare(table);
    for (size_t i = 0; i < table->rule_count; i++)
        if (table->rules[i].is_split)
            check_split(table, &table->rules[i].split);
    struct lk_entry_result result = lk_entry_assign(table, &request, 7, NULL);
    LK_ASSERT(result.lane < table->lane_count);
    if (result.set_cookie != NULL)
        LK_ASSERT(lk_entry_cookie(&result, arena).len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lk_lane_file_options options = {.resource = {NULL, 0}};
    struct lk_lane_table *table;
    struct lk_errors errors;
    struct lk_arena arena;

    if (size == 0)
        return 0;
    options.allow_unknown = (data[0] & 2) != 0;
    lk_arena_init(&arena);
    lk_errors_init(&errors);
    table = lk_lane_text_load(lk_str((const char *)data + 1, size - 1),
                              data[0] & 1 ? LK_YAML_SYNTAX_JSON : LK_YAML_SYNTAX_YAML, &options, &errors);
    LK_ASSERT((table == NULL) == lk_errors_any(&errors));
    if (table != NULL) {
        for (size_t i = 1; i < table->lane_count; i++)
            check_lane(table, &table->lanes[i]);
        check_services(table);
        check_assign(table, &arena);
        lk_lane_table_unref(table);
    }
    lk_errors_fini(&errors);
    lk_arena_reset(&arena);
    return 0;
}
