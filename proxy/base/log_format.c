/*
 * Patterns of the application log: a table from flag letters to small printers over a bounded line.
 */
#include "proxy/base/log_format.h"

#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define WIDTH_MAX 64
#define CUT_MARK "...[cut]"

/* A line under construction. `cut` is set once something did not fit. */
struct line {
    char *start;
    char *at;
    char *end;
    bool cut;
};

struct spec {
    unsigned width;
    char align; /* '-' left, '=' centre, 0 right */
    char flag;
};

struct flag {
    char letter;
    void (*print)(struct line *line, const struct lk_log_record *record);
    const char *time_format; /* for strftime, instead of print */
};

static void put(struct line *line, struct lk_str s)
{
    size_t len = LK_MIN(s.len, (size_t)(line->end - line->at));

    if (len < s.len)
        line->cut = true;
    if (len > 0)
        memcpy(line->at, s.ptr, len);
    line->at += len;
}

/* With zeros in front up to `digits`. */
static void put_number(struct line *line, int digits, long long value)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%0*lld", digits, value);

    put(line, lk_str(text, (size_t)len));
}

/* Control bytes must not reach a terminal or break the line; a peer may have chosen them. */
static void put_escaped(struct line *line, struct lk_str text, bool json)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char wide[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        char byte[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

        if (c == '\n')
            put(line, LK_STR("\\n"));
        else if (c == '\r')
            put(line, LK_STR("\\r"));
        else if (json && c == '\t')
            put(line, LK_STR("\\t"));
        else if (json && (c == '"' || c == '\\'))
            put(line, lk_str((char[]){'\\', (char)c}, 2));
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            put(line, json ? lk_str(wide, sizeof(wide)) : lk_str(byte, sizeof(byte)));
        else
            put(line, lk_str(&text.ptr[i], 1));
    }
}

/* Local time of the record; the time zone's lock is taken once a second, not once a line. */
static const struct tm *local_time(int64_t wall_us)
{
    static _Thread_local time_t known = -1;
    static _Thread_local struct tm parts;
    time_t now = (time_t)(wall_us / 1000000);

    if (now != known) {
        localtime_r(&now, &parts);
        known = now;
    }
    return &parts;
}

/* The formats come from the table below and nowhere else. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put_time(struct line *line, const char *format, const struct tm *parts)
{
    char text[64];

    put(line, lk_str(text, strftime(text, sizeof(text), format, parts)));
}
#pragma GCC diagnostic pop

static void print_text(struct line *line, const struct lk_log_record *record)
{
    put_escaped(line, record->text, false);
    line->cut |= record->text_cut;
}

static void print_json(struct line *line, const struct lk_log_record *record)
{
    put_escaped(line, record->text, true);
    line->cut |= record->text_cut;
}

static void print_component(struct line *line, const struct lk_log_record *record)
{
    put(line, lk_str_from(lk_log_component_name(record->component)));
}

static void print_level(struct line *line, const struct lk_log_record *record)
{
    put(line, lk_str_from(lk_log_level_name(record->level)));
}

static void print_level_letter(struct line *line, const struct lk_log_record *record)
{
    char letter = lk_log_level_name(record->level)[0];

    put(line, lk_str((char[]){(char)(letter - 'a' + 'A')}, 1));
}

static void print_thread(struct line *line, const struct lk_log_record *record LK_UNUSED)
{
    static _Thread_local pid_t id;

    if (id == 0)
        id = gettid();
    put_number(line, 1, id);
}

static void print_process(struct line *line, const struct lk_log_record *record LK_UNUSED)
{
    put_number(line, 1, getpid());
}

static void print_millis(struct line *line, const struct lk_log_record *record)
{
    put_number(line, 3, record->wall_us / 1000 % 1000);
}

static void print_micros(struct line *line, const struct lk_log_record *record)
{
    put_number(line, 6, record->wall_us % 1000000);
}

static void print_nanos(struct line *line, const struct lk_log_record *record)
{
    put_number(line, 9, record->wall_us % 1000000 * 1000);
}

static void print_epoch(struct line *line, const struct lk_log_record *record)
{
    put_number(line, 1, record->wall_us / 1000000);
}

/* +02:00; strftime knows only +0200. */
static void print_zone(struct line *line, const struct lk_log_record *record)
{
    long minutes = local_time(record->wall_us)->tm_gmtoff / 60;
    long magnitude = minutes < 0 ? -minutes : minutes;

    put(line, minutes < 0 ? LK_STR("-") : LK_STR("+"));
    put_number(line, 2, magnitude / 60);
    put(line, LK_STR(":"));
    put_number(line, 2, magnitude % 60);
}

static struct lk_str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return lk_str_from(slash != NULL ? slash + 1 : path);
}

static void print_path(struct line *line, const struct lk_log_record *record)
{
    put(line, lk_str_from(record->place.file));
}

static void print_file(struct line *line, const struct lk_log_record *record)
{
    put(line, base_name(record->place.file));
}

static void print_line_number(struct line *line, const struct lk_log_record *record)
{
    put_number(line, 1, record->place.line);
}

static void print_function(struct line *line, const struct lk_log_record *record)
{
    put(line, lk_str_from(record->place.function));
}

static void print_place(struct line *line, const struct lk_log_record *record)
{
    print_file(line, record);
    put(line, LK_STR(":"));
    print_line_number(line, record);
}

static void print_percent(struct line *line, const struct lk_log_record *record LK_UNUSED)
{
    put(line, LK_STR("%"));
}

static void print_nothing(struct line *line LK_UNUSED, const struct lk_log_record *record LK_UNUSED)
{
}

static void print_default(struct line *line, const struct lk_log_record *record);

static const struct flag flags[] = {
    {'v', print_text, NULL},     {'_', print_text, NULL},
    {'j', print_json, NULL},     {'n', print_component, NULL},
    {'l', print_level, NULL},    {'L', print_level_letter, NULL},
    {'t', print_thread, NULL},   {'P', print_process, NULL},
    {'Y', NULL, "%Y"},           {'C', NULL, "%y"}, /* spdlog: the year in two digits */
    {'y', NULL, "%y"},           {'m', NULL, "%m"},
    {'d', NULL, "%d"},           {'H', NULL, "%H"},
    {'I', NULL, "%I"},           {'M', NULL, "%M"},
    {'S', NULL, "%S"},           {'p', NULL, "%p"},
    {'a', NULL, "%a"},           {'A', NULL, "%A"},
    {'b', NULL, "%b"},           {'B', NULL, "%B"},
    {'T', NULL, "%H:%M:%S"},     {'X', NULL, "%H:%M:%S"},
    {'R', NULL, "%H:%M"},        {'D', NULL, "%m/%d/%y"},
    {'e', print_millis, NULL},   {'f', print_micros, NULL},
    {'F', print_nanos, NULL},    {'E', print_epoch, NULL},
    {'z', print_zone, NULL},     {'g', print_path, NULL},
    {'s', print_file, NULL},     {'#', print_line_number, NULL},
    {'!', print_function, NULL}, {'@', print_place, NULL},
    {'%', print_percent, NULL},  {'^', print_nothing, NULL},
    {'$', print_nothing, NULL},  {'+', print_default, NULL},
};

static const struct flag *find_flag(char letter)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(flags); i++) {
        if (flags[i].letter == letter)
            return &flags[i];
    }
    return NULL;
}

/* Reads what follows a '%' and returns the place behind the flag. */
static const char *read_spec(const char *at, struct spec *spec)
{
    *spec = (struct spec){0};
    if (*at == '-' || *at == '=')
        spec->align = *at++;
    while (*at >= '0' && *at <= '9' && spec->width <= WIDTH_MAX)
        spec->width = spec->width * 10 + (unsigned)(*at++ - '0');
    spec->flag = *at;
    return *at != '\0' ? at + 1 : at;
}

bool lk_log_format_check(const char *format, struct lk_error *error)
{
    const char *at = format;

    while ((at = strchr(at, '%')) != NULL) {
        const char *start = at;
        struct spec spec;

        at = read_spec(at + 1, &spec);
        if (spec.flag == '\0')
            return lk_error_set(error, LK_ERROR_INVALID, "log format: '%s' at the end lacks its flag", start);
        if (find_flag(spec.flag) == NULL || spec.width > WIDTH_MAX)
            return lk_error_set(error, LK_ERROR_UNSUPPORTED, "log format: '%.*s' is not supported", (int)(at - start),
                                start);
    }
    return true;
}

/* Moves what was printed since `from` within a field of spec->width columns. */
static void pad(struct line *line, char *from, const struct spec *spec)
{
    size_t len = (size_t)(line->at - from);
    size_t fill = spec->width > len ? spec->width - len : 0;
    size_t before = spec->align == '-' ? 0 : spec->align == '=' ? fill / 2 : fill;

    if (fill == 0)
        return;
    if (fill > (size_t)(line->end - line->at)) {
        line->cut = true;
        return;
    }
    memmove(from + before, from, len);
    memset(from, ' ', before);
    memset(from + before + len, ' ', fill - before);
    line->at += fill;
}

static void print_spec(struct line *line, const struct spec *spec, const struct lk_log_record *record)
{
    const struct flag *flag = find_flag(spec->flag);
    char *from = line->at;

    if (flag == NULL)
        return;
    if (flag->print != NULL)
        flag->print(line, record);
    else
        put_time(line, flag->time_format, local_time(record->wall_us));
    pad(line, from, spec);
}

static void print_format(struct line *line, const char *format, const struct lk_log_record *record)
{
    const char *at = format;

    while (*at != '\0') {
        size_t plain = strcspn(at, "%");
        struct spec spec;

        put(line, lk_str(at, plain));
        at += plain;
        if (*at == '\0')
            break;
        at = read_spec(at + 1, &spec);
        print_spec(line, &spec, record);
    }
}

static void print_default(struct line *line, const struct lk_log_record *record)
{
    print_format(line, LK_LOG_FORMAT_DEFAULT, record);
}

size_t lk_log_format_line(const char *format, const struct lk_log_record *record, char out[LK_LOG_LINE_MAX])
{
    struct line line = {.start = out, .at = out, .end = out + LK_LOG_LINE_MAX - sizeof(CUT_MARK)};

    print_format(&line, format, record);
    line.end = out + LK_LOG_LINE_MAX;
    if (line.cut)
        put(&line, LK_STR(CUT_MARK));
    put(&line, LK_STR("\n"));
    return (size_t)(line.at - line.start);
}
