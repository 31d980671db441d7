/* Rings of half seconds, one for each thread, each written by that thread alone. */
#include "proxy/lane/base_meter.h"

#include "proxy/base/mem.h"
#include "proxy/stats/stats.h"

struct lk_base_meter *lk_base_meter_new(unsigned threads)
{
    struct lk_base_meter *meter = lk_calloc(1, sizeof(*meter) + threads * sizeof(meter->rings[0]));

    meter->threads = threads;
    return meter;
}

void lk_base_meter_free(struct lk_base_meter *meter)
{
    if (meter == NULL)
        return;
    for (unsigned i = 0; i < meter->threads; i++)
        lk_free(atomic_load_explicit(&meter->rings[i], memory_order_acquire));
    lk_free(meter);
}

static struct lk_base_meter_ring *own_ring(struct lk_base_meter *meter)
{
    struct lk_base_meter_ring *ring;

    LK_ASSERT(lk_stats_thread < meter->threads);
    ring = atomic_load_explicit(&meter->rings[lk_stats_thread], memory_order_relaxed);
    if (LK_UNLIKELY(ring == NULL)) {
        ring = lk_calloc(1, sizeof(*ring));
        atomic_store_explicit(&meter->rings[lk_stats_thread], ring, memory_order_release);
    }
    return ring;
}

void lk_base_meter_count(struct lk_base_meter *meter, uint64_t now_ms)
{
    uint64_t number = now_ms / LK_BASE_METER_SLOT_MS;
    _Atomic uint64_t *slot = &own_ring(meter)->slots[number % LK_BASE_METER_SLOTS];
    uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);

    /* What a slot held of an earlier turn of the ring is over. */
    word = word >> 32 == (uint32_t)number ? word + 1 : number << 32 | 1;
    atomic_store_explicit(slot, word, memory_order_relaxed);
}

static uint64_t slot_count(const struct lk_base_meter_ring *ring, uint64_t number)
{
    uint64_t word = atomic_load_explicit(&ring->slots[number % LK_BASE_METER_SLOTS], memory_order_relaxed);

    return word >> 32 == (uint32_t)number ? (uint32_t)word : 0;
}

double lk_base_meter_rate(const struct lk_base_meter *meter, uint32_t window_ms, uint64_t now_ms)
{
    uint64_t current = now_ms / LK_BASE_METER_SLOT_MS;
    uint32_t width = LK_MIN(window_ms, (uint32_t)LK_BASE_METER_WINDOW_MAX_MS) / LK_BASE_METER_SLOT_MS;
    uint64_t count = 0;

    width = LK_MAX(width, 1u);
    for (unsigned i = 0; i < meter->threads; i++) {
        const struct lk_base_meter_ring *ring = atomic_load_explicit(&meter->rings[i], memory_order_acquire);

        for (uint32_t back = 1; ring != NULL && back <= width && back <= current; back++)
            count += slot_count(ring, current - back);
    }
    return (double)count * 1000.0 / ((double)width * LK_BASE_METER_SLOT_MS);
}
