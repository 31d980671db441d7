/*
 * From the field path of a semantic mistake back to file and line. A configuration may come from
 * two texts (the file and --config-yaml over it); their lists were appended, so an index beyond the
 * first text's list belongs to the second. Main thread, at start-up; refers to the trees.
 */
#pragma once

#include "proxy/base/error.h"
#include "xds/decode/yaml_tree.h"

#define LK_SOURCE_MAP_MAX 2

struct lk_source_text {
    const char *name; /* as printed, for example the path of the file */
    const struct lk_yaml_node *root;
};

struct lk_source_map {
    struct lk_source_text texts[LK_SOURCE_MAP_MAX];
    size_t count;
};

/* In the order of merging. */
void lk_source_map_add(struct lk_source_map *map, const char *name, const struct lk_yaml_node *root);

/*
 * Finds a path such as static_resources.listeners[0].filter_chains[1].name, of map entries
 * metadata.filter_metadata["x"]. Where the end of the path is not written in the text, the line of
 * the nearest enclosing value that is. *name is NULL and the line 0 when nothing of it is found.
 */
int lk_source_map_find(const struct lk_source_map *map, const char *path, const char **name);
