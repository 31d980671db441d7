/* A loop for tests, and waiting for conditions by turning it. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/io/loop.h"
#include "test/support/lk_test.h"

#include <dirent.h>

static inline struct lk_loop *test_loop_new(void)
{
    const struct lk_loop_options options = {.index = 0, .name = "test_loop"};
    return lk_loop_new(&options);
}

/* Turns the loop until the condition holds; fails the test after about ten seconds. */
#define TURN_UNTIL(loop_, cond_)                                                                                       \
    do {                                                                                                               \
        int turns_ = 0;                                                                                                \
        while (!(cond_)) {                                                                                             \
            LK_CHECK_MSG(turns_++ < 2000, "never came true: %s", #cond_);                                              \
            lk_loop_turn((loop_), 5);                                                                                  \
        }                                                                                                              \
    } while (0)

/* Turns without waiting, so that everything that is already due happens. */
static inline void test_turn_some(struct lk_loop *loop, int turns)
{
    while (turns-- > 0)
        lk_loop_turn(loop, 0);
}

static inline int test_open_fds(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    LK_CHECK_NOT_NULL(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}
