/*
 * W3C baggage, see baggage.h.
 */
#include "proxy/http/baggage.h"

#include "proxy/http/path.h"

static const struct lk_header_key header = {LK_HEADER_BAGGAGE, LK_STR_INIT("baggage")};

static struct lk_baggage_member parse(struct lk_str text)
{
    struct lk_baggage_member member = {.text = text};
    struct lk_str rest = text;
    struct lk_str pair = lk_str_split(&rest, ';');
    size_t equals = lk_str_find_byte(pair, '=');
    if (equals < pair.len) {
        member.key = lk_str_trim(lk_str(pair.ptr, equals));
        member.value = lk_str_trim(lk_str_drop(pair, equals + 1));
    }
    return member;
}

void lk_baggage_begin(struct lk_baggage_iter *iter, const struct lk_headers *headers)
{
    *iter = (struct lk_baggage_iter){0};
    lk_list_begin(&iter->list, headers, &header);
}

bool lk_baggage_next(struct lk_baggage_iter *iter, struct lk_baggage_member *member)
{
    struct lk_str text;
    if (iter->members == LK_BAGGAGE_MAX_MEMBERS || !lk_list_next(&iter->list, &text))
        return false;
    size_t need = text.len + (iter->members > 0);
    if (need > LK_BAGGAGE_MAX_BYTES - iter->bytes) {
        iter->members = LK_BAGGAGE_MAX_MEMBERS;
        return false;
    }
    iter->bytes += (uint32_t)need;
    iter->members++;
    *member = parse(text);
    return true;
}

bool lk_baggage_find(struct lk_baggage_iter *iter, struct lk_str key, struct lk_baggage_member *member)
{
    while (lk_baggage_next(iter, member)) {
        if (lk_str_eq(member->key, key))
            return true;
    }
    return false;
}

/* Length of the UTF-8 sequence at the start, 0 where there is none. */
static size_t sequence(struct lk_str s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++) {
        if (lk_str_is_utf8(lk_str(s.ptr, len)))
            return len;
    }
    return 0;
}

static struct lk_str repair(struct lk_arena *arena, struct lk_str s)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *out = lk_arena_alloc(arena, s.len * 3);
    size_t used = 0;
    while (s.len > 0) {
        size_t len = sequence(s);
        memcpy(out + used, len > 0 ? s.ptr : replacement, len > 0 ? len : 3);
        used += len > 0 ? len : 3;
        s = lk_str_drop(s, len > 0 ? len : 1);
    }
    return lk_str(out, used);
}

struct lk_str lk_baggage_decode(struct lk_arena *arena, struct lk_str value)
{
    if (lk_str_find_byte(value, '%') < value.len)
        value = lk_percent_decode(arena, value);
    return lk_str_is_utf8(value) ? value : repair(arena, value);
}

static bool has_key(struct lk_str member, const void *arg)
{
    return lk_str_eq(parse(member).key, *(const struct lk_str *)arg);
}

static struct lk_list_edit edit_of(const struct lk_str *key)
{
    return (struct lk_list_edit){LK_HEADER_BAGGAGE, has_key, key, LK_BAGGAGE_MAX_MEMBERS, LK_BAGGAGE_MAX_BYTES};
}

bool lk_baggage_set(struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    if (key.len + 1 + value.len > LK_BAGGAGE_MAX_BYTES)
        return false;
    /* what may not stand in a value: blanks, quotes, list separators, backslash; and the sign of an escape */
    struct lk_str encoded = lk_percent_encode(headers->arena, value, " \",;\\%");
    size_t len = key.len + 1 + encoded.len;
    if (len > LK_BAGGAGE_MAX_BYTES)
        return false;
    char *member = lk_arena_alloc(headers->arena, len);
    memcpy(member, key.ptr, key.len);
    member[key.len] = '=';
    memcpy(member + key.len + 1, encoded.ptr, encoded.len);
    struct lk_list_edit edit = edit_of(&key);
    lk_list_put(headers, &edit, lk_str(member, len));
    return true;
}

bool lk_baggage_remove(struct lk_headers *headers, struct lk_str key)
{
    struct lk_list_edit edit = edit_of(&key);
    return lk_list_take(headers, &edit);
}
