/* The inside of the log files: file_sink.c is what other threads call, file_sink_writer.c is the writer thread. */
#pragma once

#include "proxy/base/list.h"
#include "proxy/io/file_sink.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

/* Lines of one sink that the disk has not taken may grow to this, shared out among the threads. */
#define LK_SINK_BOUND_BYTES (4u * 1024u * 1024u)
#define LK_SINK_LANE_MIN_BYTES (256u * 1024u)

struct lk_sink_bytes {
    char *data;
    size_t len;
    size_t cap;
    uint64_t lines;
};

/* What one thread writes into: filled by that thread, swapped out by the writer. */
struct lk_sink_lane {
    alignas(64) pthread_mutex_t lock;
    struct lk_sink_bytes filling; /* under the lock */
    uint64_t dropped_lines;       /* under the lock */
    struct lk_sink_bytes writing; /* the writer's */
    size_t written;               /* of `writing`; the writer's */
};

struct lk_file_sink {
    struct lk_list node; /* under sinks->lock */
    struct lk_file_sinks *sinks;
    char *path;
    unsigned refs;  /* under sinks->lock; the writer frees a sink without references */
    int next_fd;    /* under sinks->lock: opened again, the writer takes it; -1: none */
    int fd;         /* the writer's */
    bool owns_fd;   /* not our own stdout or stderr */
    bool is_stream; /* the writer's: a pipe, terminal or socket, which may be full */
    size_t lane_bound;
    struct lk_sink_lane *lanes; /* sinks->threads of them */
};

enum { LK_SINK_DIRTY = 1, LK_SINK_FULL = 2 };

struct lk_file_sinks {
    unsigned threads;
    uint32_t flush_interval_ms;
    uint32_t flush_min_bytes;
    atomic_uint wake; /* LK_SINK_DIRTY: something is buffered; LK_SINK_FULL: do not wait for the interval */
    pthread_mutex_t lock;
    pthread_cond_t work;    /* tells the writer */
    pthread_cond_t flushed; /* tells who waits for a flush */
    struct lk_list sinks;   /* under the lock, as all below */
    bool has_writer;
    bool stop;
    uint64_t flush_wanted; /* number of the last flush asked for */
    uint64_t flush_done;
    pthread_t writer;
    _Atomic uint64_t written_lines;
    _Atomic uint64_t lost_lines; /* dropped by the writer and with freed sinks */
    _Atomic uint64_t write_failures;
    _Atomic uint64_t reopen_failures;
};

bool lk_sink_open(struct lk_file_sink *sink, int *fd, struct lk_error *error);
void lk_sink_start_writer(struct lk_file_sinks *sinks);
/* Closes and frees a sink that is off the list. */
void lk_sink_destroy(struct lk_file_sink *sink);
