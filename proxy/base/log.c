/*
 * The application log: levels by component, one write(2) per line, no lock. The descriptor number of
 * a log file never changes once it is taken: opening again after a rotation puts the new file under
 * the same number, so that a thread in the middle of a write is not disturbed. Any thread writes.
 */
#include "proxy/base/log.h"

#include "proxy/base/clock.h"
#include "proxy/base/log_format.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LIMIT_PER_WINDOW 10
#define LIMIT_WINDOW_MS 1000

atomic_uchar lk_log_levels[LK_LOG_COMPONENT_COUNT] = {
#define X(id, name) [LK_LOG_##id] = LK_LOG_INFO,
    LK_LOG_COMPONENTS(X)
#undef X
};

static const char *const level_names[] = {"trace", "debug", "info", "warning", "error", "critical", "off"};

static const char *const component_names[] = {
#define X(id, name) [LK_LOG_##id] = name,
    LK_LOG_COMPONENTS(X)
#undef X
};

static _Atomic(const char *) current_format = LK_LOG_FORMAT_DEFAULT;
static atomic_int current_fd = STDERR_FILENO;
static char *current_path; /* NULL: stderr; main thread only */

bool lk_log_level_parse(struct lk_str name, enum lk_log_level *out)
{
    if (lk_str_eq(name, LK_STR("warn"))) {
        *out = LK_LOG_WARN;
        return true;
    }
    for (unsigned i = 0; i < LK_ARRAY_LEN(level_names); i++) {
        if (lk_str_eq(name, lk_str_from(level_names[i]))) {
            *out = (enum lk_log_level)i;
            return true;
        }
    }
    return false;
}

const char *lk_log_level_name(enum lk_log_level level)
{
    return level_names[level];
}

const char *lk_log_component_name(enum lk_log_component component)
{
    return component_names[component];
}

void lk_log_set_level(enum lk_log_component component, enum lk_log_level level)
{
    atomic_store_explicit(&lk_log_levels[component], (unsigned char)level, memory_order_relaxed);
}

void lk_log_set_all(enum lk_log_level level)
{
    for (unsigned i = 0; i < LK_LOG_COMPONENT_COUNT; i++)
        lk_log_set_level((enum lk_log_component)i, level);
}

static bool parse_pair(struct lk_str pair, enum lk_log_component *component, enum lk_log_level *level,
                       struct lk_error *error)
{
    struct lk_str name = lk_str_split(&pair, ':');

    if (pair.ptr == NULL)
        return lk_error_set(error, LK_ERROR_INVALID, "component log level '%.*s' is not of the form component:level",
                            LK_STR_ARG(name));
    if (!lk_log_component_parse(name, component))
        return lk_error_set(error, LK_ERROR_INVALID, "there is no log component '%.*s'", LK_STR_ARG(name));
    if (!lk_log_level_parse(pair, level))
        return lk_error_set(error, LK_ERROR_INVALID,
                            "there is no log level '%.*s' (component %.*s); expected one of trace, "
                            "debug, info, warning, error, critical, off",
                            LK_STR_ARG(pair), LK_STR_ARG(name));
    return true;
}

bool lk_log_set_components(struct lk_str spec, struct lk_error *error)
{
    struct lk_str rest = spec;
    enum lk_log_component component = LK_LOG_MAIN;
    enum lk_log_level level = LK_LOG_INFO;

    while (rest.ptr != NULL && spec.len > 0) {
        if (!parse_pair(lk_str_split(&rest, ','), &component, &level, error))
            return false;
    }
    rest = spec;
    while (rest.ptr != NULL && spec.len > 0) {
        if (parse_pair(lk_str_split(&rest, ','), &component, &level, NULL))
            lk_log_set_level(component, level);
    }
    return true;
}

bool lk_log_set_format(const char *format, struct lk_error *error)
{
    if (!lk_log_format_check(format, error))
        return false;
    atomic_store(&current_format, format);
    return true;
}

/* Puts fd under the number of the log, taking a number of its own the first time. */
static bool adopt(int fd, struct lk_error *error)
{
    int used = atomic_load(&current_fd);

    if (used == STDERR_FILENO) {
        atomic_store(&current_fd, fd);
        return true;
    }
    if (dup3(fd, used, O_CLOEXEC) < 0) {
        lk_error_errno(error, "log: descriptor %d cannot be replaced", used);
        close(fd);
        return false;
    }
    close(fd);
    return true;
}

static bool open_file(const char *path, struct lk_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return lk_error_errno(error, "log file '%s' cannot be opened", path);
    return adopt(fd, error);
}

static bool back_to_stderr(struct lk_error *error)
{
    int used = atomic_load(&current_fd);

    /* A number once taken stays taken: another thread may be about to write to it. */
    if (used != STDERR_FILENO && dup3(STDERR_FILENO, used, O_CLOEXEC) < 0)
        return lk_error_errno(error, "log: descriptor %d cannot be replaced", used);
    return true;
}

bool lk_log_open(const char *path, struct lk_error *error)
{
    if (path != NULL ? !open_file(path, error) : !back_to_stderr(error))
        return false;
    lk_free(current_path);
    current_path = path != NULL ? lk_strdup(path) : NULL;
    return true;
}

void lk_log_reopen(void)
{
    struct lk_error error;

    if (current_path != NULL && !open_file(current_path, &error))
        LK_LOG(MISC, ERROR, "%s; the old file stays in use", error.text);
}

int lk_log_fd(void)
{
    return atomic_load(&current_fd);
}

void lk_log_write(enum lk_log_component component, enum lk_log_level level, struct lk_log_place place, const char *fmt,
                  ...)
{
    char text[LK_LOG_LINE_MAX];
    char line[LK_LOG_LINE_MAX];
    int saved_errno = errno;
    struct lk_log_record record = {
        .place = place, .component = component, .level = level, .wall_us = lk_clock_wall_us()};
    va_list args;
    int printed;
    size_t len;

    va_start(args, fmt);
    printed = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    record.text_cut = printed >= (int)sizeof(text);
    record.text = lk_str(text, LK_MIN((size_t)LK_MAX(printed, 0), sizeof(text) - 1));
    len = lk_log_format_line(atomic_load(&current_format), &record, line);
    /* A log that cannot be written must not stop the proxy; there is nobody left to tell. */
    while (write(atomic_load(&current_fd), line, len) < 0 && errno == EINTR)
        continue;
    errno = saved_errno;
}

bool lk_log_limit_pass(struct lk_log_limit *limit, unsigned *suppressed)
{
    uint64_t now = lk_clock_ms();
    uint64_t start = atomic_load_explicit(&limit->window_ms, memory_order_relaxed);

    *suppressed = 0;
    /* Of several threads that find the window over, one opens the next. */
    if ((start == 0 || now - start >= LIMIT_WINDOW_MS) &&
        atomic_compare_exchange_strong(&limit->window_ms, &start, now)) {
        atomic_store(&limit->passed, 1);
        *suppressed = atomic_exchange(&limit->suppressed, 0);
        return true;
    }
    if (atomic_fetch_add(&limit->passed, 1) < LIMIT_PER_WINDOW)
        return true;
    atomic_fetch_add(&limit->suppressed, 1);
    return false;
}
