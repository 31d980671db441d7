/* Bump allocation, cleanups, and threads that come and go. */
#include "proxy/base/arena.h"
#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <pthread.h>

LK_TEST(arena, idle_arena_holds_no_memory)
{
    struct lk_arena arena;

    lk_arena_init(&arena);
    LK_CHECK_EQ_UINT(arena.bytes, 0);
    lk_arena_alloc(&arena, 100);
    LK_CHECK(arena.bytes >= 100);
    lk_arena_reset(&arena);
    LK_CHECK_EQ_UINT(arena.bytes, 0);
    LK_CHECK_NULL(arena.blocks);
}

LK_TEST(arena, first_block_is_small)
{
    struct lk_arena arena;

    lk_arena_init(&arena);
    lk_arena_alloc(&arena, 64);
    LK_CHECK(arena.bytes <= 512);
    lk_arena_reset(&arena);
}

LK_TEST(arena, allocations_are_aligned_and_do_not_overlap)
{
    struct lk_arena arena;
    unsigned char *parts[600];
    size_t sizes[600];

    lk_arena_init(&arena);
    for (size_t i = 0; i < 600; i++) {
        sizes[i] = i * 17 % 700 + (i % 50 == 0 ? 9000 : 0);
        parts[i] = lk_arena_alloc(&arena, sizes[i]);
        LK_CHECK_EQ_UINT((uintptr_t)parts[i] % 8, 0);
        memset(parts[i], (int)(i & 255), sizes[i]);
    }
    for (size_t i = 0; i < 600; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            LK_CHECK_EQ_INT(parts[i][j], i & 255);
    }
    lk_arena_reset(&arena);
}

LK_TEST(arena, empty_allocation_is_a_pointer)
{
    struct lk_arena arena;

    lk_arena_init(&arena);
    LK_CHECK_NOT_NULL(lk_arena_alloc(&arena, 0));
    lk_arena_reset(&arena);
}

LK_TEST(arena, large_allocation_leaves_the_current_block_in_use)
{
    struct lk_arena arena;
    size_t before;

    lk_arena_init(&arena);
    lk_arena_alloc(&arena, 16);
    lk_arena_alloc(&arena, 100000);
    before = arena.bytes;
    LK_CHECK(before >= 100000 && before < 101000);
    lk_arena_alloc(&arena, 16);
    LK_CHECK(arena.bytes - before <= 32 + 16);
    lk_arena_reset(&arena);
}

LK_TEST(arena, zeroed_memory_is_zero_after_reuse)
{
    static const char zeros[300];

    for (int round = 0; round < 3; round++) {
        struct lk_arena arena;

        lk_arena_init(&arena);
        LK_CHECK_MEM(lk_arena_zalloc(&arena, 300), zeros, 300);
        memset(lk_arena_alloc(&arena, 300), 0xa5, 300);
        LK_CHECK_MEM(lk_arena_array(&arena, 75, 4), zeros, 300);
        lk_arena_reset(&arena);
    }
}

LK_TEST(arena, strings_are_terminated_copies)
{
    struct lk_arena arena;
    struct lk_str copy;

    lk_arena_init(&arena);
    copy = lk_arena_str(&arena, lk_str("hello world", 5));
    LK_CHECK_LKSTR(copy, "hello");
    LK_CHECK_EQ_INT(copy.ptr[5], 0);
    LK_CHECK_STR(lk_arena_cstr(&arena, lk_str(NULL, 0)), "");
    lk_arena_reset(&arena);
}

LK_TEST(arena, printf_takes_any_length)
{
    struct lk_arena arena;
    struct lk_str text;

    lk_arena_init(&arena);
    LK_CHECK_LKSTR(lk_arena_printf(&arena, "%s-%d", "port", 80), "port-80");
    for (int width = 250; width < 262; width++) {
        text = lk_arena_printf(&arena, "%*d", width, 7);
        LK_CHECK_EQ_UINT(text.len, (size_t)width);
        LK_CHECK_EQ_INT(text.ptr[width - 1], '7');
        LK_CHECK_EQ_INT(text.ptr[width], 0);
    }
    text = lk_arena_printf(&arena, "%*d", 20000, 7);
    LK_CHECK_EQ_UINT(text.len, 20000);
    lk_arena_reset(&arena);
}

struct journal {
    char text[16];
    size_t len;
};

static void note_a(void *arg)
{
    struct journal *journal = arg;

    journal->text[journal->len++] = 'a';
}

static void note_b(void *arg)
{
    struct journal *journal = arg;

    journal->text[journal->len++] = 'b';
}

LK_TEST(arena, cleanups_run_once_and_last_first)
{
    struct journal journal = {{0}, 0};
    struct lk_arena *arena = lk_arena_new();

    lk_arena_on_free(arena, note_a, &journal);
    lk_arena_on_free(arena, note_b, &journal);
    lk_arena_reset(arena);
    LK_CHECK_STR(journal.text, "ba");
    lk_arena_on_free(arena, note_a, &journal);
    lk_arena_free(arena);
    LK_CHECK_STR(journal.text, "baa");
    lk_arena_free(NULL);
}

static void *use_arenas(void *arg LK_UNUSED)
{
    for (int round = 0; round < 200; round++) {
        struct lk_arena arena;

        lk_arena_init(&arena);
        for (int i = 0; i < 30; i++)
            memset(lk_arena_alloc(&arena, 300), i, 300);
        lk_arena_reset(&arena);
    }
    return NULL;
}

/* The cache of a thread goes with it: the leak check of the sanitizer would tell. */
LK_TEST(arena, threads_have_blocks_of_their_own)
{
    pthread_t threads[4];

    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++)
        LK_CHECK(pthread_create(&threads[i], NULL, use_arenas, NULL) == 0);
    for (size_t i = 0; i < LK_ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
}
