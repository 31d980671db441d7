/*
 * The codec contract: bytes in, stream events out; verbs in, bytes out. A codec never owns a socket: it reads spans
 * given to it and writes to a buf. HTTP/1 and HTTP/2, server and client side, are implementations of struct
 * lk_codec_ops. Owner: one worker.
 *
 * Events of a stream, in order: on_headers (client: after any on_informational), on_data*, then on_trailers or an event
 * with end_stream; or on_reset at any moment, after which nothing follows. A stream may be reset or completed inside
 * its own events; the codec copes.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/list.h"
#include "proxy/http/headers.h"
#include "proxy/io/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_codec;
struct lk_codec_stream;

enum lk_protocol { LK_HTTP10, LK_HTTP11, LK_HTTP2 };

/* Why a stream ended early. The names follow Envoy's StreamResetReason. */
enum lk_reset_reason {
    LK_RESET_LOCAL,                  /* we gave up */
    LK_RESET_LOCAL_REFUSED,          /* GOAWAY/REFUSED_STREAM sent by us */
    LK_RESET_REMOTE,                 /* peer reset it (RST_STREAM) */
    LK_RESET_REMOTE_REFUSED,         /* peer says: not processed */
    LK_RESET_CONNECTION_FAILURE,     /* connect failed */
    LK_RESET_CONNECTION_TIMEOUT,     /* connect timed out */
    LK_RESET_CONNECTION_TERMINATION, /* connection went away */
    LK_RESET_OVERFLOW,               /* circuit breaker */
    LK_RESET_PROTOCOL_ERROR,         /* peer broke the protocol */
};
/* "remote reset", "connection termination", ... as in Envoy's response body and details. */
const char *lk_reset_reason_text(enum lk_reset_reason reason);

struct lk_stream_events {
    void (*on_headers)(struct lk_codec_stream *stream, struct lk_headers *headers, bool end_stream);
    /* Client side: a 1xx other than 101. NULL: dropped. */
    void (*on_informational)(struct lk_codec_stream *stream, struct lk_headers *headers);
    /* data.len may be 0 with end_stream. */
    void (*on_data)(struct lk_codec_stream *stream, struct lk_span data, bool end_stream);
    void (*on_trailers)(struct lk_codec_stream *stream, struct lk_headers *trailers);
    void (*on_reset)(struct lk_codec_stream *stream, enum lk_reset_reason reason);
    /* HTTP/2: the stream's send window opened again after lk_codec_stream_blocked said true. For HTTP/1 the
     * connection's on_drained serves. */
    void (*on_writable)(struct lk_codec_stream *stream);
};

/* One request/response exchange at one codec. The owner reads arg; the rest is the codec's. */
struct lk_codec_stream {
    struct lk_codec *codec;
    const struct lk_stream_events *events;
    void *arg;
    struct lk_arena *arena; /* heads and trailers are decoded into it */
    uint32_t id;            /* HTTP/2 stream id; HTTP/1: 1, 2, 3, ... */
    uint16_t paused;        /* counted; see lk_codec_pause */
    bool is_head : 1;       /* request method is HEAD: the response has no body */
    bool is_connect : 1;
    /* The request asks for an upgrade (or CONNECT) that was let through: what follows its head is payload, not
     * messages. Server: set inside on_headers, which came with end_stream (a request with a body cannot upgrade: it is
     * cleared); then the stream does not end there. Any answer but 101 (CONNECT: 2xx) closes the connection. Client:
     * set before send_headers; payload sent before the peer's 101 is held back, and `blocked` says when that is much.
     */
    bool upgrade : 1;
    bool remote_done : 1; /* end_stream or trailers received */
    bool local_done : 1;  /* end_stream or trailers sent */
    bool headers_sent : 1;
    bool close_after : 1; /* server: this response is the connection's last */
    bool http10 : 1;      /* the peer spoke HTTP/1.0 in this message */
    void *impl;           /* the codec's own per-stream state */
};

/* A protocol error of the peer, or a limit it broke. */
struct lk_codec_error {
    unsigned status;     /* what a server answers: 400, 431, 426, ... ; 0: nothing can be answered */
    const char *details; /* "http1.codec_error", "http1.invalid_transfer_encoding", ... static */
    const char *text;    /* for logs and tests: which rule was broken; static */
};

struct lk_codec_callbacks {
    /* Server: a head is about to be decoded. Must set stream->events, arg and arena, true; or refuse (false): the codec
     * stops consuming, the owner closes. */
    bool (*on_stream)(void *owner, struct lk_codec_stream *stream);
    /* Server: part of a head has arrived and more is needed (arms the headers timeout); once per message. NULL: no. */
    void (*on_head_pending)(void *owner);
    /* Both directions of the stream are done (or it was reset); the codec forgets it after this call. HTTP/1 server:
     * the next pipelined request may now be fed. keep_alive: HTTP/1: whether the connection can carry another message.
     */
    void (*on_stream_done)(void *owner, struct lk_codec_stream *stream, bool keep_alive);
    /* HTTP/1: stop or go on reading the connection for the sake of a paused stream. */
    void (*on_read_pause)(void *owner, bool pause);
    /* Output was added; flush at the end of the turn. */
    void (*on_output)(void *owner);
    /* HTTP/1: our direction of an upgraded connection has ended: half-close it behind the output (lk_conn_shutdown).
     * The stream is done when the peer's direction ends too. NULL: the peer is not told. */
    void (*on_output_end)(void *owner);
    /* HTTP/2: peer sent GOAWAY; streams above last_id were not processed and are reset with REMOTE_REFUSED. NULL:
     * HTTP/1. */
    void (*on_goaway)(void *owner, uint32_t last_id);
};

struct lk_codec_ops {
    enum lk_protocol protocol;
    size_t (*feed)(struct lk_codec *codec, struct lk_span data, struct lk_codec_error *error);
    bool (*feed_eof)(struct lk_codec *codec, struct lk_codec_error *error);
    struct lk_codec_stream *(*new_stream)(struct lk_codec *codec);
    void (*send_headers)(struct lk_codec_stream *stream, const struct lk_headers *headers, bool end_stream);
    void (*send_informational)(struct lk_codec_stream *stream, const struct lk_headers *headers);
    void (*send_data)(struct lk_codec_stream *stream, struct lk_span data, bool end_stream);
    void (*send_buf)(struct lk_codec_stream *stream, struct lk_buf *data, bool end_stream);
    void (*send_trailers)(struct lk_codec_stream *stream, const struct lk_headers *trailers);
    void (*reset)(struct lk_codec_stream *stream, enum lk_reset_reason reason);
    void (*pause)(struct lk_codec_stream *stream, bool pause);
    bool (*blocked)(const struct lk_codec_stream *stream);
    void (*goaway)(struct lk_codec *codec);
    void (*free)(struct lk_codec *codec);
};

struct lk_codec {
    const struct lk_codec_ops *ops;
    const struct lk_codec_callbacks *callbacks;
    void *owner;
    struct lk_buf *out;
    bool failed; /* a protocol error was reported; nothing more is fed */
};

/* Consumes from the front of data; returns how many bytes. Fewer than data.len without error means: the rest must be
 * offered again, with more bytes behind it (incomplete head) or after the current stream is done or resumed. On a
 * protocol error error->details is set and codec->failed; a stream in progress is NOT reset: the owner answers and
 * closes. */
static inline size_t lk_codec_feed(struct lk_codec *codec, struct lk_span data, struct lk_codec_error *error)
{
    return codec->ops->feed(codec, data, error);
}
/* The peer ended its direction. Completes a close-delimited body or a tunnel. A message cut short is a protocol error
 * (false), as in lk_codec_feed. Client: a stream that has got no byte of its response is reset with
 * CONNECTION_TERMINATION. */
static inline bool lk_codec_feed_eof(struct lk_codec *codec, struct lk_codec_error *error)
{
    return codec->ops->feed_eof(codec, error);
}
/* Client: a stream to send a request on; NULL when the codec can take no more. Set events, arg, arena before sending.
 * HTTP/1 server: after a protocol error without a stream, one to answer on (close_after is set, the request is
 * unknown). */
static inline struct lk_codec_stream *lk_codec_new_stream(struct lk_codec *codec)
{
    return codec->ops->new_stream(codec);
}
/* A request (client) or response (server) head. HTTP/1 chooses the framing: a content-length in the headers is obeyed,
 * without one a body is chunked (or ended by close towards HTTP/1.0). A send that ends the second direction calls
 * on_stream_done before it returns. */
static inline void lk_codec_send_headers(struct lk_codec_stream *s, const struct lk_headers *headers, bool end_stream)
{
    s->codec->ops->send_headers(s, headers, end_stream);
}
static inline void lk_codec_send_informational(struct lk_codec_stream *s, const struct lk_headers *headers)
{
    s->codec->ops->send_informational(s, headers);
}
static inline void lk_codec_send_data(struct lk_codec_stream *s, struct lk_span data, bool end_stream)
{
    s->codec->ops->send_data(s, data, end_stream);
}
/* Moves all of data. */
static inline void lk_codec_send_buf(struct lk_codec_stream *s, struct lk_buf *data, bool end_stream)
{
    s->codec->ops->send_buf(s, data, end_stream);
}
static inline void lk_codec_send_trailers(struct lk_codec_stream *s, const struct lk_headers *trailers)
{
    s->codec->ops->send_trailers(s, trailers);
}
/* Ends the stream now; no event follows. HTTP/1: on_stream_done with keep_alive false unless both directions were
 * done. */
static inline void lk_codec_reset(struct lk_codec_stream *s, enum lk_reset_reason reason)
{
    s->codec->ops->reset(s, reason);
}
/* Counted: stop delivering on_data until resumed as often. The end of the stream ends its pauses; nothing is resumed
 * then. */
static inline void lk_codec_pause(struct lk_codec_stream *s)
{
    if (s->paused++ == 0)
        s->codec->ops->pause(s, true);
}
static inline void lk_codec_resume(struct lk_codec_stream *s)
{
    if (--s->paused == 0)
        s->codec->ops->pause(s, false);
}
/* HTTP/2: whether the send window is closed. HTTP/1: false (the connection's watermark decides). */
static inline bool lk_codec_stream_blocked(const struct lk_codec_stream *s)
{
    return s->codec->ops->blocked(s);
}
/* No new streams: HTTP/1 answers the next response with "connection: close"; HTTP/2 sends GOAWAY. */
static inline void lk_codec_goaway(struct lk_codec *codec)
{
    codec->ops->goaway(codec);
}
/* Streams still open are reset without events. */
static inline void lk_codec_free(struct lk_codec *codec)
{
    codec->ops->free(codec);
}
