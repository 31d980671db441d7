/* RFC 4648 sections 4 and 5. Pure functions. */
#include "proxy/base/base64.h"

#include <stdint.h>

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

bool lk_base64_decode(struct lk_arena *arena, struct lk_str text, struct lk_str *out)
{
    size_t digits = text.len;
    uint32_t bits = 0;
    unsigned pending = 0;
    size_t len = 0;
    char *bytes;

    while (digits > 0 && text.len - digits < 2 && text.ptr[digits - 1] == '=')
        digits--;
    if (digits % 4 == 1 || (digits != text.len && text.len % 4 != 0))
        return false;
    bytes = lk_arena_alloc(arena, digits / 4 * 3 + 3);
    for (size_t i = 0; i < digits; i++) {
        int value = sextet(text.ptr[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        pending += 6;
        if (pending >= 8) {
            pending -= 8;
            bytes[len++] = (char)(bits >> pending & 0xff);
        }
    }
    *out = lk_str(bytes, len);
    return true;
}

struct lk_str lk_base64_encode(struct lk_arena *arena, struct lk_str bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    char *out = lk_arena_alloc(arena, bytes.len / 3 * 4 + 5);
    size_t len = 0;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)in[i] << 16;

        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        out[len++] = alphabet[group >> 18];
        out[len++] = alphabet[group >> 12 & 63];
        out[len++] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        out[len++] = left > 2 ? alphabet[group & 63] : '=';
    }
    out[len] = '\0';
    return lk_str(out, len);
}
