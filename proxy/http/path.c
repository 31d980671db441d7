/* Request targets: normalisation as Envoy does it, and the pieces a router needs. See path.h. Pure functions. */
#include "proxy/http/path.h"

#include "proxy/http/validate.h"

struct lk_str lk_path_only(struct lk_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '?' || path.ptr[i] == '#')
            return lk_str(path.ptr, i);
    return path;
}

struct lk_str lk_path_query(struct lk_str path)
{
    size_t fragment = lk_str_find_byte(path, '#');
    struct lk_str before = lk_str(path.ptr, fragment);
    return lk_str_drop(before, lk_str_find_byte(before, '?') + 1);
}

bool lk_query_get(struct lk_str query, struct lk_str name, struct lk_str *value)
{
    if (query.len == 0)
        return false;
    while (query.ptr != NULL) {
        struct lk_str pair = lk_str_split(&query, '&');
        size_t eq = lk_str_find_byte(pair, '=');
        if (lk_str_eq(lk_str(pair.ptr, eq), name) && pair.len > 0) {
            *value = lk_str_drop(pair, eq + 1);
            return true;
        }
    }
    return false;
}

void lk_host_split(struct lk_str authority, struct lk_str *host, struct lk_str *port)
{
    size_t from = 0;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        size_t close = lk_str_find_byte(authority, ']');
        from = close < authority.len ? close : 0;
    }
    size_t colon = authority.len;
    for (size_t i = from; i < authority.len && colon == authority.len; i++)
        if (authority.ptr[i] == ':')
            colon = i;
    *host = lk_str(authority.ptr, colon);
    *port = lk_str_drop(authority, colon + 1);
}

static int hex_value(char c)
{
    if (!lk_char_is(c, LK_CHAR_HEX))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The byte that the escape at s[i] stands for, or -1 when there is no complete escape. */
static int escape_at(struct lk_str s, size_t i)
{
    if (s.ptr[i] != '%' || i + 2 >= s.len)
        return -1;
    int high = hex_value(s.ptr[i + 1]);
    int low = hex_value(s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct lk_str lk_percent_decode(struct lk_arena *arena, struct lk_str s)
{
    char *out = lk_arena_alloc(arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int byte = escape_at(s, i);
        out[len++] = byte < 0 ? s.ptr[i] : (char)byte;
        i += byte < 0 ? 0 : 2;
    }
    return lk_str(out, len);
}

static char *put_escape(char *to, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    *to++ = '%';
    *to++ = digits[byte >> 4];
    *to++ = digits[byte & 15];
    return to;
}

struct lk_str lk_percent_encode(struct lk_arena *arena, struct lk_str s, const char *also)
{
    char *out = lk_arena_alloc(arena, s.len * 3 + 1);
    char *to = out;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c >= 0x7f || (also != NULL && strchr(also, c) != NULL))
            to = put_escape(to, c);
        else
            *to++ = (char)c;
    }
    return lk_str(out, (size_t)(to - out));
}

/* A path being rewritten in place: never longer than 3 times its first form. */
struct draft {
    char *bytes;
    size_t len;
    bool changed;
};

/* %2F and %5C become the bytes they stand for. */
static bool unescape_slashes(struct draft *d)
{
    struct lk_str s = lk_str(d->bytes, d->len);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int byte = escape_at(s, i);
        bool slash = byte == '/' || byte == '\\';
        d->bytes[len++] = slash ? (char)byte : s.ptr[i];
        i += slash ? 2 : 0;
    }
    bool found = len != d->len;
    d->len = len;
    d->changed |= found;
    return found;
}

/* One byte of a segment in canonical form: escapes of unreserved bytes are resolved, what may not stand in a path is
 * escaped. Returns how many input bytes were used, 0 for an escaped or raw NUL. */
static size_t canonical_byte(struct lk_str s, size_t i, char **to)
{
    int byte = escape_at(s, i);
    if (byte == 0 || s.ptr[i] == '\0')
        return 0;
    if (byte > 0) {
        bool unreserved = lk_char_is((char)byte, LK_CHAR_HOST) || byte == '_' || byte == '~';
        if (unreserved)
            *(*to)++ = (char)byte;
        else
            for (size_t k = 0; k < 3; k++)
                *(*to)++ = s.ptr[i + k];
        return 3;
    }
    unsigned char c = (unsigned char)s.ptr[i];
    if (c <= 0x20 || c >= 0x7f || strchr("\"<>^`{|}", c) != NULL)
        *to = put_escape(*to, c);
    else
        *(*to)++ = (char)c;
    return 1;
}

/* The segment that begins at `start` of the output has ended: drops it when it is "." or "..", with the one before. */
static char *close_segment(char *out, char *start, char *to, bool *dot)
{
    size_t len = (size_t)(to - start);
    *dot = (len == 1 && start[0] == '.') || (len == 2 && start[0] == '.' && start[1] == '.');
    if (!*dot)
        return to;
    if (len == 1 || start == out + 1)
        return start;
    to = start - 1;
    while (to[-1] != '/')
        to--;
    return to;
}

/* RFC 3986 6.2.2 and 5.2.4, with '\' read as '/', as browsers and Envoy do. False: the path holds a NUL. */
static bool canonicalize(struct lk_arena *arena, struct draft *d)
{
    struct lk_str in = lk_str(d->bytes, d->len);
    char *out = lk_arena_alloc(arena, in.len * 3 + 1);
    char *to = out;
    char *segment = out + 1;
    *to++ = '/';
    for (size_t i = 1; i <= in.len;) {
        bool end = i == in.len;
        if (!end && in.ptr[i] != '/' && in.ptr[i] != '\\') {
            size_t used = canonical_byte(in, i, &to);
            if (used == 0)
                return false;
            i += used;
            continue;
        }
        bool dot;
        to = close_segment(out, segment, to, &dot);
        if (!dot && !end)
            *to++ = '/';
        segment = to;
        i++;
    }
    size_t len = (size_t)(to - out);
    d->changed |= len != in.len || memcmp(out, in.ptr, len) != 0;
    d->bytes = out;
    d->len = len;
    return true;
}

/* Envoy's merge: a path of slashes alone keeps two of them. */
static void merge_slashes(struct draft *d)
{
    bool only_slashes = true;
    size_t len = 0;
    for (size_t i = 0; i < d->len; i++) {
        only_slashes &= d->bytes[i] == '/';
        if (d->bytes[i] != '/' || len == 0 || d->bytes[len - 1] != '/')
            d->bytes[len++] = d->bytes[i];
    }
    if (only_slashes && d->len > 1)
        d->bytes[len++] = '/';
    d->changed |= len != d->len;
    d->len = len;
}

/* Most paths hold nothing that any of the options could change. */
static bool is_plain(struct lk_str path)
{
    char before = 'x';
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        bool plain = c == '/' ? before != '/' : lk_char_is(c, LK_CHAR_AUTHORITY) && c != '%';
        if (!plain || (c == '.' && before == '/'))
            return false;
        before = c;
    }
    return true;
}

enum lk_path_result lk_path_normalize(struct lk_arena *arena, struct lk_str path, bool normalize, bool merge,
                                      enum lk_escaped_slash_action action, struct lk_str *out)
{
    if (lk_str_find_byte(path, '#') < path.len)
        return LK_PATH_REJECT;
    bool work = normalize || merge || action != LK_SLASH_KEEP;
    if (!work || path.len == 0 || path.ptr[0] != '/')
        return LK_PATH_OK;
    struct lk_str only = lk_path_only(path);
    if (is_plain(only))
        return LK_PATH_OK;
    struct draft d = {lk_arena_alloc(arena, only.len + 1), only.len, false};
    memcpy(d.bytes, only.ptr, only.len);
    bool redirect = false;
    if (action != LK_SLASH_KEEP && unescape_slashes(&d)) {
        if (action == LK_SLASH_REJECT)
            return LK_PATH_REJECT;
        redirect = action == LK_SLASH_UNESCAPE_REDIRECT;
    }
    if (normalize && !canonicalize(arena, &d))
        return LK_PATH_REJECT;
    if (merge)
        merge_slashes(&d);
    if (!d.changed)
        return LK_PATH_OK;
    size_t rest = path.len - only.len;
    char *bytes = lk_arena_alloc(arena, d.len + rest + 1);
    memcpy(bytes, d.bytes, d.len);
    memcpy(bytes + d.len, path.ptr + only.len, rest);
    *out = lk_str(bytes, d.len + rest);
    return redirect ? LK_PATH_REDIRECT : LK_PATH_CHANGED;
}
