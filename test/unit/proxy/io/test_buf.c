/* The byte queue and its chunk pool. */
#include "proxy/base/mem.h"
#include "proxy/io/buf.h"
#include "test/support/lk_test.h"

#include <stdlib.h>

struct fixture {
    struct lk_chunk_pool *pool;
    struct lk_buf buf;
};

static void setup(struct fixture *f)
{
    f->pool = lk_chunk_pool_new();
    lk_buf_init(&f->buf, f->pool);
}

static void teardown(struct fixture *f)
{
    size_t in_use, cached;
    lk_buf_clear(&f->buf);
    lk_chunk_pool_usage(f->pool, &in_use, &cached);
    LK_CHECK_EQ_UINT(in_use, 0);
    lk_chunk_pool_free(f->pool);
}

static size_t in_use(const struct fixture *f)
{
    size_t used, cached;
    lk_chunk_pool_usage(f->pool, &used, &cached);
    return used;
}

/* All bytes, to be freed. */
static char *text_of(const struct lk_buf *buf)
{
    char *out = lk_malloc(buf->len + 1);
    LK_CHECK_EQ_UINT(lk_buf_peek(buf, out, buf->len + 10), buf->len);
    out[buf->len] = '\0';
    return out;
}

static void check_text(const struct lk_buf *buf, const char *expected)
{
    char *text = text_of(buf);
    LK_CHECK_STR(text, expected);
    free(text);
}

static char pattern_at(size_t i)
{
    return (char)('a' + (i * 7 + i / 251) % 26);
}

static struct lk_chunk *filled_chunk(struct fixture *f, size_t len)
{
    struct lk_chunk *chunk = lk_chunk_new(f->pool, len);
    for (size_t i = 0; i < len; i++)
        chunk->data[i] = pattern_at(i);
    chunk->used = (uint32_t)len;
    return chunk;
}

LK_TEST(buf, an_empty_buf_holds_no_memory)
{
    struct fixture f;
    setup(&f);
    LK_CHECK_NULL(f.buf.segs);
    lk_buf_add(&f.buf, "abc", 3);
    LK_CHECK(in_use(&f) > 0);
    lk_buf_drain(&f.buf, 3);
    LK_CHECK_NULL(f.buf.segs);
    LK_CHECK_EQ_UINT(in_use(&f), 0);
    LK_CHECK_EQ_UINT(lk_buf_front(&f.buf).len, 0);
    teardown(&f);
}

LK_TEST(buf, small_pieces_share_one_segment)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 100; i++)
        lk_buf_add_str(&f.buf, LK_STR("0123456789"));
    LK_CHECK_EQ_UINT(f.buf.len, 1000);
    LK_CHECK_EQ_UINT(lk_buf_front(&f.buf).len, 1000);
    teardown(&f);
}

LK_TEST(buf, long_data_keeps_its_order_over_many_chunks)
{
    struct fixture f;
    setup(&f);
    size_t len = 300000;
    char *data = lk_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = pattern_at(i);
    data[len] = '\0';
    for (size_t at = 0, step = 1; at < len; at += step, step = LK_MIN(step * 3, len - at))
        lk_buf_add(&f.buf, data + at, step);
    check_text(&f.buf, data);
    lk_buf_drain(&f.buf, 123457);
    check_text(&f.buf, data + 123457);
    lk_free(data);
    teardown(&f);
}

LK_TEST(buf, large_spans_are_referenced_and_small_ones_copied)
{
    struct fixture f;
    setup(&f);
    struct lk_chunk *chunk = filled_chunk(&f, 10000);
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data, 100));
    LK_CHECK_EQ_UINT(chunk->refs, 1);
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + 200, 5000));
    LK_CHECK_EQ_UINT(chunk->refs, 2);
    lk_chunk_unref(chunk);
    lk_buf_drain(&f.buf, 100);
    LK_CHECK_EQ_UINT(lk_buf_front(&f.buf).len, 5000);
    LK_CHECK_EQ_INT(lk_buf_front(&f.buf).ptr[4999], pattern_at(5199));
    teardown(&f);
}

LK_TEST(buf, adjacent_spans_become_one_segment)
{
    struct fixture f;
    setup(&f);
    struct lk_chunk *chunk = filled_chunk(&f, 9000);
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data, 4000));
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + 4000, 10));
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + 4010, 4990));
    LK_CHECK_EQ_UINT(f.buf.count, 1);
    LK_CHECK_EQ_UINT(chunk->refs, 2);
    lk_chunk_unref(chunk);
    teardown(&f);
}

LK_TEST(buf, a_span_without_chunk_is_copied)
{
    struct fixture f;
    setup(&f);
    char local[5000];
    memset(local, 'x', sizeof(local));
    lk_buf_add_span(&f.buf, lk_span(NULL, local, sizeof(local)));
    memset(local, 'y', sizeof(local));
    char *text = text_of(&f.buf);
    LK_CHECK_EQ_UINT(strspn(text, "x"), sizeof(local));
    free(text);
    teardown(&f);
}

LK_TEST(buf, appending_never_overwrites_bytes_behind_a_shared_span)
{
    struct fixture f;
    setup(&f);
    struct lk_chunk *chunk = lk_chunk_new(f.pool, 9000);
    memset(chunk->data, 'a', 8000);
    chunk->used = 8000;
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data, 4000));
    lk_buf_add_str(&f.buf, LK_STR("tail"));
    for (size_t i = 0; i < 8000; i++)
        LK_CHECK_EQ_INT(chunk->data[i], 'a');
    LK_CHECK_EQ_UINT(f.buf.len, 4004);
    lk_chunk_unref(chunk);
    teardown(&f);
}

LK_TEST(buf, two_bufs_that_share_a_tail_do_not_mix)
{
    struct fixture f;
    setup(&f);
    struct lk_buf copy;
    lk_buf_init(&copy, f.pool);
    lk_buf_add_str(&f.buf, LK_STR("head "));
    lk_buf_share(&copy, &f.buf);
    lk_buf_add_str(&f.buf, LK_STR("first"));
    lk_buf_add_str(&copy, LK_STR("second"));
    check_text(&f.buf, "head first");
    check_text(&copy, "head second");
    lk_buf_clear(&copy);
    teardown(&f);
}

LK_TEST(buf, sharing_copies_no_large_bytes)
{
    struct fixture f;
    setup(&f);
    struct lk_buf copy;
    lk_buf_init(&copy, f.pool);
    struct lk_chunk *chunk = filled_chunk(&f, 30000);
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data, 30000));
    size_t before = in_use(&f);
    lk_buf_share(&copy, &f.buf);
    LK_CHECK_EQ_UINT(in_use(&f), before);
    LK_CHECK_EQ_UINT(chunk->refs, 3);
    lk_buf_drain(&f.buf, 30000);
    LK_CHECK_EQ_UINT(copy.len, 30000);
    lk_chunk_unref(chunk);
    lk_buf_clear(&copy);
    teardown(&f);
}

LK_TEST(buf, move_keeps_order_and_empties_the_source)
{
    struct fixture f;
    setup(&f);
    struct lk_buf src;
    lk_buf_init(&src, f.pool);
    struct lk_chunk *chunk = filled_chunk(&f, 6000);
    lk_buf_add_str(&f.buf, LK_STR("one "));
    lk_buf_add_str(&src, LK_STR("two "));
    lk_buf_add_span(&src, lk_span(chunk, chunk->data, 6000));
    lk_buf_move(&f.buf, &src);
    LK_CHECK_EQ_UINT(src.len, 0);
    LK_CHECK_NULL(src.segs);
    LK_CHECK_EQ_UINT(f.buf.len, 6008);
    LK_CHECK_EQ_UINT(chunk->refs, 2);
    LK_CHECK(memcmp(lk_buf_front(&f.buf).ptr, "one two ", 8) == 0);
    lk_chunk_unref(chunk);
    lk_buf_move(&src, &f.buf);
    LK_CHECK_EQ_UINT(src.len, 6008);
    lk_buf_clear(&src);
    teardown(&f);
}

LK_TEST(buf, reserve_and_commit_append_in_place)
{
    struct fixture f;
    setup(&f);
    char *room = lk_buf_reserve(&f.buf, 10);
    memcpy(room, "abc", 3);
    lk_buf_commit(&f.buf, 3);
    room = lk_buf_reserve(&f.buf, 20000);
    memset(room, 'z', 20000);
    lk_buf_commit(&f.buf, 20000);
    LK_CHECK_EQ_UINT(f.buf.len, 20003);
    LK_CHECK_EQ_UINT(lk_buf_front(&f.buf).len, 3);
    teardown(&f);
}

LK_TEST(buf, an_unused_reservation_leaves_nothing)
{
    struct fixture f;
    setup(&f);
    lk_buf_reserve(&f.buf, 10);
    lk_buf_commit(&f.buf, 0);
    LK_CHECK_EQ_UINT(in_use(&f), 0);
    lk_buf_reserve(&f.buf, 10);
    lk_buf_reserve(&f.buf, 50000);
    lk_buf_commit(&f.buf, 0);
    lk_buf_reserve(&f.buf, 10);
    lk_buf_add_str(&f.buf, LK_STR("x"));
    LK_CHECK_EQ_UINT(lk_buf_front(&f.buf).len, 1);
    teardown(&f);
}

LK_TEST(buf, printf_appends_text_of_any_length)
{
    struct fixture f;
    setup(&f);
    lk_buf_printf(&f.buf, "%s-%d;", "a", 5);
    lk_buf_printf(&f.buf, "%5000d", 7);
    LK_CHECK_EQ_UINT(f.buf.len, 5004);
    lk_buf_drain(&f.buf, 4999);
    check_text(&f.buf, "    7");
    lk_buf_printf(&f.buf, "%s", "");
    LK_CHECK_EQ_UINT(f.buf.len, 5);
    teardown(&f);
}

LK_TEST(buf, static_bytes_are_referenced_when_large)
{
    static char large[4096];
    struct fixture f;
    setup(&f);
    memset(large, 's', sizeof(large));
    lk_buf_add_static(&f.buf, large, sizeof(large));
    LK_CHECK_EQ_UINT(in_use(&f), 0);
    LK_CHECK_EQ_PTR(lk_buf_front(&f.buf).ptr, large);
    lk_buf_add_static(&f.buf, "short", 5);
    LK_CHECK_EQ_UINT(f.buf.len, 4101);
    teardown(&f);
}

LK_TEST(buf, iov_lists_the_segments_up_to_the_limit)
{
    struct fixture f;
    setup(&f);
    struct iovec iov[8];
    for (int i = 0; i < 20; i++) {
        struct lk_chunk *chunk = filled_chunk(&f, 3000);
        lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + 1, 2500));
        lk_chunk_unref(chunk);
    }
    LK_CHECK_EQ_INT(lk_buf_iov(&f.buf, iov, 8), 8);
    size_t total = 0;
    for (int i = 0; i < 8; i++)
        total += iov[i].iov_len;
    LK_CHECK_EQ_UINT(total, 8 * 2500);
    lk_buf_drain(&f.buf, 19 * 2500 + 100);
    LK_CHECK_EQ_INT(lk_buf_iov(&f.buf, iov, 8), 1);
    LK_CHECK_EQ_UINT(iov[0].iov_len, 2400);
    teardown(&f);
}

LK_TEST(buf, settle_frees_large_chunks_that_hold_little)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 10; i++) {
        struct lk_chunk *chunk = filled_chunk(&f, LK_CHUNK_LARGE - sizeof(struct lk_chunk));
        lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + i, 3000));
        lk_chunk_unref(chunk);
    }
    char *before = text_of(&f.buf);
    LK_CHECK(in_use(&f) >= 10u * LK_CHUNK_LARGE);
    lk_buf_settle(&f.buf);
    LK_CHECK(in_use(&f) <= 4 * f.buf.len);
    check_text(&f.buf, before);
    free(before);
    teardown(&f);
}

LK_TEST(buf, settle_leaves_well_filled_chunks_alone)
{
    struct fixture f;
    setup(&f);
    struct lk_chunk *chunk = filled_chunk(&f, 60000);
    lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data, 60000));
    lk_buf_settle(&f.buf);
    LK_CHECK_EQ_PTR(lk_buf_front(&f.buf).chunk, chunk);
    lk_chunk_unref(chunk);
    teardown(&f);
}

/* Random operations against a flat model. */
LK_TEST(buf, behaves_like_a_flat_byte_queue)
{
    struct fixture f;
    setup(&f);
    size_t cap = 4u << 20, from = 0, to = 0;
    char *model = lk_malloc(cap + 1);
    unsigned seed = 12345;
    struct lk_chunk *chunk = filled_chunk(&f, 60000);
    while (to + 70000 < cap) {
        seed = seed * 1103515245u + 12345u;
        size_t len = (seed >> 8) % 9000, at = (seed >> 4) % 50000;
        switch ((seed >> 24) % 4) {
        case 0:
            lk_buf_add(&f.buf, chunk->data + at, len);
            break;
        case 1:
            lk_buf_add_span(&f.buf, lk_span(chunk, chunk->data + at, len));
            break;
        case 2:
            memcpy(lk_buf_reserve(&f.buf, len + 50), chunk->data + at, len);
            lk_buf_commit(&f.buf, len);
            break;
        default:
            len = LK_MIN(len * 2, to - from);
            lk_buf_drain(&f.buf, len);
            from += len;
            continue;
        }
        memcpy(model + to, chunk->data + at, len);
        to += len;
        LK_CHECK_EQ_UINT(f.buf.len, to - from);
        if (f.buf.len > 0)
            LK_CHECK(lk_buf_front(&f.buf).len > 0);
    }
    model[to] = '\0';
    check_text(&f.buf, model + from);
    lk_free(model);
    lk_chunk_unref(chunk);
    teardown(&f);
}

LK_TEST(chunk_pool, gives_at_least_the_wanted_room)
{
    struct fixture f;
    setup(&f);
    const size_t wanted[] = {0, 1, 400, 488, 489, 4072, 4073, 16000, 65000, 65512, 65513, 1000000};
    for (size_t i = 0; i < LK_ARRAY_LEN(wanted); i++) {
        struct lk_chunk *chunk = lk_chunk_new(f.pool, wanted[i]);
        LK_CHECK(chunk->cap >= wanted[i]);
        LK_CHECK_EQ_UINT(chunk->used, 0);
        LK_CHECK_EQ_UINT(chunk->refs, 1);
        memset(chunk->data, 1, chunk->cap);
        lk_chunk_unref(chunk);
    }
    teardown(&f);
}

LK_TEST(chunk_pool, a_small_tail_costs_a_small_chunk)
{
    struct fixture f;
    setup(&f);
    struct lk_chunk *chunk = lk_chunk_new(f.pool, 100);
    LK_CHECK(in_use(&f) <= 512);
    lk_chunk_unref(chunk);
    teardown(&f);
}

LK_TEST(chunk_pool, the_cache_is_bounded_and_two_trims_empty_it)
{
    struct fixture f;
    setup(&f);
    enum { COUNT = 500 };
    struct lk_chunk *chunks[COUNT];
    for (int i = 0; i < COUNT; i++)
        chunks[i] = lk_chunk_new(f.pool, 60000);
    for (int i = 0; i < COUNT; i++)
        lk_chunk_unref(chunks[i]);
    size_t used, cached;
    lk_chunk_pool_usage(f.pool, &used, &cached);
    LK_CHECK_EQ_UINT(used, 0);
    LK_CHECK(cached <= 4u << 20);
    lk_chunk_pool_trim(f.pool);
    lk_chunk_pool_trim(f.pool);
    lk_chunk_pool_usage(f.pool, &used, &cached);
    LK_CHECK_EQ_UINT(cached, 0);
    teardown(&f);
}

LK_TEST(chunk_pool, outlives_its_owner_while_chunks_are_referenced)
{
    struct lk_chunk_pool *pool = lk_chunk_pool_new();
    struct lk_chunk *chunk = lk_chunk_new(pool, 5000);
    lk_chunk_pool_free(pool);
    memset(chunk->data, 7, 5000);
    LK_CHECK_EQ_INT(chunk->data[4999], 7);
    lk_chunk_unref(chunk);
}
