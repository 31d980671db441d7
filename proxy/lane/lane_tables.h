/*
 * From a table to what requests need of it: the scopes of its lanes, the names of their headers, their guards, their
 * ids. Made on the main thread before a table comes into force, immutable then, freed with it. And where tables
 * come from: one source for each file and set of carriers, shared by the filters that name it.
 */
#pragma once

#include "proxy/config/lane_filter_config.h"
#include "proxy/lane/carriers.h"
#include "proxy/lane/lane_runtime.h"
#include "proxy/lane/table_source.h"

struct lk_lane_attachment {
    struct lk_lane_scopes *scopes;   /* by index in the table */
    struct lk_header_set emit_names; /* of all lanes */
    struct lk_header_set secrets;    /* of entry rules: not for those behind the gateway */
    size_t guard_count;
    struct lk_lane_attached {
        struct lk_guard *guard; /* NULL: none */
        uint32_t id;            /* lane_ids.h */
    } lanes[];                  /* by index in the table */
};

struct lk_lane_tables {
    struct lk_lane_runtime *runtime; /* outlives it */
    struct lk_lane_source *source;
    struct lk_arena arena;
    struct lk_lane_carriers carriers; /* in the arena */
    bool unread;                      /* nobody reads or writes marks (TCP): no header of a table is in the way */
    bool watching;                    /* a file */
    struct lk_list node;              /* of the runtime's sources */
    struct lk_str path, resource;     /* of the file, in the arena; path empty: inline, or none */
};

/*
 * The tables of a filter, with a reference that ends with the context's arena: those of the file that config names, or
 * the inline one, or none ever. Mistakes are reported at table_source and inline. load reads files.
 */
struct lk_lane_tables *lk_lane_tables_ref(struct lk_filter_context *context, struct lk_lane_runtime *runtime,
                                          const struct lk_lane_filter_config *config, lk_lane_load_fn load,
                                          struct lk_errors *errors);

static inline const struct lk_lane_attachment *lk_lane_attachment(const struct lk_lane_table *table)
{
    return table != NULL ? table->attachment : NULL;
}
