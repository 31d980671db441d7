/*
 * HTTP/1.0 and HTTP/1.1 (RFC 9112). h1_framing and h1_body decide, byte by byte, where a head, a body and a chunk end;
 * what could be read in two ways is an error. One message at a time: a pipelined request is not consumed before the
 * response to the previous one is complete.
 */
#pragma once

#include "proxy/http/codec.h"

/* Copied by the codec; the default host must outlive it. */
struct lk_h1_options {
    uint32_t max_headers_kb;               /* whole head, or whole trailer section; 60 */
    uint32_t max_headers_count;            /* 100; above 60000 means 60000 */
    bool accept_http10;                    /* ours: true by default; false answers 426 */
    struct lk_str default_host_for_http10; /* empty: none */
    bool enable_trailers;                  /* false: trailers are checked and dropped */
    bool allow_absolute_url;               /* true */
    bool lowercase_names;                  /* false: names leave as they came (header case kept) */
    bool proper_case_words;                /* header_key_format.proper_case_words towards the peer */
};

/* Server side of a connection. out is the connection's output. */
struct lk_codec *lk_h1_server_new(const struct lk_h1_options *options, struct lk_buf *out,
                                  const struct lk_codec_callbacks *callbacks, void *owner);
/* The same in memory of an arena that lives longer than the codec. */
struct lk_codec *lk_h1_server_new_in(struct lk_arena *arena, const struct lk_h1_options *options, struct lk_buf *out,
                                     const struct lk_codec_callbacks *callbacks, void *owner);
/* Client side. */
struct lk_codec *lk_h1_client_new(const struct lk_h1_options *options, struct lk_buf *out,
                                  const struct lk_codec_callbacks *callbacks, void *owner);

/* What the Keep-Alive response header said last ("timeout=5, max=100"); 0: nothing. Client side, for the pool. */
uint32_t lk_h1_keep_alive_timeout_s(const struct lk_codec *codec);
