/*
 * splice(2) relay between two sockets, both edge-triggered. Bytes wait in the sender's socket, not here: a direction
 * holds a pipe only while the other side does not take what is in it.
 */
#include "proxy/io/splice.h"

#include "proxy/base/mem.h"
#include "proxy/io/pipe_pool.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes moved per direction and turn, so that one stream does not starve the worker. */
#define TURN_BUDGET (4u << 20)
/* Unsent bytes that a socket queues (TCP_NOTSENT_LOWAT). Without it a fast sender fills megabytes of kernel memory per
 * stream, which the receiver then reads from memory instead of from the cache: four streams go half as fast. */
#define UNSENT_LIMIT (1 << 19)
/* Bytes copied at once when there is no pipe. */
#define COPY_SIZE ((size_t)1 << 14)

struct direction {
    struct lk_pipe pipe;
    bool has_pipe;
    size_t in_pipe;
    uint64_t moved;
    bool source_done; /* EOF was read */
    bool sink_done;   /* EOF was passed on */
};

struct side {
    struct lk_splice *splice;
    int fd;
    bool readable, writable;
    struct event event;
};

struct lk_splice {
    struct lk_loop *loop;
    const struct lk_splice_ops *ops;
    void *owner;
    struct side sides[2];
    struct direction dirs[2]; /* [0]: from side 0 to side 1 */
    struct lk_deferred again;
    bool ended;
};

enum move_result { MOVE_BLOCKED, MOVE_AGAIN, MOVE_FAILED_SOURCE, MOVE_FAILED_SINK };

static void spend(size_t *budget, ssize_t n)
{
    *budget -= LK_MIN((size_t)n, *budget);
}

static enum move_result fill(struct direction *dir, struct side *from, const struct side *to, size_t *budget)
{
    while (from->readable && to->writable && !dir->source_done && dir->in_pipe<LK_PIPE_SIZE && * budget> 0) {
        ssize_t n = splice(from->fd, NULL, dir->pipe.write_fd, NULL, LK_PIPE_SIZE - dir->in_pipe,
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0) {
            dir->in_pipe += (size_t)n;
            spend(budget, n);
        } else if (n == 0) {
            dir->source_done = true;
        } else if (errno == EAGAIN) {
            if (dir->in_pipe == 0)
                from->readable = false;
            return MOVE_BLOCKED; /* socket empty, or pipe full */
        } else if (errno != EINTR) {
            return MOVE_FAILED_SOURCE;
        }
    }
    return *budget == 0 ? MOVE_AGAIN : MOVE_BLOCKED;
}

static enum move_result drain(struct direction *dir, struct side *to)
{
    while (dir->in_pipe > 0 && to->writable) {
        ssize_t n = splice(dir->pipe.read_fd, NULL, to->fd, NULL, dir->in_pipe, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0) {
            dir->in_pipe -= (size_t)n;
            dir->moved += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            to->writable = false;
        } else if (n < 0 && errno != EINTR) {
            return MOVE_FAILED_SINK;
        }
    }
    return MOVE_BLOCKED;
}

static enum move_result move_through_pipe(struct direction *dir, struct side *from, struct side *to)
{
    size_t budget = TURN_BUDGET;
    for (;;) {
        uint64_t before = dir->moved;
        size_t in_before = dir->in_pipe;
        enum move_result filled = fill(dir, from, to, &budget);
        enum move_result drained = drain(dir, to);
        if (filled == MOVE_FAILED_SOURCE || drained == MOVE_FAILED_SINK)
            return filled == MOVE_FAILED_SOURCE ? filled : drained;
        if (filled == MOVE_AGAIN)
            return MOVE_AGAIN;
        if (dir->moved == before && dir->in_pipe == in_before)
            return MOVE_BLOCKED;
    }
}

/* Out of descriptors: reads what the sink is known to have taken, so nothing is ever in between. */
static enum move_result move_by_copy(struct direction *dir, struct side *from, struct side *to)
{
    char bytes[COPY_SIZE];
    size_t budget = TURN_BUDGET;
    while (from->readable && to->writable && !dir->source_done && budget > 0) {
        ssize_t n = recv(from->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
        if (n == 0) {
            dir->source_done = true;
        } else if (n < 0 && errno == EAGAIN) {
            from->readable = false;
        } else if (n < 0) {
            if (errno != EINTR)
                return MOVE_FAILED_SOURCE;
        } else if ((n = send(to->fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
            if (recv(from->fd, bytes, (size_t)n, MSG_DONTWAIT) != n)
                return MOVE_FAILED_SOURCE;
            dir->moved += (uint64_t)n;
            spend(&budget, n);
        } else if (errno == EAGAIN) {
            to->writable = false;
        } else if (errno != EINTR) {
            return MOVE_FAILED_SINK;
        }
    }
    return budget == 0 ? MOVE_AGAIN : MOVE_BLOCKED;
}

static enum move_result move(struct lk_splice *splice, int index)
{
    struct direction *dir = &splice->dirs[index];
    struct side *from = &splice->sides[index];
    struct side *to = &splice->sides[1 - index];
    struct lk_pipe_pool *pool = lk_loop_pipes(splice->loop);
    enum move_result result = MOVE_BLOCKED;
    if (!dir->has_pipe && from->readable && to->writable && !dir->source_done)
        dir->has_pipe = lk_pipe_pool_take(pool, &dir->pipe);
    result = dir->has_pipe ? move_through_pipe(dir, from, to) : move_by_copy(dir, from, to);
    if (dir->has_pipe && dir->in_pipe == 0) {
        lk_pipe_pool_put(pool, dir->pipe);
        dir->has_pipe = false;
    }
    if (dir->in_pipe == 0 && dir->source_done && !dir->sink_done) {
        shutdown(to->fd, SHUT_WR);
        dir->sink_done = true;
    }
    return result;
}

static void finish(struct lk_splice *splice, bool clean, bool first_failed)
{
    splice->ended = true;
    event_del(&splice->sides[0].event);
    event_del(&splice->sides[1].event);
    splice->ops->on_done(splice->owner, clean, first_failed);
}

static void run(struct lk_splice *splice)
{
    bool again = false;
    uint64_t before = splice->dirs[0].moved + splice->dirs[1].moved;
    for (int i = 0; i < 2; i++) {
        enum move_result result = move(splice, i);
        if (result == MOVE_FAILED_SOURCE || result == MOVE_FAILED_SINK) {
            finish(splice, false, (result == MOVE_FAILED_SOURCE) == (i == 0));
            return;
        }
        again |= result == MOVE_AGAIN;
    }
    if (splice->dirs[0].moved + splice->dirs[1].moved != before)
        splice->ops->on_progress(splice->owner);
    if (splice->dirs[0].sink_done && splice->dirs[1].sink_done)
        finish(splice, true, false);
    else if (again)
        lk_loop_defer(splice->loop, &splice->again);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct side *side = arg;
    (void)fd;
    if ((what & (EV_READ | EV_CLOSED)) != 0)
        side->readable = true;
    if ((what & EV_WRITE) != 0)
        side->writable = true;
    if (!side->splice->ended)
        run(side->splice);
}

static void on_again(struct lk_deferred *deferred)
{
    struct lk_splice *splice = LK_CONTAINER_OF(deferred, struct lk_splice, again);
    if (!splice->ended)
        run(splice);
}

static void close_pipes(struct lk_splice *splice)
{
    for (int i = 0; i < 2; i++) {
        if (splice->dirs[i].has_pipe)
            lk_pipe_close(splice->dirs[i].pipe);
    }
}

static void limit_unsent(int fd)
{
    int limit = UNSENT_LIMIT;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof(limit)); /* a Unix socket has no such thing */
}

struct lk_splice *lk_splice_new(struct lk_loop *loop, int a, int b, bool a_eof, bool b_eof,
                                const struct lk_splice_ops *ops, void *owner)
{
    struct lk_splice *splice = lk_calloc(1, sizeof(*splice));
    int fds[2] = {a, b};
    splice->loop = loop;
    splice->ops = ops;
    splice->owner = owner;
    splice->dirs[0].source_done = splice->dirs[0].sink_done = a_eof;
    splice->dirs[1].source_done = splice->dirs[1].sink_done = b_eof;
    lk_deferred_init(&splice->again, on_again);
    for (int i = 0; i < 2; i++) {
        struct side *side = &splice->sides[i];
        side->splice = splice;
        side->fd = fds[i];
        side->readable = true;
        side->writable = true;
        limit_unsent(fds[i]);
        event_assign(&side->event, lk_loop_base(loop), fds[i], EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                     on_event, side);
        event_add(&side->event, NULL);
    }
    lk_loop_defer(loop, &splice->again);
    return splice;
}

void lk_splice_free(struct lk_splice *splice)
{
    if (!splice->ended) {
        event_del(&splice->sides[0].event);
        event_del(&splice->sides[1].event);
    }
    splice->ended = true;
    close_pipes(splice);
    lk_list_remove(&splice->again.node);
    lk_free(splice);
}

uint64_t lk_splice_bytes_a_to_b(const struct lk_splice *splice)
{
    return splice->dirs[0].moved;
}

uint64_t lk_splice_bytes_b_to_a(const struct lk_splice *splice)
{
    return splice->dirs[1].moved;
}
