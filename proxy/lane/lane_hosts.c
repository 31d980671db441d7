/* Finds hosts by the index of their labels; what no entry of the index stands for is a narrowing with a name. Worker
 * thread. See lane_hosts.h. */
#include "proxy/lane/lane_hosts.h"

#include "proxy/config/lane_name.h"

#include <string.h>

void lk_lane_membership_init(struct lk_lane_membership *membership, const struct lk_lane_filter_membership *config)
{
    static const struct lk_str shadow_ok = LK_STR_INIT("shadow_ok");

    *membership = (struct lk_lane_membership){
        .label = {.ns = config->metadata_namespace,
                  .path = config->path,
                  .path_len = config->path_len,
                  .separator = config->separator,
                  .field = config->field},
        .shadow_label = {.ns = LK_STR("envoy.lb"), .path = &shadow_ok, .path_len = 1},
        .not_in_active_lane = config->implies_not_in_active_lane,
        .subset_clusters = config->subset_clusters,
    };
    lk_index_spec_init(&membership->index, &membership->label, 1, true);
}

/* --- views -------------------------------------------------------------------------------------------------------- */

static struct lk_lane_hosts none_of(struct lk_cluster_view *cluster)
{
    return (struct lk_lane_hosts){.cluster = cluster};
}

static struct lk_lane_hosts hosts_of_view(struct lk_cluster_view *cluster, struct lk_host_view *view)
{
    struct lk_lane_hosts hosts = {.cluster = cluster, .view = view};

    for (uint32_t p = 0; view != NULL && p < view->priority_count; p++) {
        const struct lk_view_priority *priority = &view->priorities[p];

        hosts.count += priority->all.count;
        hosts.healthy += priority->healthy.count + priority->degraded.count;
    }
    return hosts;
}

static struct lk_lane_hosts whole_of(struct lk_cluster_view *cluster)
{
    struct lk_lane_hosts hosts =
        hosts_of_view(cluster, lk_cluster_view_hosts(cluster, NULL, cluster->config->panic_percent));

    hosts.whole = true;
    return hosts;
}

/* --- lanes -------------------------------------------------------------------------------------------------------- */

bool lk_lane_sibling_name(struct lk_str cluster, struct lk_str lane, char out[LK_LANE_SIBLING_NAME_MAX], size_t *len)
{
    struct lk_str rest = cluster;
    size_t head;

    if (!lk_str_has_prefix(cluster, LK_STR("outbound|")) || cluster.len + lane.len > LK_LANE_SIBLING_NAME_MAX)
        return false;
    rest = lk_str_drop(rest, sizeof("outbound|") - 1);
    rest = lk_str_drop(rest, LK_MIN(lk_str_find_byte(rest, '|') + 1, rest.len));
    head = cluster.len - rest.len;
    rest = lk_str_drop(rest, lk_str_find_byte(rest, '|'));
    if (rest.len == 0)
        return false;
    memcpy(out, cluster.ptr, head);
    memcpy(out + head, lane.ptr, lane.len);
    memcpy(out + head + lane.len, rest.ptr, rest.len);
    *len = head + lane.len + rest.len;
    return true;
}

static struct lk_lane_hosts hosts_of_sibling(struct lk_cluster_view *cluster, struct lk_str lane)
{
    char name[LK_LANE_SIBLING_NAME_MAX];
    size_t len;
    struct lk_cluster_view *sibling = NULL;

    if (lk_lane_sibling_name(cluster->config->name, lane, name, &len))
        sibling = lk_cluster_view_get(cluster->cluster->clusters, cluster->loop, lk_str(name, len));
    return sibling != NULL ? hosts_of_view(sibling, lk_cluster_view_hosts(sibling, NULL, 0)) : none_of(cluster);
}

static const struct lk_host_index_entry *entry_of(const struct lk_lane_membership *membership, struct lk_host_set *set,
                                                  struct lk_str lane)
{
    return set != NULL ? lk_host_index_find_text(lk_host_set_index(set, &membership->index), lane) : NULL;
}

struct lk_lane_hosts lk_lane_hosts_of(const struct lk_lane_membership *membership, struct lk_cluster_view *cluster,
                                      struct lk_str lane)
{
    const struct lk_host_index_entry *entry = entry_of(membership, cluster->set, lane);

    if (entry != NULL)
        return hosts_of_view(cluster, lk_cluster_view_hosts(cluster, entry, 0));
    return membership->subset_clusters ? hosts_of_sibling(cluster, lane) : none_of(cluster);
}

/* --- base --------------------------------------------------------------------------------------------------------- */

/* What a host must be beside a member of the entries. */
struct base_rule {
    const struct lk_lane_membership *membership;
    const struct lk_lane_table *table;
    bool in_no_lane;
    bool shadow_ok;
};

static bool is_shadow_ok(const struct lk_lane_membership *membership, const struct lk_host *host)
{
    const struct lk_label_spec *label = &membership->shadow_label;
    const struct lk_value *value = lk_metadata_get(host->metadata, label->ns, label->path, label->path_len);

    if (value == NULL)
        return false;
    return value->kind == LK_VALUE_BOOL ? value->boolean
                                        : value->kind == LK_VALUE_TEXT && lk_str_eq(value->text, LK_STR("true"));
}

/* In whatever state the lane is. A shadow lane is one by its name: a table that does not know it, or not yet, makes no
 * production pod of its pods. */
static bool names_lane(const struct lk_lane_table *table, struct lk_str name)
{
    return lk_lane_name_is_shadow(name) || (table != NULL && lk_lane_table_find(table, name) != NULL);
}

/* "base" among several values makes the host one of base, as in the other mode. */
static bool is_in_no_lane(const struct base_rule *rule, const struct lk_host *host)
{
    const struct lk_label_spec *label = &rule->membership->label;
    const struct lk_value *value = lk_metadata_get(host->metadata, label->ns, label->path, label->path_len);
    bool list = value != NULL && value->kind == LK_VALUE_LIST;
    size_t count = value == NULL ? 0 : list ? value->child_count : 1;
    bool in_lane = false;

    for (size_t i = 0; i < count; i++) {
        struct lk_value part;

        if (!lk_label_part(label, list ? &value->children[i] : value, &part) || part.kind != LK_VALUE_TEXT)
            continue;
        if (lk_lane_name_is_base(part.text))
            return true;
        in_lane |= names_lane(rule->table, part.text);
    }
    return !in_lane;
}

static bool base_takes(const void *arg, const struct lk_host *host)
{
    const struct base_rule *rule = arg;

    return (!rule->in_no_lane || is_in_no_lane(rule, host)) &&
           (!rule->shadow_ok || is_shadow_ok(rule->membership, host));
}

/* Equal rules over one host set have equal names. */
static uint64_t name_of(const struct base_rule *rule)
{
    uint64_t hash = rule->membership->index.hash;

    if (rule->in_no_lane && rule->table != NULL)
        hash ^= rule->table->hash * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (rule->in_no_lane ? 2u : 0u) ^ (rule->shadow_ok ? 4u : 0u)) * 0xff51afd7ed558ccdu;
    return (hash ^ hash >> 33) | 1;
}

static struct lk_lane_hosts narrowed(struct lk_cluster_view *cluster, const struct base_rule *rule,
                                     const struct lk_host_index_entry *const *entries, size_t count, uint32_t panic)
{
    struct lk_narrowing narrowing = {.entries = entries, .entry_count = count};

    if (rule->in_no_lane || rule->shadow_ok) {
        narrowing.predicate = base_takes;
        narrowing.arg = rule;
    }
    return hosts_of_view(cluster, lk_cluster_view_narrowed(cluster, name_of(rule), &narrowing, panic));
}

static bool by_table(const struct lk_lane_membership *membership, const struct lk_lane_table *table)
{
    return membership->not_in_active_lane || (table != NULL && table->base_mode == LK_LANE_BASE_NOT_IN_ACTIVE_LANE);
}

/* The entries without a lane and with "base". */
static size_t base_entries(const struct lk_host_index *index, const struct lk_host_index_entry *out[2])
{
    size_t count = 0;

    if (index->untagged.count > 0)
        out[count++] = &index->untagged;
    if (index->base != NULL)
        out[count++] = index->base;
    return count;
}

/* How the hosts of base are found in a set. */
struct base_hosts {
    enum { EVERYBODY, BY_RULE, OF_ENTRIES } how;
    struct base_rule rule;
    const struct lk_host_index_entry *entries[2];
    size_t count; /* of entries; 0: nobody */
};

static struct base_hosts find_base(const struct lk_lane_membership *membership, const struct lk_lane_table *table,
                                   struct lk_host_set *set)
{
    struct base_hosts base = {
        .rule = {.membership = membership, .table = table, .in_no_lane = by_table(membership, table)}};
    const struct lk_host_index *index = set != NULL ? lk_host_set_index(set, &membership->index) : NULL;

    if (index == NULL || index->entry_count == 0) {
        base.how = EVERYBODY;
    } else if (base.rule.in_no_lane) {
        base.how = BY_RULE;
    } else {
        base.how = OF_ENTRIES;
        base.count = base_entries(index, base.entries);
    }
    return base;
}

struct lk_lane_hosts lk_lane_hosts_base(const struct lk_lane_membership *membership, const struct lk_lane_table *table,
                                        struct lk_cluster_view *cluster)
{
    const struct base_hosts base = find_base(membership, table, cluster->set);
    uint32_t panic = cluster->config->panic_percent;

    if (base.how == EVERYBODY)
        return whole_of(cluster);
    if (base.how == BY_RULE)
        return narrowed(cluster, &base.rule, NULL, 0, panic);
    if (base.count == 0)
        return none_of(cluster);
    if (base.count == 1)
        return hosts_of_view(cluster, lk_cluster_view_hosts(cluster, base.entries[0], panic));
    return narrowed(cluster, &base.rule, base.entries, base.count, panic);
}

struct lk_lane_hosts lk_lane_hosts_shadow_ok(const struct lk_lane_membership *membership,
                                             const struct lk_lane_table *table, struct lk_cluster_view *cluster)
{
    struct base_rule rule = {
        .membership = membership, .table = table, .in_no_lane = by_table(membership, table), .shadow_ok = true};
    const struct lk_host_index_entry *entries[2];
    size_t count = 0;

    if (cluster->set == NULL)
        return none_of(cluster);
    if (!rule.in_no_lane) {
        count = base_entries(lk_host_set_index(cluster->set, &membership->index), entries);
        if (count == 0)
            return none_of(cluster);
    }
    return narrowed(cluster, &rule, entries, count, 0);
}

/* --- without base ------------------------------------------------------------------------------------------------- */

/* A lane that an unmarked request may be served by. */
static const struct lk_lane *may_rescue(const struct lk_lane_table *table, const struct lk_host_index_entry *entry,
                                        int64_t wall_us)
{
    const struct lk_value *value = &entry->values[0];
    const struct lk_lane *lane = value->kind == LK_VALUE_TEXT ? lk_lane_table_find(table, value->text) : NULL;

    return lane != NULL && lane->kind == LK_LANE_GRAY && lk_lane_usable(lane, wall_us) ? lane : NULL;
}

struct lk_lane_hosts lk_lane_hosts_rescue(const struct lk_lane_membership *membership,
                                          const struct lk_lane_table *table, struct lk_cluster_view *cluster,
                                          int64_t wall_us, const struct lk_lane **lane)
{
    struct lk_lane_hosts best = none_of(cluster);
    const struct lk_host_index *index =
        cluster->set != NULL ? lk_host_set_index(cluster->set, &membership->index) : NULL;

    *lane = NULL;
    for (size_t i = 0; index != NULL && i < index->entry_count; i++) {
        const struct lk_lane *found = may_rescue(table, &index->entries[i], wall_us);
        struct lk_lane_hosts hosts;

        if (found == NULL)
            continue;
        hosts = hosts_of_view(cluster, lk_cluster_view_hosts(cluster, &index->entries[i], 0));
        if (*lane == NULL || (hosts.healthy > 0) > (best.healthy > 0) ||
            ((hosts.healthy > 0) == (best.healthy > 0) && found->index < (*lane)->index)) {
            *lane = found;
            best = hosts;
        }
    }
    return best;
}

/* --- counted without a view --------------------------------------------------------------------------------------- */

static void count_host(struct lk_lane_count *count, const struct lk_host *host)
{
    count->total++;
    count->healthy += lk_host_availability(host) != LK_HOST_UNAVAILABLE;
}

static void count_entry(struct lk_lane_count *count, const struct lk_host_set *set,
                        const struct lk_host_index_entry *entry)
{
    for (uint32_t i = 0; i < entry->count; i++)
        count_host(count, set->hosts[entry->positions[i]]);
}

static void count_all(struct lk_lane_count *count, const struct lk_host_set *set, const struct base_rule *rule)
{
    for (size_t i = 0; set != NULL && i < set->count; i++)
        if (rule == NULL || base_takes(rule, set->hosts[i]))
            count_host(count, set->hosts[i]);
}

struct lk_lane_count lk_lane_count_all(const struct lk_host_set *set)
{
    struct lk_lane_count count = {0, 0};

    count_all(&count, set, NULL);
    return count;
}

struct lk_lane_count lk_lane_count_of(const struct lk_lane_membership *membership, struct lk_host_set *set,
                                      struct lk_str lane)
{
    const struct lk_host_index_entry *entry = entry_of(membership, set, lane);
    struct lk_lane_count count = {0, 0};

    if (entry != NULL)
        count_entry(&count, set, entry);
    return count;
}

struct lk_lane_count lk_lane_count_base(const struct lk_lane_membership *membership, const struct lk_lane_table *table,
                                        struct lk_host_set *set)
{
    const struct base_hosts base = find_base(membership, table, set);
    struct lk_lane_count count = {0, 0};

    if (base.how != OF_ENTRIES)
        count_all(&count, set, base.how == BY_RULE ? &base.rule : NULL);
    for (size_t i = 0; i < base.count; i++)
        count_entry(&count, set, base.entries[i]);
    return count;
}

struct lk_lane_count lk_lane_count_shadow_ok(const struct lk_lane_membership *membership,
                                             const struct lk_lane_table *table, struct lk_host_set *set)
{
    const struct base_rule rule = {
        .membership = membership, .table = table, .in_no_lane = by_table(membership, table), .shadow_ok = true};
    const struct lk_host_index_entry *entries[2];
    struct lk_lane_count count = {0, 0};
    size_t entry_count;

    if (set == NULL || rule.in_no_lane) {
        count_all(&count, set, &rule);
        return count;
    }
    entry_count = base_entries(lk_host_set_index(set, &membership->index), entries);
    for (size_t i = 0; i < entry_count; i++)
        for (uint32_t k = 0; k < entries[i]->count; k++)
            if (base_takes(&rule, set->hosts[entries[i]->positions[k]]))
                count_host(&count, set->hosts[entries[i]->positions[k]]);
    return count;
}
