/*
 * One event loop: a worker's or the main thread's. It runs turns: wait, handle the ready sockets, then the tail: posted
 * work, timers, connections that still have bytes to read, ONE flush of every connection with output, deferred frees.
 * Everything here belongs to the loop's thread, except lk_loop_post and lk_loop_stop.
 */
#pragma once

#include "proxy/base/list.h"
#include "proxy/io/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct lk_loop;
struct lk_pipe_pool;

/* Work posted from another thread. Embedded in the poster's own struct; belongs to the loop until fn runs. */
struct lk_work {
    struct lk_work *next;
    void (*fn)(struct lk_work *work);
};

/* Work at the end of this turn (frees, callbacks that must not run inside another object's event). */
struct lk_deferred {
    struct lk_list node;
    void (*fn)(struct lk_deferred *deferred);
};

struct lk_loop_options {
    unsigned index;   /* thread index, also of its stats slabs */
    const char *name; /* "worker_0", "main_thread": thread name, logs, watchdog */
};

struct lk_loop *lk_loop_new(const struct lk_loop_options *options);
/* All connections and timers must be gone. */
void lk_loop_free(struct lk_loop *loop);

/* Runs until lk_loop_stop. */
void lk_loop_run(struct lk_loop *loop);
/* One turn, waiting at most max_wait_ms (tests). */
void lk_loop_turn(struct lk_loop *loop, uint64_t max_wait_ms);
/* Any thread, also a signal handler. */
void lk_loop_stop(struct lk_loop *loop);

/* Any thread: runs work->fn on the loop, in order of posting. */
void lk_loop_post(struct lk_loop *loop, struct lk_work *work);

void lk_deferred_init(struct lk_deferred *deferred, void (*fn)(struct lk_deferred *deferred));
/* Once per turn; a second call before it ran is ignored. */
void lk_loop_defer(struct lk_loop *loop, struct lk_deferred *deferred);

struct event_base *lk_loop_base(struct lk_loop *loop);
unsigned lk_loop_index(const struct lk_loop *loop);
const char *lk_loop_name(const struct lk_loop *loop);
/* The loop whose thread this is, or NULL. */
struct lk_loop *lk_loop_current(void);
/* Monotonic clock, read once per turn: by the first call of the turn after the wait. The callback of an event that is
 * not a connection's calls one of them first, so that the watchdog knows that the turn has begun. */
uint64_t lk_loop_now_us(struct lk_loop *loop);
uint64_t lk_loop_now_ms(struct lk_loop *loop);
/* The loop's chunk pool. */
struct lk_chunk_pool *lk_loop_pool(struct lk_loop *loop);
struct lk_pipe_pool *lk_loop_pipes(struct lk_loop *loop);

/* Watchdog, read by another thread: when the current turn began (monotonic us), 0 while waiting; and what the loop says
 * it is doing (a string with static lifetime, or NULL). */
uint64_t lk_loop_busy_since(const struct lk_loop *loop);
void lk_loop_set_activity(struct lk_loop *loop, const char *activity);
const char *lk_loop_activity(const struct lk_loop *loop);
