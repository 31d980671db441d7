/* Values out of bytes that anyone may have sent. */
#include "test/support/lk_test.h"

#include "xds/decode/decode_metadata.h"

LK_TEST(value_from_bytes, reads_a_list_of_structs)
{
    const struct lk_str bytes = LK_STR("2(\n\x12*\x10\n\x0e\n\x04lane\x12\x06\x1a\x04gray"
                                       "\n\x12*\x10\n\x0e\n\x04lane\x12\x06\x1a\x04"
                                       "base");
    struct lk_arena arena;
    struct lk_value value;

    lk_arena_init(&arena);
    LK_CHECK(lk_value_from_bytes(&arena, bytes, &value));
    LK_CHECK_EQ_INT(value.kind, LK_VALUE_LIST);
    LK_CHECK_EQ_UINT(value.child_count, 2);
    LK_CHECK_LKSTR(lk_value_get(&value.children[0], LK_STR("lane"))->text, "gray");
    LK_CHECK_LKSTR(lk_value_get(&value.children[1], LK_STR("lane"))->text, "base");
    lk_arena_reset(&arena);
}

LK_TEST(value_from_bytes, refuses_what_is_none)
{
    const struct lk_str bad[] = {LK_STR("\x1a\x04gra"), LK_STR("\x1a\x02\xff\xff"), LK_STR("\xff"), LK_STR("\x32\x05")};
    struct lk_arena arena;
    struct lk_value value;

    lk_arena_init(&arena);
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++) {
        LK_CHECK_MSG(!lk_value_from_bytes(&arena, bad[i], &value), "accepted number %zu", i);
        LK_CHECK_EQ_INT(value.kind, LK_VALUE_NULL);
    }
    LK_CHECK(lk_value_from_bytes(&arena, LK_STR(""), &value)); /* no kind is set */
    LK_CHECK_EQ_INT(value.kind, LK_VALUE_NULL);
    lk_arena_reset(&arena);
}

/* Lists in lists, each two bytes more: the length fits one byte up to 60 levels and two beyond. */
static struct lk_str nested(unsigned levels, char *room, size_t size)
{
    size_t start = size;
    for (unsigned i = 0; i < 2 * levels; i++) {
        size_t len = size - start;
        if (len >= 128) {
            room[--start] = (char)(len >> 7);
            room[--start] = (char)(len | 128);
        } else {
            room[--start] = (char)len;
        }
        room[--start] = i % 2 == 0 ? '\x0a' : '\x32';
    }
    return lk_str(room + start, size - start);
}

LK_TEST(value_from_bytes, bounds_the_depth)
{
    char room[8192];
    struct lk_arena arena;
    struct lk_value value;

    lk_arena_init(&arena);
    LK_CHECK(lk_value_from_bytes(&arena, nested(20, room, sizeof(room)), &value));
    LK_CHECK_EQ_INT(value.kind, LK_VALUE_LIST);
    LK_CHECK(!lk_value_from_bytes(&arena, nested(1000, room, sizeof(room)), &value));
    lk_arena_reset(&arena);
}
