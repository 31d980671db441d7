/*
 * Errors as values. A function that can fail takes a `struct lk_error *` last and says so by its
 * result; decoders of configuration append to a `struct lk_errors` and go on, so that one run
 * reports every mistake.
 */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/base/str.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum lk_error_code {
    LK_OK = 0,
    LK_ERROR_INVALID,     /* input that breaks a rule */
    LK_ERROR_UNSUPPORTED, /* understood, not built */
    LK_ERROR_NOT_FOUND,
    LK_ERROR_IO, /* the operating system said no */
    LK_ERROR_LIMIT,
};

struct lk_error {
    enum lk_error_code code;
    char text[480];
};

/* Fills *error; always returns false, so that `return lk_error_set(...)` reads well. */
bool lk_error_set(struct lk_error *error, enum lk_error_code code, const char *fmt, ...) LK_PRINTF(3, 4);
/* The same with ": <strerror(errno)>" appended and code LK_ERROR_IO. */
bool lk_error_errno(struct lk_error *error, const char *fmt, ...) LK_PRINTF(2, 3);

/* One mistake in a configuration. `path` is a field path like
 * static_resources.listeners[0].filter_chains[1].filters[0]. */
struct lk_error_item {
    enum lk_error_code code;
    char *path;
    char *text;
    int line; /* 0: not known yet */
};

/*
 * A growing list of mistakes with a current field path. Decoders push a segment before they descend
 * and pop it afterwards, so nested code never formats paths. After LK_ERRORS_MAX items the rest is
 * counted only.
 */
#define LK_ERRORS_MAX 200

struct lk_errors {
    struct lk_error_item *items;
    size_t count;
    size_t cap;
    size_t dropped;
    /* the same for things that are accepted but deserve a line in the log */
    struct lk_error_item *warnings;
    size_t warning_count;
    size_t warning_cap;
    size_t warnings_dropped;
    char path[1024];
    size_t path_len;
};

void lk_errors_init(struct lk_errors *errors);
void lk_errors_fini(struct lk_errors *errors);

/* Push returns the mark to pop to. */
size_t lk_errors_push(struct lk_errors *errors, const char *field);
size_t lk_errors_push_index(struct lk_errors *errors, const char *field, size_t index);
size_t lk_errors_push_key(struct lk_errors *errors, const char *field, struct lk_str key);
void lk_errors_pop(struct lk_errors *errors, size_t mark);

/* Appends a mistake at the current path. Returns false. */
bool lk_errors_add(struct lk_errors *errors, const char *fmt, ...) LK_PRINTF(2, 3);
/* The same at path.field. */
bool lk_errors_add_at(struct lk_errors *errors, const char *field, const char *fmt, ...) LK_PRINTF(3, 4);
bool lk_errors_unsupported(struct lk_errors *errors, const char *field, const char *fmt, ...) LK_PRINTF(3, 4);
bool lk_errors_add_line(struct lk_errors *errors, int line, const char *fmt, ...) LK_PRINTF(3, 4);
void lk_errors_warn(struct lk_errors *errors, const char *field, const char *fmt, ...) LK_PRINTF(3, 4);

static inline bool lk_errors_any(const struct lk_errors *errors)
{
    return errors->count > 0;
}
