/*
 * The application log: one line per event on stderr or in a file, by component and level. Any
 * thread. Lines that a peer can trigger must go through LK_LOG_LIMITED, which passes ten a second
 * per place and counts the rest.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum lk_log_level {
    LK_LOG_TRACE,
    LK_LOG_DEBUG,
    LK_LOG_INFO,
    LK_LOG_WARN,
    LK_LOG_ERROR,
    LK_LOG_CRITICAL,
    LK_LOG_OFF,
};

/* X(enumerator, name as in --component-log-level and /logging) */
#define LK_LOG_COMPONENTS(X)                                                                                           \
    X(MAIN, "main")                                                                                                    \
    X(CONFIG, "config")                                                                                                \
    X(LISTENER, "listener")                                                                                            \
    X(CONNECTION, "connection")                                                                                        \
    X(FILTER, "filter")                                                                                                \
    X(HTTP, "http")                                                                                                    \
    X(ROUTER, "router")                                                                                                \
    X(POOL, "pool")                                                                                                    \
    X(UPSTREAM, "upstream")                                                                                            \
    X(DNS, "dns")                                                                                                      \
    X(ADMIN, "admin")                                                                                                  \
    X(LANE, "lane")                                                                                                    \
    X(RUNTIME, "runtime")                                                                                              \
    X(MISC, "misc")

enum lk_log_component {
#define X(id, name) LK_LOG_##id,
    LK_LOG_COMPONENTS(X)
#undef X
        LK_LOG_COMPONENT_COUNT
};

extern atomic_uchar lk_log_levels[LK_LOG_COMPONENT_COUNT];

static inline bool lk_log_enabled(enum lk_log_component component, enum lk_log_level level)
{
    return level >= atomic_load_explicit(&lk_log_levels[component], memory_order_relaxed);
}

/* Where a line comes from. */
struct lk_log_place {
    const char *file;
    const char *function;
    int line;
};
#define LK_LOG_HERE ((struct lk_log_place){__FILE__, __func__, __LINE__})

/* Writes without asking for the level. Control characters of the text are escaped; a line of more
 * than LK_LOG_LINE_MAX bytes is cut and marked. */
#define LK_LOG_LINE_MAX 4096
void lk_log_write(enum lk_log_component component, enum lk_log_level level, struct lk_log_place place, const char *fmt,
                  ...) LK_PRINTF(4, 5);

#define LK_LOG(component, level, ...)                                                                                  \
    do {                                                                                                               \
        if (lk_log_enabled(LK_LOG_##component, LK_LOG_##level))                                                        \
            lk_log_write(LK_LOG_##component, LK_LOG_##level, LK_LOG_HERE, __VA_ARGS__);                                \
    } while (0)

/* State of one rate-limited place. */
struct lk_log_limit {
    _Atomic uint64_t window_ms;
    atomic_uint passed;
    atomic_uint suppressed;
};
/* Whether the place may log now; *suppressed gets the number held back before. */
bool lk_log_limit_pass(struct lk_log_limit *limit, unsigned *suppressed);

#define LK_LOG_LIMITED(component, level, ...)                                                                          \
    do {                                                                                                               \
        static struct lk_log_limit limit_;                                                                             \
        unsigned held_ = 0;                                                                                            \
        if (lk_log_enabled(LK_LOG_##component, LK_LOG_##level) && lk_log_limit_pass(&limit_, &held_)) {                \
            if (held_ > 0)                                                                                             \
                lk_log_write(LK_LOG_##component, LK_LOG_##level, LK_LOG_HERE, "%u similar lines suppressed", held_);   \
            lk_log_write(LK_LOG_##component, LK_LOG_##level, LK_LOG_HERE, __VA_ARGS__);                                \
        }                                                                                                              \
    } while (0)

/* Levels by Envoy's names: trace debug info warning(warn) error critical off. */
bool lk_log_level_parse(struct lk_str name, enum lk_log_level *out);
const char *lk_log_level_name(enum lk_log_level level);
/* Our own names, and Envoy's other ones for the component that covers the same ground here. */
bool lk_log_component_parse(struct lk_str name, enum lk_log_component *out);
const char *lk_log_component_name(enum lk_log_component component);
void lk_log_set_level(enum lk_log_component component, enum lk_log_level level);
void lk_log_set_all(enum lk_log_level level);
/* "a:debug,b:trace" as in --component-log-level; all or nothing. */
bool lk_log_set_components(struct lk_str spec, struct lk_error *error) LK_MUST_CHECK;

/*
 * Envoy's --log-format, which is a pattern of spdlog. Known flags:
 *   %v text, %_ the same (line breaks are always escaped), %j the text as inside a JSON string
 *   %n component, %l level, %L its first letter, %t thread id, %P process id
 *   %Y %C %m %d %H %I %M %S %p %y %a %A %b %B date and time of day, %e ms, %f us, %F ns,
 *   %E seconds since the epoch, %T and %X %H:%M:%S, %R %H:%M, %D %m/%d/%y, %z offset from UTC
 *   %g file, %s its last part, %# line, %! function, %@ file:line, %% itself
 *   %^ %$ (colours) print nothing; %+ is the default format
 * with an optional width between '%' and the flag: %8l, %-8l (left), %=8l (centred). Anything else
 * is refused by name. The string must stay valid.
 */
#define LK_LOG_FORMAT_DEFAULT "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"
bool lk_log_set_format(const char *format, struct lk_error *error) LK_MUST_CHECK;

/* The next three belong to the main thread. */
/* Directs the log to a file (append); NULL: stderr. */
bool lk_log_open(const char *path, struct lk_error *error) LK_MUST_CHECK;
/* Opens the file again, after rotation. When that fails, the old file stays in use and gets a line that says so. */
void lk_log_reopen(void);
/* Descriptor in use, for the crash handler. */
int lk_log_fd(void);
