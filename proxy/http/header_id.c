/*
 * Header names to ids and back. The hash is perfect over header_names.h: one multiplication finds the only candidate,
 * one comparison decides. Pure functions, any thread; on the path of every header of every message.
 */
#include "proxy/http/header_hash.h"
#include "proxy/http/headers.h"

_Static_assert(LK_HEADER_COUNT < 255, "slots are bytes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the generator reads words as little endian");

static const struct lk_str names[LK_HEADER_COUNT] = {
#define X(id, name) [LK_HEADER_##id] = LK_STR_INIT(name),
    LK_HEADER_NAMES(X)
#undef X
};

#define FOLD UINT64_C(0x2020202020202020)
#define LETTER_BITS UINT64_C(0x4040404040404040)

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t load32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

struct words {
    uint64_t head;
    uint64_t middle;
    uint64_t tail;
};

static inline struct words words_of(const char *p, size_t len)
{
    if (len >= 8)
        return (struct words){load64(p), load64(p + len / 2 - 4), load64(p + len - 8)};
    if (len >= 4)
        return (struct words){load32(p), 0, load32(p + len - 4)};
    const unsigned char *u = (const unsigned char *)p;
    return (struct words){(uint64_t)u[0] | (uint64_t)u[len / 2] << 8 | (uint64_t)u[len - 1] << 16, 0, 0};
}

static inline uint64_t rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static inline unsigned slot_of(struct words w, size_t len)
{
    uint64_t mixed = ((w.head | FOLD) ^ rotate(w.middle | FOLD, 27) ^ rotate(w.tail | FOLD, 13)) + len;
    return (unsigned)((mixed * LK_HEADER_HASH_MULTIPLIER) >> LK_HEADER_HASH_SHIFT);
}

/* What differs but for the case of letters: 0 when nothing does. Bit 6 tells the letters of our names, bit 5 is their
 * case. */
static inline uint64_t difference(uint64_t given, uint64_t lower)
{
    return (given ^ lower) & ~((lower & LETTER_BITS) >> 1);
}

static inline bool same_name(const char *given, const char *lower, size_t len, struct words w)
{
    struct words c = words_of(lower, len);
    uint64_t differs = difference(w.head, c.head) | difference(w.tail, c.tail);
    for (size_t i = 8; i + 8 < len; i += 8)
        differs |= difference(load64(given + i), load64(lower + i));
    return differs == 0;
}

enum lk_header_id lk_header_id_of(struct lk_str name)
{
    if (name.len == 0 || name.len > LK_HEADER_NAME_MAX)
        return LK_HEADER_OTHER;
    struct words w = words_of(name.ptr, name.len);
    unsigned slot = lk_header_slots[slot_of(w, name.len)];
    if (slot == 0)
        return LK_HEADER_OTHER;
    enum lk_header_id id = (enum lk_header_id)(slot - 1);
    struct lk_str found = name.len == 4 && id == LK_HEADER_AUTHORITY ? LK_STR("host") : names[id];
    if (found.len != name.len || !same_name(name.ptr, found.ptr, name.len, w))
        return LK_HEADER_OTHER;
    return id;
}

struct lk_str lk_header_name(enum lk_header_id id)
{
    return id < LK_HEADER_COUNT ? names[id] : LK_STR("");
}
