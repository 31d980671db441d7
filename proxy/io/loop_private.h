/* The inside of a loop, for the files of this folder that take part in its turns: loop.c, timer.c, mailbox.c, conn*.c.
 */
#pragma once

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/io/loop.h"
#include "proxy/io/pipe_pool.h"
#include "proxy/io/timer_wheel.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdalign.h>
#include <stdatomic.h>

/* Work from other threads: a stack that is taken whole and reversed. */
struct lk_mailbox {
    _Atomic(struct lk_work *) top;
    int wake_fd; /* eventfd, written when the stack was empty */
    struct event wake_event;
};

bool lk_mailbox_init(struct lk_mailbox *mailbox, struct event_base *base);
void lk_mailbox_fini(struct lk_mailbox *mailbox);
void lk_mailbox_wake(struct lk_mailbox *mailbox);
void lk_mailbox_run(struct lk_mailbox *mailbox);

struct lk_file_watcher;

struct lk_loop {
    struct event_base *base;
    struct lk_chunk_pool *pool;
    struct lk_pipe_pool pipes;
    struct lk_chunk *scratch; /* where connections read; NULL until the first read */
    uint64_t now_us;
    bool now_stale; /* a wait lies between now_us and now */
    bool in_turn;
    struct lk_list ready;    /* struct lk_conn.ready_node: a read pass is due */
    struct lk_list dirty;    /* struct lk_conn.dirty_node: output or a shutdown is due */
    struct lk_list deferred; /* struct lk_deferred.node */
    struct lk_timer_wheel wheel;
    uint64_t alarm_ms; /* what the alarm is set to, UINT64_MAX: not set */
    int alarm_fd;      /* timerfd */
    struct event alarm_event;
    struct lk_timer trim_timer;
    struct lk_timer turn_limit; /* of lk_loop_turn */
    struct lk_mailbox mailbox;
    struct lk_file_watcher *watcher; /* file_watch.c: while a file is watched */
    atomic_bool stop;
    _Atomic uint64_t busy_since;
    _Atomic(const char *) activity;
    unsigned index;
    char name[32];
};

void lk_loop_turn_begins(struct lk_loop *loop);

/* Every event callback starts with it. */
static inline void lk_loop_touch(struct lk_loop *loop)
{
    if (LK_UNLIKELY(loop->now_stale))
        lk_loop_turn_begins(loop);
}

/* conn.c: the parts of the tail that concern connections. */
void lk_conn_run_ready(struct lk_loop *loop);
void lk_conn_run_dirty(struct lk_loop *loop);
