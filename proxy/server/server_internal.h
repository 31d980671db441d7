/* What the files of the server share. */
#pragma once

#include "proxy/server/server.h"

/* worker.c */
bool lk_worker_start(struct lk_worker *worker, struct lk_error *error);
/* Runs fn(worker, arg) on the worker's thread, later. */
void lk_worker_run(struct lk_worker *worker, void (*fn)(struct lk_worker *worker, unsigned long arg),
                   unsigned long arg);

/* watchdog.c: counts and names loops that stall. */
bool lk_watchdog_start(struct lk_server *server, struct lk_error *error);
void lk_watchdog_stop(struct lk_server *server);

/* crash.c: a fatal signal writes build id, thread, activity and backtrace to the log; also where a thread's stack
 * overflowed, for threads that have an alternate one. The main thread gets its own from lk_crash_install. */
void lk_crash_install(void);
void lk_crash_use_stack(struct lk_crash_stack *stack);
void lk_crash_leave_stack(void);

/* signals.c: SIGTERM, SIGINT, SIGHUP, SIGUSR1 on the main loop; SIGPIPE ignored. */
void lk_signals_install(struct lk_server *server);
void lk_signals_remove(struct lk_server *server);

/* Number of CPUs that the cgroup's quota and the affinity mask allow, at least 1. */
unsigned lk_cpu_quota(void);
