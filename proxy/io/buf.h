/*
 * Bytes in flight. A chunk is a refcounted block from the loop's pool; a span is a read-only window on a chunk; a buf
 * is a queue of spans that leaves through writev. Small pieces are copied to the tail of the last chunk, large ones
 * move by reference. An empty buf holds no memory. One thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct lk_chunk_pool;

struct lk_chunk {
    struct lk_chunk_pool *pool;
    uint32_t refs;
    uint32_t cap;
    uint32_t used; /* bytes written so far by whoever fills it */
    uint32_t size_class;
    char data[];
};

#define LK_CHUNK_SMALL 4096u /* whole allocation */
#define LK_CHUNK_LARGE 65536u
/* Payloads up to this are copied rather than referenced. */
#define LK_BUF_COPY_MAX 2048u

struct lk_chunk_pool *lk_chunk_pool_new(void);
/* Chunks that are still referenced keep the pool's memory alive until the last of them is gone. */
void lk_chunk_pool_free(struct lk_chunk_pool *pool);
/* A chunk with cap >= min_cap, refs 1, used 0. */
struct lk_chunk *lk_chunk_new(struct lk_chunk_pool *pool, size_t min_cap);
static inline void lk_chunk_ref(struct lk_chunk *chunk)
{
    chunk->refs++;
}
void lk_chunk_unref(struct lk_chunk *chunk);
/* Gives back the cached free chunks that nobody needed since the previous trim: after a burst the second call gives
 * back everything, while under steady traffic the working set stays. */
void lk_chunk_pool_trim(struct lk_chunk_pool *pool);
/* Bytes in use and cached, for /memory. */
void lk_chunk_pool_usage(const struct lk_chunk_pool *pool, size_t *in_use, size_t *cached);

/* A window on bytes. chunk may be NULL: then the bytes are not owned by any chunk and must be copied to be kept. */
struct lk_span {
    struct lk_chunk *chunk;
    const char *ptr;
    size_t len;
};

static inline struct lk_span lk_span(struct lk_chunk *chunk, const char *ptr, size_t len)
{
    return (struct lk_span){chunk, ptr, len};
}

struct lk_buf_seg {
    struct lk_chunk *chunk; /* NULL: static storage, lives for ever */
    const char *ptr;
    size_t len;
};

struct lk_buf {
    struct lk_chunk_pool *pool;
    struct lk_buf_seg *segs; /* ring, NULL while empty */
    uint32_t head;
    uint32_t count;
    uint32_t cap; /* power of two */
    size_t len;   /* bytes in all segments */
};

void lk_buf_init(struct lk_buf *buf, struct lk_chunk_pool *pool);
/* Drops everything; the buf is as after init. */
void lk_buf_clear(struct lk_buf *buf);

/* Copies. */
void lk_buf_add(struct lk_buf *buf, const void *data, size_t len);
static inline void lk_buf_add_str(struct lk_buf *buf, struct lk_str s)
{
    lk_buf_add(buf, s.ptr, s.len);
}
void lk_buf_printf(struct lk_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* By reference when it is worth it (len > LK_BUF_COPY_MAX and the span has a chunk), else copied. */
void lk_buf_add_span(struct lk_buf *buf, struct lk_span span);
/* Bytes of static storage, by reference when it is worth it. */
void lk_buf_add_static(struct lk_buf *buf, const char *data, size_t len);
/* Room for at least `need` contiguous bytes at the tail; then commit how many were written. The pointer is valid until
 * the next call on the buf. */
char *lk_buf_reserve(struct lk_buf *buf, size_t need);
void lk_buf_commit(struct lk_buf *buf, size_t len);
/* Moves everything from src to the end of dst, without copying large segments. Same pool; dst and src differ. */
void lk_buf_move(struct lk_buf *dst, struct lk_buf *src);
/* Appends references to the same bytes; src is unchanged (retained request bodies). */
void lk_buf_share(struct lk_buf *dst, const struct lk_buf *src);

/* For bytes that will stay a while: copies segments that hold a much larger chunk than they need into chunks of their
 * size. Afterwards a buf costs at most about four times its length. */
void lk_buf_settle(struct lk_buf *buf);

/* The first segment (len 0 when empty). */
struct lk_span lk_buf_front(const struct lk_buf *buf);
/* Removes len bytes from the front; len <= buf->len. */
void lk_buf_drain(struct lk_buf *buf, size_t len);
/* Fills at most max entries; returns how many. */
int lk_buf_iov(const struct lk_buf *buf, struct iovec *iov, int max);
/* Copies up to len bytes from the front without removing them; returns how many. */
size_t lk_buf_peek(const struct lk_buf *buf, void *out, size_t len);
