/*
 * What a request asks of the metadata of its endpoint, namespace "envoy.lb": key and value pairs, from metadata_match
 * of routes and from what filters put into the dynamic metadata.
 */
#pragma once

#include "proxy/config/metadata.h"

struct lk_match_criteria {
    const struct lk_value *items; /* sorted by name, each name once */
    size_t count;
};

/* Those of parent (NULL: none) with the members of an object (NULL or not an object: none) over them. In the arena;
 * names and values are shared with what they come from. Never NULL. */
const struct lk_match_criteria *lk_match_criteria_merge(struct lk_arena *arena, const struct lk_match_criteria *parent,
                                                        const struct lk_value *object);
/* Those of a metadata's namespace "envoy.lb" over parent's; parent itself when it has none. */
const struct lk_match_criteria *lk_match_criteria_of(struct lk_arena *arena, const struct lk_match_criteria *parent,
                                                     const struct lk_metadata *metadata);
/* NULL when absent; criteria may be NULL. */
const struct lk_value *lk_match_criteria_get(const struct lk_match_criteria *criteria, struct lk_str name);
