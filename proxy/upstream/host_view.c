/* Splits a host set by priority and health and spreads the load over priorities as Envoy does (docs: priority levels,
 * panic threshold, overprovisioning factor). Owner: one worker. */
#include "proxy/upstream/host_view.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"

#include <string.h>

static void group_add(struct lk_view_group *group, struct lk_view_slot *slot)
{
    uint32_t weight = slot->host->weight;
    if (group->count == 0)
        group->equal_weights = true;
    else if (group->slots[0]->host->weight != weight)
        group->equal_weights = false;
    group->slots[group->count++] = slot;
    group->total_weight += weight;
}

static void group_alloc(struct lk_view_group *group, size_t count)
{
    group->slots = lk_calloc(count, sizeof(struct lk_view_slot *));
}

static void group_fini(struct lk_view_group *group)
{
    lk_free(group->slots);
    if (group->edf_ready)
        lk_edf_fini(&group->edf);
}

static uint32_t percent_of(uint32_t part, uint32_t whole, uint32_t factor)
{
    if (whole == 0)
        return 0;
    uint64_t percent = (uint64_t)part * factor / whole;
    return percent > 100 ? 100 : (uint32_t)percent;
}

/* How many hosts the healthy ones are a share of. */
static uint32_t counted(const struct lk_view_priority *priority)
{
    return priority->all.count - priority->excluded;
}

/* Fills loads with shares of 100 over the priorities; *left is what is still to give, *first the first that takes any.
 */
static void give_load(uint32_t *share, uint32_t health, uint32_t normalized, uint32_t *left, uint32_t **first)
{
    *share = LK_MIN(health * 100 / normalized, *left);
    *left -= *share;
    if (health > 0 && *first == NULL)
        *first = share;
}

static void panic_loads(struct lk_host_view *view)
{
    uint32_t total = 0;
    uint32_t given = 0;
    view->total_panic = true;
    for (uint32_t p = 0; p < view->priority_count; p++)
        total += view->priorities[p].all.count;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        priority->panic = true;
        priority->load = total > 0 ? 100 * priority->all.count / total : 0;
        priority->degraded_load = 0;
        given += priority->load;
    }
    for (uint32_t p = 0; p < view->priority_count && given < 100; p++) {
        if (view->priorities[p].all.count > 0) {
            view->priorities[p].load += 100 - given;
            break;
        }
    }
}

/* True: every priority has too few healthy hosts to be trusted. */
static bool find_panic(struct lk_host_view *view, uint32_t panic_percent)
{
    bool everywhere = true;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        uint64_t usable = priority->healthy.count + priority->degraded.count;
        uint64_t all = counted(priority);
        priority->panic = all == 0 ? panic_percent > 0 : 100 * usable < panic_percent * all;
        everywhere &= priority->panic;
    }
    return everywhere;
}

static void spread_load(struct lk_host_view *view, uint32_t panic_percent)
{
    uint32_t sum = 0;
    uint32_t factor = view->set->overprovisioning_factor;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        sum += percent_of(priority->healthy.count, counted(priority), factor);
        sum += percent_of(priority->degraded.count, counted(priority), factor);
    }
    uint32_t normalized = sum > 100 ? 100 : sum;
    if (normalized < 100 && find_panic(view, panic_percent)) {
        panic_loads(view);
        return;
    }
    if (normalized == 0)
        return; /* no host is fit and panic is off: all loads stay 0 */
    uint32_t left = 100;
    uint32_t *first = NULL;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        give_load(&priority->load, percent_of(priority->healthy.count, counted(priority), factor), normalized, &left,
                  &first);
    }
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        give_load(&priority->degraded_load, percent_of(priority->degraded.count, counted(priority), factor), normalized,
                  &left, &first);
    }
    LK_ASSERT(first != NULL); /* normalized > 0: some priority is fit */
    *first += left;           /* what rounding left over */
}

static void seed_cursors(struct lk_host_view *view)
{
    for (uint32_t p = 0; p < view->priority_count; p++) {
        struct lk_view_priority *priority = &view->priorities[p];
        priority->healthy.cursor = (uint32_t)lk_rand_below(priority->healthy.count);
        priority->degraded.cursor = (uint32_t)lk_rand_below(priority->degraded.count);
        priority->all.cursor = (uint32_t)lk_rand_below(priority->all.count);
    }
}

/* Sorts the positions of several entries, which may share hosts, by marking them. */
static size_t unite(const struct lk_host_set *set, const struct lk_narrowing *narrowing, uint32_t *positions)
{
    bool *taken = lk_calloc(set->count + 1, sizeof(*taken));
    size_t count = 0;
    for (size_t e = 0; e < narrowing->entry_count; e++) {
        for (uint32_t i = 0; i < narrowing->entries[e]->count; i++)
            taken[narrowing->entries[e]->positions[i]] = true;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        if (taken[i])
            positions[count++] = i;
    }
    lk_free(taken);
    return count;
}

/* The positions of the hosts that are taken, ascending; to be freed. */
static uint32_t *take(const struct lk_host_set *set, const struct lk_narrowing *narrowing, size_t *count)
{
    size_t entries = narrowing != NULL ? narrowing->entry_count : 0;
    size_t room = entries == 1 ? narrowing->entries[0]->count : set->count;
    uint32_t *positions = lk_malloc((room + 1) * sizeof(*positions));
    *count = room;
    if (entries > 1) {
        *count = unite(set, narrowing, positions);
    } else if (entries == 1) {
        memcpy(positions, narrowing->entries[0]->positions, room * sizeof(*positions));
    } else {
        for (uint32_t i = 0; i < room; i++)
            positions[i] = i;
    }
    if (narrowing == NULL || narrowing->predicate == NULL)
        return positions;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (narrowing->predicate(narrowing->arg, set->hosts[positions[i]]))
            positions[kept++] = positions[i];
    }
    *count = kept;
    return positions;
}

static void alloc_groups(struct lk_host_view *view, const uint32_t *positions, size_t count)
{
    size_t *per_priority = lk_calloc(view->priority_count, sizeof(*per_priority));
    for (size_t i = 0; i < count; i++)
        per_priority[view->set->hosts[positions[i]]->priority]++;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        if (per_priority[p] == 0)
            continue;
        group_alloc(&view->priorities[p].healthy, per_priority[p]);
        group_alloc(&view->priorities[p].degraded, per_priority[p]);
        group_alloc(&view->priorities[p].all, per_priority[p]);
    }
    lk_free(per_priority);
}

static void add_host(struct lk_host_view *view, struct lk_view_slot *slot, struct lk_host *host)
{
    struct lk_view_priority *priority = &view->priorities[host->priority];
    enum lk_availability availability = lk_host_availability(host);
    slot->host = host;
    group_add(&priority->all, slot);
    priority->excluded += lk_host_excluded(host);
    if (availability == LK_HOST_HEALTHY)
        group_add(&priority->healthy, slot);
    else if (availability == LK_HOST_DEGRADED)
        group_add(&priority->degraded, slot);
}

struct lk_host_view *lk_host_view_new(struct lk_host_set *set, uint32_t panic_percent,
                                      const struct lk_narrowing *narrowing)
{
    struct lk_host_view *view = lk_calloc(1, sizeof(*view));
    size_t count;
    uint32_t *positions = take(set, narrowing, &count);
    lk_host_set_ref(set);
    view->set = set;
    view->slots = lk_calloc(count + 1, sizeof(*view->slots));
    view->priority_count = set->count > 0 ? set->hosts[set->count - 1]->priority + 1u : 1;
    view->priorities = lk_calloc(view->priority_count, sizeof(*view->priorities));
    alloc_groups(view, positions, count);
    for (size_t i = 0; i < count; i++)
        add_host(view, &view->slots[i], set->hosts[positions[i]]);
    lk_free(positions);
    spread_load(view, panic_percent);
    seed_cursors(view);
    return view;
}

void lk_host_view_free(struct lk_host_view *view)
{
    if (view == NULL)
        return;
    for (uint32_t p = 0; p < view->priority_count; p++) {
        group_fini(&view->priorities[p].healthy);
        group_fini(&view->priorities[p].degraded);
        group_fini(&view->priorities[p].all);
    }
    lk_free(view->priorities);
    lk_free(view->slots);
    lk_host_set_unref(view->set);
    lk_free(view);
}

struct lk_view_group *lk_host_view_group(struct lk_host_view *view, uint64_t random, bool *panic)
{
    uint32_t point = (uint32_t)(random % 100);
    *panic = false;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t p = 0; p < view->priority_count; p++) {
            struct lk_view_priority *priority = &view->priorities[p];
            uint32_t load = pass == 0 ? priority->load : priority->degraded_load;
            if (point >= load) {
                point -= load;
                continue;
            }
            *panic = priority->panic;
            struct lk_view_group *group = priority->panic ? &priority->all
                                          : pass == 0     ? &priority->healthy
                                                          : &priority->degraded;
            return group->count > 0 ? group : NULL;
        }
    }
    return NULL;
}
