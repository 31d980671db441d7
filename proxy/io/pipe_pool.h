/*
 * Pipes for splice(2). A direction of a stream holds one only while bytes are in it, so a few serve thousands of
 * streams. Owner: one loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Half of what fs.pipe-max-size allows a process without rights. */
#define LK_PIPE_SIZE ((size_t)1 << 19)
/* Empty pipes that are kept. */
#define LK_PIPE_POOL_KEPT 4u

struct lk_pipe {
    int read_fd, write_fd;
};

struct lk_pipe_pool {
    struct lk_pipe kept[LK_PIPE_POOL_KEPT];
    unsigned kept_count;
};

/* False: no descriptors to be had. A pipe may be smaller than LK_PIPE_SIZE: pages per user are limited. */
bool lk_pipe_pool_take(struct lk_pipe_pool *pool, struct lk_pipe *pipe);
/* The pipe must be empty. */
void lk_pipe_pool_put(struct lk_pipe_pool *pool, struct lk_pipe pipe);
void lk_pipe_pool_clear(struct lk_pipe_pool *pool);
void lk_pipe_close(struct lk_pipe pipe);
