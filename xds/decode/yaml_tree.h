/*
 * YAML or JSON text as a small tree of nodes that know their line: the first step of reading a
 * configuration file. libyaml scans both languages; scalars are typed the way Envoy's loader types
 * them. Everything lies in the caller's arena. Any thread, no state.
 *
 * An alias shares the node of its anchor, so the "tree" may be a DAG; its height and the number of
 * nodes it would have when expanded are bounded, so walking it is safe.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_YAML_MAX_BYTES ((size_t)64 << 20)
#define LK_YAML_MAX_NODES 4000000u /* with aliases expanded */
#define LK_YAML_MAX_DEPTH 64

enum lk_yaml_syntax {
    LK_YAML_SYNTAX_YAML, /* plain yes/on/0x10 are typed; plain floats and numbers over 32 bits are strings */
    LK_YAML_SYNTAX_JSON, /* only true, false, null and JSON numbers are typed */
};

enum lk_yaml_kind {
    LK_YAML_NULL,
    LK_YAML_BOOL,
    LK_YAML_INT,    /* fits in 32 bits with sign */
    LK_YAML_NUMBER, /* any other JSON number; text holds it */
    LK_YAML_STRING,
    LK_YAML_LIST,
    LK_YAML_MAP,
};

struct lk_yaml_node;

/* One element of a list (key empty) or one entry of a map, in the order of the text. */
struct lk_yaml_item {
    struct lk_yaml_item *next;
    struct lk_str key;
    struct lk_yaml_node *value;
    int line;
};

struct lk_yaml_node {
    enum lk_yaml_kind kind;
    int line;
    struct lk_str text;         /* scalars: as written, terminated, quotes and escapes resolved */
    int64_t integer;            /* LK_YAML_INT, and LK_YAML_BOOL as 0 or 1 */
    struct lk_yaml_item *items; /* lists and maps */
    size_t count;
    unsigned height; /* scalars 1 */
    unsigned weight; /* nodes below and including this one, aliases expanded */
};

/* JSON for names that end in .json, else YAML. */
enum lk_yaml_syntax lk_yaml_syntax_of(struct lk_str file_name);

/*
 * Parses one document. Mistakes are appended to *errors with their line, at the current path. NULL
 * when the text cannot be read at all (syntax, several documents, limits); else a tree, which is of
 * use only when no mistake was appended. A key tagged !ignore is dropped with its value.
 * An empty document is a null node.
 */
struct lk_yaml_node *lk_yaml_parse(struct lk_arena *arena, struct lk_str text, enum lk_yaml_syntax syntax,
                                   struct lk_errors *errors);

/* Reads a file of at most LK_YAML_MAX_BYTES into the arena. */
bool lk_yaml_read_file(struct lk_arena *arena, const char *path, struct lk_str *out,
                       struct lk_error *error) LK_MUST_CHECK;

/* The entry of a map by its exact key; NULL when absent or not a map. */
const struct lk_yaml_item *lk_yaml_get(const struct lk_yaml_node *node, struct lk_str key);
/* The entry of a protobuf field: by its snake_case name or by the lowerCamelCase form of it. */
const struct lk_yaml_item *lk_yaml_get_field(const struct lk_yaml_node *node, struct lk_str name);
/* Element of a list; NULL when out of range. */
const struct lk_yaml_node *lk_yaml_at(const struct lk_yaml_node *node, size_t index);

/* For messages: a short description such as `the string "abc"`; lies in the arena. */
const char *lk_yaml_describe(const struct lk_yaml_node *node, struct lk_arena *arena);
