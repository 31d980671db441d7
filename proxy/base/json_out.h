/*
 * Writes JSON as it is told, piece by piece, for pages that are too long to be built first. Indented by one blank for
 * each level, as the other admin pages are. Whoever uses it keeps the order: a value has a key inside of an object and
 * none inside of a list. Any thread; owner: the caller.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LK_JSON_DEPTH_MAX 31u

struct lk_json_out {
    void (*write)(void *arg, const char *data, size_t len);
    void *arg;
    unsigned depth;
    uint32_t filled; /* bit for each level: it has a value */
    uint32_t lists;  /* ... it is a list */
};

/* key NULL: inside of a list, or the outermost value. */
void lk_json_object(struct lk_json_out *out, const char *key);
void lk_json_list(struct lk_json_out *out, const char *key);
/* Ends the innermost object or list. */
void lk_json_end(struct lk_json_out *out);
/* Bytes that are no UTF-8 are written as U+FFFD, one for each. */
void lk_json_text(struct lk_json_out *out, const char *key, struct lk_str text);
void lk_json_uint(struct lk_json_out *out, const char *key, uint64_t value);
/* Milliseconds, shown as seconds: 1.5. */
void lk_json_seconds(struct lk_json_out *out, const char *key, uint64_t ms);
/* What is no finite number is null. */
void lk_json_real(struct lk_json_out *out, const char *key, double value);
void lk_json_bool(struct lk_json_out *out, const char *key, bool value);
void lk_json_null(struct lk_json_out *out, const char *key);

/* The same with a key that is data: it is escaped. */
void lk_json_object_at(struct lk_json_out *out, struct lk_str key);
void lk_json_text_at(struct lk_json_out *out, struct lk_str key, struct lk_str text);
