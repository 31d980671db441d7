/*
 * A lane table from a text, YAML or JSON: the table alone, or in what a control plane would push: TypedExtensionConfig,
 * an Any with "@type", a DiscoveryResponse, each holding the table itself or a TypedStruct of it. Main thread.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/lane_table.h"
#include "xds/decode/yaml_tree.h"

#include <stdbool.h>

/* A table takes no more than this; larger files are refused unread. */
#define LK_LANE_FILE_MAX ((size_t)8 << 20)

struct lk_lane_file_options {
    /* Name of the resource that is meant where the text has names; empty: whatever single table it holds. */
    struct lk_str resource;
    bool allow_unknown; /* names that no message knows are warnings */
};

/* A reference for the caller; NULL with every mistake appended, with its line in the text and its field path, in the
 * order of lines. Warnings are appended in either case. */
struct lk_lane_table *lk_lane_text_load(struct lk_str text, enum lk_yaml_syntax syntax,
                                        const struct lk_lane_file_options *options, struct lk_errors *errors);
/* The same of a file, JSON if its name ends so. */
struct lk_lane_table *lk_lane_file_load(const char *path, const struct lk_lane_file_options *options,
                                        struct lk_errors *errors);
