/*
 * The turns of a worker's or the main thread's loop: libevent waits once and calls the ready events, then the tail runs
 * posted work, timers and connections that still have input, and writes what all of them produced. The wheel's next
 * deadline is a timerfd, because libevent's own clock is coarse (4 ms).
 */
#include "proxy/io/loop.h"

#include "proxy/io/loop_private.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Rounds of deferred work and flushes in one turn; what is left then waits for the next one, after the other sockets.
 */
#define TAIL_ROUNDS 4
#define TRIM_INTERVAL_MS 1000
/* Free chunks below this stay cached. */
#define TRIM_FLOOR ((size_t)64 * 1024)

static _Thread_local struct lk_loop *current_loop;

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct lk_loop *loop = arg;
    loop->alarm_ms = UINT64_MAX;
}

static void on_trim(struct lk_timer *timer)
{
    lk_chunk_pool_trim(LK_CONTAINER_OF(timer, struct lk_loop, trim_timer)->pool);
}

static void on_turn_limit(struct lk_timer *timer)
{
    (void)timer; /* only ends the wait */
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    LK_ASSERT(config != NULL);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base == NULL)
        lk_panic("cannot create an event loop with epoll");
    return base;
}

struct lk_loop *lk_loop_new(const struct lk_loop_options *options)
{
    struct lk_loop *loop = lk_calloc(1, sizeof(*loop));
    loop->index = options->index;
    snprintf(loop->name, sizeof(loop->name), "%s", options->name != NULL ? options->name : "");
    loop->base = base_new();
    loop->pool = lk_chunk_pool_new();
    loop->now_stale = true;
    lk_list_init(&loop->ready);
    lk_list_init(&loop->dirty);
    lk_list_init(&loop->deferred);
    lk_timer_wheel_init(&loop->wheel, lk_clock_us() / 1000);
    lk_timer_init(&loop->trim_timer, on_trim);
    lk_timer_init(&loop->turn_limit, on_turn_limit);
    loop->alarm_ms = UINT64_MAX;
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->alarm_fd < 0)
        lk_panic("cannot create a timer descriptor");
    event_assign(&loop->alarm_event, loop->base, loop->alarm_fd, EV_READ | EV_ET | EV_PERSIST, on_alarm, loop);
    if (event_add(&loop->alarm_event, NULL) != 0 || !lk_mailbox_init(&loop->mailbox, loop->base))
        lk_panic("cannot create the descriptors of an event loop");
    return loop;
}

void lk_loop_turn_begins(struct lk_loop *loop)
{
    loop->now_us = lk_clock_us();
    loop->now_stale = false;
    if (loop->in_turn)
        atomic_store_explicit(&loop->busy_since, loop->now_us, memory_order_relaxed);
}

static void run_deferred(struct lk_loop *loop)
{
    struct lk_list batch;
    lk_list_init(&batch);
    lk_list_splice(&batch, &loop->deferred);
    while (!lk_list_empty(&batch)) {
        struct lk_deferred *deferred = LK_LIST_ENTRY(batch.next, struct lk_deferred, node);
        lk_list_remove(&deferred->node);
        deferred->fn(deferred);
    }
}

static void schedule_trim(struct lk_loop *loop)
{
    size_t in_use, cached;
    if (lk_timer_armed(&loop->trim_timer))
        return;
    lk_chunk_pool_usage(loop->pool, &in_use, &cached);
    if (cached > TRIM_FLOOR)
        lk_timer_set(loop, &loop->trim_timer, TRIM_INTERVAL_MS);
}

static void run_tail(struct lk_loop *loop)
{
    lk_mailbox_run(&loop->mailbox);
    lk_timer_wheel_run(&loop->wheel, loop->now_us / 1000);
    lk_conn_run_ready(loop);
    for (int round = 0; round < TAIL_ROUNDS; round++) {
        run_deferred(loop);
        lk_conn_run_dirty(loop);
        if (lk_list_empty(&loop->deferred))
            break;
    }
    schedule_trim(loop);
}

static void set_alarm(struct lk_loop *loop)
{
    uint64_t next_ms = lk_timer_wheel_next(&loop->wheel);
    if (next_ms >= loop->alarm_ms)
        return;
    uint64_t next_us = next_ms * 1000;
    uint64_t wait_us = next_us > loop->now_us ? next_us - loop->now_us : 1;
    struct itimerspec spec = {.it_value = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000}};
    if (timerfd_settime(loop->alarm_fd, 0, &spec, NULL) != 0)
        lk_panic("cannot set the timer descriptor");
    loop->alarm_ms = next_ms;
}

static void turn(struct lk_loop *loop, bool may_wait)
{
    int flags = EVLOOP_ONCE;
    if (!may_wait || !lk_list_empty(&loop->ready) || !lk_list_empty(&loop->dirty) || !lk_list_empty(&loop->deferred))
        flags |= EVLOOP_NONBLOCK;
    else
        set_alarm(loop);
    loop->now_stale = true;
    loop->in_turn = true;
    atomic_store_explicit(&loop->busy_since, 0, memory_order_relaxed);
    if (event_base_loop(loop->base, flags) < 0)
        lk_panic("the event loop of %s failed", loop->name);
    lk_loop_touch(loop);
    run_tail(loop);
    loop->in_turn = false;
}

/* The main thread's name is the name of the process and stays. */
static void name_thread(const struct lk_loop *loop)
{
    char short_name[16];
    if (getpid() == (pid_t)syscall(SYS_gettid) || loop->name[0] == '\0')
        return;
    snprintf(short_name, sizeof(short_name), "%.15s", loop->name);
    pthread_setname_np(pthread_self(), short_name);
}

void lk_loop_run(struct lk_loop *loop)
{
    current_loop = loop;
    name_thread(loop);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire))
        turn(loop, true);
    atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
    atomic_store_explicit(&loop->busy_since, 0, memory_order_relaxed);
}

void lk_loop_turn(struct lk_loop *loop, uint64_t max_wait_ms)
{
    current_loop = loop;
    if (max_wait_ms > 0)
        lk_timer_set(loop, &loop->turn_limit, max_wait_ms);
    turn(loop, max_wait_ms > 0);
    lk_timer_clear(&loop->turn_limit);
    atomic_store_explicit(&loop->busy_since, 0, memory_order_relaxed);
    loop->now_stale = true;
}

void lk_loop_stop(struct lk_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    lk_mailbox_wake(&loop->mailbox);
}

void lk_loop_free(struct lk_loop *loop)
{
    if (loop == NULL)
        return;
    while (!lk_list_empty(&loop->deferred))
        run_deferred(loop);
    LK_ASSERT(lk_list_empty(&loop->ready) && lk_list_empty(&loop->dirty));
    event_del(&loop->alarm_event);
    close(loop->alarm_fd);
    lk_mailbox_fini(&loop->mailbox);
    if (loop->scratch != NULL)
        lk_chunk_unref(loop->scratch);
    lk_chunk_pool_free(loop->pool);
    lk_pipe_pool_clear(&loop->pipes);
    event_base_free(loop->base);
    if (current_loop == loop)
        current_loop = NULL;
    lk_free(loop);
}

void lk_deferred_init(struct lk_deferred *deferred, void (*fn)(struct lk_deferred *deferred))
{
    lk_list_init(&deferred->node);
    deferred->fn = fn;
}

void lk_loop_defer(struct lk_loop *loop, struct lk_deferred *deferred)
{
    if (!lk_list_linked(&deferred->node))
        lk_list_push_back(&loop->deferred, &deferred->node);
}

struct event_base *lk_loop_base(struct lk_loop *loop)
{
    return loop->base;
}

unsigned lk_loop_index(const struct lk_loop *loop)
{
    return loop->index;
}

const char *lk_loop_name(const struct lk_loop *loop)
{
    return loop->name;
}

struct lk_loop *lk_loop_current(void)
{
    return current_loop;
}

uint64_t lk_loop_now_us(struct lk_loop *loop)
{
    lk_loop_touch(loop);
    return loop->now_us;
}

uint64_t lk_loop_now_ms(struct lk_loop *loop)
{
    return lk_loop_now_us(loop) / 1000;
}

struct lk_chunk_pool *lk_loop_pool(struct lk_loop *loop)
{
    return loop->pool;
}

struct lk_pipe_pool *lk_loop_pipes(struct lk_loop *loop)
{
    return &loop->pipes;
}

uint64_t lk_loop_busy_since(const struct lk_loop *loop)
{
    return atomic_load_explicit(&loop->busy_since, memory_order_relaxed);
}

void lk_loop_set_activity(struct lk_loop *loop, const char *activity)
{
    atomic_store_explicit(&loop->activity, activity, memory_order_relaxed);
}

const char *lk_loop_activity(const struct lk_loop *loop)
{
    return atomic_load_explicit(&loop->activity, memory_order_relaxed);
}
