/*
 * Heap allocation that does not fail, and the end of the process when an invariant is broken. Any
 * thread.
 */
#include "proxy/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#define PANIC_LINE_MAX 1024
#define GROW_FIRST 8

static void *checked(void *ptr, size_t size)
{
    if (LK_UNLIKELY(ptr == NULL))
        lk_panic("out of memory: %zu bytes asked for", size);
    return ptr;
}

void *lk_malloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), size);
}

void *lk_calloc(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1), size);
}

void *lk_realloc(void *ptr, size_t size)
{
    return checked(realloc(ptr, size > 0 ? size : 1), size);
}

char *lk_strdup(const char *s)
{
    return checked(strdup(s), strlen(s) + 1);
}

void lk_free(void *ptr)
{
    free(ptr);
}

void *lk_grow(void *array, size_t *cap, size_t need, size_t elem_size)
{
    size_t next = LK_MAX(*cap, (size_t)GROW_FIRST);
    size_t bytes;

    if (need <= *cap)
        return array;
    while (next < need && next <= SIZE_MAX / 2)
        next *= 2;
    if (next < need || __builtin_mul_overflow(next, elem_size, &bytes))
        lk_panic("out of memory: %zu elements of %zu bytes asked for", need, elem_size);
    *cap = next;
    return lk_realloc(array, bytes);
}

void lk_panic_at(const char *file, int line, const char *fmt, ...)
{
    char text[PANIC_LINE_MAX];
    int used = snprintf(text, sizeof(text), "lanekeeper: %s:%d: ", file, line);
    va_list args;
    int more;
    size_t len;

    va_start(args, fmt);
    more = vsnprintf(text + used, sizeof(text) - (size_t)used, fmt, args);
    va_end(args);
    len = LK_MIN((size_t)used + (size_t)LK_MAX(more, 0), sizeof(text) - 1);
    text[len] = '\n';
    /* The process is about to end: whether the line got out does not matter any more. */
    if (write(STDERR_FILENO, text, len + 1) < 0)
        abort();
    abort();
}
