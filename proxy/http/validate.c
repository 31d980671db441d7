/* Byte classes and the rules for the parts of a message. See validate.h. */
#include "proxy/http/validate.h"

#include "proxy/base/mem.h"
#include "proxy/http/header_names.h"

#define T LK_CHAR_TOKEN
#define V LK_CHAR_VALUE
#define R LK_CHAR_TARGET
#define A LK_CHAR_AUTHORITY
#define H LK_CHAR_HOST
#define X LK_CHAR_HEX
#define D LK_CHAR_DIGIT

#define LETTER (T | V | R | A | H)
#define HEXLETTER (LETTER | X)
#define DIGIT (LETTER | X | D)

/* clang-format off */
const uint8_t lk_char_classes[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T | V | R | A, ['"'] = V | R, ['#'] = T | V | R, ['$'] = T | V | R | A, ['%'] = T | V | R | A,
    ['&'] = T | V | R | A, ['\''] = T | V | R | A, ['('] = V | R | A, [')'] = V | R | A, ['*'] = T | V | R | A,
    ['+'] = T | V | R | A, [','] = V | R | A, ['-'] = LETTER, ['.'] = LETTER, ['/'] = V | R,
    ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT,
    ['5'] = DIGIT, ['6'] = DIGIT, ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
    [':'] = V | R | A, [';'] = V | R | A, ['<'] = V | R, ['='] = V | R | A, ['>'] = V | R, ['?'] = V | R, ['@'] = V | R | A,
    ['A'] = HEXLETTER, ['B'] = HEXLETTER, ['C'] = HEXLETTER, ['D'] = HEXLETTER, ['E'] = HEXLETTER, ['F'] = HEXLETTER,
    ['G' ... 'Z'] = LETTER,
    ['['] = V | R | A, ['\\'] = V | R, [']'] = V | R | A, ['^'] = T | V | R, ['_'] = T | V | R | A, ['`'] = T | V | R,
    ['a'] = HEXLETTER, ['b'] = HEXLETTER, ['c'] = HEXLETTER, ['d'] = HEXLETTER, ['e'] = HEXLETTER, ['f'] = HEXLETTER,
    ['g' ... 'z'] = LETTER,
    ['{'] = V | R, ['|'] = T | V | R, ['}'] = V | R, ['~'] = T | V | R | A,
    [0x80 ... 0xff] = V,
};
/* clang-format on */

size_t lk_str_span_class(struct lk_str s, enum lk_char_class class)
{
    size_t i = 0;
    while (i < s.len && lk_char_is(s.ptr[i], class))
        i++;
    return i;
}

bool lk_header_name_valid(struct lk_str name)
{
    return name.len > 0 && lk_str_span_class(name, LK_CHAR_TOKEN) == name.len;
}

bool lk_header_value_valid(struct lk_str value)
{
    return lk_str_span_class(value, LK_CHAR_VALUE) == value.len;
}

bool lk_authority_valid(struct lk_str authority)
{
    return lk_str_span_class(authority, LK_CHAR_AUTHORITY) == authority.len;
}

static bool ipv6_literal_valid(struct lk_str s)
{
    size_t colons = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ':')
            colons++;
        else if (s.ptr[i] != '.' && !lk_char_is(s.ptr[i], LK_CHAR_HEX))
            return false;
    }
    return colons >= 2;
}

static bool port_valid(struct lk_str port)
{
    uint64_t number;
    return port.len > 0 && lk_str_span_class(port, LK_CHAR_DIGIT) == port.len && lk_str_to_u64(port, &number) &&
           number <= 65535;
}

bool lk_host_port_valid(struct lk_str authority)
{
    size_t host_len;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        host_len = lk_str_find_byte(authority, ']');
        if (host_len == authority.len || !ipv6_literal_valid(lk_str(authority.ptr + 1, host_len - 1)))
            return false;
        host_len++;
    } else {
        host_len = lk_str_span_class(authority, LK_CHAR_HOST);
        if (host_len == 0)
            return false;
    }
    struct lk_str rest = lk_str_drop(authority, host_len);
    return rest.len == 0 || (rest.ptr[0] == ':' && port_valid(lk_str_drop(rest, 1)));
}

static bool method_is_common(struct lk_str m)
{
    return lk_str_eq(m, LK_STR("GET")) || lk_str_eq(m, LK_STR("POST")) || lk_str_eq(m, LK_STR("PUT")) ||
           lk_str_eq(m, LK_STR("HEAD"));
}

bool lk_method_known(struct lk_str method)
{
    static const struct lk_str others[] = {
        LK_STR_INIT("DELETE"),    LK_STR_INIT("OPTIONS"), LK_STR_INIT("PATCH"),       LK_STR_INIT("CONNECT"),
        LK_STR_INIT("TRACE"),     LK_STR_INIT("QUERY"),   LK_STR_INIT("ACL"),         LK_STR_INIT("BIND"),
        LK_STR_INIT("CHECKOUT"),  LK_STR_INIT("COPY"),    LK_STR_INIT("LINK"),        LK_STR_INIT("LOCK"),
        LK_STR_INIT("MERGE"),     LK_STR_INIT("MKCOL"),   LK_STR_INIT("MKACTIVITY"),  LK_STR_INIT("MKCALENDAR"),
        LK_STR_INIT("MOVE"),      LK_STR_INIT("MSEARCH"), LK_STR_INIT("NOTIFY"),      LK_STR_INIT("PROPFIND"),
        LK_STR_INIT("PROPPATCH"), LK_STR_INIT("PURGE"),   LK_STR_INIT("REBIND"),      LK_STR_INIT("REPORT"),
        LK_STR_INIT("SEARCH"),    LK_STR_INIT("SOURCE"),  LK_STR_INIT("SUBSCRIBE"),   LK_STR_INIT("UNBIND"),
        LK_STR_INIT("UNLINK"),    LK_STR_INIT("UNLOCK"),  LK_STR_INIT("UNSUBSCRIBE"),
    };
    if (method_is_common(method))
        return true;
    for (size_t i = 0; i < LK_ARRAY_LEN(others); i++)
        if (lk_str_eq(method, others[i]))
            return true;
    return false;
}

bool lk_content_length_parse(struct lk_str value, uint64_t *out)
{
    if (value.len == 0 || lk_str_span_class(value, LK_CHAR_DIGIT) != value.len)
        return false;
    uint64_t total = 0;
    for (size_t i = 0; i < value.len; i++) {
        uint64_t digit = (uint64_t)(value.ptr[i] - '0');
        if (total > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        total = total * 10 + digit;
    }
    *out = total;
    return true;
}

bool lk_trailer_allowed(unsigned header_id)
{
    switch (header_id) {
    case LK_HEADER_AUTHORITY:
    case LK_HEADER_AUTHORIZATION:
    case LK_HEADER_CONNECTION:
    case LK_HEADER_CONTENT_LENGTH:
    case LK_HEADER_CONTENT_TYPE:
    case LK_HEADER_COOKIE:
    case LK_HEADER_EXPECT:
    case LK_HEADER_HTTP2_SETTINGS:
    case LK_HEADER_KEEP_ALIVE:
    case LK_HEADER_PROXY_AUTHENTICATE:
    case LK_HEADER_PROXY_CONNECTION:
    case LK_HEADER_SET_COOKIE:
    case LK_HEADER_TE:
    case LK_HEADER_TRAILER:
    case LK_HEADER_TRANSFER_ENCODING:
    case LK_HEADER_UPGRADE:
        return false;
    default:
        return header_id > LK_HEADER_PROTOCOL;
    }
}
