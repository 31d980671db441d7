/* splice(2) relay between two sockets. Each direction owns a pipe; both sockets are edge-triggered. */
#include "proxy/io/splice.h"

#include "proxy/base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_SIZE (1 << 18)
/* Bytes moved per direction and turn, so that one stream does not starve the worker. */
#define TURN_BUDGET (4u << 20)

struct direction {
    int pipe[2];
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

static enum move_result fill(struct direction *dir, struct side *from, size_t *budget)
{
    while (from->readable && !dir->source_done && dir->in_pipe<(size_t)PIPE_SIZE && * budget> 0) {
        ssize_t n =
            splice(from->fd, NULL, dir->pipe[1], NULL, PIPE_SIZE - dir->in_pipe, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0) {
            dir->in_pipe += (size_t)n;
            *budget -= (size_t)n < *budget ? (size_t)n : *budget;
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
        ssize_t n = splice(dir->pipe[0], NULL, to->fd, NULL, dir->in_pipe, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (n > 0) {
            dir->in_pipe -= (size_t)n;
            dir->moved += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            to->writable = false;
        } else if (n < 0 && errno != EINTR) {
            return MOVE_FAILED_SINK;
        }
    }
    if (dir->in_pipe == 0 && dir->source_done && !dir->sink_done) {
        shutdown(to->fd, SHUT_WR);
        dir->sink_done = true;
    }
    return MOVE_BLOCKED;
}

static enum move_result move(struct lk_splice *splice, int index)
{
    struct direction *dir = &splice->dirs[index];
    struct side *from = &splice->sides[index];
    struct side *to = &splice->sides[1 - index];
    size_t budget = TURN_BUDGET;
    for (;;) {
        uint64_t before = dir->moved;
        size_t in_before = dir->in_pipe;
        enum move_result filled = fill(dir, from, &budget);
        enum move_result drained = drain(dir, to);
        if (filled == MOVE_FAILED_SOURCE || drained == MOVE_FAILED_SINK)
            return filled == MOVE_FAILED_SOURCE ? filled : drained;
        if (filled == MOVE_AGAIN)
            return MOVE_AGAIN;
        if (dir->moved == before && dir->in_pipe == in_before)
            return MOVE_BLOCKED;
    }
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
        for (int end = 0; end < 2; end++) {
            if (splice->dirs[i].pipe[end] >= 0)
                close(splice->dirs[i].pipe[end]);
        }
    }
}

static bool open_pipes(struct lk_splice *splice)
{
    for (int i = 0; i < 2; i++)
        splice->dirs[i].pipe[0] = splice->dirs[i].pipe[1] = -1;
    for (int i = 0; i < 2; i++) {
        if (pipe2(splice->dirs[i].pipe, O_NONBLOCK | O_CLOEXEC) != 0)
            return false;
        /* a smaller pipe works too: pages per user are limited */
        if (fcntl(splice->dirs[i].pipe[1], F_SETPIPE_SZ, PIPE_SIZE) < 0)
            continue;
    }
    return true;
}

struct lk_splice *lk_splice_new(struct lk_loop *loop, int a, int b, bool a_eof, bool b_eof,
                                const struct lk_splice_ops *ops, void *owner)
{
    struct lk_splice *splice = lk_calloc(1, sizeof(*splice));
    int fds[2] = {a, b};
    if (!open_pipes(splice)) {
        close_pipes(splice);
        lk_free(splice);
        return NULL;
    }
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
