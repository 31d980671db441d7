/* Times in log lines. Any worker. */
#include "proxy/filter/format_value.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The broken-down time of a second, kept per thread: log lines come in bursts of the same second. */
static const struct tm *broken_down(int64_t second, bool local)
{
    static _Thread_local struct {
        int64_t second;
        bool valid;
        struct tm tm;
    } cache[2];
    if (!cache[local].valid || cache[local].second != second) {
        time_t when = (time_t)second;
        if (local)
            localtime_r(&when, &cache[local].tm);
        else
            gmtime_r(&when, &cache[local].tm);
        cache[local].second = second;
        cache[local].valid = true;
    }
    return &cache[local].tm;
}

static char *two(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

/* 2026-01-31T12:00:00.000Z */
static struct lk_str iso_8601(int64_t wall_us, bool local, char *scratch)
{
    const struct tm *tm = broken_down(wall_us / 1000000, local);
    int ms = (int)(wall_us / 1000 % 1000);
    int year = tm->tm_year + 1900;
    char *p = two(two(scratch, year / 100), year % 100);
    *p++ = '-';
    p = two(p, tm->tm_mon + 1);
    *p++ = '-';
    p = two(p, tm->tm_mday);
    *p++ = 'T';
    p = two(p, tm->tm_hour);
    *p++ = ':';
    p = two(p, tm->tm_min);
    *p++ = ':';
    p = two(p, tm->tm_sec);
    *p++ = '.';
    *p++ = (char)('0' + ms / 100);
    p = two(p, ms % 100);
    if (!local) {
        *p++ = 'Z';
    } else {
        p += strftime(p, 8, "%z", tm);
    }
    return lk_str(scratch, (size_t)(p - scratch));
}

struct lk_str lk_format_time(struct lk_str format, int64_t wall_us, bool local, const struct lk_log_event *event,
                             char scratch[LK_FORMAT_SCRATCH])
{
    if (format.len == 0)
        return iso_8601(wall_us, local, scratch);
    const struct tm *tm = broken_down(wall_us / 1000000, local);
    char expanded[256];
    size_t len = 0;
    for (size_t i = 0; i < format.len && len + 24 < sizeof(expanded); i++) {
        const char *p = format.ptr + i;
        size_t left = format.len - i;
        int digits = 0;
        size_t skip = 0;
        if (left >= 2 && p[0] == '%' && p[1] == 'f') {
            digits = 9;
            skip = 1;
        } else if (left >= 3 && p[0] == '%' && p[1] >= '1' && p[1] <= '9' && p[2] == 'f') {
            digits = p[1] - '0';
            skip = 2;
        } else if (left >= 2 && p[0] == '%' && p[1] == 's') {
            len += (size_t)snprintf(expanded + len, 24, "%lld", (long long)(wall_us / 1000000));
            i += 1;
            continue;
        } else if (left >= 2 && p[0] == '%') {
            expanded[len++] = p[0];
            expanded[len++] = p[1];
            i += 1;
            continue;
        }
        if (digits == 0) {
            expanded[len++] = *p;
            continue;
        }
        char fraction[16];
        snprintf(fraction, sizeof(fraction), "%09lld", (long long)(wall_us % 1000000) * 1000);
        memcpy(expanded + len, fraction, (size_t)digits);
        len += (size_t)digits;
        i += skip;
    }
    expanded[len] = '\0';
    char *out = lk_arena_alloc(event->arena, 512);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* a time format of the configuration; it reads no arguments */
    size_t written = strftime(out, 512, expanded, tm);
#pragma GCC diagnostic pop
    return lk_str(out, written);
}
