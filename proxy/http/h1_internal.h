/*
 * Inside of the HTTP/1 codec: its state, and what its parts (codec, decode, head, encode, send) ask of each other. Not
 * for others. The one stream of the connection is embedded: HTTP/1 has one exchange at a time.
 */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/http/h1_body.h"
#include "proxy/http/h1_codec.h"
#include "proxy/http/h1_framing.h"

/* Where the incoming direction stands. */
enum lk_h1_reading {
    LK_H1_READ_HEAD,
    LK_H1_READ_BODY,
    LK_H1_READ_TRAILERS,
    LK_H1_READ_WAIT,    /* server: message complete: nothing is consumed until it is answered */
    LK_H1_READ_DISCARD, /* the connection carries no more messages */
};

/* How the outgoing body is framed. */
enum lk_h1_sending {
    LK_H1_SEND_NOTHING, /* the message has no body, whatever its fields say */
    LK_H1_SEND_LENGTH,
    LK_H1_SEND_CHUNKED,
    LK_H1_SEND_PLAIN, /* to the end of the connection: HTTP/1.0 peers, upgrades */
};

struct lk_h1_codec {
    struct lk_codec base; /* first */
    struct lk_h1_options options;
    struct lk_codec_stream stream;
    struct lk_h1_scan scan;
    struct lk_h1_body body;
    uint64_t send_left;  /* LK_H1_SEND_LENGTH */
    struct lk_buf *held; /* client: payload behind an upgrade that the peer has not granted yet; heap */
    uint32_t next_id;
    uint32_t keep_alive_s;
    uint8_t reading;
    uint8_t sending;
    uint8_t interim; /* 1xx responses of this exchange */
    bool client : 1;
    bool live : 1;     /* the stream is in use */
    bool last : 1;     /* no other message on this connection */
    bool goaway : 1;   /* the owner wants no other */
    bool partial : 1;  /* a part of a head or trailer section was offered */
    bool in_arena : 1; /* its memory is not its own */
    bool tunnel : 1;   /* upgraded: both directions are plain bytes */
};

static inline struct lk_h1_codec *lk_h1_of(struct lk_codec *codec)
{
    return (struct lk_h1_codec *)codec;
}

/* Whether the exchange that had this id is still going on: callbacks may have ended it. */
static inline bool lk_h1_still(const struct lk_h1_codec *h1, uint32_t id)
{
    return h1->live && h1->stream.id == id;
}

/* h1_codec.c */
struct lk_codec_stream *lk_h1_stream_begin(struct lk_h1_codec *h1);
/* Ends the exchange when both directions are done, or when a server's response is and the rest of the request does not
 * matter any more. */
void lk_h1_finish_if_done(struct lk_h1_codec *h1);
/* The exchange is over; clean: both directions came to their end. */
void lk_h1_finish(struct lk_h1_codec *h1, bool clean);

/* h1_decode.c */
size_t lk_h1_feed(struct lk_codec *codec, struct lk_span data, struct lk_codec_error *error);
bool lk_h1_feed_eof(struct lk_codec *codec, struct lk_codec_error *error);

/* h1_head.c: a complete head of the peer at `data`. The caller has room for one exchange. False: *error is filled, or
 * the owner refused the stream (status and details unset). */
bool lk_h1_request_head(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head,
                        struct lk_codec_error *error);
/* `more`: bytes follow the head in what was fed. */
bool lk_h1_response_head(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head, bool more,
                         struct lk_codec_error *error);
/* The trailer section; NULL when nothing of it may pass. */
struct lk_headers *lk_h1_trailer_block(struct lk_h1_codec *h1, const char *data, const struct lk_h1_head *head);

/* h1_target.c: the request target (RFC 9112 3.2). Slices point into it. */
struct lk_h1_target {
    struct lk_str path;      /* ptr NULL: none (CONNECT) */
    struct lk_str authority; /* ptr NULL: the Host field counts */
    struct lk_str scheme;    /* ptr NULL: not given */
};
bool lk_h1_target_parse(struct lk_str target, struct lk_str method, bool allow_absolute, struct lk_h1_target *out,
                        struct lk_codec_error *error);

/* h1_encode.c */
void lk_h1_send_headers(struct lk_codec_stream *stream, const struct lk_headers *headers, bool end_stream);
void lk_h1_send_informational(struct lk_codec_stream *stream, const struct lk_headers *headers);

/* h1_send.c */
void lk_h1_send_data(struct lk_codec_stream *stream, struct lk_span data, bool end_stream);
void lk_h1_send_buf(struct lk_codec_stream *stream, struct lk_buf *data, bool end_stream);
void lk_h1_send_trailers(struct lk_codec_stream *stream, const struct lk_headers *trailers);
/* Nothing more will be sent in this exchange. */
void lk_h1_send_end(struct lk_h1_codec *h1);
/* Payload behind an upgrade not granted yet that is enough: more waits at its source. */
#define LK_H1_HELD_MAX 65536u

/* The peer granted the upgrade: what was held back leaves. */
void lk_h1_held_release(struct lk_h1_codec *h1);
void lk_h1_held_drop(struct lk_h1_codec *h1);
bool lk_h1_held_blocked(const struct lk_h1_codec *h1);

/* h1_write.c: field lines into memory that is large enough. */
struct lk_h1_writer {
    char *to;
    const struct lk_h1_options *options;
    /* lines that lie in memory as they are to be written, not written yet; the CRLF of the last one is left out */
    const char *run;
    const char *run_end;
};
static inline size_t lk_h1_line_size(struct lk_str name, struct lk_str value)
{
    return name.len + value.len + sizeof(": \r\n") - 1;
}
static inline char *lk_h1_put(char *to, struct lk_str s)
{
    memcpy(to, s.ptr, s.len);
    return to + s.len;
}
void lk_h1_write_line(struct lk_h1_writer *w, struct lk_str name, struct lk_str value);
/* The empty line. */
void lk_h1_write_end(struct lk_h1_writer *w);
