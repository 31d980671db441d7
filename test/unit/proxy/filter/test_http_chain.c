/* The filter chain's contract: the table above struct lk_http_filter, row by row. */
#include "test/unit/proxy/filter/script_filter.h"

/* --- order
 * ------------------------------------------------------------------------------------------------------------ */

LK_TEST(http_chain, request_walks_up_and_response_walks_down)
{
    struct script a = {.name = "a"}, b = {.name = "b"};
    struct chain_harness *h = chain_of(&a, &b);
    chain_request(h, false);
    chain_data(h, "in", false);
    chain_trailers(h, "x", "1");
    CHAIN_EXPECT(h, "a: request\nb: request\norigin: GET /\n"
                    "a: request data \"in\"\nb: request data \"in\"\norigin: data \"in\"\n"
                    "a: request trailers\nb: request trailers\norigin: trailers\n");
    chain_answer(h, 200, false);
    chain_answer_data(h, "out", false);
    chain_answer_trailers(h, "y", "2");
    CHAIN_EXPECT(h, "b: response 200\na: response 200\nclient: 200\n"
                    "b: response data \"out\"\na: response data \"out\"\nclient: data \"out\"\n"
                    "b: response trailers\na: response trailers\nclient: trailers end\n");
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(a.destroyed, 1);
    LK_CHECK_EQ_UINT(b.destroyed, 1);
}

LK_TEST(http_chain, filter_that_is_not_interested_or_disabled_is_left_out)
{
    struct script a = {.name = "a", .absent = true}, b = {.name = "b"};
    const struct lk_http_filter_entry entries[] = {
        {.filter = &script_filter, .config = &a},
        {.filter = &script_filter, .config = &b, .disabled = true},
    };
    struct chain_harness *h = chain_harness_new(entries, 2);
    chain_request(h, true);
    chain_answer(h, 204, true);
    CHAIN_EXPECT(h, "origin: GET / end\nclient: 204 end\n");
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(a.destroyed, 0);
    LK_CHECK_EQ_UINT(b.destroyed, 0);
}

LK_TEST(http_chain, route_switches_filters_on_and_off_but_not_the_terminal_one)
{
    static const struct {
        const char *filter;
        enum lk_filter_switch to;
        const char *expected;
    } cases[] = {
        {"on", LK_FILTER_OFF, "origin: GET / end\nclient: 204 end\n"},
        {"off", LK_FILTER_ON,
         "a: request end\nb: request end\norigin: GET / end\nb: response 204 end\na: response 204 end\nclient: 204 "
         "end\n"},
        {"off", LK_FILTER_AS_CONFIGURED, "a: request end\norigin: GET / end\na: response 204 end\nclient: 204 end\n"},
        {"test.origin", LK_FILTER_OFF, "a: request end\norigin: GET / end\na: response 204 end\nclient: 204 end\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(cases); i++) {
        struct script a = {.name = "a"}, b = {.name = "b"};
        const struct lk_http_filter_entry entries[] = {
            {.filter = &script_filter, .name = LK_STR("on"), .config = &a},
            {.filter = &script_filter, .name = LK_STR("off"), .config = &b, .disabled = true},
        };
        struct chain_harness *h = chain_harness_new(entries, 2);
        h->switched_filter = lk_str_from(cases[i].filter);
        h->switched_to = cases[i].to;
        chain_request(h, true);
        chain_answer(h, 204, true);
        CHAIN_EXPECT(h, cases[i].expected);
        chain_harness_free(h);
    }
}

LK_TEST(http_chain, informational_response_passes_before_the_answer_only)
{
    struct script a = {.name = "a"};
    struct chain_harness *h = chain_of(&a, NULL);
    struct lk_headers early;
    chain_request(h, true);
    lk_headers_init(&early, &h->stream.arena);
    lk_headers_set_status(&early, 103);
    lk_http_respond_informational(h->origin, &early);
    chain_answer(h, 200, true);
    lk_http_respond_informational(h->origin, &early);
    CHAIN_EXPECT(
        h, "a: request end\norigin: GET / end\nclient: informational 103\na: response 200 end\nclient: 200 end\n");
    chain_harness_free(h);
}

/* --- pause
 * ------------------------------------------------------------------------------------------------------------ */

LK_TEST(http_chain, paused_headers_hold_body_and_trailers_for_the_same_filter)
{
    struct script a = {.name = "a", .request_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "one", false);
    chain_data(h, "two", false);
    chain_trailers(h, "x", "1");
    CHAIN_EXPECT(h, "a: request\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: GET /\na: request data \"onetwo\"\norigin: data \"onetwo\"\n"
                    "a: request trailers\norigin: trailers\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, paused_headers_of_a_bodyless_request_end_it_at_resume)
{
    struct script a = {.request_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, true);
    CHAIN_EXPECT(h, "");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: GET / end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, empty_end_that_came_during_a_pause_is_seen_by_the_filter)
{
    struct script a = {.name = "a", .request_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "", true);
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "a: request\norigin: GET /\na: request data \"\" end\norigin: data \"\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, paused_data_goes_on_to_the_next_filter_and_later_pieces_start_at_this_one)
{
    struct script a = {.name = "a", .request_data = LK_FILTER_PAUSE, .once = true};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "one", false);
    chain_data(h, "two", false);
    chain_data(h, "three", true);
    CHAIN_EXPECT(h, "a: request\norigin: GET /\na: request data \"one\"\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: data \"one\"\na: request data \"twothree\" end\norigin: data \"twothree\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, filter_that_pauses_at_every_piece_sees_each_once)
{
    struct script a = {.name = "a", .request_data = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "one", false);
    chain_data(h, "two", true);
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "a: request\norigin: GET /\na: request data \"one\"\norigin: data \"one\"\n"
                    "a: request data \"two\" end\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: data \"two\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, trailers_behind_paused_data_are_seen_by_the_filter)
{
    struct script a = {.name = "a", .response_data = LK_FILTER_PAUSE, .once = true};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, true);
    chain_answer(h, 200, false);
    chain_answer_data(h, "body", false);
    chain_answer_trailers(h, "grpc-status", "0");
    CHAIN_EXPECT(h, "a: request end\norigin: GET / end\na: response 200\nclient: 200\na: response data \"body\"\n");
    lk_http_resume(a.slot, LK_HTTP_RESPONSE);
    CHAIN_EXPECT(h, "client: data \"body\"\na: response trailers\nclient: trailers end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, paused_trailers_hold_the_end)
{
    struct script a = {.request_trailers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_trailers(h, "x", "1");
    CHAIN_EXPECT(h, "origin: GET /\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: trailers\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, resume_inside_the_pausing_callback_counts_when_it_returns)
{
    struct script a = {.request_headers = LK_FILTER_PAUSE, .request_data = LK_FILTER_PAUSE, .resume_inside = true};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "x", true);
    CHAIN_EXPECT(h, "origin: GET /\norigin: data \"x\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, directions_pause_independently)
{
    struct script a = {.request_data = LK_FILTER_PAUSE, .response_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "x", true);
    chain_answer(h, 200, true);
    CHAIN_EXPECT(h, "origin: GET /\n");
    lk_http_resume(a.slot, LK_HTTP_RESPONSE);
    CHAIN_EXPECT(h, "client: 200 end\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: data \"x\" end\n");
    chain_harness_free(h);
}
