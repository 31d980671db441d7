/* The radix tree: stored prefixes of a key, from the shortest. */
#include "test/support/lk_test.h"

#include "proxy/router/radix.h"

static struct lk_radix_node root;
static struct lk_arena *arena;

static void fill(const char *const *keys, size_t count)
{
    arena = lk_arena_new();
    root = (struct lk_radix_node){0};
    for (size_t i = 0; i < count; i++)
        *lk_radix_slot(&root, arena, lk_str_from(keys[i])) = (void *)keys[i];
}

/* The prefixes found, joined with blanks. */
static const char *found(const char *key)
{
    static char out[256];
    struct lk_radix_walk walk;
    struct lk_str rest;
    const char *value;
    size_t len = 0;

    out[0] = 0;
    lk_radix_walk_init(&walk, &root, lk_str_from(key));
    while ((value = lk_radix_walk_next(&walk, &rest)) != NULL) {
        LK_CHECK_EQ_UINT(rest.len, strlen(key) - strlen(value));
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s[%s]", len > 0 ? " " : "", value);
    }
    return out;
}

LK_TEST(radix, finds_every_stored_prefix)
{
    static const char *const keys[] = {"/api/v1/users", "/", "/api", "/api/v2", "/apple", "", "/api/v1"};

    fill(keys, sizeof(keys) / sizeof(keys[0]));
    LK_CHECK_STR(found("/api/v1/users/7"), "[] [/] [/api] [/api/v1] [/api/v1/users]");
    LK_CHECK_STR(found("/api/v2"), "[] [/] [/api] [/api/v2]");
    LK_CHECK_STR(found("/api/v"), "[] [/] [/api]");
    LK_CHECK_STR(found("/app"), "[] [/]");
    LK_CHECK_STR(found("/apple"), "[] [/] [/apple]");
    LK_CHECK_STR(found("x"), "[]");
    LK_CHECK_STR(found(""), "[]");
    lk_arena_free(arena);
}

LK_TEST(radix, gives_one_slot_for_a_key)
{
    static const char *const keys[] = {"ab", "a", "abc"};

    fill(keys, 3);
    LK_CHECK_EQ_PTR(*lk_radix_slot(&root, arena, LK_STR("ab")), keys[0]);
    LK_CHECK_STR(found("b"), "");
    lk_arena_free(arena);
}

/* All byte values, against a plain comparison. */
LK_TEST(radix, agrees_with_comparing_every_key)
{
    static char keys[400][8];
    static const char *list[400];
    unsigned seed = 7;

    for (size_t i = 0; i < 400; i++) {
        size_t len = i % 7;

        for (size_t j = 0; j < len; j++)
            keys[i][j] = (char)(1 + (seed = seed * 1103515245u + 12345u) / 65536u % 3u * 120u);
        list[i] = keys[i];
    }
    fill(list, 400);
    for (size_t i = 0; i < 400; i++) {
        struct lk_radix_walk walk;
        struct lk_str rest;
        size_t count = 0;
        size_t expected = 0;
        struct lk_str key = lk_str_from(list[i]);

        lk_radix_walk_init(&walk, &root, key);
        while (lk_radix_walk_next(&walk, &rest) != NULL)
            count++;
        for (size_t len = 0; len <= key.len; len++) {
            bool stored = false;

            for (size_t j = 0; j < 400; j++)
                stored = stored || lk_str_eq(lk_str_from(list[j]), lk_str(key.ptr, len));
            expected += stored;
        }
        LK_CHECK_EQ_UINT(count, expected);
    }
    lk_arena_free(arena);
}
