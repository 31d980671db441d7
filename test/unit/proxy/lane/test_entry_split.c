/* The sticky split of entry rules: even, stable, the same everywhere; keys and the cookie. */
#include "test/unit/proxy/lane/entry_fixture.h"

#include "proxy/base/mem.h"

#define USERS 10000

static struct lk_entry_part parts[2];
static struct lk_entry_key keys[4];

/* One rule: a split of `bp` for g from bucket 0 on. */
static struct lk_entry_split *split(struct fixture *f, const char *salt, uint16_t bp)
{
    struct lk_entry_rule *rule = &init(f, 1)[0];

    parts[0] = (struct lk_entry_part){.lane = G, .start = 0, .end = bp};
    keys[0] = (struct lk_entry_key){LK_ENTRY_KEY_HEADER, LK_STR_INIT("x-user-id"), -1};
    keys[1] = (struct lk_entry_key){LK_ENTRY_KEY_COOKIE, LK_STR_INIT("lane_uid"), -1};
    keys[2] = (struct lk_entry_key){LK_ENTRY_KEY_QUERY, LK_STR_INIT("name"), -1};
    keys[3] = (struct lk_entry_key){LK_ENTRY_KEY_IP, LK_STR_INIT(""), -1};
    rule->is_split = true;
    rule->split = (struct lk_entry_split){.keys = keys,
                                          .key_count = 1,
                                          .salt = lk_str_from(salt),
                                          .parts = parts,
                                          .part_count = 1,
                                          .cookie = LK_STR_INIT("lane_uid"),
                                          .cookie_path = LK_STR_INIT("/")};
    lk_entry_prepare(f->table);
    return &rule->split;
}

/* Lane of each user by the whole decision. */
static unsigned assign_users(const char *salt, uint16_t bp, uint8_t *lanes)
{
    struct fixture f;
    unsigned count = 0;

    split(&f, salt, bp);
    lk_headers_add_raw(&f.headers, LK_HEADER_OTHER, LK_STR("x-user-id"), LK_STR(""));
    struct lk_header *header = lk_headers_find_name(&f.headers, LK_STR("x-user-id"));

    for (int i = 0; i < USERS; i++) {
        char name[32];

        header->value = lk_str(name, (size_t)snprintf(name, sizeof(name), "user-%d", i));
        lanes[i] = (uint8_t)lk_entry_assign(f.table, &f.request, (uint64_t)i, NULL).lane;
        count += lanes[i] == G;
    }
    fini(&f);
    return count;
}

LK_TEST(entry_split, a_split_is_even_and_growing_keeps_earlier_users)
{
    static uint8_t ten[USERS], twenty[USERS], again[USERS], other[USERS];
    unsigned same = 0;

    LK_CHECK_NEAR(assign_users("rel-1", 1000, ten), 1000, 90);
    LK_CHECK_NEAR(assign_users("rel-1", 2000, twenty), 2000, 120);
    LK_CHECK_EQ_UINT(assign_users("rel-1", 10000, again), USERS);
    LK_CHECK_EQ_UINT(assign_users("rel-1", 0, again), 0);
    /* a table compiled elsewhere decides alike */
    assign_users("rel-1", 1000, again);
    LK_CHECK_MEM(ten, again, sizeof(ten));
    /* another salt draws other users */
    LK_CHECK_NEAR(assign_users("rel-2", 1000, other), 1000, 90);
    for (int i = 0; i < USERS; i++) {
        LK_CHECK_MSG(ten[i] != G || twenty[i] == G, "user %d left", i);
        same += ten[i] == G && other[i] == G;
    }
    LK_CHECK_NEAR(same, 100, 50);
}

LK_TEST(entry_split, buckets_are_the_same_in_every_build)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "rel-2024-10", 500);

    LK_CHECK_EQ_UINT(lk_entry_bucket(made, LK_STR("jason")), 3848);
    LK_CHECK_EQ_UINT(lk_entry_bucket(made, LK_STR("anna")), 2190);
    fini(&f);
    made = split(&f, "", 500);
    LK_CHECK_EQ_UINT(lk_entry_bucket(made, LK_STR("jason")), 586);
    fini(&f);
}

LK_TEST(entry_split, the_first_key_that_is_there_counts)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "s", 10000);
    uint16_t by_ip = lk_entry_bucket(made, LK_STR("10.1.2.3"));

    made->key_count = 4;
    LK_CHECK_EQ_UINT(assign(&f).bucket, lk_entry_bucket(made, LK_STR("J\xc3\xb6rg")));
    add(&f, "x-user-id", ""); /* names nobody */
    add(&f, "cookie", "lane_uid=c1");
    LK_CHECK_EQ_UINT(assign(&f).bucket, lk_entry_bucket(made, LK_STR("c1")));
    lk_headers_find_name(&f.headers, LK_STR("x-user-id"))->value = LK_STR("u1");
    LK_CHECK_EQ_UINT(assign(&f).bucket, lk_entry_bucket(made, LK_STR("u1")));
    LK_CHECK(assign(&f).has_bucket);
    keys[0] = keys[3];
    LK_CHECK_EQ_UINT(assign(&f).bucket, by_ip);
    made->key_count = 1;
    f.request.source = NULL;
    LK_CHECK_EQ_INT(assign(&f).reason, LK_ENTRY_KEYLESS);
    fini(&f);
}

LK_TEST(entry_split, without_a_key_the_split_says_what_to_do)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "s", 5000);
    struct lk_entry_result result = assign(&f);

    LK_CHECK_EQ_INT(result.reason, LK_ENTRY_KEYLESS);
    LK_CHECK(result.lane == BASE && !result.has_bucket && result.set_cookie == NULL);
    made->missing = LK_ENTRY_MISSING_RANDOM;
    result = lk_entry_assign(f.table, &f.request, 4999, NULL);
    LK_CHECK(result.lane == G && result.reason == LK_ENTRY_BY_SPLIT && result.bucket == 4999);
    result = lk_entry_assign(f.table, &f.request, 20000 + 5000, NULL);
    LK_CHECK(result.lane == BASE && result.reason == LK_ENTRY_OUTSIDE && result.bucket == 5000);
    LK_CHECK_NULL(result.set_cookie);
    fini(&f);
}

LK_TEST(entry_split, a_cookie_that_was_set_leads_back_to_the_same_lane)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "s", 5000);
    unsigned in_g = 0;

    made->missing = LK_ENTRY_MISSING_SET_COOKIE;
    keys[0] = keys[1];
    for (uint64_t i = 0; i < 200; i++) {
        struct lk_entry_result first = lk_entry_assign(f.table, &f.request, i * 0x9e3779b97f4a7c15u, NULL);
        char line[64];

        LK_CHECK_EQ_PTR(first.set_cookie, made);
        snprintf(line, sizeof(line), "other=1; lane_uid=%s", first.cookie_value);
        add(&f, "cookie", line);
        struct lk_entry_result next = lk_entry_assign(f.table, &f.request, 1, NULL);
        LK_CHECK_EQ_INT(next.lane, first.lane);
        LK_CHECK_EQ_UINT(next.bucket, first.bucket);
        LK_CHECK_NULL(next.set_cookie);
        lk_headers_remove(&f.headers, LK_HEADER_COOKIE);
        in_g += first.lane == G;
    }
    LK_CHECK_NEAR(in_g, 100, 40);
    fini(&f);
}

LK_TEST(entry_split, writes_the_cookie)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "s", 5000);
    struct lk_entry_result result;

    made->missing = LK_ENTRY_MISSING_SET_COOKIE;
    result = lk_entry_assign(f.table, &f.request, 0xabc, NULL);
    LK_CHECK_LKSTR(lk_entry_cookie(&result, &f.arena), "lane_uid=0000000000000abc; Path=/; HttpOnly; SameSite=Lax");
    made->cookie_ttl_s = 3600;
    made->cookie_path = LK_STR("/shop");
    LK_CHECK_LKSTR(lk_entry_cookie(&result, &f.arena),
                   "lane_uid=0000000000000abc; Path=/shop; Max-Age=3600; HttpOnly; SameSite=Lax");
    fini(&f);
}

LK_TEST(entry_split, a_closed_lane_keeps_its_share_free)
{
    struct fixture f;
    struct lk_entry_split *made = split(&f, "s", 5000);

    parts[1] = (struct lk_entry_part){.lane = H, .start = 5000, .end = 10000};
    made->part_count = 2;
    made->missing = LK_ENTRY_MISSING_RANDOM;
    f.lanes[G].state = LK_LANE_DRAINING;
    LK_CHECK_EQ_INT(lk_entry_assign(f.table, &f.request, 10, NULL).lane, BASE);
    LK_CHECK_EQ_INT(lk_entry_assign(f.table, &f.request, 10, NULL).reason, LK_ENTRY_NOT_ACTIVE);
    LK_CHECK_EQ_INT(lk_entry_assign(f.table, &f.request, 6000, NULL).lane, H);
    fini(&f);
}
