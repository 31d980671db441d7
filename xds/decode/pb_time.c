/* JSON forms of google.protobuf.Duration and Timestamp. Pure functions. */
#include "xds/decode/pb_time.h"

#include <inttypes.h>
#include <stdlib.h>

/* Decimals after a point as nanoseconds; cuts them off *rest. */
static bool take_decimals(struct lk_str *rest, int32_t *nanos)
{
    int32_t unit = 100000000;
    size_t n = 0;

    *nanos = 0;
    if (rest->len == 0 || rest->ptr[0] != '.')
        return true;
    *rest = lk_str_drop(*rest, 1);
    for (; n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++) {
        if (n == 9)
            return false;
        *nanos += (rest->ptr[n] - '0') * unit;
        unit /= 10;
    }
    *rest = lk_str_drop(*rest, n);
    return n > 0;
}

/* A run of digits of at most `most` places. */
static bool take_digits(struct lk_str *rest, size_t least, size_t most, int64_t *out)
{
    size_t n = 0;

    *out = 0;
    for (; n < rest->len && n < most && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++)
        *out = *out * 10 + (rest->ptr[n] - '0');
    *rest = lk_str_drop(*rest, n);
    return n >= least;
}

static bool take_byte(struct lk_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = lk_str_drop(*rest, 1);
    return true;
}

bool lk_pb_duration_parse(struct lk_str text, int64_t *seconds, int32_t *nanos)
{
    bool negative = take_byte(&text, '-');

    if (!take_digits(&text, 0, 12, seconds) || !take_decimals(&text, nanos))
        return false;
    if (text.len != 1 || text.ptr[0] != 's' || *seconds > LK_PB_DURATION_MAX ||
        (*seconds == LK_PB_DURATION_MAX && *nanos > 0))
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return true;
}

/* ".5" as decimals in groups of three digits, nothing for 0. */
static struct lk_str print_decimals(struct lk_arena *arena, int32_t nanos)
{
    if (nanos == 0)
        return LK_STR("");
    if (nanos % 1000000 == 0)
        return lk_arena_printf(arena, ".%03" PRId32, nanos / 1000000);
    if (nanos % 1000 == 0)
        return lk_arena_printf(arena, ".%06" PRId32, nanos / 1000);
    return lk_arena_printf(arena, ".%09" PRId32, nanos);
}

struct lk_str lk_pb_duration_print(struct lk_arena *arena, int64_t seconds, int32_t nanos)
{
    const char *sign = seconds < 0 || nanos < 0 ? "-" : "";
    uint64_t whole = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;
    struct lk_str decimals = print_decimals(arena, (int32_t)labs(nanos));

    return lk_arena_printf(arena, "%s%" PRIu64 "%.*ss", sign, whole, LK_STR_ARG(decimals));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t era;
    int64_t year_of_era;
    int64_t day_of_year;

    /* years that begin in March put the leap day at their end */
    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    return days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - days_of(year, month, 1);
}

static bool take_date(struct lk_str *rest, int64_t *days)
{
    int64_t year;
    int64_t month;
    int64_t day;

    if (!take_digits(rest, 4, 4, &year) || !take_byte(rest, '-') || !take_digits(rest, 2, 2, &month) ||
        !take_byte(rest, '-') || !take_digits(rest, 2, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

static bool take_offset(struct lk_str *rest, int64_t *offset)
{
    int64_t sign = take_byte(rest, '-') ? -1 : 1;
    int64_t hours;
    int64_t minutes;

    *offset = 0;
    if (sign == 1 && (take_byte(rest, 'Z') || take_byte(rest, 'z')))
        return true;
    if (sign == 1 && !take_byte(rest, '+'))
        return false;
    if (!take_digits(rest, 2, 2, &hours) || !take_byte(rest, ':') || !take_digits(rest, 2, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool lk_pb_timestamp_parse(struct lk_str text, int64_t *seconds, int32_t *nanos)
{
    int64_t days;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t offset;

    if (!take_date(&text, &days) || (!take_byte(&text, 'T') && !take_byte(&text, 't')))
        return false;
    if (!take_digits(&text, 2, 2, &hour) || !take_byte(&text, ':') || !take_digits(&text, 2, 2, &minute) ||
        !take_byte(&text, ':') || !take_digits(&text, 2, 2, &second) || hour > 23 || minute > 59 || second > 59)
        return false;
    if (!take_decimals(&text, nanos) || !take_offset(&text, &offset) || text.len > 0)
        return false;
    *seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
    return true;
}

struct lk_str lk_pb_timestamp_print(struct lk_arena *arena, int64_t seconds, int32_t nanos)
{
    struct lk_str decimals = print_decimals(arena, nanos < 0 ? 0 : nanos);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t left = seconds - days * 86400;
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_index = (5 * day_of_year + 2) / 153;
    int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;

    return lk_arena_printf(arena,
                           "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 "%.*sZ",
                           era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * month_index + 2) / 5 + 1,
                           left / 3600, left / 60 % 60, left % 60, LK_STR_ARG(decimals));
}
