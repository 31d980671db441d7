/* xoshiro256** per thread, seeded from the kernel at the first use in a thread. */
#include "proxy/base/rand.h"

#include "proxy/base/hex.h"
#include "proxy/base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 u128;

static _Thread_local uint64_t state[4];
static _Thread_local bool seeded;

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* splitmix64 spreads one number over the whole state, as the generator's authors advise. */
void lk_rand_seed(uint64_t seed)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(state); i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[i] = z ^ (z >> 31);
    }
    seeded = true;
}

static void seed_from_kernel(void)
{
    uint64_t fresh[LK_ARRAY_LEN(state)];
    ssize_t got;

    do {
        got = getrandom(fresh, sizeof(fresh), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(fresh))
        lk_panic("the kernel gives no random bytes");
    memcpy(state, fresh, sizeof(state));
    seeded = true;
}

uint64_t lk_rand_u64(void)
{
    uint64_t result;
    uint64_t shifted;

    if (LK_UNLIKELY(!seeded))
        seed_from_kernel();
    result = rotate_left(state[1] * 5, 7) * 9;
    shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

/* Multiply and shift; the few products that would favour small results are drawn again. */
uint64_t lk_rand_below(uint64_t bound)
{
    u128 product;

    if (bound == 0)
        return 0;
    product = (u128)lk_rand_u64() * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = (0 - bound) % bound;

        while ((uint64_t)product < unfair)
            product = (u128)lk_rand_u64() * bound;
    }
    return (uint64_t)(product >> 64);
}

double lk_rand_unit(void)
{
    return (double)(lk_rand_u64() >> 11) * 0x1p-53;
}

void lk_rand_uuid(char out[LK_UUID_LEN])
{
    uint64_t high = (lk_rand_u64() & ~(uint64_t)0xf000) | 0x4000;
    uint64_t low = (lk_rand_u64() & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
    out = lk_hex_put(out, high >> 32, 8);
    *out++ = '-';
    out = lk_hex_put(out, high >> 16, 4);
    *out++ = '-';
    out = lk_hex_put(out, high, 4);
    *out++ = '-';
    out = lk_hex_put(out, low >> 48, 4);
    *out++ = '-';
    lk_hex_put(out, low, 12);
}
