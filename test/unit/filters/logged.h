/* Builds an access logger from YAML, has it write one line, and reads the line back. */
#pragma once

#include "proxy/io/file_sink.h"
#include "test/unit/filters/typed.h"

#include <fcntl.h>
#include <unistd.h>

struct logged {
    struct typed_test t;
    struct lk_arena arena;
    struct lk_headers request;
    struct lk_conn_info conn;
    struct lk_stream_info info;
    struct lk_log_event event;
    char text[8192];
};

static inline void logged_init(struct logged *l)
{
    memset(l, 0, sizeof(*l));
    typed_init(&l->t);
    l->t.context.sinks = lk_file_sinks_new(1, 10, 1);
    lk_arena_init(&l->arena);
    lk_headers_init(&l->request, &l->arena);
    lk_headers_add(&l->request, LK_HEADER_METHOD, LK_STR("GET"));
    lk_headers_add(&l->request, LK_HEADER_PATH, LK_STR("/p?q"));
    lk_headers_add(&l->request, LK_HEADER_AUTHORITY, LK_STR("host"));
    l->info.conn = &l->conn;
    l->info.response_code = 200;
    l->info.bytes_sent = 42;
    l->event = (struct lk_log_event){
        .info = &l->info, .request = &l->request, .arena = &l->arena, .loop = l->t.loop, .type = "DownstreamEnd"};
}

static inline void logged_fini(struct logged *l)
{
    struct lk_file_sinks *sinks = l->t.context.sinks;
    lk_arena_reset(&l->arena);
    typed_fini(&l->t);
    lk_file_sinks_free(sinks);
}

/* Writes one line with the logger and returns what the file then holds. */
static inline const char *logged_line(struct logged *l, const struct lk_access_logger *logger, const char *yaml,
                                      const char *path)
{
    l->t.any = typed_any(l->t.context.arena, logger->type, yaml);
    const void *config = logger->config_new(&l->t.context, &l->t.any, &l->t.errors);
    LK_CHECK_MSG(config != NULL, "%s: %s", l->t.errors.items[0].path, l->t.errors.items[0].text);
    logger->log(config, &l->event);
    lk_file_sinks_flush(l->t.context.sinks);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    LK_CHECK(fd >= 0);
    ssize_t n = read(fd, l->text, sizeof(l->text) - 1);
    close(fd);
    l->text[n > 0 ? n : 0] = '\0';
    return l->text;
}

/* The same for a logger that writes to the process's own output, which is a file meanwhile. */
static inline const char *logged_output(struct logged *l, const struct lk_access_logger *logger, const char *yaml,
                                        int output)
{
    char path[] = "/tmp/lk_test_XXXXXX";
    int file = mkstemp(path);
    int saved = dup(output);
    LK_CHECK(file >= 0 && saved >= 0);
    dup2(file, output);
    const char *text = logged_line(l, logger, yaml, path);
    dup2(saved, output);
    close(saved);
    close(file);
    unlink(path);
    return text;
}
