/* What the files of the HTTP manager share: the connection and one exchange on it. */
#pragma once

#include "proxy/base/list.h"
#include "proxy/downstream/http_manager.h"
#include "proxy/filter/access_logger.h"
#include "proxy/io/conn.h"
#include "proxy/io/timer.h"
#include "proxy/router/route_match.h"
#include "proxy/stats/stat_names.h"

struct lk_http_manager_worker {
    const struct lk_http_manager_config *config;
    struct lk_loop *loop;
    void **filter_workers; /* by chain entry */
    struct lk_list free_exchanges;
    unsigned free_count;
    /* "Date" of this second */
    int64_t date_second;
    char date[32];
    unsigned date_len;
};

enum lk_http_timer { LK_HTTP_TIMER_IDLE, LK_HTTP_TIMER_HEAD, LK_HTTP_TIMER_HEAD_IDLE, LK_HTTP_TIMER_DRAIN };

struct lk_http_conn {
    struct lk_session *session;
    struct lk_conn *conn;
    const struct lk_http_manager_config *config;
    struct lk_http_manager_worker *worker;
    struct lk_codec *codec;
    struct lk_list exchanges;
    struct lk_timer timer;    /* what it means is timer_kind */
    struct lk_timer duration; /* max_connection_duration */
    uint64_t head_start_us;   /* first byte of a head that is not complete; 0: none */
    uint32_t requests;
    uint32_t active;
    uint8_t timer_kind;
    bool draining;   /* close at the next response */
    bool closing;    /* lk_session_close was called */
    bool peer_ended; /* EOF was seen */
};

enum lk_exchange_deadline { LK_DEADLINE_NONE, LK_DEADLINE_REQUEST, LK_DEADLINE_DURATION };

struct lk_http_exchange {
    struct lk_http_stream stream; /* first: the sink gets it */
    struct lk_http_conn *hc;
    struct lk_http_manager_worker *worker;
    struct lk_codec_stream *cs; /* NULL once the codec is done with it */
    struct lk_list node;
    struct lk_timer idle;
    struct lk_timer request_deadline; /* request_timeout */
    struct lk_timer duration;         /* max_stream_duration */
    struct lk_deferred free_later;
    struct lk_headers no_headers; /* stands for a head that could not be read */
    const struct lk_route *route;
    struct lk_route_table *routes;      /* referenced while the stream lives */
    struct lk_route_trace *route_trace; /* NULL when forwarding */
    uint64_t random;
    struct lk_str decorated; /* the route's operation, for the response; empty: none */
    uint32_t idle_ms;
    uint16_t request_pauses; /* by filters and router */
    bool route_known;
    bool chain_started;
    bool head_request;
    bool is_grpc;
    bool upgraded; /* 101 went through */
    bool upgrade_asked;
    bool close_after; /* the connection ends with this exchange */
    bool ended;       /* finished or reset: nothing more happens */
    bool blocked;     /* its filters know that the connection's output is above its watermark */
    bool expect_continue;
    bool decorated_propagate;
    bool operation_fixed; /* its name is configured by format */
    bool from_edge;       /* the request comes from outside, and we are the first proxy */
};

#define LK_EXCHANGE_OF(stream_ptr) LK_CONTAINER_OF(stream_ptr, struct lk_http_exchange, stream)

extern const struct lk_http_sink lk_http_manager_sink;
extern const struct lk_stream_events lk_http_manager_stream_events;

struct lk_http_exchange *lk_exchange_new(struct lk_http_conn *hc, struct lk_codec_stream *cs);
/* Stands in for a head that could not be read. */
void lk_exchange_without_head(struct lk_http_exchange *ex);
/* Log, tell the filters, free at the end of the turn. */
void lk_exchange_end(struct lk_http_exchange *ex);
/* Ends an exchange that cannot be answered completely; the connection goes with it on HTTP/1. */
void lk_exchange_reset(struct lk_http_exchange *ex, enum lk_reset_reason reason);
/* One line in the access logs. */
void lk_exchange_log(struct lk_http_exchange *ex, const char *type);
/* Any sign of life. */
void lk_exchange_touch(struct lk_http_exchange *ex);
const struct lk_route *lk_exchange_route(struct lk_http_exchange *ex);

/* http_request.c: a request head has arrived. */
void lk_exchange_request(struct lk_http_exchange *ex, struct lk_headers *headers, bool end);
/* Its parts: what the head is; then all that is decided of it before filters see it. False: it was answered. */
void lk_exchange_note_head(struct lk_http_exchange *ex, struct lk_headers *headers, bool end);
bool lk_exchange_admit(struct lk_http_exchange *ex, struct lk_headers *headers, bool end);
/* http_response.c: what every response head gets before it leaves. */
void lk_exchange_finish_response_head(struct lk_http_exchange *ex, struct lk_headers *headers);
struct lk_str lk_http_date(struct lk_http_manager_worker *worker);

/* http_tracing.c: decides whether the request is traced, marks its id, starts its span, passes its operation on. Needs
 * the route. */
void lk_exchange_trace(struct lk_http_exchange *ex, struct lk_headers *headers);
/* The operation of a response: told to the caller, or taken from the callee. */
void lk_exchange_trace_response(struct lk_http_exchange *ex, struct lk_headers *headers);

/* local_reply.c */
void lk_exchange_local_reply(struct lk_http_exchange *ex, const struct lk_local_reply *reply);
void lk_exchange_reply(struct lk_http_exchange *ex, unsigned status, struct lk_str body, struct lk_str details);

/* Writes the reason into an id that has a UUID's length. */
void lk_request_id_mark(struct lk_header *header, struct lk_arena *arena, enum lk_trace_reason reason);

/* header_policy.c */
enum lk_policy_verdict { LK_POLICY_PASS, LK_POLICY_ANSWERED };
enum lk_policy_verdict lk_exchange_header_policy(struct lk_http_exchange *ex, struct lk_headers *headers);

/* Answers a head that could not be read and closes. */
void lk_http_conn_bad_request(struct lk_http_conn *hc, unsigned status, struct lk_str body, struct lk_str details,
                              enum lk_response_flag flag);
/* What the codec says of bytes that break HTTP. */
void lk_http_conn_protocol_error(struct lk_http_conn *hc, const struct lk_codec_error *error);
void lk_http_conn_close(struct lk_http_conn *hc, enum lk_close_mode mode, bool local);
/* After output was added: tells the streams when the connection has enough. */
void lk_http_conn_check_output(struct lk_http_conn *hc);
/* The connection's idle timer starts when nothing is in progress. */
void lk_http_conn_idle(struct lk_http_conn *hc);
