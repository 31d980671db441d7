/* How a plain (unquoted) YAML or JSON scalar gets its type; internal to yaml_tree. Pure functions. */
#pragma once

#include "xds/decode/yaml_tree.h"

/* Sets kind and integer of a node from its text (terminated). */
void lk_yaml_type_plain(struct lk_yaml_node *node, enum lk_yaml_syntax syntax);

/*
 * JSON writes characters beyond the basic plane as two \u escapes, which libyaml refuses. Returns
 * the text with each such pair inside double quotes replaced by one \U escape; the text itself when
 * there is none, or when it does not look like JSON. Lines keep their numbers.
 */
struct lk_str lk_yaml_merge_surrogates(struct lk_arena *arena, struct lk_str text);
