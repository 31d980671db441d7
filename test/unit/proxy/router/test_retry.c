/* What is tried again: policies, request headers, outcomes, limits, back-off. */
#include "test/support/lk_test.h"

#include "proxy/router/retry.h"
#include "proxy/router/route_table.h"

struct setup {
    struct lk_arena arena;
    struct lk_route route;
    struct lk_virtual_host host;
    struct lk_retry_policy policy;
    struct lk_headers request, response;
    struct lk_breaker breaker;
    struct lk_retry_state state;
};

static void begin(struct setup *s, const char *retry_on, uint32_t retries)
{
    const struct lk_circuit_limits limits = {.max_retries = 3};
    memset(s, 0, sizeof(*s));
    lk_arena_init(&s->arena);
    s->route.virtual_host = &s->host;
    s->policy.retry_on = lk_retry_on_parse(lk_str_from(retry_on), NULL);
    s->policy.num_retries = retries;
    s->route.action.retry = &s->policy;
    lk_headers_init(&s->request, &s->arena);
    lk_headers_init(&s->response, &s->arena);
    lk_breaker_init(&s->breaker, &limits);
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->arena);
}

static void request_header(struct setup *s, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&s->arena, lk_str_from(name));
    lk_headers_add_key(&s->request, &key, lk_str_from(value));
}

static enum lk_retry_verdict on_status(struct setup *s, unsigned status)
{
    lk_headers_set_status(&s->response, status);
    return lk_retry_on_response(&s->state, &s->response, &s->breaker);
}

static enum lk_retry_verdict on_reset(struct setup *s, enum lk_reset_reason reason, enum lk_progress progress)
{
    return lk_retry_on_reset(&s->state, reason, progress, &s->breaker);
}

/* The statuses and resets that a single condition covers. */
static void check_covers(const char *retry_on, const unsigned *statuses, size_t count, unsigned resets)
{
    static const unsigned all[] = {200, 404, 409, 429, 500, 502, 503, 504, 599};
    struct setup s;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool covered = false;
        for (size_t j = 0; j < count; j++)
            covered |= statuses[j] == all[i];
        begin(&s, retry_on, 1);
        lk_retry_init(&s.state, &s.route, &s.request);
        LK_CHECK_MSG((on_status(&s, all[i]) == LK_RETRY_YES) == covered, "%s and %u", retry_on, all[i]);
        finish(&s);
    }
    for (unsigned reason = 0; reason <= LK_RESET_PROTOCOL_ERROR; reason++) {
        begin(&s, retry_on, 1);
        lk_retry_init(&s.state, &s.route, &s.request);
        LK_CHECK_MSG((on_reset(&s, (enum lk_reset_reason)reason, LK_PROGRESS_UNKNOWN) == LK_RETRY_YES) ==
                         ((resets >> reason & 1) != 0),
                     "%s and %s", retry_on, lk_reset_reason_text((enum lk_reset_reason)reason));
        finish(&s);
    }
}

#define BIT(reason) (1u << LK_RESET_##reason)
#define EVERY_RESET ((1u << (LK_RESET_PROTOCOL_ERROR + 1)) - 1 - BIT(OVERFLOW))

LK_TEST(retry, each_condition_covers_what_envoy_says)
{
    check_covers("5xx", (const unsigned[]){500, 502, 503, 504, 599}, 5, EVERY_RESET);
    check_covers("gateway-error", (const unsigned[]){502, 503, 504}, 3, EVERY_RESET);
    check_covers("reset", NULL, 0, EVERY_RESET);
    check_covers("connect-failure", NULL, 0, BIT(CONNECTION_FAILURE) | BIT(CONNECTION_TIMEOUT));
    check_covers("refused-stream", NULL, 0, BIT(REMOTE_REFUSED));
    check_covers("retriable-4xx", (const unsigned[]){409}, 1, 0);
    check_covers("reset-before-request", NULL, 0, 0);
    check_covers("", NULL, 0, 0);
}

LK_TEST(retry, reset_before_request_needs_that_nothing_was_processed)
{
    struct setup s;
    begin(&s, "reset-before-request", 9);
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK_EQ_INT(on_reset(&s, LK_RESET_CONNECTION_TERMINATION, LK_PROGRESS_NOT_SENT), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_reset(&s, LK_RESET_CONNECTION_TERMINATION, LK_PROGRESS_NOT_PROCESSED), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_reset(&s, LK_RESET_CONNECTION_TERMINATION, LK_PROGRESS_UNKNOWN), LK_RETRY_NO);
    LK_CHECK_EQ_INT(on_reset(&s, LK_RESET_CONNECTION_TERMINATION, LK_PROGRESS_ANSWERED), LK_RETRY_NO);
    finish(&s);
}

LK_TEST(retry, listed_codes_and_headers_of_the_response)
{
    static const uint16_t codes[] = {418, 425};
    struct lk_header_match header = {.name = LK_STR("x-again"), .value = {.kind = LK_VALUE_PRESENT}};
    struct setup s;
    begin(&s, "retriable-status-codes,retriable-headers", 9);
    s.policy.status_codes = codes;
    s.policy.status_code_count = 2;
    s.policy.retriable_headers = &header;
    s.policy.retriable_header_count = 1;
    lk_header_matches_resolve(&header, 1);
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK_EQ_INT(on_status(&s, 425), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_status(&s, 419), LK_RETRY_NO);
    struct lk_header_key key = lk_header_key(&s.arena, LK_STR("X-Again"));
    lk_headers_add_key(&s.response, &key, LK_STR("1"));
    LK_CHECK_EQ_INT(on_status(&s, 200), LK_RETRY_YES);
    finish(&s);
}

LK_TEST(retry, rate_limited_answer_is_tried_again_only_when_asked)
{
    struct setup s;
    begin(&s, "5xx", 9);
    lk_retry_init(&s.state, &s.route, &s.request);
    lk_headers_add(&s.response, LK_HEADER_X_ENVOY_RATELIMITED, LK_STR("true"));
    LK_CHECK_EQ_INT(on_status(&s, 503), LK_RETRY_NO);
    finish(&s);
    begin(&s, "envoy-ratelimited", 9);
    lk_retry_init(&s.state, &s.route, &s.request);
    lk_headers_add(&s.response, LK_HEADER_X_ENVOY_RATELIMITED, LK_STR("true"));
    LK_CHECK_EQ_INT(on_status(&s, 429), LK_RETRY_YES);
    finish(&s);
}

LK_TEST(retry, grpc_status_in_the_head)
{
    struct setup s;
    begin(&s, "unavailable,cancelled", 9);
    lk_retry_init(&s.state, &s.route, &s.request);
    lk_headers_add(&s.response, LK_HEADER_GRPC_STATUS, LK_STR("14"));
    LK_CHECK_EQ_INT(on_status(&s, 200), LK_RETRY_YES);
    lk_headers_set(&s.response, LK_HEADER_GRPC_STATUS, LK_STR("4"));
    LK_CHECK_EQ_INT(on_status(&s, 200), LK_RETRY_NO);
    finish(&s);
}

/* --- the request's own words
 * ------------------------------------------------------------------------------------------- */

LK_TEST(retry, request_headers_add_to_the_policy_and_are_removed)
{
    struct setup s;
    begin(&s, "connect-failure", 1);
    request_header(&s, "x-envoy-retry-on", "retriable-status-codes,retriable-headers");
    request_header(&s, "x-envoy-retry-grpc-on", "unavailable");
    request_header(&s, "x-envoy-max-retries", "7");
    request_header(&s, "x-envoy-retriable-status-codes", "418, 425,x");
    request_header(&s, "x-envoy-retriable-header-names", "X-Once-More, x-other");
    request_header(&s, "x-envoy-hedge-on-per-try-timeout", "true");
    request_header(&s, "x-mine", "1");
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK_EQ_UINT(s.state.remaining, 7);
    LK_CHECK_EQ_INT(on_status(&s, 425), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_status(&s, 503), LK_RETRY_NO);
    struct lk_header_key key = lk_header_key(&s.arena, LK_STR("x-once-more"));
    lk_headers_add_key(&s.response, &key, LK_STR(""));
    LK_CHECK_EQ_INT(on_status(&s, 200), LK_RETRY_YES);
    unsigned left = 0;
    LK_HEADERS_FOREACH(h, &s.request)
    {
        left++;
        LK_CHECK_LKSTR(h->name, "x-mine");
    }
    LK_CHECK_EQ_UINT(left, 1);
    finish(&s);
}

LK_TEST(retry, without_a_policy_the_request_gets_one_retry_of_its_own)
{
    struct setup s;
    begin(&s, "", 0);
    s.route.action.retry = NULL;
    request_header(&s, "x-envoy-retry-on", "5xx");
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK(lk_retry_enabled(&s.state));
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_LIMIT);
    finish(&s);
}

LK_TEST(retry, policy_of_the_virtual_host_counts_where_the_route_has_none)
{
    struct setup s;
    begin(&s, "5xx", 2);
    s.route.action.retry = NULL;
    s.host.retry = &s.policy;
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK_EQ_UINT(s.state.remaining, 2);
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_YES);
    finish(&s);
}

LK_TEST(retry, policy_for_certain_requests_leaves_the_others_without_any)
{
    struct lk_header_match match = {.name = LK_STR("x-retry-me"), .value = {.kind = LK_VALUE_PRESENT}};
    struct setup s;
    begin(&s, "5xx", 1);
    s.policy.retriable_request_headers = &match;
    s.policy.retriable_request_header_count = 1;
    lk_header_matches_resolve(&match, 1);
    request_header(&s, "x-envoy-retry-on", "5xx");
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK(!lk_retry_enabled(&s.state)); /* not even by its own header */
    lk_headers_init(&s.request, &s.arena);
    request_header(&s, "x-retry-me", "");
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK(lk_retry_enabled(&s.state));
    finish(&s);
}

/* --- limits and back-off
 * ------------------------------------------------------------------------------------------------ */

LK_TEST(retry, limit_and_circuit_breaker_say_no_in_their_own_words)
{
    struct setup s;
    begin(&s, "5xx", 2);
    lk_retry_init(&s.state, &s.route, &s.request);
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_YES);
    LK_CHECK_EQ_INT(on_status(&s, 200), LK_RETRY_NO);
    for (unsigned i = 0; i < 3; i++)
        lk_breaker_take(&s.breaker, LK_RESOURCE_RETRIES);
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_OVERFLOW);
    LK_CHECK_EQ_INT(on_status(&s, 500), LK_RETRY_LIMIT);
    LK_CHECK_EQ_UINT(s.state.done, 1);
    finish(&s);
}

LK_TEST(retry, back_off_has_full_jitter_and_a_ceiling)
{
    struct setup s;
    begin(&s, "5xx", 9);
    lk_retry_init(&s.state, &s.route, &s.request);
    const uint32_t ranges[] = {25, 75, 175, 250, 250};
    for (unsigned i = 0; i < 5; i++) {
        uint32_t lowest = UINT32_MAX, highest = 0;
        s.state.done = i + 1;
        for (uint64_t random = 0; random < 1000; random++) {
            uint32_t ms = lk_retry_backoff_ms(&s.state, random);
            lowest = ms < lowest ? ms : lowest;
            highest = ms > highest ? ms : highest;
        }
        LK_CHECK_EQ_UINT(lowest, 0);
        LK_CHECK_EQ_UINT(highest, ranges[i] - 1);
    }
    s.policy.backoff_base_ms = 1000;
    s.policy.backoff_max_ms = 1500;
    s.state.done = 1;
    LK_CHECK_EQ_UINT(lk_retry_backoff_ms(&s.state, 999), 999);
    s.state.done = 4000000000u;
    LK_CHECK_EQ_UINT(lk_retry_backoff_ms(&s.state, 1499), 1499);
    finish(&s);
}
