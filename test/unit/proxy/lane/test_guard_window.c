/* Sliding windows of a guard: what they hold as time goes by, and sums that wrap. */
#include "proxy/lane/guard_window.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#define WINDOW 1000

struct fixture {
    struct lk_guard_cell cell;
    struct lk_guard_window window;
    struct lk_guard_verdict verdict;
};

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = lk_calloc(1, sizeof(*fixture));
    struct lk_guard_sums sums = {.sides[0].requests = 0};

    lk_guard_sums_add(&sums, &fixture->cell);
    lk_guard_window_start(&fixture->window, &sums, 0);
    return fixture;
}

static uint32_t lane_requests_at(struct fixture *fixture, uint64_t now_ms)
{
    struct lk_guard_sums sums = {.sides[0].requests = 0};

    lk_guard_sums_add(&sums, &fixture->cell);
    lk_guard_window_read(&fixture->window, &sums, WINDOW, now_ms, &fixture->verdict);
    return fixture->verdict.sides[LK_GUARD_LANE].requests;
}

LK_TEST(guard_window, holds_what_happened_within_it_and_no_more)
{
    struct fixture *fixture = fixture_new();

    for (uint64_t now = 1; now <= 20000; now++) {
        lk_guard_cell_add(&fixture->cell, LK_GUARD_LANE, now % 10 == 0, 500);
        if (now % 10 == 0) {
            uint32_t seen = lane_requests_at(fixture, now);

            LK_CHECK_EQ_UINT(seen, fixture->verdict.seen_ms);
            LK_CHECK(seen <= WINDOW);
            LK_CHECK(now < WINDOW ? seen == now : seen >= WINDOW - WINDOW / LK_GUARD_PARTS);
        }
    }
    LK_CHECK_NEAR(fixture->verdict.sides[LK_GUARD_LANE].failed, WINDOW / 10.0, WINDOW / 10.0 / 10);
    LK_CHECK_EQ_UINT(fixture->verdict.sides[LK_GUARD_BASE].requests, 0);
    LK_CHECK_EQ_UINT(fixture->verdict.sides[LK_GUARD_BASE].p99_us, 0);
    lk_free(fixture);
}

LK_TEST(guard_window, a_pause_widens_it_once)
{
    struct fixture *fixture = fixture_new();

    LK_CHECK_EQ_UINT(lane_requests_at(fixture, 100), 0);
    lk_guard_cell_add(&fixture->cell, LK_GUARD_LANE, false, 500);
    LK_CHECK_EQ_UINT(lane_requests_at(fixture, 50000), 1);
    LK_CHECK_EQ_UINT(fixture->verdict.seen_ms, 49900);
    LK_CHECK_EQ_UINT(lane_requests_at(fixture, 50100), 0);
    LK_CHECK_EQ_UINT(fixture->verdict.seen_ms, 100);
    lk_free(fixture);
}

LK_TEST(guard_window, sums_may_wrap)
{
    struct fixture *fixture = lk_calloc(1, sizeof(*fixture));
    struct lk_guard_sums sums = {.sides[0].requests = 0};

    atomic_store(&fixture->cell.sides[LK_GUARD_LANE].requests, UINT32_MAX - 1);
    atomic_store(&fixture->cell.sides[LK_GUARD_LANE].failed, UINT32_MAX);
    atomic_store(&fixture->cell.sides[LK_GUARD_LANE].bins[lk_latency_bin(500)], UINT32_MAX);
    lk_guard_sums_add(&sums, &fixture->cell);
    lk_guard_window_start(&fixture->window, &sums, 0);
    for (unsigned i = 0; i < 5; i++)
        lk_guard_cell_add(&fixture->cell, LK_GUARD_LANE, true, 500);
    LK_CHECK_EQ_UINT(lane_requests_at(fixture, 10), 5);
    LK_CHECK_EQ_UINT(fixture->verdict.sides[LK_GUARD_LANE].failed, 5);
    LK_CHECK_NEAR((double)fixture->verdict.sides[LK_GUARD_LANE].p99_us, 500, 500.0 / 8);
    lk_free(fixture);
}
