/* Thin over libevent's events. Owner: the loop's thread. */
#include "proxy/io/watch.h"

#include "proxy/base/mem.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>

struct lk_watch {
    struct event event;
    lk_watch_fn on_ready;
    void *arg;
};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct lk_watch *watch = arg;
    (void)what;
    watch->on_ready(watch->arg, (int)fd);
}

static struct lk_watch *watch_new(struct lk_loop *loop, int fd, short what, lk_watch_fn on_ready, void *arg)
{
    struct lk_watch *watch = lk_calloc(1, sizeof(*watch));
    watch->on_ready = on_ready;
    watch->arg = arg;
    event_assign(&watch->event, lk_loop_base(loop), fd, what, on_event, watch);
    event_add(&watch->event, NULL);
    return watch;
}

struct lk_watch *lk_watch_readable(struct lk_loop *loop, int fd, lk_watch_fn on_ready, void *arg)
{
    return watch_new(loop, fd, EV_READ | EV_PERSIST, on_ready, arg);
}

struct lk_watch *lk_watch_signal(struct lk_loop *loop, int number, lk_watch_fn on_ready, void *arg)
{
    return watch_new(loop, number, EV_SIGNAL | EV_PERSIST, on_ready, arg);
}

void lk_watch_free(struct lk_watch *watch)
{
    if (watch == NULL)
        return;
    event_del(&watch->event);
    lk_free(watch);
}
