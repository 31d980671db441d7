/*
 * The hosts of a host set by the values of labels, which are paths into their metadata (a lane, the keys of an Envoy
 * subset selector). Built once for each set and kind of labels, on first use by any thread, then immutable and shared
 * by all; freed with the set. It knows nothing of lane tables or policies: those only choose among its entries.
 */
#pragma once

#include "proxy/config/metadata.h"
#include "proxy/upstream/host_set.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_INDEX_LABELS_MAX 16u

struct lk_label_spec {
    struct lk_str ns; /* of the metadata: "envoy.lb" */
    const struct lk_str *path;
    size_t path_len;
    char separator; /* with field */
    uint32_t field; /* 0: the whole value; n: its n-th part between separators, from 1 */
};

/* The value itself, or the part of it that the label means; false: there is none. */
bool lk_label_part(const struct lk_label_spec *label, const struct lk_value *value, struct lk_value *out);

struct lk_index_spec {
    const struct lk_label_spec *labels;
    size_t label_count; /* 1 to LK_INDEX_LABELS_MAX */
    bool list_as_any;   /* a value that is a list counts for each of its elements */
    uint64_t hash;      /* of all the others; lk_index_spec_init */
};
/* Does not copy the labels. */
void lk_index_spec_init(struct lk_index_spec *spec, const struct lk_label_spec *labels, size_t count, bool list_as_any);

struct lk_host_index_entry {
    const struct lk_value *values; /* one for each label; NULL: the hosts that lack a label */
    uint64_t hash;
    const uint32_t *positions; /* of its hosts in the set, ascending */
    uint32_t count;
};

struct lk_host_index {
    struct lk_host_index *next; /* of the same set */
    struct lk_arena *arena;     /* owns what is below and the spec's labels */
    struct lk_index_spec spec;
    const struct lk_host_index_entry *entries; /* each has a host; in order of first appearance in the set */
    size_t entry_count;
    struct lk_host_index_entry untagged; /* may be empty */
    /* In an index of one label, the hosts that call themselves "base"; NULL: there are none. */
    const struct lk_host_index_entry *base;
    _Atomic(const struct lk_index_spec *) known; /* a spec that was found equal, so that it is found at once */
    const uint32_t *table;                       /* open addressing: number of an entry + 1, 0: free */
    size_t table_mask;
};

/* Never NULL. Valid as long as the set. Any thread. */
const struct lk_host_index *lk_host_set_index(struct lk_host_set *set, const struct lk_index_spec *spec);
/* The hosts with these values, one for each label; NULL: there are none. */
const struct lk_host_index_entry *lk_host_index_find(const struct lk_host_index *index,
                                                     const struct lk_value *const *values);
/* The same for an index of one label and a text. */
const struct lk_host_index_entry *lk_host_index_find_text(const struct lk_host_index *index, struct lk_str text);
/* For lk_host_set_unref: frees a list of indexes. */
void lk_host_indexes_free(struct lk_host_index *first);
