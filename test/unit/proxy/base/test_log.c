/* The application log: levels, patterns, escaping, files, rate limit. Lines go to a file of the test. */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
    char folder[64];
    char path[96];
    char *text;
};

static struct scratch start(const char *format)
{
    struct scratch scratch = {"/tmp/lk-log-XXXXXX", "", NULL};
    struct lk_error error;

    LK_CHECK_NOT_NULL(mkdtemp(scratch.folder));
    snprintf(scratch.path, sizeof(scratch.path), "%s/log", scratch.folder);
    LK_CHECK_MSG(lk_log_open(scratch.path, &error), "%s", error.text);
    LK_CHECK_MSG(lk_log_set_format(format, &error), "%s", error.text);
    lk_log_set_all(LK_LOG_INFO);
    return scratch;
}

/* What was logged so far; valid until the next call. */
static const char *logged(struct scratch *scratch)
{
    int fd = open(scratch->path, O_RDONLY);
    struct stat status;

    LK_CHECK(fd >= 0 && fstat(fd, &status) == 0);
    lk_free(scratch->text);
    scratch->text = lk_calloc(1, (size_t)status.st_size + 1);
    LK_CHECK_EQ_INT(read(fd, scratch->text, (size_t)status.st_size), status.st_size);
    close(fd);
    return scratch->text;
}

static void finish(struct scratch *scratch)
{
    LK_CHECK(lk_log_open(NULL, NULL));
    LK_CHECK(lk_log_set_format(LK_LOG_FORMAT_DEFAULT, NULL));
    unlink(scratch->path);
    rmdir(scratch->folder);
    lk_free(scratch->text);
}

LK_TEST(log, level_of_the_component_decides)
{
    struct scratch scratch = start("%n %l %L %v");

    lk_log_set_level(LK_LOG_ROUTER, LK_LOG_DEBUG);
    LK_LOG(ROUTER, DEBUG, "one");
    LK_LOG(ROUTER, TRACE, "two");
    LK_LOG(HTTP, DEBUG, "three");
    LK_LOG(HTTP, WARN, "four %d", 4);
    lk_log_set_all(LK_LOG_OFF);
    LK_LOG(HTTP, CRITICAL, "five");
    LK_CHECK_STR(logged(&scratch), "router debug D one\nhttp warning W four 4\n");
    finish(&scratch);
}

LK_TEST(log, default_line_looks_like_envoys)
{
    struct scratch scratch = start(LK_LOG_FORMAT_DEFAULT);
    unsigned year, month, day, hour, minute, second, millis, thread, line;
    int used = 0;

    LK_LOG(MAIN, INFO, "starting");
    LK_CHECK_EQ_INT(sscanf(logged(&scratch), "[%4u-%2u-%2u %2u:%2u:%2u.%3u][%u][info][main] [%*[^:]:%u] %n", &year,
                           &month, &day, &hour, &minute, &second, &millis, &thread, &line, &used),
                    9);
    LK_CHECK(year >= 2024 && month >= 1 && month <= 12 && thread > 0 && line > 0);
    LK_CHECK_STR(scratch.text + used, "starting\n");
    LK_CHECK_CONTAINS(scratch.text, "[test/unit/proxy/base/test_log.c:");
    finish(&scratch);
}

static void log_from_here(void)
{
    LK_LOG(MAIN, INFO, "say \"hi\"");
}

LK_TEST(log, flags_print_what_they_promise)
{
    struct scratch scratch = start("%s %! %% %^%v%$ %j|%Y%m%d|%T|%R|%z|%f|%F|%E|%P");
    char zone[3][16];

    log_from_here();
    LK_CHECK_CONTAINS(logged(&scratch), "test_log.c log_from_here % say \"hi\" say \\\"hi\\\"|20");
    LK_CHECK_EQ_INT(
        sscanf(strchr(scratch.text, '|'), "|%*8[0-9]|%*8[0-9:]|%15[0-9:]|%15[^|]|%15[0-9]|", zone[0], zone[1], zone[2]),
        3);
    LK_CHECK_EQ_UINT(strlen(zone[0]), 5);
    LK_CHECK(strlen(zone[1]) == 6 && (zone[1][0] == '+' || zone[1][0] == '-') && zone[1][3] == ':');
    LK_CHECK_EQ_UINT(strlen(zone[2]), 6);
    finish(&scratch);
}

LK_TEST(log, widths_align_fields)
{
    struct scratch scratch = start("[%8l][%-8l][%=8l][%2l]%v");

    LK_LOG(MAIN, INFO, "x");
    LK_CHECK_STR(logged(&scratch), "[    info][info    ][  info  ][info]x\n");
    finish(&scratch);
}

LK_TEST(log, unknown_flags_are_refused_by_name)
{
    struct lk_error error = {0};

    LK_CHECK(!lk_log_set_format("%v %q", &error));
    LK_CHECK_CONTAINS(error.text, "'%q'");
    LK_CHECK(!lk_log_set_format("%v %", &error));
    LK_CHECK(!lk_log_set_format("%999v", &error));
    LK_CHECK(lk_log_set_format("%v 100%%", &error));
    LK_CHECK(lk_log_set_format(LK_LOG_FORMAT_DEFAULT, &error));
}

LK_TEST(log, control_characters_cannot_forge_lines)
{
    struct scratch scratch = start("%v");

    LK_LOG(MAIN, INFO, "path /a\r\nroot logged in\x1b[31m\tend\x7f \xc3\xa4");
    LK_CHECK_STR(logged(&scratch), "path /a\\r\\nroot logged in\\x1b[31m\tend\\x7f \xc3\xa4\n");
    finish(&scratch);
}

LK_TEST(log, long_lines_are_cut_and_marked)
{
    struct scratch scratch = start("%v");
    const char *text;

    LK_LOG(MAIN, INFO, "%*d", 100000, 1);
    LK_LOG(MAIN, INFO, "%s", "next");
    text = logged(&scratch);
    LK_CHECK(strlen(text) <= LK_LOG_LINE_MAX + 5);
    LK_CHECK_CONTAINS(text, "...[cut]\nnext\n");
    finish(&scratch);
}

LK_TEST(log, component_levels_are_all_or_nothing)
{
    struct lk_error error = {0};

    lk_log_set_all(LK_LOG_INFO);
    LK_CHECK(lk_log_set_components(LK_STR("upstream:debug,http:trace,lua:error"), &error));
    LK_CHECK(lk_log_enabled(LK_LOG_UPSTREAM, LK_LOG_DEBUG));
    LK_CHECK(lk_log_enabled(LK_LOG_HTTP, LK_LOG_TRACE));
    LK_CHECK(!lk_log_enabled(LK_LOG_FILTER, LK_LOG_WARN));
    lk_log_set_all(LK_LOG_INFO);
    LK_CHECK(!lk_log_set_components(LK_STR("upstream:debug,htpt:trace"), &error));
    LK_CHECK_CONTAINS(error.text, "'htpt'");
    LK_CHECK(!lk_log_enabled(LK_LOG_UPSTREAM, LK_LOG_DEBUG));
    LK_CHECK(!lk_log_set_components(LK_STR("http:loud"), &error));
    LK_CHECK_CONTAINS(error.text, "'loud'");
    LK_CHECK(!lk_log_set_components(LK_STR("http"), &error));
    LK_CHECK(!lk_log_set_components(LK_STR("http:info,"), &error));
    LK_CHECK(lk_log_set_components(LK_STR(""), &error));
}

LK_TEST(log, names_of_levels_go_both_ways)
{
    enum lk_log_level level;

    for (int i = LK_LOG_TRACE; i <= LK_LOG_OFF; i++) {
        LK_CHECK(lk_log_level_parse(lk_str_from(lk_log_level_name((enum lk_log_level)i)), &level));
        LK_CHECK_EQ_INT(level, i);
    }
    LK_CHECK(lk_log_level_parse(LK_STR("warn"), &level) && level == LK_LOG_WARN);
    LK_CHECK(!lk_log_level_parse(LK_STR("WARN"), &level));
    LK_CHECK(!lk_log_level_parse(LK_STR(""), &level));
}

LK_TEST(log, reopen_follows_a_rotation)
{
    struct scratch scratch = start("%v");
    char rotated[120];
    int fd = lk_log_fd();

    snprintf(rotated, sizeof(rotated), "%s.1", scratch.path);
    LK_LOG(MAIN, INFO, "before");
    LK_CHECK(rename(scratch.path, rotated) == 0);
    LK_LOG(MAIN, INFO, "between");
    lk_log_reopen();
    LK_LOG(MAIN, INFO, "after");
    LK_CHECK_EQ_INT(lk_log_fd(), fd);
    LK_CHECK_STR(logged(&scratch), "after\n");
    LK_CHECK(rename(rotated, scratch.path) == 0);
    LK_CHECK_STR(logged(&scratch), "before\nbetween\n");
    finish(&scratch);
}

LK_TEST(log, failed_reopen_keeps_the_old_file_and_says_so)
{
    struct scratch scratch = start("%v");
    char moved[120];

    snprintf(moved, sizeof(moved), "%s.gone", scratch.folder);
    LK_CHECK(rename(scratch.folder, moved) == 0);
    lk_log_reopen();
    LK_CHECK(rename(moved, scratch.folder) == 0);
    LK_CHECK_CONTAINS(logged(&scratch), "cannot be opened: No such file or directory; the old file stays in use\n");
    finish(&scratch);
}

LK_TEST(log, bad_path_is_an_error_and_keeps_the_old_file)
{
    struct scratch scratch = start("%v");
    struct lk_error error = {0};

    LK_CHECK(!lk_log_open("/nonexistent/folder/log", &error));
    LK_CHECK_CONTAINS(error.text, "/nonexistent/folder/log");
    LK_CHECK_CONTAINS(error.text, "No such file or directory");
    LK_LOG(MAIN, INFO, "still here");
    LK_CHECK_STR(logged(&scratch), "still here\n");
    finish(&scratch);
}

LK_TEST(log, limited_place_passes_ten_a_second_and_counts_the_rest)
{
    struct lk_log_limit limit = {0};
    unsigned held;
    unsigned passed = 0;

    lk_clock_freeze(1000000000);
    for (int i = 0; i < 25; i++)
        passed += lk_log_limit_pass(&limit, &held);
    LK_CHECK_EQ_UINT(passed, 10);
    lk_clock_freeze(1000000000 + 1000000);
    LK_CHECK(lk_log_limit_pass(&limit, &held));
    LK_CHECK_EQ_UINT(held, 15);
    LK_CHECK(lk_log_limit_pass(&limit, &held));
    LK_CHECK_EQ_UINT(held, 0);
    lk_clock_freeze(0);
}

static void *log_lines(void *arg)
{
    for (int i = 0; i < 200; i++)
        LK_LOG(MAIN, INFO, "%s %d", (const char *)arg, i);
    return NULL;
}

LK_TEST(log, lines_of_many_threads_do_not_mix)
{
    struct scratch scratch = start("<%v>");
    static const char *const names[] = {"north", "east", "south", "west"};
    pthread_t threads[LK_ARRAY_LEN(names)];
    struct lk_str rest;
    size_t lines = 0;

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        LK_CHECK(pthread_create(&threads[i], NULL, log_lines, (void *)(uintptr_t)names[i]) == 0);
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        pthread_join(threads[i], NULL);
    rest = lk_str_from(logged(&scratch));
    while (rest.len > 0) {
        struct lk_str line = lk_str_split(&rest, '\n');

        LK_CHECK(line.len > 2 && line.ptr[0] == '<' && line.ptr[line.len - 1] == '>');
        lines++;
    }
    LK_CHECK_EQ_UINT(lines, 800);
    finish(&scratch);
}
