/* An access logger of the filter table in front of a file, and one finished stream for it to write down. */
#pragma once

#include "proxy/filter/access_logger.h"
#include "proxy/filter/stream_info.h"
#include "proxy/io/file_sink.h"
#include "test/unit/filters/typed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct log_test {
    struct typed_test typed;
    char path[64];
    const void *config;
};

static inline void log_begin(struct log_test *t)
{
    typed_init(&t->typed);
    snprintf(t->path, sizeof(t->path), "/tmp/lk-log-XXXXXX");
    int fd = mkstemp(t->path);
    LK_CHECK(fd >= 0);
    close(fd);
    t->typed.context.sinks = lk_file_sinks_new(1, 10000, 65536);
}

static inline void log_configure(struct log_test *t, const struct lk_access_logger *logger, const char *yaml)
{
    t->typed.any = typed_any(t->typed.context.arena, logger->type, yaml);
    t->config = logger->config_new(&t->typed.context, &t->typed.any, &t->typed.errors);
}

/* Writes one stream that was answered with 418, and flushes. */
static inline void log_stream(struct log_test *t, const struct lk_access_logger *logger)
{
    struct lk_conn_info conn = {.id = 7};
    struct lk_stream_info info = {.conn = &conn, .response_code = 418};
    struct lk_log_event event = {
        .info = &info, .arena = t->typed.context.arena, .loop = t->typed.loop, .type = "DownstreamEnd"};
    logger->log(t->config, &event);
    lk_file_sinks_flush(t->typed.context.sinks);
}

/* What the file holds now; in the test's arena. */
static inline const char *log_text(struct log_test *t)
{
    char *text = lk_arena_alloc(t->typed.context.arena, 4096);
    FILE *file = fopen(t->path, "re");
    LK_CHECK_NOT_NULL(file);
    size_t len = fread(text, 1, 4095, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static inline void log_end(struct log_test *t)
{
    struct lk_file_sinks *sinks = t->typed.context.sinks;
    typed_fini(&t->typed);
    lk_file_sinks_free(sinks);
    unlink(t->path);
}
