/* Choosing a subset: by the selector with exactly the request's keys, else by fallback. Picks run on a view's loop, the
 * counting of subsets on the main thread. */
#include "proxy/upstream/subset.h"

#include "proxy/base/mem.h"
#include "proxy/upstream/cluster_internal.h"

struct selector {
    const struct lk_subset_selector *config;
    struct lk_index_spec spec;    /* not set without keys */
    const struct selector *first; /* the first one with the same keys: it decides for all of them */
    enum lk_subset_fallback fallback;
    const struct selector *fewer; /* with LK_SUBSET_KEYS: who takes over; NULL: the policy's fallback does */
};

struct lk_subset_policy {
    const struct lk_subset_config *config;
    struct lk_index_spec default_spec; /* not set when the default subset is everything */
    const struct lk_value *default_values[LK_SUBSET_KEYS_MAX];
    size_t selector_count;
    struct selector selectors[];
};

_Static_assert(LK_SUBSET_KEYS_MAX <= LK_INDEX_LABELS_MAX, "every selector has an index");

/* --- compiling ---------------------------------------------------------------------------------------------------- */

/* Key `at` is at base + at * stride: keys are strings by themselves, or names of values. */
static void make_spec(struct lk_index_spec *spec, const void *base, size_t stride, size_t count, bool list_as_any)
{
    struct lk_label_spec *labels = lk_calloc(count, sizeof(*labels));
    for (size_t i = 0; i < count; i++) {
        labels[i].ns = LK_STR("envoy.lb");
        labels[i].path = (const struct lk_str *)(const void *)((const char *)base + i * stride);
        labels[i].path_len = 1;
    }
    lk_index_spec_init(spec, labels, count, list_as_any);
}

/* Whether the first `count` keys of a are those of b, and b has no more. */
static bool is_prefix(const struct lk_str *a, const struct lk_str *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!lk_str_eq(a[i], b[i]))
            return false;
    }
    return true;
}

static bool same_keys(const struct lk_subset_selector *selector, const struct lk_str *keys, size_t count)
{
    return selector->key_count == count && is_prefix(selector->keys, keys, count);
}

/* Whether each of the selector's keys is among these; both are sorted. */
static bool has_all(const struct lk_subset_selector *selector, const struct lk_str *keys, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count && found < selector->key_count; i++)
        found += lk_str_eq(selector->keys[found], keys[i]);
    return found == selector->key_count;
}

static const struct selector *for_keys(const struct lk_subset_policy *policy, const struct lk_str *keys, size_t count)
{
    for (size_t i = 0; i < policy->selector_count; i++) {
        const struct lk_subset_selector *config = policy->selectors[i].config;
        if (policy->config->allow_redundant_keys ? has_all(config, keys, count) : same_keys(config, keys, count))
            return config->key_count > 0 ? &policy->selectors[i] : NULL;
    }
    return NULL;
}

/* Envoy keeps selectors as a tree of sorted keys and sets the fallback when it makes a node: the keys that begin an
 * earlier selector's have none of their own. */
static enum lk_subset_fallback effective_fallback(const struct lk_subset_policy *policy, size_t number)
{
    const struct lk_subset_selector *own = policy->selectors[number].config;
    for (size_t i = 0; i < number; i++) {
        const struct lk_subset_selector *earlier = policy->selectors[i].config;
        if (earlier->key_count > own->key_count && is_prefix(earlier->keys, own->keys, own->key_count))
            return LK_SUBSET_NOT_DEFINED;
    }
    return own->fallback;
}

static const struct selector *first_with_keys(const struct lk_subset_policy *policy, size_t number)
{
    const struct lk_subset_selector *own = policy->selectors[number].config;
    size_t i = 0;
    while (!same_keys(policy->selectors[i].config, own->keys, own->key_count))
        i++;
    return &policy->selectors[i];
}

struct lk_subset_policy *lk_subset_policy_new(const struct lk_subset_config *config)
{
    struct lk_subset_policy *policy =
        lk_calloc(1, sizeof(*policy) + config->selector_count * sizeof(policy->selectors[0]));
    policy->config = config;
    policy->selector_count = config->selector_count;
    for (size_t i = 0; i < config->default_subset->count; i++)
        policy->default_values[i] = &config->default_subset->items[i];
    if (config->default_subset->count > 0)
        make_spec(&policy->default_spec, &config->default_subset->items[0].name, sizeof(struct lk_value),
                  config->default_subset->count, config->list_as_any);
    for (size_t i = 0; i < config->selector_count; i++)
        policy->selectors[i].config = &config->selectors[i];
    for (size_t i = 0; i < config->selector_count; i++) {
        struct selector *selector = &policy->selectors[i];
        const struct lk_subset_selector *own = selector->config;
        if (own->key_count > 0)
            make_spec(&selector->spec, own->keys, sizeof(struct lk_str), own->key_count, config->list_as_any);
        selector->first = first_with_keys(policy, i);
        selector->fallback = effective_fallback(policy, i);
        if (own->fallback == LK_SUBSET_KEYS)
            selector->fewer = for_keys(policy, own->fallback_keys, own->fallback_key_count);
    }
    return policy;
}

void lk_subset_policy_free(struct lk_subset_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < policy->selector_count; i++)
        lk_free((void *)policy->selectors[i].spec.labels);
    lk_free((void *)policy->default_spec.labels);
    lk_free(policy);
}

/* --- picking ------------------------------------------------------------------------------------------------------ */

/* The recorder is told, or the stats. */
static void note(const struct lk_cluster_view *view, const struct lk_pick *pick, unsigned stat, const char *step,
                 const struct lk_match_criteria *match)
{
    if (LK_UNLIKELY(pick->recorder != NULL))
        pick->recorder->on_subset(pick->recorder, step, match);
    else
        lk_stats_inc(view->stats, stat);
}

/* What no stat counts. */
static void tell(const struct lk_pick *pick, const char *step, const struct lk_match_criteria *match)
{
    if (LK_UNLIKELY(pick->recorder != NULL))
        pick->recorder->on_subset(pick->recorder, step, match);
}

static struct lk_worker_host *pick_any(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    return lk_cluster_view_pick(view, lk_cluster_view_hosts(view, NULL, view->config->panic_percent), pick);
}

static struct lk_worker_host *pick_default(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    const struct lk_subset_policy *policy = view->cluster->subsets;
    if (policy->default_spec.label_count == 0)
        return pick_any(view, pick);
    const struct lk_host_index_entry *entry =
        lk_host_index_find(lk_host_set_index(view->set, &policy->default_spec), policy->default_values);
    if (entry == NULL)
        return NULL;
    return lk_cluster_view_pick(view, lk_cluster_view_hosts(view, entry, view->config->panic_percent), pick);
}

static struct lk_worker_host *pick_in(struct lk_cluster_view *view, const struct selector *selector,
                                      const struct lk_host_index_entry *entry, const struct lk_match_criteria *match,
                                      const struct lk_pick *pick)
{
    note(view, pick, LK_CLUSTER_LB_SUBSETS_SELECTED, "subset", match);
    if (selector->first->config->single_host) { /* whatever its health */
        struct lk_host *host = view->set->hosts[entry->positions[0]];
        if (LK_UNLIKELY(pick->recorder != NULL))
            pick->recorder->on_choice(pick->recorder, host, "the single host of its subset");
        return lk_cluster_view_host(view, host);
    }
    return lk_cluster_view_pick(view, lk_cluster_view_hosts(view, entry, view->config->panic_percent), pick);
}

/* No subset took the request. */
static struct lk_worker_host *fall_back(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    const struct lk_subset_config *config = view->config->subsets;
    if (config->fallback == LK_SUBSET_NO_FALLBACK) {
        tell(pick, "no fallback", NULL);
        return NULL;
    }
    struct lk_worker_host *wh =
        config->fallback == LK_SUBSET_ANY_ENDPOINT ? pick_any(view, pick) : pick_default(view, pick);
    if (wh != NULL) {
        note(view, pick, LK_CLUSTER_LB_SUBSETS_FALLBACK,
             config->fallback == LK_SUBSET_ANY_ENDPOINT ? "fallback: any endpoint" : "fallback: the default subset",
             NULL);
        return wh;
    }
    wh = config->panic_mode_any ? pick_any(view, pick) : NULL;
    if (wh != NULL)
        note(view, pick, LK_CLUSTER_LB_SUBSETS_FALLBACK_PANIC, "panic: any endpoint", NULL);
    return wh;
}

/* The selector whose keys are those of the request, or with allow_redundant_keys the first that needs no others. */
static const struct selector *for_request(const struct lk_subset_policy *policy, const struct lk_match_criteria *match)
{
    bool redundant = policy->config->allow_redundant_keys;
    for (size_t i = 0; i < policy->selector_count; i++) {
        const struct lk_subset_selector *config = policy->selectors[i].config;
        size_t found = 0;
        for (size_t m = 0; m < match->count && found < config->key_count; m++)
            found += lk_str_eq(config->keys[found], match->items[m].name);
        if (found == config->key_count && (redundant || found == match->count))
            return config->key_count > 0 ? &policy->selectors[i] : NULL;
    }
    return NULL;
}

static const struct lk_host_index_entry *subset_of(struct lk_cluster_view *view, const struct selector *selector,
                                                   const struct lk_match_criteria *match)
{
    const struct lk_value *values[LK_SUBSET_KEYS_MAX];
    for (size_t i = 0; i < selector->config->key_count; i++)
        values[i] = lk_match_criteria_get(match, selector->config->keys[i]);
    return lk_host_index_find(lk_host_set_index(view->set, &selector->spec), values);
}

/* One round: the subset of the request, or what its selector or the policy has instead. A subset that has endpoints,
 * fit or not, is final. */
static struct lk_worker_host *pick_once(struct lk_cluster_view *view, const struct lk_match_criteria *match,
                                        const struct lk_pick *pick)
{
    const struct selector *selector = match != NULL ? for_request(view->cluster->subsets, match) : NULL;
    for (; selector != NULL; selector = selector->fewer) {
        const struct lk_host_index_entry *entry = subset_of(view, selector, match);
        if (entry != NULL)
            return pick_in(view, selector, entry, match, pick);
        tell(pick, "no endpoint has these values", match);
        switch (selector->fallback) {
        case LK_SUBSET_NOT_DEFINED:
            return fall_back(view, pick);
        case LK_SUBSET_NO_FALLBACK:
            return NULL;
        case LK_SUBSET_ANY_ENDPOINT:
            return pick_any(view, pick);
        case LK_SUBSET_DEFAULT:
            return pick_default(view, pick);
        case LK_SUBSET_KEYS:
            break;
        }
    }
    return fall_back(view, pick);
}

/* In memory of its own: a client may send thousands. */
static struct lk_worker_host *pick_alternative(struct lk_cluster_view *view, const struct lk_match_criteria *rest,
                                               const struct lk_value *object, const struct lk_pick *pick)
{
    struct lk_arena scratch;
    lk_arena_init(&scratch);
    struct lk_worker_host *wh = pick_once(view, lk_match_criteria_merge(&scratch, rest, object), pick);
    lk_arena_reset(&scratch);
    return wh;
}

/* The request brings alternatives, each a set of criteria over its others: the first with a host wins, and without one
 * there is none. */
static struct lk_worker_host *pick_from_list(struct lk_cluster_view *view, const struct lk_value *list,
                                             const struct lk_pick *pick)
{
    struct lk_arena scratch;
    lk_arena_init(&scratch);
    struct lk_value *others = lk_arena_array(&scratch, pick->match->count, sizeof(*others));
    struct lk_match_criteria rest = {.items = others};
    struct lk_worker_host *wh = NULL;
    for (size_t i = 0; i < pick->match->count; i++) {
        if (&pick->match->items[i] != list)
            others[rest.count++] = pick->match->items[i];
    }
    if (list->kind != LK_VALUE_LIST || list->child_count == 0)
        wh = pick_once(view, &rest, pick);
    else
        for (size_t i = 0; i < list->child_count && wh == NULL; i++)
            wh = pick_alternative(view, &rest, &list->children[i], pick);
    lk_arena_reset(&scratch);
    return wh;
}

struct lk_worker_host *lk_subset_pick(struct lk_cluster_view *view, const struct lk_pick *pick)
{
    const struct lk_value *list =
        view->config->subsets->fallback_list ? lk_match_criteria_get(pick->match, LK_STR("fallback_list")) : NULL;
    return list != NULL ? pick_from_list(view, list, pick) : pick_once(view, pick->match, pick);
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

/* How many values of one set's index the other's has not. */
static uint64_t missing_in(struct lk_host_set *other, const struct lk_host_index *index)
{
    uint64_t count = 0;
    if (other == NULL)
        return index->entry_count;
    const struct lk_host_index *others = lk_host_set_index(other, &index->spec);
    for (size_t e = 0; e < index->entry_count; e++) {
        const struct lk_value *values[LK_SUBSET_KEYS_MAX];
        for (size_t i = 0; i < index->spec.label_count; i++)
            values[i] = &index->entries[e].values[i];
        count += lk_host_index_find(others, values) == NULL;
    }
    return count;
}

void lk_subset_count(struct lk_cluster *cluster, struct lk_host_set *old, struct lk_host_set *set)
{
    uint64_t active = 0;
    for (size_t i = 0; i < cluster->subsets->selector_count; i++) {
        const struct selector *selector = &cluster->subsets->selectors[i];
        if (selector->first != selector || selector->config->key_count == 0)
            continue;
        const struct lk_host_index *index = lk_host_set_index(set, &selector->spec);
        active += index->entry_count;
        lk_stats_add(cluster->stats, LK_CLUSTER_LB_SUBSETS_CREATED, missing_in(old, index));
        if (old != NULL)
            lk_stats_add(cluster->stats, LK_CLUSTER_LB_SUBSETS_REMOVED,
                         missing_in(set, lk_host_set_index(old, &selector->spec)));
    }
    lk_stats_set(cluster->stats, LK_CLUSTER_LB_SUBSETS_ACTIVE, active);
}
