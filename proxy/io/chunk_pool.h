/* What buf.c and the pool share: recycled segment rings. Not for other files. */
#pragma once

#include "proxy/io/buf.h"

/* A ring of LK_BUF_RING_MIN segments. */
#define LK_BUF_RING_MIN 8u
struct lk_buf_seg *lk_chunk_pool_ring(struct lk_chunk_pool *pool);
void lk_chunk_pool_ring_put(struct lk_chunk_pool *pool, struct lk_buf_seg *ring);
