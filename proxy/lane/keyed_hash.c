/* SipHash-1-3, 128 bits (Aumasson and Bernstein, 2012): one round for each eight bytes, three at each end. And the
 * upper words of a sum of products modulo 2^128, which is strongly universal (Lemire and Kaser, 2014). */
#include "proxy/lane/keyed_hash.h"

#include "proxy/base/mem.h"

#include <endian.h>
#include <errno.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 u128;

struct state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

struct lk_hash_key lk_hash_key_random(void)
{
    struct lk_hash_key key = {0, 0};

    while (key.k0 == 0 && key.k1 == 0) {
        ssize_t got = getrandom(&key, sizeof(key), 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)sizeof(key))
            lk_panic("the kernel gives no random bytes");
    }
    return key;
}

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void turn(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    turn(s);
    s->v0 ^= word;
}

static inline uint64_t finish(struct state *s)
{
    turn(s);
    turn(s);
    turn(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* The last word: what is left of the bytes, and their number modulo 256 on top. */
static uint64_t tail_of(struct lk_str bytes, size_t from, size_t total)
{
    uint64_t word = (uint64_t)total << 56;

    for (size_t i = from; i < bytes.len; i++)
        word |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * (i - from));
    return word;
}

struct lk_hash128 lk_keyed_hash(const struct lk_hash_key *key, uint64_t domain, struct lk_str bytes)
{
    struct state s = {key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du ^ 0xee,
                      key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u};
    struct lk_hash128 hash;
    size_t at = 0;

    absorb(&s, domain);
    for (; bytes.len - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, bytes.ptr + at, sizeof(word));
        absorb(&s, le64toh(word));
    }
    absorb(&s, tail_of(bytes, at, bytes.len + 8));
    s.v2 ^= 0xee;
    hash.lo = finish(&s);
    s.v1 ^= 0xdd;
    hash.hi = finish(&s);
    return hash;
}

void lk_number_key_init(struct lk_number_key *number_key, const struct lk_hash_key *key)
{
    for (uint64_t half = 0; half < 2; half++) {
        struct lk_number_half *out = &number_key->halves[half];

        for (uint64_t i = 0; i < LK_ARRAY_LEN(out->low); i++) {
            struct lk_hash128 drawn = lk_keyed_hash(key, UINT64_MAX - half * LK_ARRAY_LEN(out->low) - i, LK_STR(""));

            out->low[i] = drawn.lo;
            out->high[i] = drawn.hi;
        }
    }
}

static inline u128 factor(const struct lk_number_half *half, unsigned i)
{
    return (u128)half->high[i] << 64 | half->low[i];
}

/* The mixing at the end changes no collision; it spreads what the sum leaves near each other. */
static inline uint64_t half_of(const struct lk_number_half *half, uint64_t domain, uint64_t high, uint64_t low)
{
    u128 sum = factor(half, 0) + factor(half, 1) * domain + factor(half, 2) * high + factor(half, 3) * low;
    uint64_t word = (uint64_t)(sum >> 64);

    word = (word ^ word >> 32) * 0xd6e8feb86659fd93u;
    return word ^ word >> 32;
}

struct lk_hash128 lk_number_hash(const struct lk_number_key *key, uint64_t domain, uint64_t high, uint64_t low)
{
    return (struct lk_hash128){.lo = half_of(&key->halves[0], domain, high, low),
                               .hi = half_of(&key->halves[1], domain, high, low)};
}
