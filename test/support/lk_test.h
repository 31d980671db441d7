/*
 * The seam between our unit tests and what runs them: Criterion (each test in a process of its own),
 * or, where LK_TEST_PLAIN is defined, the runner of lk_test_plain.c (all tests in one process, which
 * is what ThreadSanitizer needs). Tests include this header and nothing of Criterion.
 *
 *     LK_TEST(str, splits_at_each_separator)
 *     {
 *         LK_CHECK_EQ_INT(count, 3);
 *     }
 *
 * A failing check prints place and values and ends the test. Checks belong to the test's own thread:
 * one that fails elsewhere ends the whole executable. Tests share no state and clean up after
 * themselves, since in the plain runner they follow each other in one process.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LK_TEST_PLAIN

struct lk_test {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct lk_test *next;
};

void lk_test_register(struct lk_test *test);

#define LK_TEST(suite_, name_)                                                                                         \
    static void suite_##_##name_##_run(void);                                                                          \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                                         \
    {                                                                                                                  \
        static struct lk_test test = {#suite_, #name_, suite_##_##name_##_run, NULL};                                  \
        lk_test_register(&test);                                                                                       \
    }                                                                                                                  \
    static void suite_##_##name_##_run(void)

#else

#include <criterion/criterion.h>

#define LK_TEST(suite_, name_) Test(suite_, name_)

#endif

/* Ends the running test as failed. */
_Noreturn void lk_test_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The functions behind the macros; `what` is the text of the checked expressions. */
void lk_test_eq_int(const char *file, int line, const char *what, long long a, long long b);
void lk_test_eq_uint(const char *file, int line, const char *what, unsigned long long a, unsigned long long b);
void lk_test_near(const char *file, int line, const char *what, double a, double b, double within);
void lk_test_eq_str(const char *file, int line, const char *what, const char *a, const char *b);
void lk_test_eq_mem(const char *file, int line, const char *what, struct lk_str a, struct lk_str b);
void lk_test_contains(const char *file, int line, const char *what, const char *text, const char *part);

#define LK_FAIL(...) lk_test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define LK_CHECK(cond) ((cond) ? (void)0 : LK_FAIL("%s", #cond))
/* With a reason in printf style. */
#define LK_CHECK_MSG(cond, ...) ((cond) ? (void)0 : LK_FAIL(__VA_ARGS__))
#define LK_CHECK_NULL(p) LK_CHECK((p) == NULL)
#define LK_CHECK_NOT_NULL(p) LK_CHECK((p) != NULL)
/* Signed and unsigned integers, enumerators, bool. */
#define LK_CHECK_EQ_INT(a, b) lk_test_eq_int(__FILE__, __LINE__, #a " == " #b, (long long)(a), (long long)(b))
#define LK_CHECK_EQ_UINT(a, b)                                                                                         \
    lk_test_eq_uint(__FILE__, __LINE__, #a " == " #b, (unsigned long long)(a), (unsigned long long)(b))
#define LK_CHECK_NEAR(a, b, within) lk_test_near(__FILE__, __LINE__, #a " ~ " #b, (a), (b), (within))
#define LK_CHECK_EQ_PTR(a, b)                                                                                          \
    ((const void *)(a) == (const void *)(b)                                                                            \
         ? (void)0                                                                                                     \
         : LK_FAIL("%s: %p != %p", #a " == " #b, (const void *)(a), (const void *)(b)))
/* Strings with terminator; NULL equals only NULL. */
#define LK_CHECK_STR(a, b) lk_test_eq_str(__FILE__, __LINE__, #a " == " #b, (a), (b))
/* The text holds the part. */
#define LK_CHECK_CONTAINS(text, part) lk_test_contains(__FILE__, __LINE__, #text " contains " #part, (text), (part))
/* A slice against a string with terminator, and two slices. */
#define LK_CHECK_LKSTR(s, cstr) lk_test_eq_mem(__FILE__, __LINE__, #s " == " #cstr, (s), lk_str_from(cstr))
#define LK_CHECK_LKSTR_EQ(a, b) lk_test_eq_mem(__FILE__, __LINE__, #a " == " #b, (a), (b))
/* `size` bytes at both places. */
#define LK_CHECK_MEM(a, b, size)                                                                                       \
    lk_test_eq_mem(__FILE__, __LINE__, #a " == " #b, lk_str((const char *)(const void *)(a), (size)),                  \
                   lk_str((const char *)(const void *)(b), (size)))
