/* Log files: lines of several threads, intervals, full pipes, rotation. */
#include "proxy/base/clock.h"
#include "proxy/io/file_sink.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, NEVER_MS = 3600000, LARGE = 64 * 1024 };

struct fixture {
    struct lk_file_sinks *sinks;
    struct lk_file_sink *sink;
    char folder[64];
    char path[128];
    int fds_before;
};

static void setup(struct fixture *f, uint32_t interval_ms, uint32_t min_bytes)
{
    struct lk_error error = {0};
    *f = (struct fixture){.folder = "/tmp/lk_sink_XXXXXX"};
    f->fds_before = test_open_fds();
    LK_CHECK_NOT_NULL(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/access.log", f->folder);
    f->sinks = lk_file_sinks_new(THREADS, interval_ms, min_bytes);
    f->sink = lk_file_sink_ref(f->sinks, lk_str_from(f->path), &error);
    LK_CHECK_MSG(f->sink != NULL, "%s", error.text);
}

static void teardown(struct fixture *f)
{
    lk_file_sink_unref(f->sink);
    lk_file_sinks_free(f->sinks);
    unlink(f->path);
    LK_CHECK_EQ_INT(rmdir(f->folder), 0);
    LK_CHECK_EQ_INT(test_open_fds(), f->fds_before);
}

static void say(struct fixture *f, const char *line)
{
    lk_file_sink_write(f->sink, 0, lk_str_from(line));
}

/* To be freed. */
static char *contents(const char *path)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    LK_CHECK(fd >= 0);
    LK_CHECK_EQ_INT(fstat(fd, &info), 0);
    char *text = lk_calloc(1, (size_t)info.st_size + 1);
    LK_CHECK_EQ_INT(read(fd, text, (size_t)info.st_size), info.st_size);
    close(fd);
    return text;
}

static void check_contents(const char *path, const char *expected)
{
    char *text = contents(path);
    LK_CHECK_STR(text, expected);
    lk_free(text);
}

static long long size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (long long)info.st_size : -1;
}

#define WAIT_FOR(cond_)                                                                                                \
    do {                                                                                                               \
        uint64_t end_ = lk_clock_ms() + 10000;                                                                         \
        while (!(cond_)) {                                                                                             \
            LK_CHECK_MSG(lk_clock_ms() < end_, "never came true: %s", #cond_);                                         \
            usleep(1000);                                                                                              \
        }                                                                                                              \
    } while (0)

LK_TEST(file_sink, a_flush_hands_over_every_line_in_order)
{
    struct fixture f;
    setup(&f, NEVER_MS, LARGE);
    say(&f, "one\n");
    say(&f, "two\n");
    LK_CHECK_EQ_INT(size_of(f.path), 0);
    lk_file_sinks_flush(f.sinks);
    check_contents(f.path, "one\ntwo\n");
    say(&f, "three\n");
    lk_file_sinks_flush(f.sinks);
    check_contents(f.path, "one\ntwo\nthree\n");
    teardown(&f);
}

LK_TEST(file_sink, the_interval_writes_without_a_flush)
{
    struct fixture f;
    setup(&f, 20, LARGE);
    for (int i = 1; i <= 3; i++) {
        uint64_t start = lk_clock_ms();
        say(&f, "line\n");
        WAIT_FOR(size_of(f.path) == i * 5);
        LK_CHECK(lk_clock_ms() - start >= 15);
    }
    teardown(&f);
}

LK_TEST(file_sink, a_full_buffer_is_written_before_the_interval)
{
    struct fixture f;
    setup(&f, NEVER_MS, 1000);
    for (int i = 0; i < 100; i++)
        say(&f, "0123456789\n");
    WAIT_FOR(size_of(f.path) >= 1000);
    teardown(&f);
}

LK_TEST(file_sink, freeing_writes_what_is_left)
{
    struct fixture f;
    setup(&f, NEVER_MS, LARGE);
    char *path = lk_strdup(f.path);
    say(&f, "last words\n");
    lk_file_sink_unref(f.sink);
    lk_file_sinks_free(f.sinks);
    check_contents(path, "last words\n");
    unlink(path);
    rmdir(f.folder);
    lk_free(path);
    LK_CHECK_EQ_INT(test_open_fds(), f.fds_before);
}

LK_TEST(file_sink, one_path_is_opened_once_and_lives_until_its_last_reference)
{
    struct fixture f;
    struct lk_error error = {0};
    setup(&f, NEVER_MS, LARGE);
    struct lk_file_sink *same = lk_file_sink_ref(f.sinks, lk_str_from(f.path), &error);
    LK_CHECK_EQ_PTR(same, f.sink);
    lk_file_sink_unref(same);
    say(&f, "still open\n");
    lk_file_sinks_flush(f.sinks);
    check_contents(f.path, "still open\n");
    teardown(&f);
}

LK_TEST(file_sink, a_sink_without_references_is_flushed_and_closed)
{
    struct fixture f;
    struct lk_error error = {0};
    char path[128];
    setup(&f, NEVER_MS, LARGE);
    lk_file_sinks_flush(f.sinks);
    int fds = test_open_fds();
    snprintf(path, sizeof(path), "%s/other.log", f.folder);
    struct lk_file_sink *other = lk_file_sink_ref(f.sinks, lk_str_from(path), &error);
    lk_file_sink_write(other, 1, LK_STR("bye\n"));
    lk_file_sink_unref(other);
    WAIT_FOR(test_open_fds() == fds);
    check_contents(path, "bye\n");
    unlink(path);
    teardown(&f);
}

struct line_writer {
    pthread_t thread;
    struct fixture *f;
    unsigned index;
};

enum { LINES_EACH = 20000 };

static void *write_lines(void *arg)
{
    struct line_writer *writer = arg;
    char line[64];
    for (int i = 0; i < LINES_EACH; i++) {
        int len = snprintf(line, sizeof(line), "%u %d\n", writer->index, i);
        lk_file_sink_write(writer->f->sink, writer->index, lk_str(line, (size_t)len));
    }
    return NULL;
}

LK_TEST(file_sink, lines_of_many_threads_arrive_whole_and_in_the_order_of_each)
{
    struct fixture f;
    struct line_writer writers[THREADS];
    int next[THREADS] = {0};
    setup(&f, 5, 4096);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct line_writer){.f = &f, .index = i};
        LK_CHECK_EQ_INT(pthread_create(&writers[i].thread, NULL, write_lines, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(writers[i].thread, NULL);
    lk_file_sinks_flush(f.sinks);
    char *text = contents(f.path), *at = text;
    while (*at != '\0') {
        char *end;
        unsigned long index = strtoul(at, &end, 10);
        LK_CHECK(index < THREADS && *end == ' ');
        LK_CHECK_EQ_INT(strtol(end + 1, &end, 10), next[index]++);
        LK_CHECK_EQ_INT(*end, '\n');
        at = end + 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        LK_CHECK_EQ_INT(next[i], LINES_EACH);
    struct lk_file_sink_stats stats;
    lk_file_sinks_stats(f.sinks, &stats);
    LK_CHECK_EQ_UINT(stats.written_lines, THREADS * LINES_EACH);
    LK_CHECK_EQ_UINT(stats.dropped_lines, 0);
    LK_CHECK_EQ_UINT(stats.buffered_bytes, 0);
    lk_free(text);
    teardown(&f);
}

LK_TEST(file_sink, reopening_follows_a_rotated_file)
{
    struct fixture f;
    char old[160];
    setup(&f, NEVER_MS, LARGE);
    snprintf(old, sizeof(old), "%s.1", f.path);
    say(&f, "before\n");
    lk_file_sinks_flush(f.sinks);
    LK_CHECK_EQ_INT(rename(f.path, old), 0);
    say(&f, "between\n");
    lk_file_sinks_flush(f.sinks);
    lk_file_sinks_reopen(f.sinks);
    say(&f, "after\n");
    lk_file_sinks_flush(f.sinks);
    check_contents(old, "before\nbetween\n");
    check_contents(f.path, "after\n");
    unlink(old);
    teardown(&f);
}

LK_TEST(file_sink, a_failed_reopen_is_counted_and_the_old_file_stays_in_use)
{
    struct fixture f;
    char old[160];
    struct lk_file_sink_stats stats;
    setup(&f, NEVER_MS, LARGE);
    lk_file_sinks_flush(f.sinks);
    snprintf(old, sizeof(old), "%s.1", f.path);
    LK_CHECK_EQ_INT(rename(f.path, old), 0);
    LK_CHECK_EQ_INT(mkdir(f.path, 0700), 0);
    lk_file_sinks_reopen(f.sinks);
    say(&f, "kept\n");
    lk_file_sinks_flush(f.sinks);
    check_contents(old, "kept\n");
    lk_file_sinks_stats(f.sinks, &stats);
    LK_CHECK_EQ_UINT(stats.reopen_failures, 1);
    LK_CHECK_EQ_INT(rmdir(f.path), 0);
    unlink(old);
    teardown(&f);
}

LK_TEST(file_sink, a_path_that_cannot_be_opened_is_an_error)
{
    struct fixture f;
    struct lk_error error = {0};
    setup(&f, NEVER_MS, LARGE);
    LK_CHECK_NULL(lk_file_sink_ref(f.sinks, LK_STR("/nonexistent/dir/file.log"), &error));
    LK_CHECK_CONTAINS(error.text, "/nonexistent/dir/file.log");
    LK_CHECK_NULL(lk_file_sink_ref(f.sinks, LK_STR(""), &error));
    LK_CHECK_CONTAINS(error.text, "empty");
    teardown(&f);
}

/* A FIFO whose reader does not read: the worker goes on, memory stays bounded, what fits arrives. */
LK_TEST(file_sink, a_full_pipe_blocks_nobody_and_the_overflow_is_counted)
{
    struct fixture f;
    struct lk_error error = {0};
    struct lk_file_sink_stats stats;
    char path[128], line[1000], got[8192];
    setup(&f, 5, 4096);
    snprintf(path, sizeof(path), "%s/pipe", f.folder);
    LK_CHECK_EQ_INT(mkfifo(path, 0600), 0);
    LK_CHECK_NULL(lk_file_sink_ref(f.sinks, lk_str_from(path), &error)); /* nobody reads it */
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct lk_file_sink *sink = lk_file_sink_ref(f.sinks, lk_str_from(path), &error);
    LK_CHECK_MSG(sink != NULL, "%s", error.text);
    memset(line, 'p', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    enum { COUNT = 20000 };
    for (int i = 0; i < COUNT; i++)
        lk_file_sink_write(sink, 0, lk_str(line, sizeof(line)));
    say(&f, "another file is not held up\n");
    WAIT_FOR(size_of(f.path) > 0);
    lk_file_sinks_stats(f.sinks, &stats);
    LK_CHECK(stats.dropped_lines > 0);
    LK_CHECK(stats.buffered_bytes <= 4u << 20);
    long long total = 0;
    uint64_t end = lk_clock_ms() + 20000;
    do {
        ssize_t len = read(reader, got, sizeof(got));
        total += len > 0 ? len : 0;
        lk_file_sinks_stats(f.sinks, &stats);
        LK_CHECK(lk_clock_ms() < end);
    } while (stats.written_lines + stats.dropped_lines < COUNT + 1 ||
             total < (long long)(stats.written_lines - 1) * 1000);
    LK_CHECK_EQ_INT(total, (long long)(COUNT - stats.dropped_lines) * 1000);
    close(reader);
    lk_file_sink_unref(sink);
    unlink(path);
    teardown(&f);
}

LK_TEST(file_sink, a_reader_that_went_away_is_a_counted_failure)
{
    struct fixture f;
    struct lk_error error = {0};
    struct lk_file_sink_stats stats;
    char path[128];
    setup(&f, NEVER_MS, LARGE);
    snprintf(path, sizeof(path), "%s/pipe", f.folder);
    LK_CHECK_EQ_INT(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct lk_file_sink *sink = lk_file_sink_ref(f.sinks, lk_str_from(path), &error);
    close(reader);
    lk_file_sink_write(sink, 2, LK_STR("nobody reads this\n"));
    lk_file_sinks_flush(f.sinks);
    lk_file_sinks_stats(f.sinks, &stats);
    LK_CHECK_EQ_UINT(stats.write_failures, 1);
    LK_CHECK_EQ_UINT(stats.dropped_lines, 1);
    lk_file_sink_unref(sink);
    unlink(path);
    teardown(&f);
}

LK_TEST(file_sink, a_flush_does_not_wait_for_ever_for_a_full_pipe)
{
    struct fixture f;
    struct lk_error error = {0};
    char path[128], line[1000];
    setup(&f, NEVER_MS, LARGE);
    snprintf(path, sizeof(path), "%s/pipe", f.folder);
    LK_CHECK_EQ_INT(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct lk_file_sink *sink = lk_file_sink_ref(f.sinks, lk_str_from(path), &error);
    memset(line, 'p', sizeof(line));
    for (int i = 0; i < 200; i++)
        lk_file_sink_write(sink, 0, lk_str(line, sizeof(line)));
    uint64_t start = lk_clock_ms();
    lk_file_sinks_flush(f.sinks);
    LK_CHECK(lk_clock_ms() - start < 20000);
    close(reader);
    lk_file_sink_unref(sink);
    unlink(path);
    teardown(&f);
}

LK_TEST(file_sink, stdout_is_our_own_descriptor)
{
    struct fixture f;
    struct lk_error error = {0};
    char got[64] = {0};
    int pipes[2];
    setup(&f, NEVER_MS, LARGE);
    int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    LK_CHECK_EQ_INT(pipe2(pipes, O_CLOEXEC), 0);
    fflush(stdout);
    dup2(pipes[1], STDOUT_FILENO);
    struct lk_file_sink *sink = lk_file_sink_ref(f.sinks, LK_STR("/dev/stdout"), &error);
    lk_file_sink_write(sink, 0, LK_STR("to stdout\n"));
    lk_file_sinks_flush(f.sinks);
    lk_file_sinks_reopen(f.sinks);
    lk_file_sink_unref(sink);
    lk_file_sinks_flush(f.sinks);
    LK_CHECK(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(pipes[1]);
    LK_CHECK_EQ_INT(read(pipes[0], got, sizeof(got)), 10);
    LK_CHECK_STR(got, "to stdout\n");
    close(pipes[0]);
    teardown(&f);
}
