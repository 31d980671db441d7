/* Dynamic metadata of a stream. */
#include "test/support/lk_test.h"

#include "proxy/config/metadata.h"
#include "proxy/filter/stream_info.h"

LK_TEST(stream_info, metadata_of_a_namespace_is_one_object)
{
    const struct lk_value one = {.kind = LK_VALUE_TEXT, .text = LK_STR_INIT("1")};
    const struct lk_value two = {.kind = LK_VALUE_NUMBER, .number = 2};
    struct lk_stream_info info = {0};
    struct lk_arena arena;
    lk_arena_init(&arena);
    LK_CHECK_NULL(lk_stream_info_metadata(&info, &arena, LK_STR("a")));
    lk_stream_info_set_metadata(&info, &arena, LK_STR("a"), LK_STR("x"), &one);
    lk_stream_info_set_metadata(&info, &arena, LK_STR("a"), LK_STR("y"), &one);
    lk_stream_info_set_metadata(&info, &arena, LK_STR("b"), LK_STR("x"), &two);
    lk_stream_info_set_metadata(&info, &arena, LK_STR("a"), LK_STR("x"), &two); /* over the older one */
    const struct lk_value *a = lk_stream_info_metadata(&info, &arena, LK_STR("a"));
    LK_CHECK_EQ_UINT(a->child_count, 2);
    LK_CHECK_LKSTR(lk_value_text(a, &arena), "{\"x\":2,\"y\":\"1\"}");
    LK_CHECK_LKSTR(lk_value_text(lk_stream_info_metadata(&info, &arena, LK_STR("b")), &arena), "{\"x\":2}");
    LK_CHECK_NULL(lk_stream_info_metadata(&info, &arena, LK_STR("c")));
    lk_arena_reset(&arena);
}
