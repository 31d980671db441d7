/* envoy.config.core.v3.Metadata as plain data: namespace -> tree of values. Interned where endpoints share it. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_value_kind { LK_VALUE_NULL, LK_VALUE_NUMBER, LK_VALUE_TEXT, LK_VALUE_BOOL, LK_VALUE_OBJECT, LK_VALUE_LIST };

struct lk_value { /* google.protobuf.Value */
    enum lk_value_kind kind;
    struct lk_str name; /* key inside an object */
    double number;
    bool boolean;
    struct lk_str text;
    const struct lk_value *children; /* of an object or list */
    size_t child_count;
};

struct lk_metadata { /* each child of root is a namespace */
    struct lk_value root;
};

/* NULL when absent. */
const struct lk_value *lk_value_get(const struct lk_value *object, struct lk_str key);
/* metadata[ns][path[0]][path[1]]...; NULL when absent. metadata may be NULL. */
const struct lk_value *lk_metadata_get(const struct lk_metadata *metadata, struct lk_str ns, const struct lk_str *path,
                                       size_t path_len);
bool lk_value_eq(const struct lk_value *a, const struct lk_value *b);
/* Equal values (lk_value_eq) have equal hashes; the order of an object's members does not count. */
uint64_t lk_value_hash(const struct lk_value *value);
/* JSON text; strings without quotes when they are the whole value (as Envoy's formatters print them). */
struct lk_str lk_value_text(const struct lk_value *value, struct lk_arena *arena);
