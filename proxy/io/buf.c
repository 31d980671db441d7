/*
 * The byte queue of buf.h. Its ring of segments comes from the pool with the first byte and goes back with the last, so
 * that an idle connection holds neither ring nor chunk.
 */
#include "proxy/io/buf.h"

#include "proxy/base/mem.h"
#include "proxy/io/chunk_pool.h"

#include <stdarg.h>
#include <stdio.h>

void lk_buf_init(struct lk_buf *buf, struct lk_chunk_pool *pool)
{
    *buf = (struct lk_buf){.pool = pool};
}

static struct lk_buf_seg *seg_at(const struct lk_buf *buf, uint32_t i)
{
    return &buf->segs[(buf->head + i) & (buf->cap - 1)];
}

static void ring_release(struct lk_buf *buf)
{
    if (buf->cap == LK_BUF_RING_MIN)
        lk_chunk_pool_ring_put(buf->pool, buf->segs);
    else
        lk_free(buf->segs);
    buf->segs = NULL;
    buf->head = 0;
    buf->cap = 0;
}

static void ring_grow(struct lk_buf *buf)
{
    if (buf->cap == 0) {
        buf->segs = lk_chunk_pool_ring(buf->pool);
        buf->cap = LK_BUF_RING_MIN;
        return;
    }
    uint32_t cap = buf->cap * 2;
    struct lk_buf_seg *segs = lk_malloc(cap * sizeof(*segs));
    uint32_t count = buf->count;
    for (uint32_t i = 0; i < count; i++)
        segs[i] = *seg_at(buf, i);
    ring_release(buf);
    buf->segs = segs;
    buf->cap = cap;
}

/* A reservation that was not used must not stay as an empty segment. */
static void drop_empty_tail(struct lk_buf *buf)
{
    if (buf->count == 0 || seg_at(buf, buf->count - 1)->len > 0)
        return;
    lk_chunk_unref(seg_at(buf, buf->count - 1)->chunk);
    buf->count--;
    if (buf->count == 0)
        ring_release(buf);
}

/* Takes over one reference of the chunk. */
static void push_seg(struct lk_buf *buf, struct lk_chunk *chunk, const char *ptr, size_t len)
{
    drop_empty_tail(buf);
    if (buf->count == buf->cap)
        ring_grow(buf);
    *seg_at(buf, buf->count) = (struct lk_buf_seg){chunk, ptr, len};
    buf->count++;
    buf->len += len;
}

static void pop_front(struct lk_buf *buf)
{
    struct lk_buf_seg *seg = seg_at(buf, 0);
    buf->len -= seg->len;
    if (seg->chunk != NULL)
        lk_chunk_unref(seg->chunk);
    buf->head = (buf->head + 1) & (buf->cap - 1);
    buf->count--;
    if (buf->count == 0)
        ring_release(buf);
}

void lk_buf_clear(struct lk_buf *buf)
{
    while (buf->count > 0)
        pop_front(buf);
}

/*
 * The tail chunk when bytes may be written behind its last segment, else NULL. Behind `used` nobody has anything,
 * however many references there are; before it another buf may have appended already.
 */
static struct lk_chunk *open_tail(const struct lk_buf *buf)
{
    if (buf->count == 0)
        return NULL;
    const struct lk_buf_seg *seg = seg_at(buf, buf->count - 1);
    struct lk_chunk *chunk = seg->chunk;
    if (chunk == NULL || seg->ptr + seg->len != chunk->data + chunk->used)
        return NULL;
    return chunk;
}

static void push_chunk(struct lk_buf *buf, size_t want)
{
    const size_t large = LK_CHUNK_LARGE - sizeof(struct lk_chunk);
    const size_t small = LK_CHUNK_SMALL - sizeof(struct lk_chunk);
    struct lk_chunk *chunk = lk_chunk_new(buf->pool, LK_MAX(LK_MIN(want, large), small));
    push_seg(buf, chunk, chunk->data, 0);
}

void lk_buf_add(struct lk_buf *buf, const void *data, size_t len)
{
    const char *from = data;
    while (len > 0) {
        struct lk_chunk *chunk = open_tail(buf);
        if (chunk == NULL || chunk->used == chunk->cap) {
            push_chunk(buf, len);
            chunk = open_tail(buf);
        }
        size_t part = LK_MIN(len, (size_t)(chunk->cap - chunk->used));
        memcpy(chunk->data + chunk->used, from, part);
        lk_buf_commit(buf, part);
        from += part;
        len -= part;
    }
}

void lk_buf_printf(struct lk_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    LK_ASSERT(need >= 0);
    size_t size = (size_t)need + 1;
    char *room = lk_buf_reserve(buf, size);
    va_start(args, fmt);
    vsnprintf(room, size, fmt, args);
    va_end(args);
    lk_buf_commit(buf, (size_t)need);
}

/* Lets the last segment grow when the bytes follow it in the same chunk. */
static bool extend_tail(struct lk_buf *buf, const struct lk_chunk *chunk, const char *ptr, size_t len)
{
    if (buf->count == 0)
        return false;
    struct lk_buf_seg *seg = seg_at(buf, buf->count - 1);
    if (seg->chunk != chunk || seg->ptr + seg->len != ptr)
        return false;
    seg->len += len;
    buf->len += len;
    return true;
}

void lk_buf_add_span(struct lk_buf *buf, struct lk_span span)
{
    if (span.len == 0 || (span.chunk != NULL && extend_tail(buf, span.chunk, span.ptr, span.len)))
        return;
    if (span.chunk == NULL || span.len <= LK_BUF_COPY_MAX) {
        lk_buf_add(buf, span.ptr, span.len);
        return;
    }
    lk_chunk_ref(span.chunk);
    push_seg(buf, span.chunk, span.ptr, span.len);
}

void lk_buf_add_static(struct lk_buf *buf, const char *data, size_t len)
{
    if (len <= LK_BUF_COPY_MAX)
        lk_buf_add(buf, data, len);
    else
        push_seg(buf, NULL, data, len);
}

char *lk_buf_reserve(struct lk_buf *buf, size_t need)
{
    drop_empty_tail(buf);
    struct lk_chunk *chunk = open_tail(buf);
    if (chunk == NULL || chunk->cap - chunk->used < need) {
        size_t small = LK_CHUNK_SMALL - sizeof(struct lk_chunk);
        chunk = lk_chunk_new(buf->pool, LK_MAX(need, small));
        push_seg(buf, chunk, chunk->data, 0);
    }
    return chunk->data + chunk->used;
}

void lk_buf_commit(struct lk_buf *buf, size_t len)
{
    struct lk_buf_seg *seg = seg_at(buf, buf->count - 1);
    LK_ASSERT(len <= seg->chunk->cap - seg->chunk->used);
    seg->chunk->used += (uint32_t)len;
    seg->len += len;
    buf->len += len;
    drop_empty_tail(buf);
}

void lk_buf_move(struct lk_buf *dst, struct lk_buf *src)
{
    LK_ASSERT(dst != src && dst->pool == src->pool);
    if (dst->count == 0) {
        *dst = *src;
        lk_buf_init(src, dst->pool);
        return;
    }
    while (src->count > 0) {
        struct lk_buf_seg *seg = seg_at(src, 0);
        if (seg->len <= LK_BUF_COPY_MAX) {
            lk_buf_add(dst, seg->ptr, seg->len);
        } else if (!extend_tail(dst, seg->chunk, seg->ptr, seg->len)) {
            push_seg(dst, seg->chunk, seg->ptr, seg->len);
            if (seg->chunk != NULL)
                lk_chunk_ref(seg->chunk);
        }
        pop_front(src);
    }
}

void lk_buf_share(struct lk_buf *dst, const struct lk_buf *src)
{
    uint32_t count = src->count;
    for (uint32_t i = 0; i < count; i++) {
        const struct lk_buf_seg *seg = seg_at(src, i);
        if (seg->len == 0)
            continue;
        if (seg->chunk != NULL)
            lk_chunk_ref(seg->chunk);
        push_seg(dst, seg->chunk, seg->ptr, seg->len);
    }
}

static bool seg_is_wasteful(const struct lk_buf_seg *seg)
{
    return seg->chunk != NULL && seg->chunk->cap > LK_CHUNK_SMALL && seg->chunk->cap / 4 > seg->len;
}

void lk_buf_settle(struct lk_buf *buf)
{
    bool any = false;
    for (uint32_t i = 0; i < buf->count && !any; i++)
        any = seg_is_wasteful(seg_at(buf, i));
    if (!any)
        return;
    struct lk_buf kept;
    lk_buf_init(&kept, buf->pool);
    while (buf->count > 0) {
        struct lk_buf_seg *seg = seg_at(buf, 0);
        if (seg_is_wasteful(seg)) {
            lk_buf_add(&kept, seg->ptr, seg->len);
        } else {
            if (seg->chunk != NULL)
                lk_chunk_ref(seg->chunk);
            push_seg(&kept, seg->chunk, seg->ptr, seg->len);
        }
        pop_front(buf);
    }
    *buf = kept;
}

struct lk_span lk_buf_front(const struct lk_buf *buf)
{
    if (buf->count == 0)
        return lk_span(NULL, NULL, 0);
    const struct lk_buf_seg *seg = seg_at(buf, 0);
    return lk_span(seg->chunk, seg->ptr, seg->len);
}

void lk_buf_drain(struct lk_buf *buf, size_t len)
{
    LK_ASSERT(len <= buf->len);
    while (len > 0) {
        struct lk_buf_seg *seg = seg_at(buf, 0);
        if (seg->len > len) {
            seg->ptr += len;
            seg->len -= len;
            buf->len -= len;
            return;
        }
        len -= seg->len;
        pop_front(buf);
    }
}

int lk_buf_iov(const struct lk_buf *buf, struct iovec *iov, int max)
{
    int count = 0;
    for (uint32_t i = 0; i < buf->count && count < max; i++) {
        const struct lk_buf_seg *seg = seg_at(buf, i);
        if (seg->len > 0)
            iov[count++] = (struct iovec){(void *)(uintptr_t)seg->ptr, seg->len};
    }
    return count;
}

size_t lk_buf_peek(const struct lk_buf *buf, void *out, size_t len)
{
    size_t done = 0;
    for (uint32_t i = 0; i < buf->count && done < len; i++) {
        const struct lk_buf_seg *seg = seg_at(buf, i);
        size_t part = LK_MIN(len - done, seg->len);
        memcpy((char *)out + done, seg->ptr, part);
        done += part;
    }
    return done;
}
