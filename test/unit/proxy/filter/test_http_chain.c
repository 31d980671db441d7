/* The filter chain's contract: the table above struct lk_http_filter, row by row. */
#include "test/support/chain_harness.h"
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"

/* A filter that does at each event what the test tells it. */
struct script {
    const char *name; /* in the transcript; NULL: stays silent */
    enum lk_filter_status request_headers, request_data, request_trailers;
    enum lk_filter_status response_headers, response_data, response_trailers;
    size_t want_request, want_response; /* whole body up to so many bytes */
    bool absent;                        /* stream_new says NULL */
    bool resume_inside;                 /* resumes in the callback that pauses */
    bool once;                          /* pauses at its first event only */
    void (*on_event)(struct script *script, const char *event);
    struct lk_http_slot *slot;
    unsigned destroyed;
};

static void note(struct script *s, const char *event)
{
    if (s->name != NULL)
        chain_note(chain_harness_of(s->slot), "%s: %s", s->name, event);
    if (s->on_event != NULL)
        s->on_event(s, event);
}

static enum lk_filter_status give(struct script *s, enum lk_filter_status *status, enum lk_http_direction dir)
{
    enum lk_filter_status result = *status;
    if (s->once && result == LK_FILTER_PAUSE)
        *status = LK_FILTER_CONTINUE;
    if (s->resume_inside)
        lk_http_resume(s->slot, dir);
    return result;
}

static void *script_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct script *s = (struct script *)config;
    (void)worker;
    s->slot = slot;
    return s->absent ? NULL : s;
}

static enum lk_filter_status request_headers(void *self, struct lk_headers *headers, bool end)
{
    struct script *s = self;
    (void)headers;
    if (s->want_request > 0)
        lk_http_want_body(s->slot, LK_HTTP_REQUEST, s->want_request);
    note(s, end ? "request end" : "request");
    return give(s, &s->request_headers, LK_HTTP_REQUEST);
}

static void note_data(struct script *s, const char *what, struct lk_span data, bool end)
{
    char text[128];
    snprintf(text, sizeof(text), "%s \"%.*s\"%s", what, (int)LK_MIN(data.len, 64u), data.ptr, end ? " end" : "");
    note(s, text);
}

static enum lk_filter_status request_data(void *self, struct lk_span data, bool end)
{
    struct script *s = self;
    note_data(s, "request data", data, end);
    return give(s, &s->request_data, LK_HTTP_REQUEST);
}

static enum lk_filter_status request_trailers(void *self, struct lk_headers *trailers)
{
    struct script *s = self;
    (void)trailers;
    note(s, "request trailers");
    return give(s, &s->request_trailers, LK_HTTP_REQUEST);
}

static enum lk_filter_status response_headers(void *self, struct lk_headers *headers, bool end)
{
    struct script *s = self;
    char text[64];
    if (s->want_response > 0)
        lk_http_want_body(s->slot, LK_HTTP_RESPONSE, s->want_response);
    snprintf(text, sizeof(text), "response %u%s", lk_headers_status(headers), end ? " end" : "");
    note(s, text);
    return give(s, &s->response_headers, LK_HTTP_RESPONSE);
}

static enum lk_filter_status response_data(void *self, struct lk_span data, bool end)
{
    struct script *s = self;
    note_data(s, "response data", data, end);
    return give(s, &s->response_data, LK_HTTP_RESPONSE);
}

static enum lk_filter_status response_trailers(void *self, struct lk_headers *trailers)
{
    struct script *s = self;
    (void)trailers;
    note(s, "response trailers");
    return give(s, &s->response_trailers, LK_HTTP_RESPONSE);
}

static void destroy(void *self)
{
    ((struct script *)self)->destroyed++;
}

static const struct lk_http_filter script_filter = {
    .name = "test.script",
    .type = "test.Script",
    .stream_new = script_new,
    .on_request_headers = request_headers,
    .on_request_data = request_data,
    .on_request_trailers = request_trailers,
    .on_response_headers = response_headers,
    .on_response_data = response_data,
    .on_response_trailers = response_trailers,
    .on_destroy = destroy,
};

static struct chain_harness *chain_of(struct script *a, struct script *b)
{
    const struct lk_http_filter_entry entries[] = {
        {.filter = &script_filter, .name = LK_STR_INIT("a"), .config = a},
        {.filter = &script_filter, .name = LK_STR_INIT("b"), .config = b},
    };
    return chain_harness_new(entries, b != NULL ? 2 : 1);
}

/* --- order ------------------------------------------------------------------------------------------------------------ */

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
    CHAIN_EXPECT(h, "a: request end\norigin: GET / end\nclient: informational 103\na: response 200 end\nclient: 200 end\n");
    chain_harness_free(h);
}

/* --- pause ------------------------------------------------------------------------------------------------------------ */

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

/* --- back-pressure ----------------------------------------------------------------------------------------------------- */

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

/* --- whole bodies ------------------------------------------------------------------------------------------------------ */

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
    CHAIN_EXPECT(h, "a: request\na: request data \"body\" end\norigin: GET /\norigin: data \"body\"\norigin: trailers\n");
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

/* --- local replies and resets ------------------------------------------------------------------------------------------ */

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
