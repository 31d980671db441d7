/*
 * The one place where memory comes from the heap. Running out of memory ends the process here and
 * nowhere else: limits on connections, streams, headers and bytes keep us from reaching it.
 */
#pragma once

#include <stddef.h>

#define LK_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define LK_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define LK_MUST_CHECK __attribute__((warn_unused_result))
#define LK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LK_UNUSED __attribute__((unused))
#define LK_LIKELY(x) __builtin_expect(!!(x), 1)
#define LK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define LK_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LK_MAX(a, b) ((a) > (b) ? (a) : (b))

void *lk_malloc(size_t size) __attribute__((malloc, returns_nonnull));
void *lk_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *lk_realloc(void *ptr, size_t size) __attribute__((returns_nonnull));
char *lk_strdup(const char *s) __attribute__((malloc, returns_nonnull));
void lk_free(void *ptr);

/* Grows an array to hold at least `need` elements, doubling. *cap is in elements. */
void *lk_grow(void *array, size_t *cap, size_t need, size_t elem_size);

/* Broken invariants end the process with the place and the reason. */
_Noreturn void lk_panic_at(const char *file, int line, const char *fmt, ...) LK_PRINTF(3, 4);
#define lk_panic(...) lk_panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define LK_ASSERT(cond) ((cond) ? (void)0 : lk_panic("assertion failed: %s", #cond))
