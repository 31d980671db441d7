/* Sets of header names: one look at presence bits for names with ids, one pass for others. */
#include "proxy/http/header_set.h"
#include "test/support/header_text.h"

static const char *const names[] = {"x-lane", "Baggage", "x-first", "X-Second", "x-lane", "x-FIRST"};

static void make(struct lk_header_set *set, struct lk_arena *arena, size_t count)
{
    struct lk_header_key keys[LK_ARRAY_LEN(names)];
    for (size_t i = 0; i < count; i++)
        keys[i] = lk_header_key(arena, lk_str_from(names[i]));
    lk_header_set_init(set, arena, keys, count);
}

LK_TEST(header_set, knows_its_names_in_any_case)
{
    static const struct {
        const char *name;
        bool in;
    } table[] = {
        {"x-lane", true},   {"X-Lane", true},   {"baggage", true},   {"x-first", true}, {"X-FIRST", true},
        {"x-second", true}, {"x-third", false}, {"x-firs", false},   {"x-lan", false},  {"via", false},
        {"x-fifth", false}, {":path", false},   {"x-request-id", 0}, {"", false},
    };
    struct lk_arena arena;
    struct lk_header_set set;
    lk_arena_init(&arena);
    make(&set, &arena, LK_ARRAY_LEN(names));
    LK_CHECK_EQ_UINT(set.other_count, 2);
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct lk_str name = lk_str_from(table[i].name);
        LK_CHECK_MSG(lk_header_set_has(&set, lk_header_id_of(name), name) == table[i].in, "%s", table[i].name);
    }
    lk_arena_reset(&arena);
}

LK_TEST(header_set, removes_its_names_and_nothing_else)
{
    static const struct {
        const char *in;
        unsigned removed;
        const char *out;
    } table[] = {
        {"", 0, ""},
        {"via: 1\nx-third: 2\n", 0, "via: 1\nx-third: 2\n"},
        {"via: 1\nX-Lane: g\n", 1, "via: 1\n"},
        {"x-first: 1\nvia: 1\nx-First: 2\nbaggage: a\nX-SECOND: \n", 4, "via: 1\n"},
        {"x-lane: a\nx-lane: b\n", 2, ""},
        {"x-fifth: 1\n", 0, "x-fifth: 1\n"},
    };
    struct lk_arena arena;
    struct lk_header_set set;
    lk_arena_init(&arena);
    make(&set, &arena, LK_ARRAY_LEN(names));
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        header_text_init(&t, table[i].in);
        LK_CHECK_EQ_INT(lk_header_set_any(&set, &t.headers), table[i].removed > 0);
        LK_CHECK_EQ_UINT(lk_header_set_remove(&set, &t.headers), table[i].removed);
        CHECK_HEADERS(&t, table[i].out);
        LK_CHECK(!lk_header_set_any(&set, &t.headers));
        LK_CHECK_EQ_UINT(lk_header_set_remove(&set, &t.headers), 0);
        header_text_fini(&t);
    }
    lk_arena_reset(&arena);
}

LK_TEST(header_set, an_entry_removed_before_is_not_counted)
{
    struct lk_arena arena;
    struct lk_header_set set;
    struct header_text t;
    lk_arena_init(&arena);
    make(&set, &arena, LK_ARRAY_LEN(names));
    header_text_init(&t, "x-lane: a\nx-lane: b\nx-first: 1\n");
    lk_headers_remove_entry(&t.headers, lk_headers_find(&t.headers, LK_HEADER_X_LANE));
    LK_CHECK_EQ_UINT(lk_header_set_remove(&set, &t.headers), 2);
    LK_CHECK(!lk_headers_maybe(&t.headers, LK_HEADER_X_LANE));
    CHECK_HEADERS(&t, "");
    header_text_fini(&t);
    lk_arena_reset(&arena);
}

LK_TEST(header_set, an_empty_set_holds_nothing)
{
    struct lk_header_set set;
    struct header_text t;
    header_text_init(&t, "x-lane: a\nx-first: b\n");
    make(&set, &t.arena, 0);
    LK_CHECK(!lk_header_set_any(&set, &t.headers));
    LK_CHECK_EQ_UINT(lk_header_set_remove(&set, &t.headers), 0);
    CHECK_HEADERS(&t, "x-lane: a\nx-first: b\n");
    header_text_fini(&t);
}
