/* Counting prints. See id_sketch.h. */
#include "proxy/lane/id_sketch.h"

#define FULL UINT8_MAX

void lk_id_sketch_add(struct lk_id_sketch *sketch, uint16_t print)
{
    _Atomic uint8_t *count = &sketch->counts[print];
    uint8_t seen = atomic_load_explicit(count, memory_order_relaxed);

    while (seen != FULL && !atomic_compare_exchange_weak_explicit(count, &seen, (uint8_t)(seen + 1),
                                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void lk_id_sketch_drop(struct lk_id_sketch *sketch, uint16_t print)
{
    _Atomic uint8_t *count = &sketch->counts[print];
    uint8_t seen = atomic_load_explicit(count, memory_order_relaxed);

    while (seen != FULL && !atomic_compare_exchange_weak_explicit(count, &seen, (uint8_t)(seen - 1),
                                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}
