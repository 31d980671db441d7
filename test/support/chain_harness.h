/*
 * Drives HTTP filters without sockets: the harness is the HTTP manager in front of them (it makes the stream, takes
 * what comes out, answers local replies) and the terminal filter behind them. What reaches either end is written to a
 * transcript, one line per event:
 *
 *     origin: GET /path            client: 200
 *     origin: data "abc" end       client: data "xyz"
 *     origin: trailers             client: trailers end
 *     origin: blocked | unblocked  client: pause | resume | reset local reset
 *     origin: destroy              local: 413 request_payload_too_large
 */
#pragma once

#include "proxy/filter/http_stream.h"

#include <stdbool.h>
#include <stddef.h>

#define CHAIN_FILTERS_MAX 8
#define CHAIN_TRANSCRIPT_MAX 65536

struct chain_harness {
    struct lk_loop *loop;
    bool own_loop;
    struct lk_http_stream stream;
    struct lk_conn_info conn;
    struct lk_headers head; /* of the request, until it is sent */
    struct lk_http_filter_entry entries[CHAIN_FILTERS_MAX + 1];
    struct lk_http_chain_config config;
    void *workers[CHAIN_FILTERS_MAX + 1];
    struct lk_http_slot *origin; /* the slot of the terminal filter */
    const struct lk_route *route;
    const void *route_config;      /* what lk_http_route_config gives to every filter; NULL: nothing */
    struct lk_str switched_filter; /* what the route says of one filter; empty: nothing */
    enum lk_filter_switch switched_to;
    int pauses;       /* of the request, counted */
    bool client_done; /* the response ended, or the stream was reset */
    bool was_reset;
    enum lk_reset_reason reset_reason;
    unsigned local_status; /* of the last local reply; 0: none */
    unsigned clears;       /* of the route */
    char *transcript;
    size_t transcript_len;
    struct lk_buf client_body; /* what the client got */
    struct lk_buf origin_body; /* what the terminal filter got */
};

/* The filters in order; a terminal one is put behind them, unless the last is terminal itself. The head holds :method
 * GET, :scheme http, :authority host.test, :path /. */
struct chain_harness *chain_harness_new(const struct lk_http_filter_entry *entries, unsigned count);
/* On a loop that lives longer (workers 0). */
struct chain_harness *chain_harness_on(struct lk_loop *loop, const struct lk_http_filter_entry *entries,
                                       unsigned count);
/* Destroys the stream if nobody did, and checks that no chunk and no pause is left. */
void chain_harness_free(struct chain_harness *harness);

/* Before chain_request: replaces or adds a request header. */
void chain_set(struct chain_harness *harness, const char *name, const char *value);
/* The request enters: head, pieces of body, trailers (one field). */
void chain_request(struct chain_harness *harness, bool end);
void chain_data(struct chain_harness *harness, const char *data, bool end);
void chain_trailers(struct chain_harness *harness, const char *name, const char *value);
/* The terminal filter answers. */
void chain_answer(struct chain_harness *harness, unsigned status, bool end);
void chain_answer_data(struct chain_harness *harness, const char *data, bool end);
void chain_answer_trailers(struct chain_harness *harness, const char *name, const char *value);

/* Writes a line, "who: what"; for filters under test that want to be seen in order. */
void chain_note(struct chain_harness *harness, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The harness of a slot's stream. */
struct chain_harness *chain_harness_of(struct lk_http_slot *slot);
/* The transcript is exactly these lines; it is empty afterwards. */
#define CHAIN_EXPECT(harness, lines) chain_expect(__FILE__, __LINE__, (harness), (lines))
void chain_expect(const char *file, int line, struct chain_harness *harness, const char *lines);
