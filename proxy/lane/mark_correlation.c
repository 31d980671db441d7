/*
 * sw8-correlation as a carrier of marks, see mark_correlation.h.
 */
#include "proxy/lane/mark_correlation.h"

#include "proxy/base/mem.h"

#include <limits.h>

#define KEYS_MAX 2u

static const struct lk_header_key header = {LK_HEADER_SW8_CORRELATION, LK_STR_INIT("sw8-correlation")};
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

/* RFC 4648 section 4, padding optional; false when it is not that or longer than `cap` bytes. */
static bool decode(struct lk_str text, char *out, size_t cap, size_t *len)
{
    bool padded = text.len % 4 == 0;
    for (unsigned i = 0; padded && i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    if (text.len % 4 == 1 || text.len / 4 * 3 + text.len % 4 * 3 / 4 > cap)
        return false;
    uint32_t bits = 0;
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            out[(*len)++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return true;
}

/* With padding, as agents write it. `to` has room for (len + 2) / 3 * 4 bytes. */
static size_t encode(struct lk_str bytes, char *to)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        uint32_t bits = 0;
        size_t here = LK_MIN(bytes.len - i, 3);
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < here ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            to[used++] = '=';
        for (size_t k = 0; k <= here; k++)
            to[used - 4 + k] = alphabet[bits >> (18 - 6 * k) & 63];
    }
    return used;
}

static bool is_ours(struct lk_str item, const void *arg)
{
    const struct lk_str *key = arg;
    char bytes[LK_CORRELATION_KEY_MAX];
    size_t colon = lk_str_find_byte(item, ':');
    size_t len;
    return decode(lk_str(item.ptr, colon), bytes, sizeof(bytes), &len) && lk_str_eq(lk_str(bytes, len), *key);
}

bool lk_mark_correlation_value(struct lk_str item, struct lk_str key, struct lk_arena *arena, struct lk_str *value)
{
    char bytes[LK_CORRELATION_VALUE_MAX];
    size_t len;
    if (!is_ours(item, &key))
        return false;
    struct lk_str text = lk_str_drop(item, lk_str_find_byte(item, ':') + 1);
    *value = decode(text, bytes, sizeof(bytes), &len) ? lk_arena_str(arena, lk_str(bytes, len)) : item;
    return true;
}

static struct lk_list_edit edit_of(const struct lk_str *key)
{
    return (struct lk_list_edit){LK_HEADER_SW8_CORRELATION, is_ours, key, UINT_MAX, SIZE_MAX};
}

static unsigned count_others(const struct lk_headers *headers, struct lk_str key)
{
    struct lk_list_iter iter;
    struct lk_str item;
    unsigned others = 0;
    lk_list_begin(&iter, headers, &header);
    while (lk_list_next(&iter, &item))
        others += !is_ours(item, &key);
    return others;
}

void lk_mark_correlation_set(struct lk_headers *headers, struct lk_str key, struct lk_str value)
{
    if (count_others(headers, key) >= KEYS_MAX || value.len > LK_CORRELATION_VALUE_MAX) {
        lk_mark_correlation_remove(headers, key);
        return;
    }
    char *item = lk_arena_alloc(headers->arena, (key.len + 2) / 3 * 4 + 1 + (value.len + 2) / 3 * 4);
    size_t len = encode(key, item);
    item[len++] = ':';
    len += encode(value, item + len);
    struct lk_list_edit edit = edit_of(&key);
    lk_list_put(headers, &edit, lk_str(item, len));
}

bool lk_mark_correlation_remove(struct lk_headers *headers, struct lk_str key)
{
    struct lk_list_edit edit = edit_of(&key);
    return lk_list_take(headers, &edit);
}
