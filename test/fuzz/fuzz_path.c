/*
 * Paths and authorities of any bytes: normalisation ends in a canonical path that it would not change again, and
 * nothing reads beyond its slice. The first byte chooses the options. lk_fuzz_library: lk_http
 */
#include "proxy/base/mem.h"
#include "proxy/http/path.h"
#include "proxy/http/validate.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_dot_segment(struct lk_str path)
{
    while (path.ptr != NULL) {
        struct lk_str segment = lk_str_split(&path, '/');
        if (lk_str_eq(segment, LK_STR(".")) || lk_str_eq(segment, LK_STR("..")))
            return true;
    }
    return false;
}

static bool has_bad_escape(struct lk_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '%' && (i + 2 >= path.len || !lk_char_is(path.ptr[i + 1], LK_CHAR_HEX) ||
                                   !lk_char_is(path.ptr[i + 2], LK_CHAR_HEX)))
            return true;
    return false;
}

static void check_normalize(struct lk_arena *arena, struct lk_str path, unsigned options)
{
    bool normalize = options & 1;
    bool merge = options & 2;
    enum lk_escaped_slash_action action = (enum lk_escaped_slash_action)(options >> 2 & 3);
    struct lk_str once = path;
    enum lk_path_result result = lk_path_normalize(arena, path, normalize, merge, action, &once);
    if (result == LK_PATH_REJECT)
        return;
    LK_ASSERT(result != LK_PATH_REDIRECT || action == LK_SLASH_UNESCAPE_REDIRECT);
    LK_ASSERT((result == LK_PATH_OK) == lk_str_eq(once, path));
    LK_ASSERT(path.len == 0 || once.ptr[0] == path.ptr[0]);
    LK_ASSERT(lk_str_eq(lk_path_query(once), lk_path_query(path)));
    struct lk_str only = lk_path_only(once);
    if (!normalize || only.len == 0 || only.ptr[0] != '/')
        return;
    LK_ASSERT(!has_dot_segment(only));
    LK_ASSERT(lk_str_find_byte(only, '\\') == only.len);
    if (has_bad_escape(path)) /* one may become whole beside a resolved one, as in Envoy */
        return;
    struct lk_str twice = once;
    LK_ASSERT(lk_path_normalize(arena, once, normalize, merge, LK_SLASH_KEEP, &twice) == LK_PATH_OK);
}

static void check_pieces(struct lk_arena *arena, struct lk_str s)
{
    struct lk_str host;
    struct lk_str port;
    struct lk_str value;
    lk_host_split(s, &host, &port);
    LK_ASSERT(host.len + port.len <= s.len);
    struct lk_str encoded = lk_percent_encode(arena, s, "%");
    LK_ASSERT(lk_str_eq(lk_percent_decode(arena, encoded), s));
    if (lk_query_get(s, lk_str(s.ptr, s.len > 0), &value))
        LK_ASSERT(value.len < s.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = malloc(size);
    memcpy(copy, data, size);
    struct lk_str s = lk_str(copy + 1, size - 1);
    struct lk_arena arena;
    lk_arena_init(&arena);
    check_normalize(&arena, s, data[0]);
    check_pieces(&arena, s);
    lk_arena_reset(&arena);
    free(copy);
    return 0;
}
