/*
 * W3C baggage, see baggage.h.
 */
#include "proxy/http/baggage.h"

#include "proxy/http/path.h"
#include "proxy/http/validate.h"

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

/* Whether the key stands anywhere, as a key or not. Quicker than a general search where keys are short. */
static bool occurs(struct lk_str text, struct lk_str key)
{
    while (text.len >= key.len) {
        size_t at = lk_str_find_byte(text, key.ptr[0]);
        text = lk_str_drop(text, at);
        if (lk_str_has_prefix(text, key))
            return true;
        text = lk_str_drop(text, 1);
    }
    return false;
}

/* Whether the key may stand in what was not read yet; false is certain. Spares parsing what others put there. */
static bool may_follow(const struct lk_baggage_iter *iter, struct lk_str key)
{
    const struct lk_list_iter *list = &iter->list;
    if (iter->members == 0)
        return true;
    return list->line != NULL && (occurs(list->rest, key) || lk_headers_next(list->headers, list->line) != NULL);
}

bool lk_baggage_find(struct lk_baggage_iter *iter, struct lk_str key, struct lk_baggage_member *member)
{
    while (may_follow(iter, key) && lk_baggage_next(iter, member)) {
        if (lk_str_eq(member->key, key))
            return true;
    }
    return false;
}

bool lk_baggage_maybe(const struct lk_headers *headers, struct lk_str key)
{
    const struct lk_header *line = lk_headers_find(headers, LK_HEADER_BAGGAGE);
    while (line != NULL && !occurs(line->value, key))
        line = lk_headers_next(headers, line);
    return line != NULL;
}

static struct lk_str repair(struct lk_arena *arena, struct lk_str s)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *out = lk_arena_alloc(arena, s.len * 3);
    size_t used = 0;
    while (s.len > 0) {
        size_t len = lk_str_utf8_length(s);
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

static size_t count_byte(struct lk_str s, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += s.ptr[i] == c;
    return count;
}

/* Whether `rest` is a tail of at most 63 members in which the key does not occur at all. */
static bool is_foreign_tail(struct lk_str rest, struct lk_str key)
{
    if (rest.len == 0)
        return true;
    bool few = rest.len < (size_t)2 * LK_BAGGAGE_MAX_MEMBERS || count_byte(rest, ',') < LK_BAGGAGE_MAX_MEMBERS;
    return few && rest.ptr[0] == ',' && !occurs(rest, key);
}

bool lk_baggage_says(const struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    const struct lk_header *line = lk_headers_find(headers, LK_HEADER_BAGGAGE);
    if (line == NULL || line->value.len > LK_BAGGAGE_MAX_BYTES || !lk_str_has_prefix(line->value, key))
        return false;
    struct lk_str rest = lk_str_drop(line->value, key.len);
    if (rest.len <= value.len || rest.ptr[0] != '=' || !lk_str_has_prefix(lk_str_drop(rest, 1), value))
        return false;
    return is_foreign_tail(lk_str_drop(rest, 1 + value.len), key) && lk_headers_next(headers, line) == NULL;
}

bool lk_baggage_set(struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    bool plain = lk_str_span_class(value, LK_CHAR_HOST) == value.len;
    if (key.len + 1 + value.len > LK_BAGGAGE_MAX_BYTES)
        return false;
    if (plain && lk_baggage_says(headers, key, value))
        return true;
    struct lk_str encoded = plain ? value : lk_percent_encode(headers->arena, value, " \",;\\%");
    size_t len = key.len + 1 + encoded.len;
    if (len > LK_BAGGAGE_MAX_BYTES)
        return false;
    char *member = lk_arena_alloc(headers->arena, len);
    memcpy(member, key.ptr, key.len);
    member[key.len] = '=';
    if (encoded.len > 0)
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
