/* Indexes of host sets: which hosts an entry has, who has none, sharing, size. */
#include "test/unit/proxy/upstream/hosts.h"
#include "test/unit/proxy/upstream/labels.h"

#include "proxy/base/clock.h"
#include "proxy/upstream/host_index.h"

#include <pthread.h>

static const struct lk_str lane_path[] = {LK_STR_INIT("lane")};
static const struct lk_str zone_path[] = {LK_STR_INIT("zone")};
static const struct lk_label_spec lane = {LK_STR_INIT("envoy.lb"), lane_path, 1, 0, 0};

struct setup {
    struct lk_arena arena;
    struct lk_host_set *set;
};

static void begin(struct setup *s, const char *const *specs, size_t count)
{
    struct test_host hosts[16] = {{0, 0, 0}};
    lk_arena_init(&s->arena);
    s->set = test_hosts(hosts, count);
    for (size_t i = 0; i < count; i++)
        s->set->hosts[i]->metadata = specs[i] != NULL ? test_metadata(&s->arena, specs[i]) : NULL;
}

static void finish(struct setup *s)
{
    lk_host_set_unref(s->set);
    lk_arena_reset(&s->arena);
}

static const struct lk_host_index *by_lane(struct setup *s, bool list_as_any)
{
    struct lk_index_spec spec;
    lk_index_spec_init(&spec, &lane, 1, list_as_any);
    return lk_host_set_index(s->set, &spec);
}

/* "0 2 5", or "none". */
static void check_entry(const struct lk_host_index_entry *entry, const char *expected)
{
    char text[128] = "none";
    size_t len = 0;
    for (uint32_t i = 0; entry != NULL && i < entry->count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i > 0 ? " " : "", entry->positions[i]);
    LK_CHECK_STR(text, expected);
}

LK_TEST(host_index, finds_the_hosts_of_a_value)
{
    struct setup s;
    begin(&s, (const char *[]){"lane=a", "lane=b", NULL, "lane=a", "zone=x"}, 5);
    const struct lk_host_index *index = by_lane(&s, false);
    check_entry(lk_host_index_find_text(index, LK_STR("a")), "0 3");
    check_entry(lk_host_index_find_text(index, LK_STR("b")), "1");
    check_entry(lk_host_index_find_text(index, LK_STR("c")), "none");
    check_entry(&index->untagged, "2 4");
    LK_CHECK_EQ_UINT(index->entry_count, 2);
    LK_CHECK_LKSTR(index->entries[0].values[0].text, "a");
    LK_CHECK_LKSTR(index->entries[1].values[0].text, "b");
    finish(&s);
}

LK_TEST(host_index, empty_set_has_no_entries)
{
    struct setup s;
    begin(&s, NULL, 0);
    const struct lk_host_index *index = by_lane(&s, true);
    LK_CHECK_EQ_UINT(index->entry_count, 0);
    LK_CHECK_EQ_UINT(index->untagged.count, 0);
    LK_CHECK_NULL(lk_host_index_find_text(index, LK_STR("a")));
    finish(&s);
}

LK_TEST(host_index, list_counts_for_each_element_or_as_itself)
{
    struct setup s;
    begin(&s, (const char *[]){"lane=a|b|a", "lane=b", "lane=[]"}, 3);
    const struct lk_host_index *index = by_lane(&s, true);
    check_entry(lk_host_index_find_text(index, LK_STR("a")), "0"); /* once, though named twice */
    check_entry(lk_host_index_find_text(index, LK_STR("b")), "0 1");
    check_entry(&index->untagged, "2");
    index = by_lane(&s, false);
    check_entry(lk_host_index_find_text(index, LK_STR("a")), "none");
    check_entry(lk_host_index_find_text(index, LK_STR("b")), "1");
    const struct lk_value *list = test_object(&s.arena, "lane=a|b|a")->children;
    check_entry(lk_host_index_find(index, &list), "0");
    check_entry(&index->untagged, "none");
    finish(&s);
}

LK_TEST(host_index, several_labels_go_together)
{
    const struct lk_label_spec labels[] = {lane, {LK_STR_INIT("envoy.lb"), zone_path, 1, 0, 0}};
    struct lk_index_spec spec;
    struct setup s;
    begin(&s, (const char *[]){"lane=a zone=x", "lane=a zone=y", "lane=a", "zone=x", "lane=a|b zone=x|y"}, 5);
    lk_index_spec_init(&spec, labels, 2, true);
    const struct lk_host_index *index = lk_host_set_index(s.set, &spec);
    const struct lk_value *wanted = test_object(&s.arena, "lane=a zone=x")->children;
    check_entry(lk_host_index_find(index, (const struct lk_value *const[]){&wanted[0], &wanted[1]}), "0 4");
    check_entry(lk_host_index_find(index, (const struct lk_value *const[]){&wanted[1], &wanted[0]}), "none");
    check_entry(&index->untagged, "2 3");
    LK_CHECK_EQ_UINT(index->entry_count, 4); /* ax ay bx by */
    finish(&s);
}

LK_TEST(host_index, part_of_a_value_is_a_label_too)
{
    const struct lk_label_spec fourth = {LK_STR_INIT("envoy.lb"), lane_path, 1, ';', 4};
    struct lk_index_spec spec;
    struct setup s;
    begin(&s,
          (const char *[]){"lane=web;ns;web;v1;c", "lane=web;ns;web;v2", "lane=web;ns;web;;c", "lane=web;ns",
                           "lane=db;ns;db;v1;c"},
          5);
    lk_index_spec_init(&spec, &fourth, 1, true);
    const struct lk_host_index *index = lk_host_set_index(s.set, &spec);
    check_entry(lk_host_index_find_text(index, LK_STR("v1")), "0 4");
    check_entry(lk_host_index_find_text(index, LK_STR("v2")), "1");
    check_entry(&index->untagged, "2 3"); /* an empty part and one too few are none */
    finish(&s);
}

LK_TEST(host_index, values_that_are_no_text_are_values_as_well)
{
    struct setup s;
    struct lk_value number = {.kind = LK_VALUE_NUMBER, .number = 0.0, .name = LK_STR_INIT("lane")};
    struct lk_value truth = {.kind = LK_VALUE_BOOL, .boolean = true, .name = LK_STR_INIT("lane")};
    begin(&s, (const char *[]){"lane=a", "lane=a", "lane=1"}, 3);
    ((struct lk_value *)s.set->hosts[0]->metadata->root.children)->children = &number;
    ((struct lk_value *)s.set->hosts[1]->metadata->root.children)->children = &truth;
    const struct lk_host_index *index = by_lane(&s, false);
    struct lk_value wanted = {.kind = LK_VALUE_NUMBER, .number = -0.0};
    check_entry(lk_host_index_find(index, (const struct lk_value *const[]){&wanted}), "0");
    wanted.number = 1;
    check_entry(lk_host_index_find(index, (const struct lk_value *const[]){&wanted}), "none"); /* "1" is not 1 */
    check_entry(lk_host_index_find(index, (const struct lk_value *const[]){&truth}), "1");
    finish(&s);
}

LK_TEST(host_index, combinations_of_lists_are_bounded)
{
    const struct lk_str paths[] = {LK_STR_INIT("a"), LK_STR_INIT("b"), LK_STR_INIT("c"), LK_STR_INIT("d")};
    const char *ten = "0|1|2|3|4|5|6|7|8|9";
    char text[256];
    struct lk_label_spec labels[4];
    struct lk_index_spec spec;
    struct setup s;
    for (unsigned i = 0; i < 4; i++)
        labels[i] = (struct lk_label_spec){LK_STR("envoy.lb"), &paths[i], 1, 0, 0};
    snprintf(text, sizeof(text), "a=%s b=%s c=%s d=%s", ten, ten, ten, ten);
    begin(&s, (const char *[]){text, "a=0 b=0 c=0 d=0"}, 2);
    lk_index_spec_init(&spec, labels, 4, true);
    const struct lk_host_index *index = lk_host_set_index(s.set, &spec);
    LK_CHECK_EQ_UINT(index->entry_count, 4096);
    check_entry(&index->entries[0], "0 1");
    finish(&s);
}

LK_TEST(host_index, is_built_once_for_equal_specs_that_may_go)
{
    struct setup s;
    char ns[] = "envoy.lb";
    char key[] = "lane";
    struct lk_str path[] = {lk_str_from(key)};
    struct lk_label_spec same = {lk_str_from(ns), path, 1, 0, 0};
    struct lk_index_spec spec;
    begin(&s, (const char *[]){"lane=a", "lane=b"}, 2);
    lk_index_spec_init(&spec, &same, 1, false);
    const struct lk_host_index *index = lk_host_set_index(s.set, &spec);
    LK_CHECK_EQ_PTR(by_lane(&s, false), index);
    memset(ns, 'x', 8);
    memset(key, 'x', 4);
    LK_CHECK_EQ_PTR(by_lane(&s, false), index);
    LK_CHECK(by_lane(&s, true) != index);
    finish(&s);
}

LK_TEST(host_index, ten_thousand_hosts_and_256_values_are_cheap)
{
    const size_t count = 10000;
    struct test_host *specs = lk_calloc(count, sizeof(*specs));
    struct setup s;
    lk_arena_init(&s.arena);
    s.set = test_hosts(specs, count);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof(text), "lane=lane-%zu", i % 256);
        s.set->hosts[i]->metadata = test_metadata(&s.arena, text);
    }
    uint64_t start = lk_clock_us();
    const struct lk_host_index *index = by_lane(&s, true);
    LK_CHECK_MSG(lk_clock_us() - start < 500000, "built in %llu us", (unsigned long long)(lk_clock_us() - start));
    LK_CHECK_EQ_UINT(index->entry_count, 256);
    for (size_t i = 0; i < 256; i++) {
        char text[32];
        snprintf(text, sizeof(text), "lane-%zu", i);
        const struct lk_host_index_entry *entry = lk_host_index_find_text(index, lk_str_from(text));
        LK_CHECK_EQ_UINT(entry->count, i < count % 256 ? 40 : 39);
        LK_CHECK_EQ_UINT(entry->positions[0], i);
        LK_CHECK_EQ_UINT(entry->positions[1], i + 256);
    }
    lk_host_set_unref(s.set);
    lk_arena_reset(&s.arena);
    lk_free(specs);
}

struct race {
    struct setup *s;
    const struct lk_host_index *found;
};

static void *look(void *arg)
{
    struct race *race = arg;
    race->found = by_lane(race->s, false);
    return NULL;
}

LK_TEST(host_index, threads_that_ask_at_once_share_one)
{
    struct setup s;
    pthread_t threads[8];
    struct race races[8];
    begin(&s, (const char *[]){"lane=a", "lane=b"}, 2);
    for (unsigned i = 0; i < 8; i++) {
        races[i] = (struct race){&s, NULL};
        LK_CHECK_EQ_INT(pthread_create(&threads[i], NULL, look, &races[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 8; i++)
        LK_CHECK_EQ_PTR(races[i].found, races[0].found);
    finish(&s);
}
