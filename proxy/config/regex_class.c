/* Characters, escapes and bracket expressions of RE2's pattern language, rewritten for PCRE2. */
#include "proxy/config/regex_scan.h"

#include "proxy/base/mem.h"

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lk_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_octal(unsigned char c)
{
    return c >= '0' && c <= '7';
}

static bool is_word(unsigned char c)
{
    unsigned char lower = lk_ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Length of the UTF-8 sequence that a lead byte announces, 0 for a byte that cannot lead. */
static unsigned sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

bool lk_regex_next_char(struct lk_regex_scan *scan, uint32_t *c)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = lk_regex_peek(scan, 0);
    unsigned len = sequence_length(lead);

    if (len == 0 || scan->pos + len > scan->in.len)
        return lk_regex_fail(scan, "invalid UTF-8");
    *c = len == 1 ? lead : lead & (0x7fu >> len);
    for (unsigned i = 1; i < len; i++) {
        unsigned char next = lk_regex_peek(scan, i);

        if ((next & 0xc0) != 0x80)
            return lk_regex_fail(scan, "invalid UTF-8");
        *c = (*c << 6) | (next & 0x3f);
    }
    if (*c < smallest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
        return lk_regex_fail(scan, "invalid UTF-8");
    scan->pos += len;
    return true;
}

static bool hex_escape(struct lk_regex_scan *scan, uint32_t *c)
{
    uint32_t value = 0;
    unsigned digits = 0;
    bool braces = lk_regex_peek(scan, 0) == '{';

    scan->pos += braces;
    while (digits < (braces ? 8u : 2u) && hex_value(lk_regex_peek(scan, 0)) >= 0) {
        value = value * 16 + (uint32_t)hex_value(lk_regex_peek(scan, 0));
        scan->pos++;
        digits++;
    }
    if (digits == 0 || (!braces && digits != 2) || (braces && lk_regex_peek(scan, 0) != '}') || value > 0x10ffff ||
        (value >= 0xd800 && value <= 0xdfff))
        return lk_regex_fail(scan, "invalid \\x escape");
    scan->pos += braces;
    *c = value;
    return true;
}

static bool octal_escape(struct lk_regex_scan *scan, unsigned char first, uint32_t *c)
{
    if (first != '0' && !is_octal(lk_regex_peek(scan, 0)))
        return lk_regex_fail(scan, "back-references are not part of RE2");
    *c = (uint32_t)(first - '0');
    for (int i = 0; i < 2 && is_octal(lk_regex_peek(scan, 0)); i++)
        *c = *c * 8 + (uint32_t)(scan->in.ptr[scan->pos++] - '0');
    return true;
}

bool lk_regex_escaped_char(struct lk_regex_scan *scan, uint32_t *c)
{
    static const char names[] = "antrfv";
    static const char values[] = "\a\n\t\r\f\v";
    unsigned char first = lk_regex_peek(scan, 0);

    if (!lk_regex_more(scan))
        return lk_regex_fail(scan, "trailing backslash");
    if (first < 0x80 && (!is_word(first) || first == '_')) {
        scan->pos++;
        *c = first;
        return true;
    }
    if (is_octal(first)) {
        scan->pos++;
        return octal_escape(scan, first, c);
    }
    if (first == 'x') {
        scan->pos++;
        return hex_escape(scan, c);
    }
    for (size_t i = 0; i < sizeof(names) - 1; i++) {
        if (first == (unsigned char)names[i]) {
            scan->pos++;
            *c = (unsigned char)values[i];
            return true;
        }
    }
    return lk_regex_fail(scan, "invalid escape sequence");
}

bool lk_regex_at_class_escape(const struct lk_regex_scan *scan)
{
    unsigned char c = lk_regex_peek(scan, 0);

    return c != 0 && strchr("dDsSwWpP", c) != NULL;
}

/* \pL, \p{Greek}, \P{^Lu}: only plain names reach PCRE2, as scripts and not as script extensions. */
static bool property_escape(struct lk_regex_scan *scan, bool negated)
{
    char text[64];
    size_t start = scan->pos;
    size_t len = 1;

    if (lk_regex_peek(scan, 0) == '{') {
        start++;
        if (lk_regex_peek(scan, 1) == '^') {
            start++;
            negated = !negated;
        }
        len = lk_str_find_byte(lk_str_drop(scan->in, start), '}');
        scan->pos = start + len + 1;
    } else {
        scan->pos++;
    }
    if (scan->pos > scan->in.len || len == 0 || len > 32)
        return lk_regex_fail(scan, "invalid \\p escape");
    for (size_t i = 0; i < len; i++)
        if (!is_word((unsigned char)scan->in.ptr[start + i]))
            return lk_regex_fail(scan, "invalid \\p escape");
    bool script = len > 2 && !lk_str_eq(lk_str(scan->in.ptr + start, len), LK_STR("Any"));
    int n = snprintf(text, sizeof(text), "\\%c{%s%.*s}", negated ? 'P' : 'p', script ? "sc:" : "", (int)len,
                     scan->in.ptr + start);
    lk_regex_emit(scan, text, (size_t)n);
    return true;
}

bool lk_regex_class_escape(struct lk_regex_scan *scan, bool in_brackets)
{
    /* PCRE2's \s has the vertical tab, RE2's has not. */
    static const char space[] = "\\x09\\x0a\\x0c\\x0d\\x20";
    static const char not_space[] = "\\x00-\\x08\\x0b\\x0e-\\x1f\\x21-\\x{10ffff}";
    char letter = scan->in.ptr[scan->pos++];
    char plain[3] = {'\\', letter, 0};
    const char *body = letter == 's' ? space : letter == 'S' ? not_space : plain;

    if (letter == 'p' || letter == 'P')
        return property_escape(scan, letter == 'P');
    bool wrap = !in_brackets && body != plain;
    if (wrap)
        lk_regex_emit(scan, "[", 1);
    lk_regex_emit(scan, body, strlen(body));
    if (wrap)
        lk_regex_emit(scan, "]", 1);
    return true;
}

/* [:alpha:] or [:^alpha:] at pos. */
static bool named_class(struct lk_regex_scan *scan)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
                                        "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
    struct lk_str rest = lk_str_drop(scan->in, scan->pos + 2);
    size_t len = lk_str_find(rest, LK_STR(":]"));
    struct lk_str name = lk_str(rest.ptr, len);

    if (len > 0 && name.ptr[0] == '^')
        name = lk_str_drop(name, 1);
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        if (lk_str_eq(name, lk_str_from(names[i]))) {
            lk_regex_emit(scan, scan->in.ptr + scan->pos, len + 4);
            scan->pos += len + 4;
            return true;
        }
    }
    return lk_regex_fail(scan, "unknown character class name");
}

static bool bracket_char(struct lk_regex_scan *scan, uint32_t *c)
{
    if (lk_regex_peek(scan, 0) != '\\')
        return lk_regex_next_char(scan, c);
    scan->pos++;
    return lk_regex_escaped_char(scan, c);
}

static bool bracket_range(struct lk_regex_scan *scan)
{
    uint32_t low = 0;
    uint32_t high = 0;

    if (!bracket_char(scan, &low))
        return false;
    lk_regex_emit_char(scan, low);
    if (lk_regex_peek(scan, 0) != '-' || lk_regex_peek(scan, 1) == ']' || scan->pos + 1 >= scan->in.len)
        return true;
    scan->pos++;
    if (!bracket_char(scan, &high))
        return false;
    if (high < low)
        return lk_regex_fail(scan, "invalid character class range");
    lk_regex_emit(scan, "-", 1);
    lk_regex_emit_char(scan, high);
    return true;
}

static bool bracket_item(struct lk_regex_scan *scan)
{
    if (lk_regex_peek(scan, 0) == '[' && lk_regex_peek(scan, 1) == ':') {
        struct lk_str rest = lk_str_drop(scan->in, scan->pos + 2);

        if (lk_str_find(rest, LK_STR(":]")) <= rest.len)
            return named_class(scan);
    }
    if (lk_regex_peek(scan, 0) == '\\') {
        scan->pos++;
        if (lk_regex_at_class_escape(scan))
            return lk_regex_class_escape(scan, true);
        scan->pos--;
    }
    return bracket_range(scan);
}

bool lk_regex_brackets(struct lk_regex_scan *scan)
{
    bool first = true;

    lk_regex_emit(scan, "[", 1);
    if (lk_regex_peek(scan, 0) == '^') {
        lk_regex_emit(scan, "^", 1);
        scan->pos++;
    }
    while (lk_regex_more(scan) && (first || lk_regex_peek(scan, 0) != ']')) {
        if (!bracket_item(scan))
            return false;
        first = false;
    }
    if (!lk_regex_more(scan))
        return lk_regex_fail(scan, "missing closing ]");
    scan->pos++;
    lk_regex_emit(scan, "]", 1);
    return true;
}
