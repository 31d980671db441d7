/*
 * Stats in the Prometheus text format. Stats whose names differ only in their tags form one metric with a series for
 * each; all series of a metric stand together behind its TYPE line. The reading thread.
 */
#include "proxy/base/map.h"
#include "proxy/base/mem.h"
#include "proxy/stats/stats_private.h"
#include "proxy/stats/tags.h"

#include <inttypes.h>

struct metric {
    struct lk_str name; /* with the envoy_ in front */
    enum lk_stat_kind kind;
    struct lk_stat_entry *series;
    size_t count;
    size_t cap;
};

struct lk_prometheus {
    struct lk_tags *tags;
    struct lk_arena arena;
    struct lk_map by_key; /* kind letter and name */
    struct metric **all;
    size_t count;
    size_t cap;
    bool sorted;
    size_t metric; /* what is written next */
    size_t at;     /* series of it */
};

static bool is_metric_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void sanitize(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_metric_char(text[i]))
            text[i] = '_';
    }
}

/* Codes are counters like others. */
static enum lk_stat_kind metric_kind(const struct lk_stat_entry *entry)
{
    enum lk_stat_kind kind = lk_stat_entry_kind(entry);

    return kind == LK_STAT_CODES ? LK_STAT_COUNTER : kind;
}

static struct metric *metric_of(struct lk_prometheus *metrics, enum lk_stat_kind kind, struct lk_str stripped)
{
    static const char start[] = "-envoy_";
    char buffer[sizeof(start) + LK_STAT_NAME_MAX];
    struct metric *metric;
    struct lk_str key;

    memcpy(buffer, start, sizeof(start) - 1);
    if (stripped.len > 0)
        memcpy(buffer + sizeof(start) - 1, stripped.ptr, stripped.len);
    key = lk_str(buffer, sizeof(start) - 1 + stripped.len);
    sanitize(buffer, key.len);
    buffer[0] = (char)('0' + (int)kind);
    metric = lk_map_get(&metrics->by_key, key);
    if (metric != NULL)
        return metric;
    key = lk_arena_str(&metrics->arena, key);
    metric = lk_arena_zalloc(&metrics->arena, sizeof(*metric));
    metric->name = lk_str_drop(key, 1);
    metric->kind = kind;
    lk_map_set(&metrics->by_key, key, metric);
    metrics->all = lk_grow(metrics->all, &metrics->cap, metrics->count + 1, sizeof(struct metric *));
    metrics->all[metrics->count++] = metric;
    return metric;
}

void lk_prometheus_add(struct lk_prometheus *prometheus, const struct lk_stat_entry *entry)
{
    char buffer[LK_STAT_NAME_MAX];
    struct lk_tagged_name tagged;
    struct lk_arena scratch;
    struct metric *metric;

    lk_arena_init(&scratch);
    tagged = lk_tags_extract(prometheus->tags, lk_stat_entry_name(entry, buffer), &scratch);
    metric = metric_of(prometheus, metric_kind(entry), tagged.name);
    metric->series = lk_grow(metric->series, &metric->cap, metric->count + 1, sizeof(*metric->series));
    metric->series[metric->count++] = *entry;
    lk_arena_reset(&scratch);
}

/* Counters, then gauges, then histograms, each by name. */
static int compare_metrics(const void *a, const void *b)
{
    const struct metric *left = *(const struct metric *const *)a;
    const struct metric *right = *(const struct metric *const *)b;

    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return lk_str_cmp(left->name, right->name);
}

static void put_label_value(struct lk_str value, char *out, size_t *at)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '\\' || c == '"' || c == '\n')
            out[(*at)++] = '\\';
        out[(*at)++] = c == '\n' ? 'n' : c;
    }
}

/* a="x",b="y" without the braces. */
static struct lk_str labels_of(const struct lk_tagged_name *tagged, struct lk_arena *arena)
{
    size_t room = 0;
    size_t at = 0;
    char *out;

    for (size_t i = 0; i < tagged->tag_count; i++)
        room += tagged->tags[i].name.len + 2 * tagged->tags[i].value.len + 4;
    out = lk_arena_alloc(arena, room);
    for (size_t i = 0; i < tagged->tag_count; i++) {
        const struct lk_tag *tag = &tagged->tags[i];

        if (i > 0)
            out[at++] = ',';
        memcpy(out + at, tag->name.ptr, tag->name.len);
        sanitize(out + at, tag->name.len);
        at += tag->name.len;
        out[at++] = '=';
        out[at++] = '"';
        put_label_value(tag->value, out, &at);
        out[at++] = '"';
    }
    return lk_str(out, at);
}

static void write_value(const struct metric *metric, struct lk_str labels, uint64_t value,
                        const struct lk_stats_out *out)
{
    lk_stats_put(out, metric->name);
    lk_stats_put(out, LK_STR("{"));
    lk_stats_put(out, labels);
    lk_stats_putf(out, "} %" PRIu64 "\n", value);
}

static void write_bucket(const struct metric *metric, struct lk_str labels, struct lk_str bound, uint64_t count,
                         const struct lk_stats_out *out)
{
    lk_stats_put(out, metric->name);
    lk_stats_put(out, LK_STR("_bucket{"));
    lk_stats_put(out, labels);
    lk_stats_put(out, labels.len > 0 ? LK_STR(",le=\"") : LK_STR("le=\""));
    lk_stats_put(out, bound);
    lk_stats_putf(out, "\"} %" PRIu64 "\n", count);
}

static void write_total(const struct metric *metric, const char *suffix, struct lk_str labels, uint64_t value,
                        const struct lk_stats_out *out)
{
    lk_stats_put(out, metric->name);
    lk_stats_put(out, lk_str_from(suffix));
    lk_stats_put(out, LK_STR("{"));
    lk_stats_put(out, labels);
    lk_stats_putf(out, "} %" PRIu64 "\n", value);
}

static void write_histogram(const struct metric *metric, const struct lk_stat_entry *entry, struct lk_str labels,
                            const struct lk_stats_out *out)
{
    struct lk_histogram_sum sum;
    uint64_t buckets[LK_HISTOGRAM_BOUNDS];
    char bound[LK_STAT_NUMBER_MAX];

    if (!lk_stats_histogram(entry->scope, entry->index, &sum))
        lk_histogram_sum_init(&sum);
    lk_histogram_sum_buckets(&sum, buckets);
    for (unsigned i = 0; i < LK_HISTOGRAM_BOUNDS; i++)
        write_bucket(metric, labels, lk_stats_number(lk_histogram_bounds[i], bound), buckets[i], out);
    write_bucket(metric, labels, LK_STR("+Inf"), sum.count, out);
    write_total(metric, "_sum", labels, sum.sum, out);
    write_total(metric, "_count", labels, sum.count, out);
}

static const char *type_name(enum lk_stat_kind kind)
{
    return kind == LK_STAT_HISTOGRAM ? "histogram" : kind == LK_STAT_GAUGE ? "gauge" : "counter";
}

static void write_type(const struct metric *metric, const struct lk_stats_out *out)
{
    lk_stats_put(out, LK_STR("# TYPE "));
    lk_stats_put(out, metric->name);
    lk_stats_putf(out, " %s\n", type_name(metric->kind));
}

static void write_series(const struct metric *metric, const struct lk_stat_entry *entry, struct lk_tags *tags,
                         const struct lk_stats_out *out)
{
    char buffer[LK_STAT_NAME_MAX];
    struct lk_tagged_name tagged;
    struct lk_arena scratch;
    struct lk_str labels;

    lk_arena_init(&scratch);
    tagged = lk_tags_extract(tags, lk_stat_entry_name(entry, buffer), &scratch);
    labels = labels_of(&tagged, &scratch);
    if (metric->kind == LK_STAT_HISTOGRAM)
        write_histogram(metric, entry, labels, out);
    else
        write_value(metric, labels, lk_stat_entry_value(entry), out);
    lk_arena_reset(&scratch);
}

bool lk_prometheus_write(struct lk_prometheus *prometheus, const struct lk_stats_out *out)
{
    const struct metric *metric;

    if (!prometheus->sorted && prometheus->count > 0)
        qsort(prometheus->all, prometheus->count, sizeof(struct metric *), compare_metrics);
    prometheus->sorted = true;
    if (prometheus->metric == prometheus->count)
        return false;
    metric = prometheus->all[prometheus->metric];
    if (prometheus->at == 0)
        write_type(metric, out);
    write_series(metric, &metric->series[prometheus->at++], prometheus->tags, out);
    if (prometheus->at == metric->count) {
        prometheus->metric++;
        prometheus->at = 0;
    }
    return true;
}

struct lk_prometheus *lk_prometheus_new(struct lk_tags *tags)
{
    struct lk_prometheus *prometheus = lk_calloc(1, sizeof(*prometheus));

    prometheus->tags = tags;
    lk_arena_init(&prometheus->arena);
    lk_map_init(&prometheus->by_key);
    return prometheus;
}

void lk_prometheus_free(struct lk_prometheus *prometheus)
{
    if (prometheus == NULL)
        return;
    for (size_t i = 0; i < prometheus->count; i++)
        lk_free(prometheus->all[i]->series);
    lk_free(prometheus->all);
    lk_map_fini(&prometheus->by_key);
    lk_arena_reset(&prometheus->arena);
    lk_free(prometheus);
}

bool lk_stats_set_tags(struct lk_stats *stats, const struct lk_stats_tag_rule *rules, size_t count, bool use_defaults,
                       struct lk_errors *errors)
{
    struct lk_tags *tags = lk_tags_from(rules, count, use_defaults, errors);

    if (tags == NULL)
        return false;
    lk_tags_free(stats->tags);
    stats->tags = tags;
    return true;
}
