/*
 * The runner for builds in which Criterion cannot run: all tests of the executable one after the
 * other, in one process, in the order of the file. An argument selects the tests whose suite/name
 * holds it.
 */
#include "test/support/lk_test_plain.h"

#include "test/support/lk_test.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#ifdef LK_TEST_PLAIN

static struct lk_test *first;
static struct lk_test **last = &first;
static jmp_buf way_out;

void lk_test_register(struct lk_test *test)
{
    *last = test;
    last = &test->next;
}

void lk_test_plain_failed(void)
{
    longjmp(way_out, 1);
}

static bool passes(const struct lk_test *test)
{
    if (setjmp(way_out) != 0)
        return false;
    test->run();
    return true;
}

int main(int argc, char **argv)
{
    unsigned run = 0;
    unsigned failed = 0;

    for (const struct lk_test *test = first; test != NULL; test = test->next) {
        char name[256];

        snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
        if (argc > 1 && strstr(name, argv[1]) == NULL)
            continue;
        run++;
        if (!passes(test)) {
            failed++;
            fprintf(stderr, "FAILED %s\n", name);
        }
    }
    fprintf(stderr, "%u tests, %u failed\n", run, failed);
    return failed > 0 || run == 0 ? 1 : 0;
}

#endif
