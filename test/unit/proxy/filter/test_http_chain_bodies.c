/* The HTTP filter chain: back-pressure, whole bodies, local replies and resets. */
#include "test/unit/proxy/filter/script_filter.h"

/* --- back-pressure
 * ----------------------------------------------------------------------------------------------------- */

LK_TEST(http_chain, full_queue_pauses_the_client_until_resume)
{
    struct script a = {.request_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    h->stream.buffer_limit = 6;
    chain_request(h, false);
    chain_data(h, "12345", false);
    CHAIN_EXPECT(h, "");
    chain_data(h, "6", false);
    chain_data(h, "7", true);
    CHAIN_EXPECT(h, "client: pause\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: GET /\nclient: resume\norigin: data \"1234567\" end\n");
    LK_CHECK_EQ_INT(h->pauses, 0);
    chain_harness_free(h);
}

LK_TEST(http_chain, full_response_queue_blocks_the_producer_until_resume)
{
    struct script a = {.response_headers = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    h->stream.buffer_limit = 4;
    chain_request(h, true);
    chain_answer(h, 200, false);
    chain_answer_data(h, "12345", false);
    CHAIN_EXPECT(h, "origin: GET / end\norigin: blocked\n");
    lk_http_resume(a.slot, LK_HTTP_RESPONSE);
    CHAIN_EXPECT(h, "client: 200\norigin: unblocked\nclient: data \"12345\"\n");
    chain_harness_free(h);
}

/* --- whole bodies
 * ------------------------------------------------------------------------------------------------------ */

LK_TEST(http_chain, whole_body_comes_in_one_piece_before_the_headers_go_on)
{
    struct script a = {.name = "a", .want_request = 100};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "one ", false);
    chain_data(h, "two", false);
    CHAIN_EXPECT(h, "a: request\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST); /* collecting is not a pause to be ended */
    CHAIN_EXPECT(h, "");
    chain_data(h, "", true);
    CHAIN_EXPECT(h, "a: request data \"one two\" end\norigin: GET /\norigin: data \"one two\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, whole_body_that_is_empty_ends_with_the_headers)
{
    struct script a = {.name = "a", .want_request = 100};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "", true);
    CHAIN_EXPECT(h, "a: request\na: request data \"\" end\norigin: GET / end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, whole_body_ends_at_trailers)
{
    struct script a = {.name = "a", .want_response = 100};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, true);
    chain_answer(h, 200, false);
    chain_answer_data(h, "body", false);
    chain_answer_trailers(h, "x", "1");
    CHAIN_EXPECT(h, "a: request end\norigin: GET / end\na: response 200\na: response data \"body\" end\n"
                    "client: 200\nclient: data \"body\"\nclient: trailers end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, filter_may_pause_with_the_whole_body_in_its_hands)
{
    struct script a = {.name = "a", .want_request = 100, .request_data = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "body", true);
    CHAIN_EXPECT(h, "a: request\na: request data \"body\" end\n");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: GET /\norigin: data \"body\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, filter_may_pause_with_the_whole_body_and_trailers)
{
    struct script a = {.name = "a", .want_request = 100, .request_data = LK_FILTER_PAUSE};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "body", false);
    chain_trailers(h, "x", "1");
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h,
                 "a: request\na: request data \"body\" end\norigin: GET /\norigin: data \"body\"\norigin: trailers\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, request_body_above_its_limit_is_a_413)
{
    struct script a = {.want_request = 4};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, false);
    chain_data(h, "1234", false);
    chain_data(h, "5", true);
    CHAIN_EXPECT(h, "local: 413 request_payload_too_large\nclient: 413\nclient: data \"Payload Too Large\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, response_body_above_its_limit_is_a_500_and_nothing_of_it_leaks)
{
    struct script a = {.name = "a", .want_response = 4};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, true);
    chain_answer(h, 200, false);
    a.want_response = 0;
    chain_answer_data(h, "secret", true);
    CHAIN_EXPECT(h, "a: request end\norigin: GET / end\na: response 200\nlocal: 500 response_payload_too_large\n"
                    "a: response 500\nclient: 500\na: response data \"Internal Server Error\" end\n"
                    "client: data \"Internal Server Error\" end\n");
    chain_harness_free(h);
}

/* --- local replies and resets
 * ------------------------------------------------------------------------------------------ */

static void reply_403(struct script *s, const char *event)
{
    const struct lk_local_reply reply = {
        .status = 403, .body = LK_STR("no"), .details = LK_STR("denied"), .grpc_status = -1};
    (void)event;
    s->on_event = NULL;
    lk_http_local_reply(s->slot, &reply);
}

LK_TEST(http_chain, local_reply_passes_only_filters_that_saw_the_request)
{
    struct script a = {.name = "a", .on_event = reply_403}, b = {.name = "b"};
    struct chain_harness *h = chain_of(&a, &b);
    chain_request(h, false);
    CHAIN_EXPECT(h, "a: request\nlocal: 403 denied\na: response 403\nclient: 403\n"
                    "a: response data \"no\" end\nclient: data \"no\" end\n");
    chain_data(h, "late", true); /* nobody is there to take it */
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "");
    chain_harness_free(h);
}

LK_TEST(http_chain, local_reply_replaces_a_response_that_a_filter_holds)
{
    struct script a = {.name = "a", .response_headers = LK_FILTER_PAUSE, .once = true}, b = {.name = "b"};
    struct chain_harness *h = chain_of(&a, &b);
    h->stream.buffer_limit = 4;
    chain_request(h, true);
    chain_answer(h, 200, false);
    chain_answer_data(h, "secret", true);
    CHAIN_EXPECT(h, "a: request end\nb: request end\norigin: GET / end\nb: response 200\na: response 200\n"
                    "b: response data \"secret\" end\norigin: blocked\n");
    reply_403(&a, "");
    CHAIN_EXPECT(h, "local: 403 denied\nb: response 403\na: response 403\nclient: 403\n"
                    "b: response data \"no\" end\na: response data \"no\" end\nclient: data \"no\" end\n");
    chain_harness_free(h);
}

LK_TEST(http_chain, answer_behind_a_local_reply_is_dropped)
{
    struct script a = {.name = NULL};
    struct chain_harness *h = chain_of(&a, NULL);
    chain_request(h, true);
    reply_403(&a, "");
    chain_answer(h, 200, false);
    chain_answer_data(h, "late", false);
    chain_answer_trailers(h, "x", "1");
    CHAIN_EXPECT(h, "origin: GET / end\nlocal: 403 denied\nclient: 403\nclient: data \"no\" end\n");
    chain_harness_free(h);
}

static void reset_stream(struct script *s, const char *event)
{
    (void)event;
    lk_http_reset(s->slot, LK_RESET_LOCAL);
}

LK_TEST(http_chain, reset_destroys_every_instance_once_and_nothing_follows)
{
    struct script a = {.name = "a"}, b = {.name = "b", .on_event = reset_stream};
    struct chain_harness *h = chain_of(&a, &b);
    chain_request(h, false);
    CHAIN_EXPECT(h, "a: request\nb: request\nclient: reset local reset\norigin: destroy\n");
    chain_data(h, "late", true);
    chain_answer(h, 200, true);
    reply_403(&a, "");
    lk_http_chain_response_blocked(&h->stream, true);
    CHAIN_EXPECT(h, "");
    chain_harness_free(h);
    LK_CHECK_EQ_UINT(a.destroyed, 1);
    LK_CHECK_EQ_UINT(b.destroyed, 1);
}

static void reset_at_data(struct script *s, const char *event)
{
    if (strstr(event, "data") != NULL)
        lk_http_reset(s->slot, LK_RESET_LOCAL);
}

LK_TEST(http_chain, reset_while_a_queue_is_run_frees_what_is_left)
{
    struct script a = {.request_headers = LK_FILTER_PAUSE, .on_event = reset_at_data};
    struct chain_harness *h = chain_of(&a, NULL);
    char big[5001];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    chain_request(h, false);
    chain_data(h, big, false);
    chain_data(h, big, true);
    lk_http_resume(a.slot, LK_HTTP_REQUEST);
    CHAIN_EXPECT(h, "origin: GET /\nclient: reset local reset\norigin: destroy\n");
    chain_harness_free(h); /* checks that no chunk is left */
}
