/* What the tests of entry rules share: a table made by hand with lanes g and h, and a request. */
#pragma once

#include "proxy/lane/entry.h"
#include "test/support/lk_test.h"

#define NOW 1000000000LL

enum { BASE, G, H };

struct fixture {
    struct lk_lane_table *table;
    struct lk_lane *lanes;
    struct lk_arena arena;
    struct lk_headers headers;
    struct lk_addr source;
    struct lk_entry_request request;
};

static inline struct lk_entry_rule *init(struct fixture *f, size_t rules)
{
    memset(f, 0, sizeof(*f));
    f->table = lk_lane_table_new();
    f->lanes = lk_arena_array(f->table->arena, 3, sizeof(*f->lanes));
    f->lanes[BASE] = f->table->lanes[0];
    f->lanes[G] = (struct lk_lane){.name = LK_STR_INIT("g"), .index = G, .kind = LK_LANE_GRAY};
    f->lanes[H] = (struct lk_lane){.name = LK_STR_INIT("h"), .index = H, .kind = LK_LANE_GRAY};
    f->table->lanes = f->lanes;
    f->table->lane_count = 3;
    f->table->rules = lk_arena_array(f->table->arena, rules, sizeof(*f->table->rules));
    f->table->rule_count = rules;
    lk_arena_init(&f->arena);
    lk_headers_init(&f->headers, &f->arena);
    lk_headers_add(&f->headers, LK_HEADER_PATH, LK_STR("/shop/cart?id=7&name=J%C3%B6rg&empty"));
    lk_headers_add(&f->headers, LK_HEADER_AUTHORITY, LK_STR("WWW.Example.com:8080"));
    LK_CHECK(lk_addr_parse_ip(LK_STR("::ffff:10.1.2.3"), 5, &f->source));
    f->request = (struct lk_entry_request){.headers = &f->headers, .source = &f->source, .now_us = NOW};
    return f->table->rules;
}

static inline void fini(struct fixture *f)
{
    lk_lane_table_unref(f->table);
    lk_arena_reset(&f->arena);
}

static inline void add(struct fixture *f, const char *name, const char *value)
{
    lk_headers_add_raw(&f->headers, lk_header_id_of(lk_str_from(name)), lk_str_from(name), lk_str_from(value));
}

static inline struct lk_entry_result assign(struct fixture *f)
{
    lk_entry_prepare(f->table);
    return lk_entry_assign(f->table, &f->request, 12345, NULL);
}
