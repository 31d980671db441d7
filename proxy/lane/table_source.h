/*
 * The table in force: one for a process (by source), published by the main thread, picked up by each worker at its next
 * use. A table comes from configuration, from a watched file (a ConfigMap's symlink swap included) or from whoever
 * subscribes to a control plane; what is refused leaves the last good one in force, logged and counted. A new table
 * touches nothing else: no route, no cluster, no connection.
 *
 * Threads: the source belongs to the main thread; a reader belongs to one thread, which asks it on every request.
 * Asking costs one atomic load; only after a change a lock is taken, once for each thread.
 */
#pragma once

#include "proxy/config/lane_table.h"
#include "proxy/io/loop.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_lane_source;

struct lk_lane_source_options {
    /* Before a table is published, on the main thread: fills table->attachment. NULL: nothing to do. */
    void (*on_table)(void *arg, struct lk_lane_table *table);
    /* Whether a table from the watched file can be used here; mistakes are appended. NULL: any can. */
    bool (*check)(void *arg, const struct lk_lane_table *table, struct lk_errors *errors);
    /* A table was refused, for statistics; NULL: nobody wants to know. */
    void (*on_refused)(void *arg);
    void *arg;
};
/* Without a table: marks are unknown, shadow is refused. Readers must be gone before it is freed. */
struct lk_lane_source *lk_lane_source_new(const struct lk_lane_source_options *options);
void lk_lane_source_free(struct lk_lane_source *source);

/* Takes the caller's reference, prepares the entry rules and puts the table in force. False when it equals the one in
 * force (by hash), which stays then. */
bool lk_lane_source_publish(struct lk_lane_source *source, struct lk_lane_table *table);
/* A table was refused: counts, keeps what for admin and logs each mistake. `origin` names the file or resource. */
void lk_lane_source_refuse(struct lk_lane_source *source, const char *origin, const struct lk_errors *errors);

/* How a file becomes a table: NULL with mistakes appended. The decoders live in a layer that this one does not know. */
typedef struct lk_lane_table *(*lk_lane_load_fn)(const char *path, struct lk_str resource, struct lk_errors *errors);

struct lk_lane_file {
    struct lk_str path;
    struct lk_str directory; /* WatchedDirectory.path; may be empty */
    struct lk_str resource;  /* name of the resource in the file; may be empty */
    lk_lane_load_fn load;
};
/* Reads the file now and whenever something is moved onto it; at most one file for a source. A bad or missing file is
 * no error here: it is refused as later ones are. False when its folder cannot be watched. */
bool lk_lane_source_watch(struct lk_lane_source *source, struct lk_loop *loop, const struct lk_lane_file *file,
                          struct lk_error *error) LK_MUST_CHECK;

struct lk_lane_source_info {
    const struct lk_lane_table *table; /* NULL: none yet; valid until the main loop's next turn */
    int64_t published_us;              /* wall time; 0: never */
    uint64_t accepted, unchanged, refused;
    const char *last_error; /* "file:line: path: what" of the newest refused table; empty once a good one came */
    int64_t refused_us;     /* wall time; 0: never */
};
/* Main thread, for admin and stats. */
void lk_lane_source_info(const struct lk_lane_source *source, struct lk_lane_source_info *out);

/* --- on each thread ----------------------------------------------------------------------------------------------- */

struct lk_lane_reader {
    struct lk_lane_source *source;
    uint64_t generation;
    struct lk_lane_table *table; /* a reference of the thread's own */
};
void lk_lane_reader_init(struct lk_lane_reader *reader, struct lk_lane_source *source);
void lk_lane_reader_fini(struct lk_lane_reader *reader);
void lk_lane_reader_refresh(struct lk_lane_reader *reader);
uint64_t lk_lane_source_generation(const struct lk_lane_source *source);

/* The table in force; NULL: none yet. Valid until the thread's next call; take a reference to keep it longer. */
static inline struct lk_lane_table *lk_lane_reader_get(struct lk_lane_reader *reader)
{
    if (LK_UNLIKELY(lk_lane_source_generation(reader->source) != reader->generation))
        lk_lane_reader_refresh(reader);
    return reader->table;
}
