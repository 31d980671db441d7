/*
 * sw8-correlation as a carrier of marks, see mark_correlation.h.
 */
#include "proxy/lane/mark_correlation.h"

#include "proxy/base/base64.h"

#include <limits.h>

#define KEYS_MAX 2u

static const struct lk_header_key header = {LK_HEADER_SW8_CORRELATION, LK_STR_INIT("sw8-correlation")};

struct ours {
    struct lk_str key;
    struct lk_arena *arena;
};

static bool is_ours(struct lk_str item, const void *arg)
{
    const struct ours *ours = arg;
    struct lk_str text = lk_str(item.ptr, lk_str_find_byte(item, ':'));
    struct lk_str key;
    /* spares decoding: two of padding at most */
    bool may_be = text.len / 4 * 3 <= ours->key.len + 2 && text.len >= ours->key.len;
    return may_be && lk_base64_decode(ours->arena, text, &key) && lk_str_eq(key, ours->key);
}

bool lk_mark_correlation_value(struct lk_str item, struct lk_str key, struct lk_arena *arena, struct lk_str *value)
{
    struct ours ours = {key, arena};
    if (!is_ours(item, &ours))
        return false;
    struct lk_str text = lk_str_drop(item, lk_str_find_byte(item, ':') + 1);
    if (!lk_base64_decode(arena, text, value) || value->len > LK_CORRELATION_VALUE_MAX)
        *value = item;
    return true;
}

static struct lk_list_edit edit_of(const struct ours *ours)
{
    return (struct lk_list_edit){LK_HEADER_SW8_CORRELATION, is_ours, ours, UINT_MAX, SIZE_MAX};
}

static unsigned count_others(const struct lk_headers *headers, const struct ours *ours)
{
    struct lk_list_iter iter;
    struct lk_str item;
    unsigned others = 0;
    lk_list_begin(&iter, headers, &header);
    while (lk_list_next(&iter, &item))
        others += !is_ours(item, ours);
    return others;
}

void lk_mark_correlation_set(struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    struct ours ours = {key, headers->arena};
    struct lk_list_edit edit = edit_of(&ours);
    if (count_others(headers, &ours) >= KEYS_MAX || value.len > LK_CORRELATION_VALUE_MAX) {
        lk_list_take(headers, &edit);
        return;
    }
    struct lk_str key_text = lk_base64_encode(headers->arena, key);
    struct lk_str value_text = lk_base64_encode(headers->arena, value);
    char *item = lk_arena_alloc(headers->arena, key_text.len + 1 + value_text.len);
    memcpy(item, key_text.ptr, key_text.len);
    item[key_text.len] = ':';
    memcpy(item + key_text.len + 1, value_text.ptr, value_text.len);
    lk_list_put(headers, &edit, lk_str(item, key_text.len + 1 + value_text.len));
}

bool lk_mark_correlation_remove(struct lk_headers *headers, struct lk_str key)
{
    struct ours ours = {key, headers->arena};
    struct lk_list_edit edit = edit_of(&ours);
    return lk_list_take(headers, &edit);
}
