/*
 * A sketch of the ids that a table holds: how many of them share each of 65,536 prints. Most requests carry an id that
 * the table does not have, and the sketch tells so from a few digits of it, before the id is read and hashed. Prints
 * are no secret: who chooses ids that share one gains nothing but the longer way for them. Any thread, without locks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LK_ID_SKETCH_SIZE 65536u

/* Zeroed to begin with. A count that has reached 255 stays there. */
struct lk_id_sketch {
    _Atomic uint8_t counts[LK_ID_SKETCH_SIZE];
};

/* Of the lowest 32 bits of a numeric id. */
static inline uint16_t lk_id_print(uint32_t low)
{
    return (uint16_t)(low * 0x9e3779b1u >> 16);
}
void lk_id_sketch_add(struct lk_id_sketch *sketch, uint16_t print);
void lk_id_sketch_drop(struct lk_id_sketch *sketch, uint16_t print);

/* False is certain, for what was added before the request came. */
static inline bool lk_id_sketch_may_hold(const struct lk_id_sketch *sketch, uint16_t print)
{
    return atomic_load_explicit(&sketch->counts[print], memory_order_relaxed) != 0;
}
