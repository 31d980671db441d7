/*
 * Checks of unit tests: comparison, printing of the values, and the end of a failed test.
 */
#include "test/support/lk_test.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LK_TEST_PLAIN
#include "test/support/lk_test_plain.h"
#endif

#define SHOWN_MAX 300

static _Noreturn void end_test(const char *text)
{
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
    /* Neither runner can unwind another thread than its own. */
    if (gettid() != getpid())
        abort();
#ifdef LK_TEST_PLAIN
    lk_test_plain_failed();
#else
    cr_assert_fail("%s", text);
    abort();
#endif
}

void lk_test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[4 * SHOWN_MAX + 1024];
    int used = snprintf(text, sizeof(text), "%s:%d: check failed: ", file, line);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + used, sizeof(text) - (size_t)used, fmt, args);
    va_end(args);
    end_test(text);
}

void lk_test_eq_int(const char *file, int line, const char *what, long long a, long long b)
{
    if (a != b)
        lk_test_fail(file, line, "%s: %lld != %lld", what, a, b);
}

void lk_test_eq_uint(const char *file, int line, const char *what, unsigned long long a, unsigned long long b)
{
    if (a != b)
        lk_test_fail(file, line, "%s: %llu != %llu", what, a, b);
}

void lk_test_near(const char *file, int line, const char *what, double a, double b, double within)
{
    if (!(fabs(a - b) <= within))
        lk_test_fail(file, line, "%s: %g and %g are more than %g apart", what, a, b, within);
}

/* Bytes as they would stand in a C string, so that a difference in blanks can be seen. */
static const char *show(struct lk_str s, char out[SHOWN_MAX])
{
    char *at = out;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (at - out > SHOWN_MAX - 8) {
            snprintf(at, 4, "...");
            return out;
        }
        if (c >= 0x20 && c < 0x7f && c != '\\' && c != '"')
            *at++ = (char)c;
        else
            at += snprintf(at, 5, "\\x%02x", c);
    }
    *at = '\0';
    return out;
}

void lk_test_eq_mem(const char *file, int line, const char *what, struct lk_str a, struct lk_str b)
{
    char shown_a[SHOWN_MAX];
    char shown_b[SHOWN_MAX];

    if (!lk_str_eq(a, b))
        lk_test_fail(file, line, "%s: \"%s\" (%zu bytes) != \"%s\" (%zu bytes)", what, show(a, shown_a), a.len,
                     show(b, shown_b), b.len);
}

void lk_test_eq_str(const char *file, int line, const char *what, const char *a, const char *b)
{
    if ((a == NULL) != (b == NULL))
        lk_test_fail(file, line, "%s: %s is NULL", what, a == NULL ? "the first" : "the second");
    if (a != NULL)
        lk_test_eq_mem(file, line, what, lk_str_from(a), lk_str_from(b));
}

void lk_test_contains(const char *file, int line, const char *what, const char *text, const char *part)
{
    char shown_text[SHOWN_MAX];
    char shown_part[SHOWN_MAX];

    if (text == NULL || strstr(text, part) == NULL)
        lk_test_fail(file, line, "%s: \"%s\" lacks \"%s\"", what,
                     text != NULL ? show(lk_str_from(text), shown_text) : "(NULL)",
                     show(lk_str_from(part), shown_part));
}
