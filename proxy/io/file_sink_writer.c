/*
 * The writer thread of the log files: sleeps while nothing is buffered, else passes over all sinks at every flush
 * interval or as soon as a buffer is full. Only a regular file may block it; pipes and terminals are asked first, and
 * what they do not take is tried again.
 */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/file_sink_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How soon a full pipe is tried again, and how long a flush waits for one. */
#define RETRY_MS 20
#define FLUSH_PATIENCE_MS 1000
/* A pipe that polls writable takes this much without blocking. */
#define STREAM_WRITE_MAX 4096u
/* A buffer that grew beyond this in a burst is given back. */
#define BUFFER_KEEP_BYTES ((size_t)128 * 1024)

/* The clock of the condition variable, which a test does not freeze. */
static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void take_next_fd(struct lk_file_sink *sink)
{
    struct stat info;
    if (sink->next_fd < 0)
        return;
    if (sink->owns_fd && sink->fd >= 0)
        close(sink->fd);
    sink->fd = sink->next_fd;
    sink->next_fd = -1;
    sink->is_stream = fstat(sink->fd, &info) == 0 && !S_ISREG(info.st_mode);
}

static void finish_buffer(struct lk_sink_lane *lane)
{
    struct lk_sink_bytes *bytes = &lane->writing;
    lane->written = 0;
    bytes->len = 0;
    bytes->lines = 0;
    if (bytes->cap > BUFFER_KEEP_BYTES) {
        lk_free(bytes->data);
        bytes->data = NULL;
        bytes->cap = 0;
    }
}

/* Cuts at a line end where there is one, so that readers of a pipe see whole lines. */
static size_t stream_part(const char *data, size_t len)
{
    if (len <= STREAM_WRITE_MAX)
        return len;
    const char *end = memrchr(data, '\n', STREAM_WRITE_MAX);
    return end != NULL ? (size_t)(end - data) + 1 : STREAM_WRITE_MAX;
}

static bool stream_is_full(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    return poll(&entry, 1, 0) == 0;
}

/* False: the stream takes no more for now. */
static bool write_buffer(struct lk_file_sink *sink, struct lk_sink_lane *lane)
{
    struct lk_file_sinks *sinks = sink->sinks;
    while (lane->written < lane->writing.len) {
        const char *data = lane->writing.data + lane->written;
        size_t len = lane->writing.len - lane->written;
        if (sink->is_stream && stream_is_full(sink->fd))
            return false;
        ssize_t done = write(sink->fd, data, sink->is_stream ? stream_part(data, len) : len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN)
            return false;
        if (done < 0) {
            LK_LOG_LIMITED(MAIN, ERROR, "cannot write to log file %s: %s", sink->path, strerrordesc_np(errno));
            atomic_fetch_add_explicit(&sinks->write_failures, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&sinks->lost_lines, lane->writing.lines, memory_order_relaxed);
            finish_buffer(lane);
            return true;
        }
        lane->written += (size_t)done;
    }
    atomic_fetch_add_explicit(&sinks->written_lines, lane->writing.lines, memory_order_relaxed);
    finish_buffer(lane);
    return true;
}

/* Everything that the lane's thread has filled so far. False: some of it is left. */
static bool write_lane(struct lk_file_sink *sink, struct lk_sink_lane *lane)
{
    if (lane->writing.len > 0 && !write_buffer(sink, lane))
        return false;
    pthread_mutex_lock(&lane->lock);
    struct lk_sink_bytes full = lane->filling;
    lane->filling = lane->writing;
    lane->writing = full;
    pthread_mutex_unlock(&lane->lock);
    return lane->writing.len == 0 || write_buffer(sink, lane);
}

static bool write_sink(struct lk_file_sink *sink)
{
    bool done = true;
    for (unsigned i = 0; i < sink->sinks->threads; i++)
        done = write_lane(sink, &sink->lanes[i]) && done;
    return done;
}

/*
 * One pass over all sinks; called and left with the lock held, which is open during each sink's writes. Only this
 * thread takes sinks off the list, so the node at hand stays. False: a stream was full.
 */
static bool pass(struct lk_file_sinks *sinks, bool patient)
{
    bool done = true;
    struct lk_list *node = sinks->sinks.next;
    while (node != &sinks->sinks) {
        struct lk_file_sink *sink = LK_LIST_ENTRY(node, struct lk_file_sink, node);
        bool dying = sink->refs == 0;
        take_next_fd(sink);
        pthread_mutex_unlock(&sinks->lock);
        bool wrote = write_sink(sink);
        pthread_mutex_lock(&sinks->lock);
        node = node->next;
        if (dying && sink->refs == 0 && (wrote || !patient)) {
            lk_list_remove(&sink->node);
            lk_sink_destroy(sink);
        } else {
            done = done && wrote;
        }
    }
    return done;
}

/* A flush: passes until everything is out, or until a full stream has been given its time. */
static void flush_all(struct lk_file_sinks *sinks)
{
    uint64_t end = now_ms() + FLUSH_PATIENCE_MS;
    atomic_store(&sinks->wake, 0);
    while (!pass(sinks, true) && now_ms() < end) {
        pthread_mutex_unlock(&sinks->lock);
        poll(NULL, 0, RETRY_MS);
        pthread_mutex_lock(&sinks->lock);
    }
}

static void wait_for_work(struct lk_file_sinks *sinks, uint64_t end_ms)
{
    struct timespec end = {.tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000) * 1000000};
    if (end_ms == UINT64_MAX)
        pthread_cond_wait(&sinks->work, &sinks->lock);
    else
        pthread_cond_timedwait(&sinks->work, &sinks->lock, &end);
}

/* Sleeps until there is something to do; a first buffered line starts the interval. */
static void sleep_until_due(struct lk_file_sinks *sinks, bool retry)
{
    uint64_t end_ms = retry ? now_ms() + RETRY_MS : UINT64_MAX;
    while (!sinks->stop && sinks->flush_wanted == sinks->flush_done) {
        unsigned wake = atomic_load(&sinks->wake);
        if ((wake & LK_SINK_FULL) && !retry)
            return;
        if ((wake & LK_SINK_DIRTY) && end_ms == UINT64_MAX)
            end_ms = now_ms() + sinks->flush_interval_ms;
        if (end_ms != UINT64_MAX && now_ms() >= end_ms)
            return;
        wait_for_work(sinks, end_ms);
    }
}

static void *writer_main(void *arg)
{
    struct lk_file_sinks *sinks = arg;
    bool retry = false;
    pthread_setname_np(pthread_self(), "log_writer");
    pthread_mutex_lock(&sinks->lock);
    while (!sinks->stop) {
        sleep_until_due(sinks, retry);
        uint64_t wanted = sinks->flush_wanted;
        if (sinks->stop || wanted != sinks->flush_done) {
            flush_all(sinks);
            retry = false;
            sinks->flush_done = wanted;
            pthread_cond_broadcast(&sinks->flushed);
            continue;
        }
        atomic_store(&sinks->wake, 0); /* before the pass: a line that comes during it wakes again */
        retry = !pass(sinks, true);
    }
    pass(sinks, false);
    pthread_mutex_unlock(&sinks->lock);
    return NULL;
}

void lk_sink_start_writer(struct lk_file_sinks *sinks)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&sinks->writer, NULL, writer_main, sinks) != 0)
        lk_panic("cannot start the log writer thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sinks->has_writer = true;
}
