/* Atomic reference count for objects shared between threads. Starts at 1. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct lk_ref {
    atomic_uint count;
};

static inline void lk_ref_init(struct lk_ref *ref)
{
    atomic_init(&ref->count, 1);
}

static inline void lk_ref_get(struct lk_ref *ref)
{
    atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);
}

/* True for the caller that must free the object. */
static inline bool lk_ref_put(struct lk_ref *ref)
{
    return atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel) == 1;
}
