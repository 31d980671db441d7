/* Plain readiness for those who are no connections: a listening socket that is readable (level-triggered), a signal.
 * Owner: the loop's thread. */
#pragma once

#include "proxy/io/loop.h"

struct lk_watch;

typedef void (*lk_watch_fn)(void *arg, int fd_or_signal);

/* Calls on_ready as long as the descriptor is readable. The descriptor stays the caller's. */
struct lk_watch *lk_watch_readable(struct lk_loop *loop, int fd, lk_watch_fn on_ready, void *arg);
/* Calls on_ready on the loop when the signal came. */
struct lk_watch *lk_watch_signal(struct lk_loop *loop, int number, lk_watch_fn on_ready, void *arg);
/* NULL is fine. */
void lk_watch_free(struct lk_watch *watch);
