/* Recycled pipes, the last one given back first. */
#include "proxy/io/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

bool lk_pipe_pool_take(struct lk_pipe_pool *pool, struct lk_pipe *pipe)
{
    int ends[2];
    if (pool->kept_count > 0) {
        *pipe = pool->kept[--pool->kept_count];
        return true;
    }
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    (void)fcntl(ends[1], F_SETPIPE_SZ, LK_PIPE_SIZE); /* refused: it stays at the system's size */
    *pipe = (struct lk_pipe){.read_fd = ends[0], .write_fd = ends[1]};
    return true;
}

void lk_pipe_pool_put(struct lk_pipe_pool *pool, struct lk_pipe pipe)
{
    if (pool->kept_count < LK_PIPE_POOL_KEPT)
        pool->kept[pool->kept_count++] = pipe;
    else
        lk_pipe_close(pipe);
}

void lk_pipe_pool_clear(struct lk_pipe_pool *pool)
{
    while (pool->kept_count > 0)
        lk_pipe_close(pool->kept[--pool->kept_count]);
}

void lk_pipe_close(struct lk_pipe pipe)
{
    close(pipe.read_fd);
    close(pipe.write_fd);
}
