/*
 * One stat as text and as JSON, in Envoy's shapes: a histogram is shown as quantiles of the last interval and of all
 * time. The reading thread.
 */
#include "proxy/base/mem.h"
#include "proxy/stats/stats_private.h"

#include <inttypes.h>
#include <math.h>

void lk_stats_put(const struct lk_stats_out *out, struct lk_str text)
{
    if (text.len > 0)
        out->write(out->arg, text.ptr, text.len);
}

void lk_stats_putf(const struct lk_stats_out *out, const char *fmt, ...)
{
    char text[256];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    LK_ASSERT(len >= 0 && (size_t)len < sizeof(text));
    lk_stats_put(out, lk_str(text, (size_t)len));
}

struct lk_str lk_stats_number(double value, char out[LK_STAT_NUMBER_MAX])
{
    int len = 0;

    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(out, LK_STAT_NUMBER_MAX, "%.*g", digits, value);
        if (isnan(value) || strtod(out, NULL) == value)
            break;
    }
    return lk_str(out, (size_t)len);
}

static void put_number(const struct lk_stats_out *out, double value, const char *when_nan)
{
    char text[LK_STAT_NUMBER_MAX];

    lk_stats_put(out, isnan(value) ? lk_str_from(when_nan) : lk_stats_number(value, text));
}

static void write_text_value(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    char name[LK_STAT_NAME_MAX];

    lk_stats_put(out, lk_stat_entry_name(entry, name));
    lk_stats_putf(out, ": %" PRIu64 "\n", lk_stat_entry_value(entry));
}

static void write_text_histogram(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    const double *interval = lk_stats_interval_quantiles(entry->scope, entry->index);
    double cumulative[LK_HISTOGRAM_QUANTILES];
    struct lk_histogram_sum sum;
    char name[LK_STAT_NAME_MAX];
    char percent[LK_STAT_NUMBER_MAX];

    lk_stats_put(out, lk_stat_entry_name(entry, name));
    lk_stats_put(out, LK_STR(":"));
    if (!lk_stats_histogram(entry->scope, entry->index, &sum)) {
        lk_stats_put(out, LK_STR(" No recorded values\n"));
        return;
    }
    lk_histogram_sum_quantiles(&sum, cumulative);
    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++) {
        lk_stats_put(out, LK_STR(" P"));
        lk_stats_put(out, lk_stats_number(lk_histogram_quantiles[i], percent));
        lk_stats_put(out, LK_STR("("));
        put_number(out, interval[i], "nan");
        lk_stats_put(out, LK_STR(","));
        put_number(out, cumulative[i], "nan");
        lk_stats_put(out, LK_STR(")"));
    }
    lk_stats_put(out, LK_STR("\n"));
}

void lk_stats_text_entry(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    if (lk_stat_entry_kind(entry) == LK_STAT_HISTOGRAM)
        write_text_histogram(entry, out);
    else
        write_text_value(entry, out);
}

/* A JSON string with its quotes. Bytes that are not ASCII go through: names are UTF-8 as they came. */
static void put_json_string(const struct lk_stats_out *out, struct lk_str text)
{
    size_t plain = 0;

    lk_stats_put(out, LK_STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        lk_stats_put(out, lk_str(text.ptr + plain, i - plain));
        if (c < 0x20)
            lk_stats_putf(out, "\\u%04x", c);
        else
            lk_stats_putf(out, "\\%c", c);
        plain = i + 1;
    }
    lk_stats_put(out, lk_str(text.ptr + plain, text.len - plain));
    lk_stats_put(out, LK_STR("\""));
}

static void put_json_name(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    char name[LK_STAT_NAME_MAX];

    lk_stats_put(out, LK_STR("{\"name\":"));
    put_json_string(out, lk_stat_entry_name(entry, name));
}

static void write_json_histogram(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    const double *interval = lk_stats_interval_quantiles(entry->scope, entry->index);
    double cumulative[LK_HISTOGRAM_QUANTILES];
    struct lk_histogram_sum sum;

    if (!lk_stats_histogram(entry->scope, entry->index, &sum))
        lk_histogram_sum_init(&sum);
    lk_histogram_sum_quantiles(&sum, cumulative);
    put_json_name(entry, out);
    lk_stats_put(out, LK_STR(",\"values\":["));
    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++) {
        lk_stats_put(out, i > 0 ? LK_STR(",{\"cumulative\":") : LK_STR("{\"cumulative\":"));
        put_number(out, cumulative[i], "null");
        lk_stats_put(out, LK_STR(",\"interval\":"));
        put_number(out, interval[i], "null");
        lk_stats_put(out, LK_STR("}"));
    }
    lk_stats_put(out, LK_STR("]}"));
}

void lk_stats_json_quantiles(const struct lk_stats_out *out)
{
    lk_stats_put(out, LK_STR("{\"histograms\":{\"supported_quantiles\":["));
    for (unsigned i = 0; i < LK_HISTOGRAM_QUANTILES; i++) {
        if (i > 0)
            lk_stats_put(out, LK_STR(","));
        put_number(out, lk_histogram_quantiles[i], "null");
    }
    lk_stats_put(out, LK_STR("],\"computed_quantiles\":["));
}

void lk_stats_json_entry(const struct lk_stat_entry *entry, const struct lk_stats_out *out)
{
    if (lk_stat_entry_kind(entry) == LK_STAT_HISTOGRAM) {
        write_json_histogram(entry, out);
        return;
    }
    put_json_name(entry, out);
    lk_stats_putf(out, ",\"value\":%" PRIu64 "}", lk_stat_entry_value(entry));
}
