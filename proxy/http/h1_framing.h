/*
 * HTTP/1 framing, byte by byte: the authority on where a head or a trailer section ends and on what frames the body
 * behind it (RFC 9112). Nothing here is lenient: what could be read in two ways is an error. Pure functions over bytes
 * that the caller holds; any thread.
 *
 * A section that arrives in pieces is scanned once as it comes and once more when it is complete, so that its cost
 * stays linear however small the pieces are, and nothing but struct lk_h1_scan is kept in between.
 */
#pragma once

#include "proxy/http/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_h1_part { LK_H1_REQUEST, LK_H1_RESPONSE, LK_H1_TRAILERS };
enum lk_h1_result { LK_H1_MORE, LK_H1_DONE, LK_H1_BAD };

/* Both are inclusive: a head of `bytes` bytes with `fields` fields passes. */
struct lk_h1_limits {
    uint32_t bytes; /* start line, fields and the empty line */
    uint32_t fields;
};

/* Where the scan of an incomplete section stands. All zero but `part` at the start of one. */
struct lk_h1_scan {
    uint32_t pos;    /* bytes before it have been looked at */
    uint32_t mark;   /* begin of the current token */
    uint32_t fields; /* complete fields */
    uint8_t part;
    uint8_t state;
    bool interrupted; /* a part was seen by an earlier call */
};

/* Offsets count from the first byte of the section. */
struct lk_h1_field {
    uint32_t name;
    uint32_t name_len;
    uint32_t value;
    uint32_t value_len;
    uint16_t id; /* enum lk_header_id; Host is LK_HEADER_AUTHORITY */
};

enum lk_h1_flag {
    LK_H1_HAS_LENGTH = 1, /* content_length is set */
    LK_H1_CHUNKED = 2,
    LK_H1_HAS_HOST = 4,
    LK_H1_CLOSE = 8,        /* connection: close */
    LK_H1_KEEP_ALIVE = 16,  /* connection: keep-alive */
    LK_H1_UPGRADE = 32,     /* connection: upgrade */
    LK_H1_HAS_UPGRADE = 64, /* an Upgrade field */
    LK_H1_BAD_CODING = 128, /* a transfer-encoding that is not exactly "chunked", or two */
};

/* A complete section. The caller gives room for cap fields; when count comes out above cap, only the first cap were
 * stored and the caller scans again with more room. */
struct lk_h1_head {
    struct lk_h1_field *fields;
    uint32_t cap;
    uint32_t count;
    uint32_t size;       /* of the whole section */
    uint32_t method_len; /* request: the method begins at 0 */
    uint32_t target;     /* request */
    uint32_t target_len;
    uint32_t keep_alive_s; /* response: Keep-Alive: timeout=N; 0: none */
    uint16_t status;       /* response */
    uint8_t minor;         /* HTTP/1.minor */
    uint8_t flags;
    uint64_t content_length;
};

static inline void lk_h1_scan_begin(struct lk_h1_scan *scan, enum lk_h1_part part)
{
    *scan = (struct lk_h1_scan){.part = (uint8_t)part};
}

/* Scans data, which begins with the first byte of the section and grows from call to call. MORE: call again with more
 * behind it. DONE: *head is filled, the scan is ready to begin anew. BAD: *error says why; nothing can be read behind
 * it. */
enum lk_h1_result lk_h1_scan(struct lk_h1_scan *scan, const char *data, size_t len, const struct lk_h1_limits *limits,
                             struct lk_h1_head *head, struct lk_codec_error *error);

/* Bytes of empty lines in front of a request (RFC 9112 2.2). A bare CR or LF there is an error (false). */
bool lk_h1_skip_empty_lines(const char *data, size_t len, size_t *skipped, struct lk_codec_error *error);
