/*
 * Log files as the other threads see them: the table by path, and appending a line, which is a copy into this thread's
 * own buffer under a lock that only the writer thread ever contends for.
 */
#include "proxy/io/file_sink.h"

#include "proxy/base/mem.h"
#include "proxy/io/file_sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct lk_file_sinks *lk_file_sinks_new(unsigned threads, uint32_t flush_interval_ms, uint32_t flush_min_bytes)
{
    struct lk_file_sinks *sinks = lk_calloc(1, sizeof(*sinks));
    pthread_condattr_t attributes;
    sinks->threads = threads > 0 ? threads : 1;
    sinks->flush_interval_ms = flush_interval_ms > 0 ? flush_interval_ms : 1;
    sinks->flush_min_bytes = flush_min_bytes;
    lk_list_init(&sinks->sinks);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&sinks->lock, NULL);
    pthread_cond_init(&sinks->work, &attributes);
    pthread_cond_init(&sinks->flushed, NULL);
    pthread_condattr_destroy(&attributes);
    return sinks;
}

static void stop_writer(struct lk_file_sinks *sinks)
{
    pthread_mutex_lock(&sinks->lock);
    bool has_writer = sinks->has_writer;
    sinks->stop = true;
    pthread_cond_signal(&sinks->work);
    pthread_mutex_unlock(&sinks->lock);
    if (has_writer)
        pthread_join(sinks->writer, NULL);
}

void lk_file_sinks_free(struct lk_file_sinks *sinks)
{
    if (sinks == NULL)
        return;
    stop_writer(sinks);
    LK_LIST_FOREACH_SAFE(node, &sinks->sinks)
    {
        lk_list_remove(node);
        lk_sink_destroy(LK_LIST_ENTRY(node, struct lk_file_sink, node));
    }
    pthread_cond_destroy(&sinks->flushed);
    pthread_cond_destroy(&sinks->work);
    pthread_mutex_destroy(&sinks->lock);
    lk_free(sinks);
}

/* O_NONBLOCK: a FIFO without a reader is an error, and one with a slow reader never blocks. */
bool lk_sink_open(struct lk_file_sink *sink, int *fd, struct lk_error *error)
{
    bool is_stdout = strcmp(sink->path, "/dev/stdout") == 0;
    sink->owns_fd = !is_stdout && strcmp(sink->path, "/dev/stderr") != 0;
    if (!sink->owns_fd) {
        *fd = is_stdout ? STDOUT_FILENO : STDERR_FILENO;
        return true;
    }
    *fd = open(sink->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    if (*fd < 0)
        return lk_error_errno(error, "cannot open log file %s", sink->path);
    return true;
}

static struct lk_file_sink *sink_new(struct lk_file_sinks *sinks, struct lk_str path)
{
    struct lk_file_sink *sink = lk_calloc(1, sizeof(*sink));
    lk_list_init(&sink->node);
    sink->sinks = sinks;
    sink->path = lk_str_dup(path);
    sink->refs = 1;
    sink->fd = -1;
    sink->next_fd = -1;
    sink->lane_bound = LK_MAX(LK_SINK_BOUND_BYTES / sinks->threads, LK_SINK_LANE_MIN_BYTES);
    size_t size = sinks->threads * sizeof(struct lk_sink_lane);
    sink->lanes = aligned_alloc(alignof(struct lk_sink_lane), size);
    if (sink->lanes == NULL)
        lk_panic("out of memory: %zu bytes", size);
    memset(sink->lanes, 0, size);
    for (unsigned i = 0; i < sinks->threads; i++)
        pthread_mutex_init(&sink->lanes[i].lock, NULL);
    return sink;
}

void lk_sink_destroy(struct lk_file_sink *sink)
{
    for (unsigned i = 0; i < sink->sinks->threads; i++) {
        struct lk_sink_lane *lane = &sink->lanes[i];
        uint64_t lost = lane->dropped_lines + lane->filling.lines + lane->writing.lines;
        atomic_fetch_add_explicit(&sink->sinks->lost_lines, lost, memory_order_relaxed);
        lk_free(lane->filling.data);
        lk_free(lane->writing.data);
        pthread_mutex_destroy(&lane->lock);
    }
    if (sink->owns_fd && sink->fd >= 0)
        close(sink->fd);
    if (sink->owns_fd && sink->next_fd >= 0)
        close(sink->next_fd);
    free(sink->lanes);
    lk_free(sink->path);
    lk_free(sink);
}

static struct lk_file_sink *find(struct lk_file_sinks *sinks, struct lk_str path)
{
    LK_LIST_FOREACH(node, &sinks->sinks)
    {
        struct lk_file_sink *sink = LK_LIST_ENTRY(node, struct lk_file_sink, node);
        if (lk_str_eq(lk_str_from(sink->path), path))
            return sink;
    }
    return NULL;
}

struct lk_file_sink *lk_file_sink_ref(struct lk_file_sinks *sinks, struct lk_str path, struct lk_error *error)
{
    if (path.len == 0 || memchr(path.ptr, '\0', path.len) != NULL) {
        lk_error_set(error, LK_ERROR_INVALID, "the path of a log file is %s",
                     path.len == 0 ? "empty" : "not text: it contains a null byte");
        return NULL;
    }
    pthread_mutex_lock(&sinks->lock);
    struct lk_file_sink *sink = find(sinks, path);
    if (sink != NULL) {
        sink->refs++;
    } else {
        sink = sink_new(sinks, path);
        if (lk_sink_open(sink, &sink->next_fd, error)) {
            lk_list_push_back(&sinks->sinks, &sink->node);
            if (!sinks->has_writer)
                lk_sink_start_writer(sinks);
        } else {
            lk_sink_destroy(sink);
            sink = NULL;
        }
    }
    pthread_mutex_unlock(&sinks->lock);
    return sink;
}

static void wake_writer(struct lk_file_sinks *sinks, unsigned flag)
{
    if (atomic_load(&sinks->wake) & flag)
        return;
    if (atomic_fetch_or(&sinks->wake, flag) & flag)
        return;
    pthread_mutex_lock(&sinks->lock);
    pthread_cond_signal(&sinks->work);
    pthread_mutex_unlock(&sinks->lock);
}

void lk_file_sink_unref(struct lk_file_sink *sink)
{
    if (sink == NULL)
        return;
    struct lk_file_sinks *sinks = sink->sinks;
    pthread_mutex_lock(&sinks->lock);
    bool last = --sink->refs == 0;
    pthread_mutex_unlock(&sinks->lock);
    if (last)
        wake_writer(sinks, LK_SINK_FULL);
}

/* Room for a line; false when the bound is reached. */
static bool make_room(struct lk_sink_bytes *bytes, size_t len, size_t first, size_t bound)
{
    size_t need = bytes->len + len;
    if (need <= bytes->cap)
        return true;
    if (need > bound)
        return false;
    size_t cap = LK_MAX(bytes->cap * 2, first);
    cap = LK_MIN(LK_MAX(cap, need), bound);
    bytes->data = lk_realloc(bytes->data, cap);
    bytes->cap = cap;
    return true;
}

void lk_file_sink_write(struct lk_file_sink *sink, unsigned thread, struct lk_str line)
{
    struct lk_file_sinks *sinks = sink->sinks;
    LK_ASSERT(thread < sinks->threads);
    struct lk_sink_lane *lane = &sink->lanes[thread];
    if (line.len == 0)
        return;
    pthread_mutex_lock(&lane->lock);
    if (make_room(&lane->filling, line.len, (size_t)sinks->flush_min_bytes + 4096, sink->lane_bound)) {
        memcpy(lane->filling.data + lane->filling.len, line.ptr, line.len);
        lane->filling.len += line.len;
        lane->filling.lines++;
    } else {
        lane->dropped_lines++;
    }
    size_t len = lane->filling.len;
    pthread_mutex_unlock(&lane->lock);
    wake_writer(sinks, len >= sinks->flush_min_bytes ? LK_SINK_FULL : LK_SINK_DIRTY);
}

void lk_file_sinks_flush(struct lk_file_sinks *sinks)
{
    pthread_mutex_lock(&sinks->lock);
    if (sinks->has_writer && !sinks->stop) {
        uint64_t number = ++sinks->flush_wanted;
        pthread_cond_signal(&sinks->work);
        while (sinks->flush_done < number)
            pthread_cond_wait(&sinks->flushed, &sinks->lock);
    }
    pthread_mutex_unlock(&sinks->lock);
}

void lk_file_sinks_reopen(struct lk_file_sinks *sinks)
{
    struct lk_error error;
    pthread_mutex_lock(&sinks->lock);
    LK_LIST_FOREACH(node, &sinks->sinks)
    {
        struct lk_file_sink *sink = LK_LIST_ENTRY(node, struct lk_file_sink, node);
        int fd;
        if (!sink->owns_fd)
            continue;
        if (!lk_sink_open(sink, &fd, &error)) {
            atomic_fetch_add_explicit(&sinks->reopen_failures, 1, memory_order_relaxed);
            continue;
        }
        if (sink->next_fd >= 0)
            close(sink->next_fd);
        sink->next_fd = fd;
    }
    pthread_mutex_unlock(&sinks->lock);
    lk_file_sinks_flush(sinks);
}

void lk_file_sinks_stats(struct lk_file_sinks *sinks, struct lk_file_sink_stats *out)
{
    *out = (struct lk_file_sink_stats){
        .written_lines = atomic_load_explicit(&sinks->written_lines, memory_order_relaxed),
        .dropped_lines = atomic_load_explicit(&sinks->lost_lines, memory_order_relaxed),
        .write_failures = atomic_load_explicit(&sinks->write_failures, memory_order_relaxed),
        .reopen_failures = atomic_load_explicit(&sinks->reopen_failures, memory_order_relaxed),
    };
    pthread_mutex_lock(&sinks->lock);
    LK_LIST_FOREACH(node, &sinks->sinks)
    {
        struct lk_file_sink *sink = LK_LIST_ENTRY(node, struct lk_file_sink, node);
        for (unsigned i = 0; i < sinks->threads; i++) {
            pthread_mutex_lock(&sink->lanes[i].lock);
            out->dropped_lines += sink->lanes[i].dropped_lines;
            out->buffered_bytes += sink->lanes[i].filling.len;
            pthread_mutex_unlock(&sink->lanes[i].lock);
        }
    }
    pthread_mutex_unlock(&sinks->lock);
}
