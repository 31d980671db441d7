/* Pipes that are kept and given out again. */
#include "test/support/lk_test.h"

#include "proxy/io/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

LK_TEST(pipe_pool, gives_out_the_pipe_that_came_back_last)
{
    struct lk_pipe_pool pool = {0};
    struct lk_pipe a, b, again;
    LK_CHECK(lk_pipe_pool_take(&pool, &a));
    LK_CHECK(lk_pipe_pool_take(&pool, &b));
    lk_pipe_pool_put(&pool, a);
    lk_pipe_pool_put(&pool, b);
    LK_CHECK(lk_pipe_pool_take(&pool, &again));
    LK_CHECK_EQ_INT(again.read_fd, b.read_fd);
    lk_pipe_pool_put(&pool, again);
    lk_pipe_pool_clear(&pool);
    LK_CHECK_EQ_INT(fcntl(a.read_fd, F_GETFD), -1);
    LK_CHECK_EQ_INT(fcntl(b.write_fd, F_GETFD), -1);
}

LK_TEST(pipe_pool, keeps_a_few_and_closes_the_rest)
{
    struct lk_pipe_pool pool = {0};
    struct lk_pipe pipes[LK_PIPE_POOL_KEPT + 1];
    for (unsigned i = 0; i <= LK_PIPE_POOL_KEPT; i++)
        LK_CHECK(lk_pipe_pool_take(&pool, &pipes[i]));
    for (unsigned i = 0; i <= LK_PIPE_POOL_KEPT; i++)
        lk_pipe_pool_put(&pool, pipes[i]);
    LK_CHECK_EQ_INT(fcntl(pipes[0].read_fd, F_GETFD), FD_CLOEXEC);
    LK_CHECK_EQ_INT(fcntl(pipes[LK_PIPE_POOL_KEPT].read_fd, F_GETFD), -1);
    lk_pipe_pool_clear(&pool);
}
