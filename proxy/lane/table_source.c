/*
 * The lane table in force. Publishing swaps a pointer under a lock and counts a generation up; a thread that sees
 * another generation than its own takes the lock once, exchanges its reference and goes on without one. An old table
 * lives until the last thread has looked again.
 */
#include "proxy/lane/table_source.h"

#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/file_watch.h"
#include "proxy/lane/entry.h"

#include <inttypes.h>
#include <pthread.h>

#define LOGGED_MISTAKES 10

struct lk_lane_source {
    struct lk_lane_source_options options;
    _Atomic uint64_t generation;
    pthread_mutex_t lock;        /* of table, for readers that change over */
    struct lk_lane_table *table; /* written by the main thread only */
    int64_t published_us, refused_us;
    uint64_t accepted, unchanged, refused;
    char last_error[512];
    char *path, *resource; /* of the watched file; NULL: none */
    lk_lane_load_fn load;
    struct lk_file_watch *watch;
};

struct lk_lane_source *lk_lane_source_new(const struct lk_lane_source_options *options)
{
    struct lk_lane_source *source = lk_calloc(1, sizeof(*source));

    source->options = *options;
    if (pthread_mutex_init(&source->lock, NULL) != 0)
        lk_panic("no lock for a lane table");
    return source;
}

void lk_lane_source_free(struct lk_lane_source *source)
{
    if (source->watch != NULL)
        lk_file_watch_free(source->watch);
    lk_lane_table_unref(source->table);
    pthread_mutex_destroy(&source->lock);
    lk_free(source->path);
    lk_free(source->resource);
    lk_free(source);
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

bool lk_lane_source_publish(struct lk_lane_source *source, struct lk_lane_table *table)
{
    struct lk_lane_table *old = source->table;

    source->last_error[0] = '\0';
    if (old != NULL && old->hash == table->hash) {
        source->unchanged++;
        lk_lane_table_unref(table);
        return false;
    }
    if (!table->rules_prepared) /* else other threads may read it already */
        lk_entry_prepare(table);
    if (source->options.on_table != NULL)
        source->options.on_table(source->options.arg, table);
    pthread_mutex_lock(&source->lock);
    source->table = table;
    atomic_fetch_add_explicit(&source->generation, 1, memory_order_release);
    pthread_mutex_unlock(&source->lock);
    source->accepted++;
    source->published_us = lk_clock_wall_us();
    LK_LOG(LANE, INFO, "lane table in force: revision %" PRIu64 ", hash %016" PRIx64 ", %zu lanes, %zu entry rules%s",
           table->revision, table->hash, table->lane_count - 1, table->rule_count,
           table->enabled ? "" : ", not enabled");
    lk_lane_table_unref(old);
    return true;
}

static void describe(const char *origin, const struct lk_error_item *item, char *out, size_t size)
{
    char line[16] = "";

    if (item->line > 0)
        snprintf(line, sizeof(line), ":%d", item->line);
    snprintf(out, size, "%s%s: %s%s%s", origin, line, item->path, item->path[0] != '\0' ? ": " : "", item->text);
}

void lk_lane_source_refuse(struct lk_lane_source *source, const char *origin, const struct lk_errors *errors)
{
    char text[sizeof(source->last_error)];

    source->refused++;
    if (source->options.on_refused != NULL)
        source->options.on_refused(source->options.arg);
    source->refused_us = lk_clock_wall_us();
    snprintf(source->last_error, sizeof(source->last_error), "%s: refused", origin);
    if (errors->count > 0)
        describe(origin, &errors->items[0], source->last_error, sizeof(source->last_error));
    if (source->table != NULL)
        LK_LOG(LANE, WARN, "lane table %s is refused, revision %" PRIu64 " stays in force", origin,
               source->table->revision);
    else
        LK_LOG(LANE, WARN, "lane table %s is refused and there is no other: no lane is known", origin);
    for (size_t i = 0; i < LK_MIN(errors->count, (size_t)LOGGED_MISTAKES); i++) {
        describe(origin, &errors->items[i], text, sizeof(text));
        LK_LOG(LANE, WARN, "%s", text);
    }
    if (errors->count + errors->dropped > LOGGED_MISTAKES)
        LK_LOG(LANE, WARN, "%s: and %zu more mistakes", origin, errors->count + errors->dropped - LOGGED_MISTAKES);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void log_warnings(const char *path, const struct lk_errors *errors)
{
    char text[512];

    for (size_t i = 0; i < LK_MIN(errors->warning_count, (size_t)LOGGED_MISTAKES); i++) {
        describe(path, &errors->warnings[i], text, sizeof(text));
        LK_LOG(LANE, WARN, "%s", text);
    }
}

static void read_file(void *arg)
{
    struct lk_lane_source *source = arg;
    struct lk_lane_table *table;
    struct lk_errors errors;

    lk_errors_init(&errors);
    table = source->load(source->path, lk_str_from(source->resource), &errors);
    log_warnings(source->path, &errors);
    if (table != NULL && source->options.check != NULL && !source->options.check(source->options.arg, table, &errors)) {
        lk_lane_table_unref(table);
        table = NULL;
    }
    if (table != NULL)
        lk_lane_source_publish(source, table);
    else
        lk_lane_source_refuse(source, source->path, &errors);
    lk_errors_fini(&errors);
}

bool lk_lane_source_watch(struct lk_lane_source *source, struct lk_loop *loop, const struct lk_lane_file *file,
                          struct lk_error *error)
{
    LK_ASSERT(source->watch == NULL);
    source->watch = lk_file_watch_new(loop, file->path, file->directory, read_file, source, error);
    if (source->watch == NULL)
        return false;
    source->path = lk_str_dup(file->path);
    source->resource = lk_str_dup(file->resource);
    source->load = file->load;
    read_file(source); /* after the watch began: no change is missed */
    return true;
}

void lk_lane_source_info(const struct lk_lane_source *source, struct lk_lane_source_info *out)
{
    *out = (struct lk_lane_source_info){
        .table = source->table,
        .published_us = source->published_us,
        .accepted = source->accepted,
        .unchanged = source->unchanged,
        .refused = source->refused,
        .last_error = source->last_error,
        .refused_us = source->refused_us,
    };
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

uint64_t lk_lane_source_generation(const struct lk_lane_source *source)
{
    return atomic_load_explicit(&source->generation, memory_order_acquire);
}

void lk_lane_reader_init(struct lk_lane_reader *reader, struct lk_lane_source *source)
{
    *reader = (struct lk_lane_reader){.source = source};
}

void lk_lane_reader_fini(struct lk_lane_reader *reader)
{
    lk_lane_table_unref(reader->table);
    reader->table = NULL;
}

void lk_lane_reader_refresh(struct lk_lane_reader *reader)
{
    struct lk_lane_source *source = reader->source;
    struct lk_lane_table *old = reader->table;

    pthread_mutex_lock(&source->lock);
    reader->generation = lk_lane_source_generation(source);
    reader->table = source->table != NULL ? lk_lane_table_ref(source->table) : NULL;
    pthread_mutex_unlock(&source->lock);
    lk_lane_table_unref(old);
}
