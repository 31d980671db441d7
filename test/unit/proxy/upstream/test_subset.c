/* Envoy's subset balancer: for each policy and request, which endpoints are picked and what is counted. */
#include "test/unit/proxy/upstream/labels.h"

#include "proxy/upstream/subset.h"
#include "test/support/upstream_fixture.h"

#define MAX 16
#define UP LK_HEALTH_HEALTHY
#define DOWN LK_HEALTH_UNHEALTHY

struct spec {
    const char *labels;
    uint8_t health;
    uint32_t priority;
};

struct setup {
    struct upstream_fixture *f;
    struct lk_arena arena;
    struct lk_subset_config subsets;
    struct lk_subset_selector selectors[8];
};

static void begin(struct setup *s, enum lk_subset_fallback fallback, const char *default_subset)
{
    memset(s, 0, sizeof(*s));
    s->f = upstream_new(0);
    lk_arena_init(&s->arena);
    s->subsets.fallback = fallback;
    s->subsets.default_subset = test_criteria(&s->arena, default_subset);
    s->subsets.selectors = s->selectors;
    s->f->config.subsets = &s->subsets;
}

static size_t names(struct lk_arena *arena, const char *text, const struct lk_str **out)
{
    struct lk_str *list = lk_arena_array(arena, MAX, sizeof(*list));
    struct lk_str rest = lk_str_from(text);
    size_t count = 0;
    while (rest.ptr != NULL && rest.len > 0)
        list[count++] = lk_str_split(&rest, ' ');
    *out = list;
    return count;
}

/* Keys are given sorted. */
static struct lk_subset_selector *selector(struct setup *s, const char *keys, enum lk_subset_fallback fallback,
                                           const char *fallback_keys)
{
    struct lk_subset_selector *out = &s->selectors[s->subsets.selector_count++];
    out->key_count = names(&s->arena, keys, &out->keys);
    out->fallback_key_count = names(&s->arena, fallback_keys, &out->fallback_keys);
    out->fallback = fallback;
    return out;
}

/* Endpoints named a, b, c, ... */
static struct lk_endpoints *endpoints(struct setup *s, const struct spec *specs, size_t count)
{
    struct lk_endpoints *all = lk_arena_zalloc(&s->arena, sizeof(*all));
    struct lk_locality_endpoints *groups = lk_arena_array(&s->arena, count + 1, sizeof(*groups));
    struct lk_endpoint *list = lk_arena_array(&s->arena, count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        struct lk_str ip = lk_arena_printf(&s->arena, "10.0.0.%zu", i + 1);
        LK_CHECK(lk_addr_parse_ip(ip, 80, &list[i].addr));
        list[i].weight = 1;
        list[i].health = specs[i].health;
        list[i].hostname = lk_arena_printf(&s->arena, "%c", (char)('a' + i));
        list[i].metadata = specs[i].labels != NULL ? test_metadata(&s->arena, specs[i].labels) : NULL;
        groups[i] =
            (struct lk_locality_endpoints){.endpoints = &list[i], .endpoint_count = 1, .priority = specs[i].priority};
    }
    lk_ref_init(&all->ref);
    all->localities = groups;
    all->locality_count = count;
    return all;
}

static void start(struct setup *s, const struct spec *specs, size_t count)
{
    s->f->config.endpoints = endpoints(s, specs, count);
    upstream_start(s->f);
}

static void finish(struct setup *s)
{
    upstream_free(s->f);
    lk_arena_reset(&s->arena);
}

/* The hosts of many picks in order, "ab"; "-" when there is none. */
static const char *pick_match(struct setup *s, const struct lk_match_criteria *match)
{
    static char text[32];
    bool seen[26] = {false};
    size_t len = 0;
    for (unsigned i = 0; i < 60; i++) {
        struct lk_worker_host *wh = lk_cluster_pick(s->f->view, &(struct lk_pick){.match = match});
        if (wh == NULL)
            return "-";
        seen[wh->host->hostname.ptr[0] - 'a'] = true;
        lk_worker_host_unref(wh);
    }
    for (unsigned i = 0; i < 26; i++) {
        if (seen[i])
            text[len++] = (char)('a' + i);
    }
    text[len] = 0;
    return text;
}

static const char *pick(struct setup *s, const char *match)
{
    return pick_match(s, match != NULL ? test_criteria(&s->arena, match) : NULL);
}

static const struct spec two_lanes[] = {
    {"lane=base", UP, 0}, {"lane=base", UP, 0}, {"lane=gray", UP, 0}, {NULL, UP, 0}, {"lane=dead", DOWN, 0},
};

LK_TEST(subset, request_goes_to_the_subset_with_its_values)
{
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=base"), "ab");
    LK_CHECK_STR(pick(&s, "lane=gray"), "c");
    LK_CHECK_STR(pick(&s, "lane=blue"), "-");
    LK_CHECK_STR(pick(&s, "lane=base more=1"), "-"); /* no selector has these keys */
    LK_CHECK_STR(pick(&s, ""), "-");
    LK_CHECK_STR(pick(&s, NULL), "-");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_SELECTED), 120);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_FALLBACK), 0);
    finish(&s);
}

LK_TEST(subset, any_endpoint_takes_what_no_subset_has)
{
    struct setup s;
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=blue"), "abcd");
    LK_CHECK_STR(pick(&s, NULL), "abcd");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_FALLBACK), 120);
    finish(&s);
}

LK_TEST(subset, default_subset_takes_what_no_subset_has)
{
    struct setup s;
    begin(&s, LK_SUBSET_DEFAULT, "lane=base");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=blue"), "ab");
    LK_CHECK_STR(pick(&s, NULL), "ab");
    LK_CHECK_STR(pick(&s, "lane=gray"), "c");
    finish(&s);
}

LK_TEST(subset, empty_default_subset_is_everything_and_an_absent_one_nothing)
{
    struct setup s;
    begin(&s, LK_SUBSET_DEFAULT, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, NULL), "abcd");
    finish(&s);
    begin(&s, LK_SUBSET_DEFAULT, "lane=nobody");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, NULL), "-");
    finish(&s);
    begin(&s, LK_SUBSET_DEFAULT, "lane=nobody");
    s.subsets.panic_mode_any = true;
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, NULL), "abcd");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_FALLBACK_PANIC), 60);
    finish(&s);
}

LK_TEST(subset, with_endpoints_none_of_which_is_fit_is_final)
{
    struct setup s;
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    s.f->config.panic_percent = 0;
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=dead"), "-");
    finish(&s);
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    s.f->config.panic_percent = 50;
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=dead"), "e"); /* panic inside the subset */
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_HEALTHY_PANIC), 60);
    finish(&s);
}

LK_TEST(subset, selectors_have_fallbacks_of_their_own)
{
    struct setup s;
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "lane=base");
    selector(&s, "none", LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "any", LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "def", LK_SUBSET_DEFAULT, "");
    selector(&s, "lane stage", LK_SUBSET_KEYS, "lane");
    selector(&s, "lane", LK_SUBSET_NO_FALLBACK, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "none=1"), "-");
    LK_CHECK_STR(pick(&s, "any=1"), "abcd");
    LK_CHECK_STR(pick(&s, "def=1"), "ab");
    LK_CHECK_STR(pick(&s, "lane=gray stage=x"), "c");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_FALLBACK), 0); /* only the whole's counts */
    LK_CHECK_STR(pick(&s, "lane=blue stage=x"), "abcd"); /* "lane" begins an earlier selector's keys */
    finish(&s);
}

LK_TEST(subset, fewer_keys_go_on_to_the_fallback_of_their_selector)
{
    struct setup s;
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "lane", LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane stage", LK_SUBSET_KEYS, "lane");
    selector(&s, "x y", LK_SUBSET_KEYS, "y");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=gray stage=x"), "c");
    LK_CHECK_STR(pick(&s, "lane=blue stage=x"), "-");
    LK_CHECK_STR(pick(&s, "x=1 y=1"), "abcd"); /* nobody selects by "y" */
    finish(&s);
}

LK_TEST(subset, first_of_two_selectors_with_the_same_keys_decides)
{
    struct setup s;
    begin(&s, LK_SUBSET_ANY_ENDPOINT, "");
    selector(&s, "lane", LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_ANY_ENDPOINT, "")->single_host = true;
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "lane=blue"), "-");
    LK_CHECK_STR(pick(&s, "lane=base"), "ab");
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_ACTIVE), 3);
    finish(&s);
}

LK_TEST(subset, single_host_is_the_first_of_the_lowest_priority_whatever_its_health)
{
    const struct spec specs[] = {{"lane=x", UP, 1}, {"lane=x", DOWN, 0}, {"lane=x", UP, 0}};
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "")->single_host = true;
    start(&s, specs, 3);
    LK_CHECK_STR(pick(&s, "lane=x"), "b");
    finish(&s);
}

LK_TEST(subset, list_of_an_endpoint_matches_each_element)
{
    const struct spec specs[] = {{"lane=x|y", UP, 0}, {"lane=y", UP, 0}};
    struct setup s;
    begin(&s, LK_SUBSET_DEFAULT, "lane=x");
    s.subsets.list_as_any = true;
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, specs, 2);
    LK_CHECK_STR(pick(&s, "lane=x"), "a");
    LK_CHECK_STR(pick(&s, "lane=y"), "ab");
    LK_CHECK_STR(pick(&s, NULL), "a");
    finish(&s);
}

LK_TEST(subset, priorities_and_panic_hold_inside_a_subset)
{
    const struct spec specs[] = {{"lane=x", DOWN, 0}, {"lane=y", UP, 0}, {"lane=x", UP, 1}, {"lane=x", UP, 1}};
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, specs, 4);
    LK_CHECK_STR(pick(&s, "lane=x"), "cd");
    LK_CHECK_STR(pick(&s, "lane=y"), "b");
    finish(&s);
}

/* "lane=gray,lane=base" in metadata of a request: alternatives. */
static const struct lk_match_criteria *alternatives(struct setup *s, const char *rest, const char *const *lists)
{
    struct lk_value *list = lk_arena_zalloc(&s->arena, sizeof(*list));
    struct lk_value *children = lk_arena_array(&s->arena, MAX, sizeof(*children));
    struct lk_value object = {.kind = LK_VALUE_OBJECT, .children = list, .child_count = 1};
    list->kind = LK_VALUE_LIST;
    list->name = LK_STR("fallback_list");
    list->children = children;
    for (; lists[list->child_count] != NULL; list->child_count++)
        children[list->child_count] = *test_object(&s->arena, lists[list->child_count]);
    return lk_match_criteria_merge(&s->arena, test_criteria(&s->arena, rest), &object);
}

LK_TEST(subset, alternatives_are_tried_until_one_has_a_host)
{
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    s.subsets.fallback_list = true;
    s.f->config.panic_percent = 0;
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    selector(&s, "lane stage", LK_SUBSET_KEYS, "lane");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "", (const char *[]){"lane=gray", "lane=base", NULL})), "c");
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "", (const char *[]){"lane=blue", "lane=base", NULL})), "ab");
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "", (const char *[]){"lane=dead", "lane=base", NULL})), "ab");
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "", (const char *[]){"lane=blue", NULL})), "-");
    /* the criteria beside the list are kept, and are nothing by themselves */
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "stage=1", (const char *[]){"lane=gray", NULL})), "c");
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "lane=base", (const char *[]){"lane=blue", NULL})), "-");
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "lane=base", (const char *[]){NULL})), "ab"); /* an empty list */
    LK_CHECK_STR(pick(&s, "fallback_list=x lane=base"), "ab");                                 /* no list at all */
    finish(&s);
}

LK_TEST(subset, list_means_nothing_unless_it_is_asked_for)
{
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick_match(&s, alternatives(&s, "lane=base", (const char *[]){"lane=gray", NULL})), "-");
    finish(&s);
}

LK_TEST(subset, redundant_keys_are_allowed_by_the_extension)
{
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    s.subsets.allow_redundant_keys = true;
    selector(&s, "lane stage", LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_ANY_ENDPOINT, "");
    start(&s, two_lanes, 5);
    LK_CHECK_STR(pick(&s, "a=1 lane=gray z=1"), "c");
    LK_CHECK_STR(pick(&s, "a=1 lane=gray stage=1 z=1"), "-"); /* the first that fits decides */
    LK_CHECK_STR(pick(&s, "a=1"), "-");
    finish(&s);
}

LK_TEST(subset, subsets_that_come_and_go_are_counted)
{
    const struct spec next[] = {{"lane=base", UP, 0}, {"lane=blue", UP, 0}};
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_ACTIVE), 3);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_CREATED), 3);
    LK_CHECK_STR(pick(&s, "lane=gray"), "c");
    lk_cluster_set_hosts(s.f->cluster, lk_host_set_from_endpoints(s.f->cluster, endpoints(&s, next, 2)));
    upstream_turn(s.f, 2);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_ACTIVE), 2);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_CREATED), 4);
    LK_CHECK_EQ_UINT(upstream_stat(s.f, LK_CLUSTER_LB_SUBSETS_REMOVED), 2);
    LK_CHECK_STR(pick(&s, "lane=gray"), "-");
    LK_CHECK_STR(pick(&s, "lane=blue"), "b");
    finish(&s);
}

static bool is_first(const void *arg, const struct lk_host *host)
{
    (void)arg;
    return host->hostname.ptr[0] == 'a';
}

LK_TEST(subset, retry_looks_for_another_host_in_the_same_subset)
{
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    const struct lk_match_criteria *match = test_criteria(&s.arena, "lane=base");
    for (unsigned i = 0; i < 20; i++) {
        struct lk_worker_host *wh =
            lk_cluster_pick(s.f->view, &(struct lk_pick){.match = match, .avoid = is_first, .max_attempts = 5});
        LK_CHECK_LKSTR(wh->host->hostname, "b");
        lk_worker_host_unref(wh);
    }
    finish(&s);
}

LK_TEST(cluster_view, narrowed_views_are_kept_until_endpoints_or_health_change)
{
    const struct spec other[] = {{"lane=gray", UP, 0}};
    const struct lk_str path[] = {LK_STR_INIT("lane")};
    const struct lk_label_spec label = {LK_STR_INIT("envoy.lb"), path, 1, 0, 0};
    struct lk_index_spec spec;
    struct setup s;
    begin(&s, LK_SUBSET_NO_FALLBACK, "");
    selector(&s, "lane", LK_SUBSET_NOT_DEFINED, "");
    start(&s, two_lanes, 5);
    struct lk_cluster_view *view = s.f->view;
    lk_index_spec_init(&spec, &label, 1, true);
    const struct lk_host_index_entry *gray =
        lk_host_index_find_text(lk_host_set_index(view->set, &spec), LK_STR("gray"));
    struct lk_host_view *hosts = lk_cluster_view_hosts(view, gray, 50);
    LK_CHECK_EQ_UINT(hosts->priorities[0].all.count, 1);
    LK_CHECK_EQ_PTR(lk_cluster_view_hosts(view, gray, 50), hosts);
    LK_CHECK(lk_cluster_view_hosts(view, gray, 0) != hosts);
    LK_CHECK_EQ_UINT(view->narrowed.by_key.count, 2);
    struct lk_worker_host *wh = lk_cluster_pick_from(view, hosts, &(struct lk_pick){0});
    struct lk_worker_host *same =
        lk_cluster_pick(view, &(struct lk_pick){.match = test_criteria(&s.arena, "lane=gray")});
    LK_CHECK_EQ_PTR(same, wh); /* one pool for all views of an address */
    lk_worker_host_unref(wh);
    lk_worker_host_unref(same);
    struct lk_host *dead = view->set->hosts[2];
    dead->health = LK_HEALTH_UNHEALTHY;
    atomic_fetch_add(&s.f->cluster->health_epoch, 1);
    LK_CHECK_EQ_UINT(lk_cluster_view_hosts(view, gray, 50)->priorities[0].healthy.count, 0);
    struct lk_narrowing narrowing = {.entries = &gray, .entry_count = 1, .predicate = is_first};
    LK_CHECK_EQ_UINT(lk_cluster_view_narrowed(view, 1, &narrowing, 50)->priorities[0].all.count, 0);
    lk_cluster_set_hosts(s.f->cluster, lk_host_set_from_endpoints(s.f->cluster, endpoints(&s, other, 1)));
    upstream_turn(s.f, 2);
    LK_CHECK_EQ_UINT(view->narrowed.by_key.count, 0);
    finish(&s);
}
