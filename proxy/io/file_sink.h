/*
 * Append-only log files shared by all workers: a worker formats a line into its own buffer, which is handed to the file
 * in one write when it is full or when the flush interval ends. A file is opened once however many loggers name it;
 * SIGHUP opens it again. A slow or full disk never blocks a worker: writes happen on a writer thread, beyond a bound
 * lines are dropped and counted.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_file_sink;

struct lk_file_sinks; /* the process's table of open files */

struct lk_file_sinks *lk_file_sinks_new(unsigned threads, uint32_t flush_interval_ms, uint32_t flush_min_bytes);
/* Flushes everything and closes. */
void lk_file_sinks_free(struct lk_file_sinks *sinks);
/* Opens or finds; takes a reference. /dev/stdout and /dev/stderr mean our own descriptors. */
struct lk_file_sink *lk_file_sink_ref(struct lk_file_sinks *sinks, struct lk_str path, struct lk_error *error);
void lk_file_sink_unref(struct lk_file_sink *sink);
/* Any thread that has a thread index (lk_loop_index). Whole lines only. */
void lk_file_sink_write(struct lk_file_sink *sink, unsigned thread, struct lk_str line);
/* Hands every buffered line to the kernel before it returns (drain, shutdown, tests). */
void lk_file_sinks_flush(struct lk_file_sinks *sinks);
void lk_file_sinks_reopen(struct lk_file_sinks *sinks);

struct lk_file_sink_stats {
    uint64_t written_lines, dropped_lines, write_failures, reopen_failures;
    uint64_t buffered_bytes;
};
void lk_file_sinks_stats(struct lk_file_sinks *sinks, struct lk_file_sink_stats *out);
