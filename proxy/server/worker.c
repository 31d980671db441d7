/* Worker threads: each runs one loop with its acceptor. Started and stopped by the main thread. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/server/server_internal.h"

#include <signal.h>
#include <stdio.h>

static void *worker_main(void *arg)
{
    struct lk_worker *worker = arg;
    lk_crash_use_stack(&worker->crash_stack);
    lk_stats_thread = worker->index;
    lk_acceptor_start(worker->acceptor);
    lk_loop_run(worker->loop);
    lk_cluster_views_close(worker->server->clusters, worker->loop);
    /* what those closes deferred */
    lk_loop_turn(worker->loop, 0);
    lk_acceptor_free(worker->acceptor);
    worker->acceptor = NULL;
    lk_crash_leave_stack();
    return NULL;
}

bool lk_worker_start(struct lk_worker *worker, struct lk_error *error)
{
    sigset_t all, old;
    worker->acceptor = lk_acceptor_new(worker->loop, worker->server->listeners);
    /* signals are for the main thread */
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        return lk_error_set(error, LK_ERROR_IO, "cannot start thread %s", worker->name);
    pthread_setname_np(worker->thread, worker->name);
    return true;
}

struct task {
    struct lk_work work;
    struct lk_worker *worker;
    void (*fn)(struct lk_worker *worker, unsigned long arg);
    unsigned long arg;
};

static void run_task(struct lk_work *work)
{
    struct task *task = LK_CONTAINER_OF(work, struct task, work);
    task->fn(task->worker, task->arg);
    lk_free(task);
}

void lk_worker_run(struct lk_worker *worker, void (*fn)(struct lk_worker *worker, unsigned long arg), unsigned long arg)
{
    struct task *task = lk_calloc(1, sizeof(*task));
    task->work.fn = run_task;
    task->worker = worker;
    task->fn = fn;
    task->arg = arg;
    lk_loop_post(worker->loop, &task->work);
}
