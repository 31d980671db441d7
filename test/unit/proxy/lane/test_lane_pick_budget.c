/* Leaving a lane that has endpoints: by what it allows, within its fallback budget, and with the grace of one that has
 * just lost them. The clock is the test's. */
#include "test/unit/proxy/lane/pick_fixture.h"

/* How many of so many decisions at once come out like this. */
static unsigned times(struct fixture *f, const char *mark, unsigned tries, const char *outcome)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++)
        count += strcmp(decide(f, mark), outcome) == 0;
    return count;
}

LK_TEST(lane_pick_budget, fallback_of_an_unhealthy_lane_is_capped)
{
    struct fixture f;

    init(&f);
    set_hosts(&f, "lane=g!,-");
    f.lanes[G].cap_min_rps = 100;
    /* a twentieth of the cap at once, less what pacing costs */
    LK_CHECK_EQ_UINT(times(&f, "g", 100, "base unhealthy b"), 4);
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    f.now_ms += 500;
    LK_CHECK_EQ_UINT(times(&f, "g", 100, "base unhealthy b"), 4);
    LK_CHECK_STR(decide(&f, ""), "base ok b"); /* nobody else pays for it */
    fini(&f);
}

LK_TEST(lane_pick_budget, cap_follows_the_base_requests_that_are_no_fallback)
{
    struct fixture f;

    init(&f);
    f.lanes[G].cap_min_rps = 0;
    set_hosts(&f, "lane=g!,-");
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    for (unsigned i = 0; i < 3000; i++, f.now_ms++) /* 1000 a second */
        LK_CHECK_STR(decide(&f, i % 2 == 0 ? "" : "z"), i % 2 == 0 ? "base ok b" : "base unknown b");
    LK_CHECK(times(&f, "g", 100, "base unhealthy b") >= 5);
    f.now_ms += 10000;
    for (unsigned i = 0; i < 3000; i++, f.now_ms++)
        LK_CHECK_STR(decide(&f, "h"), "base absent b"); /* a fallback: it makes no room for more */
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, dry_run_takes_nothing)
{
    struct fixture f;

    init(&f);
    f.lanes[G].cap_min_rps = 0;
    f.ask.budgets = NULL;
    set_hosts(&f, "lane=g!,-");
    LK_CHECK_EQ_UINT(times(&f, "g", 50, "base unhealthy b"), 50);
    LK_CHECK_EQ_UINT(lk_budget_memo_count(&f.memo), 0);
    fini(&f);
}

LK_TEST(lane_pick_budget, absent_lane_costs_nothing)
{
    struct fixture f;

    init(&f);
    f.lanes[G].cap_min_rps = 0;
    set_hosts(&f, "-");
    LK_CHECK_EQ_UINT(times(&f, "g", 1000, "base absent a"), 1000);
    fini(&f);
}

LK_TEST(lane_pick_budget, request_pays_once_and_the_requested_lane_pays)
{
    struct fixture f;

    init(&f);
    f.lanes[K].cap_min_rps = 1000;
    f.lanes[P].cap_min_rps = 0;
    set_hosts(&f, "lane=k!,lane=p!,-");
    LK_CHECK(times(&f, "k", 60, "base unhealthy c") > 40); /* of 50, with two steps each */
    LK_CHECK_STR(decide(&f, "k"), "503 capped");
    LK_CHECK_STR(decide(&f, "p"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, parent_is_paid_for_as_base_is)
{
    struct fixture f;

    init(&f);
    f.lanes[K].cap_min_rps = 0;
    set_hosts(&f, "lane=k!,lane=p,-");
    LK_CHECK_STR(decide(&f, "k"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, absent_parent_makes_no_step_free)
{
    struct fixture f;

    init(&f);
    f.lanes[K].cap_min_rps = 0;
    set_hosts(&f, "lane=k!,-");
    LK_CHECK_STR(decide(&f, "k"), "503 capped");
    fini(&f);
}

/* --- grace ----------------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick_budget, lane_that_just_lost_its_endpoints_is_unhealthy_and_later_absent)
{
    struct fixture f;

    init(&f);
    set_hosts(&f, "lane=g,-");
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    set_hosts(&f, "-");
    LK_CHECK_STR(decide(&f, "g"), "base unhealthy a");
    LK_CHECK_STR(decide(&f, "g"), "503 capped"); /* budgeted */
    f.now_ms += 4999;
    LK_CHECK_STR(decide(&f, "g"), "base unhealthy a");
    f.now_ms += 1;
    LK_CHECK_EQ_UINT(times(&f, "g", 100, "base absent a"), 100);
    set_hosts(&f, "lane=g,-");
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    fini(&f);
}

LK_TEST(lane_pick_budget, grace_of_none_is_none_and_the_lane_may_forbid_it)
{
    struct fixture f;

    init(&f);
    f.lanes[G].absent_grace_ms = 0;
    f.lanes[H].on_unhealthy = false;
    set_hosts(&f, "lane=g|h,-");
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    LK_CHECK_STR(decide(&f, "h"), "h ok a");
    set_hosts(&f, "-");
    LK_CHECK_STR(decide(&f, "g"), "base absent a");
    LK_CHECK_STR(decide(&f, "h"), "503 unhealthy");
    f.now_ms += 5000;
    LK_CHECK_STR(decide(&f, "h"), "base absent a");
    fini(&f);
}

/* --- overload -------------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick_budget, overloaded_lane_is_refused_unless_it_may_be_left)
{
    static const struct pick_case refused[] = {
        {"lane=g,-", "g", "503 overload"},      {"lane=p,-", "k", "503 overload"}, {"lane=t,-", "t", "503 overload"},
        {"lane=g!,-", "g", "base unhealthy b"}, {"-", "g", "base absent a"},       {"lane=g,-", "", "base ok b"},
    };
    static const struct pick_case left[] = {
        {"lane=g,-", "g", "base overload b"},
        {"lane=k,lane=p,-", "k", "p overload b"},
        {"lane=p,-", "k", "base absent b"},
        {"lane=t,-", "t", "503 overload"},
    };
    CHECK_CASES(refused, f.ask.overloaded = true)
    CHECK_CASES(left, f.ask.overloaded = true; f.lanes[G].on_overload = f.lanes[K].on_overload = true;
                f.lanes[T].on_overload = true)
}

LK_TEST(lane_pick_budget, overload_is_capped)
{
    struct fixture f;

    init(&f);
    f.ask.overloaded = true;
    f.lanes[G].on_overload = true;
    set_hosts(&f, "lane=g,-");
    LK_CHECK_EQ_UINT(times(&f, "g", 10, "base overload b"), 1);
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, breaker_without_room_is_an_overload)
{
    struct fixture f;
    struct lk_breaker *breaker;

    init(&f);
    set_hosts(&f, "-");
    breaker = &f.up->cluster->breakers[0];
    LK_CHECK(!lk_lane_overloaded(&f.ask, f.up->view));
    breaker->limit[LK_RESOURCE_REQUESTS] = 1;
    lk_breaker_take(breaker, LK_RESOURCE_REQUESTS);
    LK_CHECK(lk_lane_overloaded(&f.ask, f.up->view));
    f.ask.priority = 1;
    LK_CHECK(!lk_lane_overloaded(&f.ask, f.up->view));
    f.ask.priority = 0;
    lk_breaker_give(breaker, LK_RESOURCE_REQUESTS);
    breaker->limit[LK_RESOURCE_PENDING] = 0; /* only idle connections serve: no overload of its own */
    LK_CHECK(!lk_lane_overloaded(&f.ask, f.up->view));
    fini(&f);
}

/* --- retries --------------------------------------------------------------------------------------------------------
 */

LK_TEST(lane_pick_budget, last_retry_may_leave_the_lane_or_stays)
{
    static const struct pick_case cases[] = {
        {"lane=g,-", "g", "base retry b"},
        {"lane=k,lane=p,-", "k", "p retry b"},
        {"lane=k,lane=p!,-", "k", "base retry c"},
        {"lane=g", "g", "g ok a"}, /* nobody else */
        {"lane=t,-", "t", "t ok a"},
        {"lane=h,-", "h", "h ok a"}, /* it may not */
        {"lane=g!,-", "g", "base unhealthy b"},
        {"lane=shadow-s,shadow_ok=true", "shadow-s", "shadow-s ok a"},
        {"lane=g,-", "", "base ok b"},
    };
#define LAST                                                                                                           \
    f.ask.step_down = f.ask.again = true;                                                                              \
    f.lanes[G].on_retry = f.lanes[K].on_retry = f.lanes[T].on_retry = true
    static const struct pick_case capped[] = {{"lane=g,-", "g", "g ok a"}};
    static const struct pick_case stuck[] = {{"lane=k,lane=p!,-", "k", "k ok a"}};
    CHECK_CASES(cases, LAST)
    CHECK_CASES(capped, LAST; f.lanes[G].cap_min_rps = 0)
    CHECK_CASES(stuck, LAST; f.lanes[K].on_unhealthy = false)
#undef LAST
}

LK_TEST(lane_pick_budget, retry_starts_where_the_first_try_went)
{
    struct fixture f;

    init(&f);
    set_hosts(&f, "lane=k,lane=p,-");
    f.ask.again = true;
    f.ask.from = &f.lanes[P];
    LK_CHECK_STR(decide(&f, "k"), "p ok b");
    f.ask.from = &f.lanes[BASE];
    LK_CHECK_STR(decide(&f, "k"), "base ok c");
    f.ask.from = &f.lanes[H]; /* no longer of the chain */
    LK_CHECK_STR(decide(&f, "k"), "k ok a");
    set_hosts(&f, "lane=k,lane=p!,-");
    f.ask.from = &f.lanes[P];
    LK_CHECK_STR(decide(&f, "k"), "base unhealthy c"); /* and goes on from there */
    fini(&f);
}

LK_TEST(lane_pick_budget, retries_make_no_room_for_fallback)
{
    struct fixture f;

    init(&f);
    f.lanes[G].cap_min_rps = 0;
    f.ask.again = true;
    set_hosts(&f, "lane=g!,-");
    for (unsigned i = 0; i < 3000; i++, f.now_ms++)
        LK_CHECK_STR(decide(&f, ""), "base ok b");
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, dry_decision_is_the_next_one_and_takes_nothing)
{
    struct fixture f;
    char dry[64];

    init(&f);
    set_hosts(&f, "lane=g!,-");
    f.lanes[G].cap_min_rps = 100;
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned again = 0; again < 3; again++) {
            f.ask.dry = true;
            snprintf(dry, sizeof(dry), "%s", decide(&f, "g"));
        }
        f.ask.dry = false;
        LK_CHECK_STR(decide(&f, "g"), dry);
    }
    LK_CHECK_STR(decide(&f, "g"), "503 capped");
    fini(&f);
}

LK_TEST(lane_pick_budget, dry_decision_makes_no_budget_and_knows_the_grace)
{
    struct fixture f;

    init(&f);
    f.lanes[G].cap_min_rps = 1000;
    set_hosts(&f, "lane=g,-");
    f.ask.dry = true;
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    LK_CHECK_STR(decide(&f, ""), "base ok b");
    LK_CHECK_EQ_UINT(lk_budget_memo_count(&f.memo), 0);
    f.ask.dry = false;
    LK_CHECK_STR(decide(&f, "g"), "g ok a");
    set_hosts(&f, "-");
    LK_CHECK_STR(decide(&f, "g"), "base unhealthy a"); /* it had some just now */
    f.ask.dry = true;
    LK_CHECK_STR(decide(&f, "g"), "base unhealthy a");
    f.now_ms += f.lanes[G].absent_grace_ms;
    LK_CHECK_STR(decide(&f, "g"), "base absent a");
    fini(&f);
}
