/*
 * Error values and the growing list of configuration mistakes with its field path. Single-threaded
 * per object.
 */
#include "proxy/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool lk_error_set(struct lk_error *error, enum lk_error_code code, const char *fmt, ...)
{
    va_list args;

    if (error == NULL)
        return false;
    error->code = code;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    return false;
}

bool lk_error_errno(struct lk_error *error, const char *fmt, ...)
{
    int number = errno;
    char reason[128];
    va_list args;
    size_t used;

    if (error == NULL)
        return false;
    error->code = LK_ERROR_IO;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    used = strlen(error->text);
    snprintf(error->text + used, sizeof(error->text) - used, ": %s", strerror_r(number, reason, sizeof(reason)));
    return false;
}

void lk_errors_init(struct lk_errors *errors)
{
    memset(errors, 0, sizeof(*errors));
}

static void free_items(struct lk_error_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lk_free(items[i].path);
        lk_free(items[i].text);
    }
    lk_free(items);
}

void lk_errors_fini(struct lk_errors *errors)
{
    free_items(errors->items, errors->count);
    free_items(errors->warnings, errors->warning_count);
    lk_errors_init(errors);
}

/* Appends to the path; what does not fit is cut off, the path stays a string. */
static void path_append(struct lk_errors *errors, struct lk_str part)
{
    size_t room = sizeof(errors->path) - 1 - errors->path_len;
    size_t len = LK_MIN(part.len, room);

    if (len > 0)
        memcpy(errors->path + errors->path_len, part.ptr, len);
    errors->path_len += len;
    errors->path[errors->path_len] = '\0';
}

size_t lk_errors_push(struct lk_errors *errors, const char *field)
{
    size_t mark = errors->path_len;

    if (field == NULL || field[0] == '\0')
        return mark;
    if (mark > 0 && field[0] != '[')
        path_append(errors, LK_STR("."));
    path_append(errors, lk_str_from(field));
    return mark;
}

size_t lk_errors_push_index(struct lk_errors *errors, const char *field, size_t index)
{
    size_t mark = lk_errors_push(errors, field);
    char number[32];
    int len = snprintf(number, sizeof(number), "[%zu]", index);

    path_append(errors, lk_str(number, (size_t)len));
    return mark;
}

size_t lk_errors_push_key(struct lk_errors *errors, const char *field, struct lk_str key)
{
    size_t mark = lk_errors_push(errors, field);

    path_append(errors, LK_STR("[\""));
    path_append(errors, key);
    path_append(errors, LK_STR("\"]"));
    return mark;
}

void lk_errors_pop(struct lk_errors *errors, size_t mark)
{
    LK_ASSERT(mark <= errors->path_len);
    errors->path_len = mark;
    errors->path[mark] = '\0';
}

static char *print_text(const char *fmt, va_list args) __attribute__((format(printf, 1, 0)));

static char *print_text(const char *fmt, va_list args)
{
    char *text;

    if (vasprintf(&text, fmt, args) < 0)
        lk_panic("out of memory for the text of an error");
    return text;
}

/* The item takes ownership of text. */
static void append(struct lk_errors *errors, enum lk_error_code code, int line, const char *field, char *text)
{
    size_t mark;

    if (errors->count >= LK_ERRORS_MAX) {
        errors->dropped++;
        lk_free(text);
        return;
    }
    mark = lk_errors_push(errors, field);
    errors->items = lk_grow(errors->items, &errors->cap, errors->count + 1, sizeof(*errors->items));
    errors->items[errors->count++] =
        (struct lk_error_item){.code = code, .path = lk_strdup(errors->path), .text = text, .line = line};
    lk_errors_pop(errors, mark);
}

#define APPEND(errors, code, line, field, fmt)                                                                         \
    do {                                                                                                               \
        va_list args_;                                                                                                 \
        va_start(args_, fmt);                                                                                          \
        append(errors, code, line, field, print_text(fmt, args_));                                                     \
        va_end(args_);                                                                                                 \
    } while (0)

bool lk_errors_add(struct lk_errors *errors, const char *fmt, ...)
{
    APPEND(errors, LK_ERROR_INVALID, 0, NULL, fmt);
    return false;
}

bool lk_errors_add_at(struct lk_errors *errors, const char *field, const char *fmt, ...)
{
    APPEND(errors, LK_ERROR_INVALID, 0, field, fmt);
    return false;
}

bool lk_errors_unsupported(struct lk_errors *errors, const char *field, const char *fmt, ...)
{
    APPEND(errors, LK_ERROR_UNSUPPORTED, 0, field, fmt);
    return false;
}

bool lk_errors_add_line(struct lk_errors *errors, int line, const char *fmt, ...)
{
    APPEND(errors, LK_ERROR_INVALID, line, NULL, fmt);
    return false;
}

void lk_errors_warn(struct lk_errors *errors, const char *field, const char *fmt, ...)
{
    va_list args;
    size_t mark;

    if (errors->warning_count >= LK_ERRORS_MAX) {
        errors->warnings_dropped++;
        return;
    }
    mark = lk_errors_push(errors, field);
    errors->warnings =
        lk_grow(errors->warnings, &errors->warning_cap, errors->warning_count + 1, sizeof(*errors->warnings));
    va_start(args, fmt);
    errors->warnings[errors->warning_count++] =
        (struct lk_error_item){.path = lk_strdup(errors->path), .text = print_text(fmt, args)};
    va_end(args);
    lk_errors_pop(errors, mark);
}
