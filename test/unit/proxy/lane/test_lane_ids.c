/* Numbers of lanes: stable, bounded, and read by threads while others add. */
#include "proxy/lane/lane_ids.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <pthread.h>
#include <stdio.h>

LK_TEST(lane_ids, a_name_keeps_its_id)
{
    struct lk_lane_ids *ids = lk_lane_ids_new();
    uint32_t a = lk_lane_ids_get(ids, LK_STR("a"), true), b = lk_lane_ids_get(ids, LK_STR("b"), false);

    LK_CHECK(a != LK_LANE_ID_NONE && b != LK_LANE_ID_NONE && a != b);
    LK_CHECK_EQ_UINT(lk_lane_ids_get(ids, LK_STR("a"), false), a);
    LK_CHECK_LKSTR(lk_lane_ids_name(ids, a), "a");
    LK_CHECK_LKSTR(lk_lane_ids_name(ids, b), "b");
    lk_lane_ids_free(ids);
}

LK_TEST(lane_ids, nothing_is_known_of_other_ids)
{
    struct lk_lane_ids *ids = lk_lane_ids_new();

    LK_CHECK_EQ_UINT(lk_lane_ids_get(ids, LK_STR(""), true), LK_LANE_ID_NONE);
    LK_CHECK_EQ_UINT(lk_lane_ids_name(ids, LK_LANE_ID_NONE).len, 0);
    LK_CHECK_EQ_UINT(lk_lane_ids_name(ids, 77).len, 0);
    LK_CHECK_EQ_UINT(lk_lane_ids_name(ids, UINT32_MAX).len, 0);
    lk_lane_ids_free(ids);
}

static uint32_t numbered(struct lk_lane_ids *ids, const char *prefix, unsigned number, bool known)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "%s%u", prefix, number);

    return lk_lane_ids_get(ids, lk_str(name, (size_t)len), known);
}

LK_TEST(lane_ids, marks_of_no_table_are_bounded)
{
    struct lk_lane_ids *ids = lk_lane_ids_new();

    for (unsigned i = 0; i < LK_LANE_IDS_UNKNOWN_MAX; i++)
        LK_CHECK(numbered(ids, "u", i, false) != LK_LANE_ID_NONE);
    LK_CHECK_EQ_UINT(numbered(ids, "more", 0, false), LK_LANE_ID_NONE);
    for (unsigned i = LK_LANE_IDS_UNKNOWN_MAX + 1; i < LK_LANE_IDS_MAX; i++)
        LK_CHECK(numbered(ids, "k", i, true) != LK_LANE_ID_NONE);
    LK_CHECK_EQ_UINT(numbered(ids, "more", 1, true), LK_LANE_ID_NONE);
    LK_CHECK(numbered(ids, "u", 5, false) != LK_LANE_ID_NONE);
    lk_lane_ids_free(ids);
}

static void *add_many(void *arg)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t id = numbered(arg, "x", i, true);

        LK_CHECK_EQ_UINT(lk_lane_ids_name(arg, id).ptr[0], 'x');
    }
    return NULL;
}

LK_TEST(lane_ids, threads_agree)
{
    struct lk_lane_ids *ids = lk_lane_ids_new();
    pthread_t threads[4];

    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++)
        LK_CHECK_EQ_INT(pthread_create(&threads[i], NULL, add_many, ids), 0);
    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    LK_CHECK_EQ_UINT(numbered(ids, "y", 0, true), 1001);
    lk_lane_ids_free(ids);
}
