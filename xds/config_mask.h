/* Field masks (google.protobuf.FieldMask) over messages that are JSON already. Pure functions. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <jansson.h>
#include <stddef.h>

/* Paths of snake_case names with dots between them. */
struct lk_config_mask {
    const struct lk_str *paths;
    size_t count;
};

/* "a.b,c"; empty parts are left out. Lies in the arena, the names in text. */
struct lk_config_mask lk_config_mask_parse(struct lk_arena *arena, struct lk_str text);
/* A new reference: what the paths name, and "@type" of every object on the way. Lists are passed through, so that a
 * path applies to each of their elements. */
json_t *lk_config_mask_apply(const struct lk_config_mask *mask, json_t *value);
