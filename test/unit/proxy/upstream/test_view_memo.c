/* The memo of narrowed views: what is found again, what goes. */
#include "test/unit/proxy/upstream/hosts.h"

#include "proxy/upstream/view_memo.h"

struct setup {
    struct lk_host_set *set;
    struct lk_view_memo memo;
};

static void begin(struct setup *s)
{
    s->set = test_hosts((const struct test_host[]){{0, 0, 0}}, 1);
    lk_view_memo_init(&s->memo);
}

static void finish(struct setup *s)
{
    lk_view_memo_clear(&s->memo);
    lk_host_set_unref(s->set);
}

static struct lk_view_key key_of(uint64_t narrowing)
{
    return (struct lk_view_key){NULL, narrowing, 50};
}

static struct lk_host_view *put(struct setup *s, uint64_t narrowing, uint64_t epoch, uint64_t now)
{
    struct lk_host_view *view = lk_host_view_new(s->set, 50, NULL);
    struct lk_view_key key = key_of(narrowing);
    lk_view_memo_put(&s->memo, &key, epoch, now, view);
    return view;
}

static struct lk_host_view *get(struct setup *s, uint64_t narrowing, uint64_t epoch, uint64_t now)
{
    struct lk_view_key key = key_of(narrowing);
    return lk_view_memo_get(&s->memo, &key, epoch, now);
}

LK_TEST(view_memo, finds_a_view_by_its_whole_key)
{
    struct setup s;
    begin(&s);
    const struct lk_host_view *one = put(&s, 1, 7, 0);
    const struct lk_host_view *two = put(&s, 2, 7, 0);
    struct lk_view_key calm = {NULL, 1, 0};
    LK_CHECK_EQ_PTR(get(&s, 1, 7, 0), one);
    LK_CHECK_EQ_PTR(get(&s, 2, 7, 0), two);
    LK_CHECK_NULL(get(&s, 3, 7, 0));
    LK_CHECK_NULL(lk_view_memo_get(&s.memo, &calm, 7, 0));
    finish(&s);
}

LK_TEST(view_memo, view_of_older_health_is_gone)
{
    struct setup s;
    begin(&s);
    put(&s, 1, 7, 0);
    LK_CHECK_NULL(get(&s, 1, 8, 0));
    LK_CHECK_NULL(get(&s, 1, 7, 0));
    LK_CHECK_EQ_UINT(s.memo.by_key.count, 0);
    finish(&s);
}

LK_TEST(view_memo, least_recently_used_goes_beyond_the_bound)
{
    struct setup s;
    begin(&s);
    for (uint64_t i = 1; i <= LK_VIEWS_MAX; i++)
        put(&s, i, 0, 0);
    LK_CHECK_NOT_NULL(get(&s, 1, 0, 0)); /* now the second is the oldest */
    put(&s, LK_VIEWS_MAX + 1, 0, 0);
    LK_CHECK_EQ_UINT(s.memo.by_key.count, LK_VIEWS_MAX);
    LK_CHECK_NOT_NULL(get(&s, 1, 0, 0));
    LK_CHECK_NULL(get(&s, 2, 0, 0));
    LK_CHECK_NOT_NULL(get(&s, 3, 0, 0));
    finish(&s);
}

LK_TEST(view_memo, unused_views_expire)
{
    struct setup s;
    begin(&s);
    put(&s, 1, 0, 1000);
    put(&s, 2, 0, 1000);
    LK_CHECK_NOT_NULL(get(&s, 1, 0, 1000 + LK_VIEW_IDLE_MS / 2));
    LK_CHECK(lk_view_memo_expire(&s.memo, 1000 + LK_VIEW_IDLE_MS - 1));
    LK_CHECK_EQ_UINT(s.memo.by_key.count, 2);
    LK_CHECK(lk_view_memo_expire(&s.memo, 1000 + LK_VIEW_IDLE_MS));
    LK_CHECK_EQ_UINT(s.memo.by_key.count, 1);
    LK_CHECK(!lk_view_memo_expire(&s.memo, 1000 + 2 * LK_VIEW_IDLE_MS));
    LK_CHECK_EQ_UINT(s.memo.by_key.count, 0);
    finish(&s);
}
