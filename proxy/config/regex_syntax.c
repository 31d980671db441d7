/* The main loop of the RE2 to PCRE2 translator: groups, repetition, anchors, quoting. */
#include "proxy/config/regex_syntax.h"

#include "proxy/base/mem.h"
#include "proxy/config/regex_scan.h"

#define PATTERN_MAX ((size_t)32 * 1024)

bool lk_regex_fail(struct lk_regex_scan *scan, const char *what)
{
    return lk_error_set(scan->error, LK_ERROR_INVALID, "invalid regex '%.*s': %s at offset %zu",
                        (int)LK_MIN(scan->in.len, (size_t)200), scan->in.ptr, what, scan->pos);
}

void lk_regex_emit(struct lk_regex_scan *scan, const char *text, size_t len)
{
    struct lk_regex_pattern *out = scan->out;

    out->text = lk_grow(out->text, &out->cap, out->len + len, 1);
    memcpy(out->text + out->len, text, len);
    out->len += len;
}

void lk_regex_emit_char(struct lk_regex_scan *scan, uint32_t c)
{
    char text[16];
    unsigned char lower = c < 0x80 ? lk_ascii_lower((unsigned char)c) : 0;
    int n;

    if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_')
        n = snprintf(text, sizeof(text), "%c", (int)c);
    else if (c > 0x20 && c < 0x7f)
        n = snprintf(text, sizeof(text), "\\%c", (int)c);
    else
        n = snprintf(text, sizeof(text), "\\x{%x}", (unsigned)c);
    lk_regex_emit(scan, text, (size_t)n);
}

static void end_atom(struct lk_regex_scan *scan, unsigned repeat)
{
    unsigned *group = &scan->group_repeat[scan->depth];

    scan->last = LK_REGEX_LAST_ATOM;
    scan->atom_repeat = repeat;
    *group = LK_MAX(*group, repeat);
}

static bool open_group(struct lk_regex_scan *scan, const char *text, size_t len)
{
    if (scan->depth == LK_REGEX_DEPTH_MAX)
        return lk_regex_fail(scan, "nested too deeply");
    lk_regex_emit(scan, text, len);
    scan->depth++;
    scan->group_repeat[scan->depth] = 1;
    scan->last = LK_REGEX_LAST_NONE;
    return true;
}

static bool close_group(struct lk_regex_scan *scan)
{
    if (scan->depth == 0)
        return lk_regex_fail(scan, "unexpected )");
    unsigned repeat = scan->group_repeat[scan->depth];

    scan->pos++;
    scan->depth--;
    lk_regex_emit(scan, ")", 1);
    end_atom(scan, repeat);
    return true;
}

/* (?P<name> or (?<name>; the name is of no use to us and PCRE2's rules for names are narrower, so it is dropped. */
static bool named_group(struct lk_regex_scan *scan, size_t name_at)
{
    struct lk_str rest = lk_str_drop(scan->in, name_at);
    size_t len = lk_str_find_byte(rest, '>');

    if (len == 0 || len == rest.len)
        return lk_regex_fail(scan, "invalid named capture group");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = lk_ascii_lower((unsigned char)rest.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80))
            return lk_regex_fail(scan, "invalid named capture group");
    }
    scan->pos = name_at + len + 1;
    scan->out->groups++;
    return open_group(scan, "(", 1);
}

/* (?i) (?i-s:...) (?:...); pos is at the question mark. */
static bool flag_group(struct lk_regex_scan *scan)
{
    size_t at = scan->pos + 1;
    bool minus = false;
    bool flag = true;

    for (; at < scan->in.len; at++) {
        char c = scan->in.ptr[at];

        if (c == ':' || c == ')')
            break;
        if (c == '-' && !minus) {
            minus = true;
            flag = false;
        } else if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            flag = true;
        } else {
            return lk_regex_fail(scan, "a group of a kind that is not part of RE2");
        }
    }
    if (at == scan->in.len || !flag)
        return lk_regex_fail(scan, "missing argument of (?");
    const char *text = scan->in.ptr + scan->pos - 1;
    size_t len = at + 1 - (scan->pos - 1);

    scan->pos = at + 1;
    if (scan->in.ptr[at] == ':')
        return open_group(scan, text, len);
    lk_regex_emit(scan, text, len);
    scan->last = LK_REGEX_LAST_NONE;
    return true;
}

static bool group(struct lk_regex_scan *scan)
{
    scan->pos++;
    if (lk_regex_peek(scan, 0) != '?') {
        scan->out->groups++;
        return open_group(scan, "(", 1);
    }
    unsigned char kind = lk_regex_peek(scan, 1);
    unsigned char next = lk_regex_peek(scan, 2);

    if (kind == 'P' && next == '<')
        return named_group(scan, scan->pos + 3);
    if (kind == '<' && next != '=' && next != '!')
        return named_group(scan, scan->pos + 2);
    if (kind == '=' || kind == '!') {
        if (!scan->look_ahead)
            return lk_regex_fail(scan, "look-ahead is not part of RE2");
        scan->pos += 2;
        return open_group(scan, kind == '=' ? "(?=" : "(?!", 3);
    }
    if (kind == '<')
        return lk_regex_fail(scan, "look-behind is not part of RE2");
    return flag_group(scan);
}

static bool number(struct lk_str in, size_t *at, unsigned *out)
{
    size_t start = *at;
    unsigned value = 0;

    while (*at < in.len && in.ptr[*at] >= '0' && in.ptr[*at] <= '9') {
        value = LK_MIN(value * 10 + (unsigned)(in.ptr[*at] - '0'), 1000000u);
        (*at)++;
    }
    *out = value;
    return *at > start;
}

/* {n} {n,} {n,m}; anything else is a literal brace. Returns the offset behind it, 0 if it is none. */
static size_t counted_repeat(const struct lk_regex_scan *scan, unsigned *low, unsigned *high)
{
    size_t at = scan->pos + 1;

    if (!number(scan->in, &at, low))
        return 0;
    *high = *low;
    if (at < scan->in.len && scan->in.ptr[at] == ',') {
        at++;
        if (!number(scan->in, &at, high))
            *high = 0;
        else if (*high < *low)
            *low = LK_REGEX_REPEAT_MAX + 1;
    }
    return at < scan->in.len && scan->in.ptr[at] == '}' ? at + 1 : 0;
}

static bool repeat(struct lk_regex_scan *scan, size_t end, unsigned count)
{
    if (scan->last == LK_REGEX_LAST_NONE)
        return lk_regex_fail(scan, "no argument for repetition operator");
    if (scan->last == LK_REGEX_LAST_REPEAT)
        return lk_regex_fail(scan, "bad repetition operator (possessive and stacked ones are not part of RE2)");
    if (count > LK_REGEX_REPEAT_MAX || scan->atom_repeat * LK_MAX(count, 1u) > LK_REGEX_REPEAT_MAX)
        return lk_regex_fail(scan, "invalid repetition size");
    lk_regex_emit(scan, scan->in.ptr + scan->pos, end - scan->pos);
    scan->pos = end;
    end_atom(scan, scan->atom_repeat * LK_MAX(count, 1u));
    scan->last = LK_REGEX_LAST_REPEAT;
    if (lk_regex_peek(scan, 0) == '?') {
        lk_regex_emit(scan, "?", 1);
        scan->pos++;
    }
    return true;
}

static bool brace(struct lk_regex_scan *scan)
{
    unsigned low = 0;
    unsigned high = 0;
    size_t end = counted_repeat(scan, &low, &high);

    if (end != 0)
        return repeat(scan, end, LK_MAX(low, high));
    lk_regex_emit(scan, "\\{", 2);
    scan->pos++;
    end_atom(scan, 1);
    return true;
}

/* \Q...\E: everything between is literal. */
static bool quoted(struct lk_regex_scan *scan)
{
    struct lk_str rest = lk_str_drop(scan->in, scan->pos);
    size_t len = LK_MIN(lk_str_find(rest, LK_STR("\\E")), rest.len);
    size_t end = scan->pos + len;
    uint32_t c;

    while (scan->pos < end) {
        if (!lk_regex_next_char(scan, &c))
            return false;
        lk_regex_emit_char(scan, c);
        end_atom(scan, 1);
    }
    scan->pos = LK_MIN(end + 2, scan->in.len);
    return true;
}

/* An assertion; PCRE2 repeats none unless it is in a group. */
static void anchor(struct lk_regex_scan *scan, size_t len)
{
    const char *text = scan->in.ptr + scan->pos;
    unsigned low;
    unsigned high;

    scan->pos += len;
    unsigned char next = lk_regex_peek(scan, 0);
    bool repeated =
        next == '*' || next == '+' || next == '?' || (next == '{' && counted_repeat(scan, &low, &high) != 0);

    if (repeated)
        lk_regex_emit(scan, "(?:", 3);
    lk_regex_emit(scan, text, len);
    if (repeated)
        lk_regex_emit(scan, ")", 1);
    end_atom(scan, 1);
}

static bool escape(struct lk_regex_scan *scan)
{
    uint32_t c;

    scan->pos++;
    switch (lk_regex_peek(scan, 0)) {
    case 'Q':
        scan->pos++;
        return quoted(scan);
    case 'A':
    case 'b':
    case 'B':
    case 'z':
        scan->pos--;
        anchor(scan, 2);
        return true;
    case 'C':
        return lk_regex_fail(scan, "\\C (a single byte) is not supported");
    default:
        if (lk_regex_at_class_escape(scan)) {
            if (!lk_regex_class_escape(scan, false))
                return false;
            break;
        }
        if (!lk_regex_escaped_char(scan, &c))
            return false;
        lk_regex_emit_char(scan, c);
        break;
    }
    end_atom(scan, 1);
    return true;
}

static bool literal(struct lk_regex_scan *scan)
{
    uint32_t c;

    if (!lk_regex_next_char(scan, &c))
        return false;
    lk_regex_emit_char(scan, c);
    end_atom(scan, 1);
    return true;
}

static bool step(struct lk_regex_scan *scan)
{
    switch (lk_regex_peek(scan, 0)) {
    case '\\':
        return escape(scan);
    case '[':
        scan->pos++;
        if (!lk_regex_brackets(scan))
            return false;
        end_atom(scan, 1);
        return true;
    case '(':
        return group(scan);
    case ')':
        return close_group(scan);
    case '*':
    case '+':
    case '?':
        return repeat(scan, scan->pos + 1, 1);
    case '{':
        return brace(scan);
    case '|':
        lk_regex_emit(scan, "|", 1);
        scan->pos++;
        scan->last = LK_REGEX_LAST_NONE;
        return true;
    case '^':
    case '$':
        anchor(scan, 1);
        return true;
    case '.':
        lk_regex_emit(scan, scan->in.ptr + scan->pos, 1);
        scan->pos++;
        end_atom(scan, 1);
        return true;
    default:
        return literal(scan);
    }
}

bool lk_regex_translate(struct lk_str pattern, bool look_ahead, struct lk_regex_pattern *out, struct lk_error *error)
{
    struct lk_regex_scan scan = {.in = pattern, .out = out, .error = error, .look_ahead = look_ahead};

    *out = (struct lk_regex_pattern){0};
    scan.group_repeat[0] = 1;
    if (pattern.len > PATTERN_MAX)
        return lk_error_set(error, LK_ERROR_LIMIT, "regex of %zu bytes is longer than %zu", pattern.len, PATTERN_MAX);
    while (lk_regex_more(&scan))
        if (!step(&scan))
            return false;
    if (scan.depth > 0)
        return lk_regex_fail(&scan, "missing )");
    lk_regex_emit(&scan, "", 1);
    out->len--;
    return true;
}
