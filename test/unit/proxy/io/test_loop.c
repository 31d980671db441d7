/* The loop: turns, deferred work, posting between threads, stopping. */
#include "proxy/base/clock.h"
#include "proxy/io/loop.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct job {
    struct lk_work work;
    int thread;
    int number;
    struct log *log;
};

struct log {
    int last[8];
    int count;
    bool out_of_order;
    struct lk_loop *loop;
    int expected;
};

static void run_job(struct lk_work *work)
{
    struct job *job = LK_CONTAINER_OF(work, struct job, work);
    struct log *log = job->log;
    if (job->number != log->last[job->thread] + 1)
        log->out_of_order = true;
    log->last[job->thread] = job->number;
    if (lk_loop_current() != log->loop)
        log->out_of_order = true;
    lk_free(job);
    if (++log->count == log->expected)
        lk_loop_stop(log->loop);
}

static void post_job(struct log *log, int thread, int number)
{
    struct job *job = lk_calloc(1, sizeof(*job));
    *job = (struct job){.work.fn = run_job, .thread = thread, .number = number, .log = log};
    lk_loop_post(log->loop, &job->work);
}

struct poster {
    pthread_t thread;
    struct log *log;
    int index;
};

enum { POSTERS = 4, JOBS_EACH = 5000 };

static void *poster_main(void *arg)
{
    struct poster *poster = arg;
    for (int i = 1; i <= JOBS_EACH; i++) {
        post_job(poster->log, poster->index, i);
        if (i % 1000 == 0)
            usleep(500);
    }
    return NULL;
}

LK_TEST(loop, posted_work_of_many_threads_runs_once_and_in_order)
{
    struct log log = {.loop = test_loop_new(), .expected = POSTERS * JOBS_EACH};
    struct poster posters[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.log = &log, .index = i};
        LK_CHECK_EQ_INT(pthread_create(&posters[i].thread, NULL, poster_main, &posters[i]), 0);
    }
    lk_loop_run(log.loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    LK_CHECK_EQ_INT(log.count, POSTERS * JOBS_EACH);
    LK_CHECK(!log.out_of_order);
    lk_loop_free(log.loop);
}

LK_TEST(loop, posting_wakes_a_waiting_loop)
{
    struct log log = {.loop = test_loop_new(), .expected = -1};
    post_job(&log, 0, 1);
    uint64_t start = lk_clock_us();
    lk_loop_turn(log.loop, 20000);
    LK_CHECK(lk_clock_us() - start < 10000000);
    LK_CHECK_EQ_INT(log.count, 1);
    lk_loop_free(log.loop);
}

static void run_post_again(struct lk_work *work)
{
    struct job *job = LK_CONTAINER_OF(work, struct job, work);
    struct log *log = job->log;
    log->count++;
    if (log->count < 10)
        lk_loop_post(log->loop, work);
}

LK_TEST(loop, work_may_post_itself_again)
{
    struct log log = {.loop = test_loop_new()};
    struct job job = {.work.fn = run_post_again, .log = &log};
    lk_loop_post(log.loop, &job.work);
    TURN_UNTIL(log.loop, log.count == 10);
    lk_loop_free(log.loop);
}

static void *stopper_main(void *arg)
{
    usleep(20000);
    lk_loop_stop(arg);
    return NULL;
}

LK_TEST(loop, stop_from_another_thread_ends_run)
{
    struct lk_loop *loop = test_loop_new();
    pthread_t thread;
    LK_CHECK_EQ_INT(pthread_create(&thread, NULL, stopper_main, loop), 0);
    lk_loop_run(loop);
    pthread_join(thread, NULL);
    LK_CHECK_EQ_UINT(lk_loop_busy_since(loop), 0);
    lk_loop_free(loop);
}

struct deferral {
    struct lk_deferred deferred;
    struct lk_loop *loop;
    int count;
    int again;
};

static void run_deferral(struct lk_deferred *deferred)
{
    struct deferral *d = LK_CONTAINER_OF(deferred, struct deferral, deferred);
    d->count++;
    if (d->again-- > 0)
        lk_loop_defer(d->loop, deferred);
}

LK_TEST(loop, deferred_work_runs_once_however_often_it_is_asked_for)
{
    struct deferral d = {.loop = test_loop_new()};
    lk_deferred_init(&d.deferred, run_deferral);
    for (int i = 0; i < 3; i++)
        lk_loop_defer(d.loop, &d.deferred);
    lk_loop_turn(d.loop, 1000);
    LK_CHECK_EQ_INT(d.count, 1);
    lk_loop_turn(d.loop, 0);
    LK_CHECK_EQ_INT(d.count, 1);
    lk_loop_free(d.loop);
}

LK_TEST(loop, work_that_defers_itself_for_ever_does_not_hold_the_turn)
{
    struct deferral d = {.loop = test_loop_new(), .again = 1000};
    lk_deferred_init(&d.deferred, run_deferral);
    lk_loop_defer(d.loop, &d.deferred);
    lk_loop_turn(d.loop, 1000);
    LK_CHECK(d.count < 10);
    TURN_UNTIL(d.loop, d.count == 1001);
    lk_loop_free(d.loop);
}

static void run_look_at_clock(struct lk_work *work)
{
    struct job *job = LK_CONTAINER_OF(work, struct job, work);
    uint64_t first = lk_loop_now_us(job->log->loop);
    usleep(3000);
    LK_CHECK_EQ_UINT(lk_loop_now_us(job->log->loop), first);
    LK_CHECK_EQ_UINT(lk_loop_busy_since(job->log->loop), first);
    LK_CHECK(lk_clock_us() - first >= 3000);
    job->log->count++;
}

LK_TEST(loop, the_clock_stands_during_a_turn_and_is_fresh_in_the_next)
{
    struct log log = {.loop = test_loop_new()};
    struct job job = {.work.fn = run_look_at_clock, .log = &log};
    for (int i = 0; i < 2; i++) {
        uint64_t before = lk_clock_us();
        lk_loop_post(log.loop, &job.work);
        TURN_UNTIL(log.loop, log.count == i + 1);
        LK_CHECK(lk_loop_now_us(log.loop) >= before + 3000);
    }
    LK_CHECK_EQ_UINT(lk_loop_busy_since(log.loop), 0);
    lk_loop_free(log.loop);
}

/* How many turns a time takes. A wait may end early a few times, when a timer moves to a finer level of the wheel. */
static int turns_in(struct lk_loop *loop, uint64_t ms)
{
    int turns = 0;
    for (uint64_t end = lk_clock_us() + ms * 1000, now = 0; (now = lk_clock_us()) < end; turns++)
        lk_loop_turn(loop, (end - now) / 1000 + 1);
    return turns;
}

LK_TEST(loop, an_idle_loop_does_not_wake_up)
{
    struct lk_loop *loop = test_loop_new();
    lk_loop_turn(loop, 0);
    LK_CHECK(turns_in(loop, 200) <= 4);
    lk_loop_free(loop);
}

LK_TEST(loop, cached_chunks_are_given_back_when_traffic_stops)
{
    enum { COUNT = 20 };
    struct lk_loop *loop = test_loop_new();
    struct lk_chunk *chunks[COUNT];
    size_t in_use, cached;
    for (int i = 0; i < COUNT; i++)
        chunks[i] = lk_chunk_new(lk_loop_pool(loop), 60000);
    for (int i = 0; i < COUNT; i++)
        lk_chunk_unref(chunks[i]);
    lk_loop_turn(loop, 0);
    do {
        lk_loop_turn(loop, 5000);
        lk_chunk_pool_usage(lk_loop_pool(loop), &in_use, &cached);
    } while (cached > 0);
    LK_CHECK(turns_in(loop, 100) <= 4);
    lk_loop_free(loop);
}

LK_TEST(loop, knows_its_name_index_and_activity)
{
    const struct lk_loop_options options = {.index = 3, .name = "worker_2"};
    struct lk_loop *loop = lk_loop_new(&options);
    LK_CHECK_STR(lk_loop_name(loop), "worker_2");
    LK_CHECK_EQ_UINT(lk_loop_index(loop), 3);
    LK_CHECK_NULL(lk_loop_activity(loop));
    lk_loop_set_activity(loop, "testing");
    LK_CHECK_STR(lk_loop_activity(loop), "testing");
    LK_CHECK_NOT_NULL(lk_loop_base(loop));
    lk_loop_free(loop);
}

LK_TEST(loop, freeing_a_loop_runs_its_deferred_work_and_closes_its_descriptors)
{
    int before = test_open_fds();
    struct deferral d = {.loop = test_loop_new(), .again = 1};
    lk_deferred_init(&d.deferred, run_deferral);
    lk_loop_defer(d.loop, &d.deferred);
    lk_loop_free(d.loop);
    LK_CHECK_EQ_INT(d.count, 2);
    LK_CHECK_EQ_INT(test_open_fds(), before);
}
