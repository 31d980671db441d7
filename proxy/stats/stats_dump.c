/*
 * All stats in one of the formats, in slices. Text and JSON have counters and gauges first, then histograms: two walks.
 * The Prometheus format groups everything by metric before it writes. The reading thread.
 */
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/stats/stats_private.h"

/* Steps between two looks at the clock. */
#define STEPS 16

enum stage { START, VALUES, HISTOGRAMS, GROUP, WRITE, DONE };

struct lk_stats_dump {
    struct lk_stat_walk *walk;
    struct lk_prometheus *prometheus; /* NULL: another format */
    enum lk_stats_format format;
    enum stage stage;
    bool any; /* something stands in the list already */
    bool any_histogram;
};

struct lk_stats_dump *lk_stats_dump_new(struct lk_stats *stats, const struct lk_stats_filter *filter,
                                        enum lk_stats_format format, struct lk_error *error)
{
    struct lk_stat_walk *walk = lk_stat_walk_new(stats, filter, error);
    struct lk_stats_dump *dump;

    if (walk == NULL)
        return NULL;
    dump = lk_calloc(1, sizeof(*dump));
    dump->walk = walk;
    dump->format = format;
    if (format == LK_STATS_PROMETHEUS)
        dump->prometheus = lk_prometheus_new(stats->tags);
    return dump;
}

void lk_stats_dump_free(struct lk_stats_dump *dump)
{
    lk_stat_walk_free(dump->walk);
    lk_prometheus_free(dump->prometheus);
    lk_free(dump);
}

static void begin(struct lk_stats_dump *dump, const struct lk_stats_out *out)
{
    const unsigned values = LK_STAT_KIND_BIT(LK_STAT_COUNTER) | LK_STAT_KIND_BIT(LK_STAT_GAUGE);

    if (dump->format == LK_STATS_JSON)
        lk_stats_put(out, LK_STR("{\"stats\":["));
    if (dump->format != LK_STATS_PROMETHEUS)
        lk_stat_walk_start(dump->walk, values);
    dump->stage = dump->format == LK_STATS_PROMETHEUS ? GROUP : VALUES;
}

static void put_entry(struct lk_stats_dump *dump, const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    if (dump->format == LK_STATS_TEXT) {
        lk_stats_text_entry(entry, out);
        return;
    }
    if (dump->any)
        lk_stats_put(out, LK_STR(","));
    if (dump->stage == HISTOGRAMS && !dump->any_histogram) {
        lk_stats_json_quantiles(out);
        dump->any_histogram = true;
    }
    dump->any = true;
    lk_stats_json_entry(entry, out);
}

/* The end of a walk. */
static void advance(struct lk_stats_dump *dump, const struct lk_stats_out *out)
{
    switch (dump->stage) {
    case VALUES:
        lk_stat_walk_start(dump->walk, LK_STAT_KIND_BIT(LK_STAT_HISTOGRAM));
        dump->stage = HISTOGRAMS;
        return;
    case GROUP:
        dump->stage = WRITE;
        return;
    default:
        break;
    }
    if (dump->any_histogram)
        lk_stats_put(out, LK_STR("]}}"));
    if (dump->format == LK_STATS_JSON)
        lk_stats_put(out, LK_STR("]}"));
    dump->stage = DONE;
}

static void walk_on(struct lk_stats_dump *dump, const struct lk_stats_out *out)
{
    struct lk_stat_entry entry;

    switch (lk_stat_walk_next(dump->walk, &entry)) {
    case LK_STAT_STEP_BUSY:
        break;
    case LK_STAT_STEP_END:
        advance(dump, out);
        break;
    case LK_STAT_STEP_ENTRY:
        if (dump->stage == GROUP)
            lk_prometheus_add(dump->prometheus, &entry);
        else
            put_entry(dump, &entry, out);
        break;
    }
}

static void step(struct lk_stats_dump *dump, const struct lk_stats_out *out)
{
    if (dump->stage == START)
        begin(dump, out);
    else if (dump->stage != WRITE)
        walk_on(dump, out);
    else if (!lk_prometheus_write(dump->prometheus, out))
        dump->stage = DONE;
}

bool lk_stats_dump_next(struct lk_stats_dump *dump, const struct lk_stats_out *out, uint64_t budget_us)
{
    uint64_t start = lk_clock_us();

    do {
        for (unsigned i = 0; i < STEPS && dump->stage != DONE; i++)
            step(dump, out);
    } while (dump->stage != DONE && lk_clock_us() - start < budget_us);
    return dump->stage != DONE;
}

static bool write_all(struct lk_stats *stats, const struct lk_stats_filter *filter, enum lk_stats_format format,
                      const struct lk_stats_out *out, struct lk_error *error)
{
    struct lk_stats_dump *dump = lk_stats_dump_new(stats, filter, format, error);

    if (dump == NULL)
        return false;
    while (lk_stats_dump_next(dump, out, UINT64_MAX))
        ;
    lk_stats_dump_free(dump);
    return true;
}

bool lk_stats_write_text(struct lk_stats *stats, const struct lk_stats_filter *filter, const struct lk_stats_out *out,
                         struct lk_error *error)
{
    return write_all(stats, filter, LK_STATS_TEXT, out, error);
}

bool lk_stats_write_json(struct lk_stats *stats, const struct lk_stats_filter *filter, const struct lk_stats_out *out,
                         struct lk_error *error)
{
    return write_all(stats, filter, LK_STATS_JSON, out, error);
}

bool lk_stats_write_prometheus(struct lk_stats *stats, const struct lk_stats_filter *filter,
                               const struct lk_stats_out *out, struct lk_error *error)
{
    return write_all(stats, filter, LK_STATS_PROMETHEUS, out, error);
}
