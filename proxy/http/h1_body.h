/*
 * Where the body of an HTTP/1 message ends (RFC 9112 6.3 and 7.1): a small machine that is fed bytes and gives payload
 * spans. Chunk sizes, extensions and line ends are checked to the byte; extensions are dropped. Any thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <stddef.h>
#include <stdint.h>

enum lk_h1_body_kind {
    LK_H1_BODY_NONE,
    LK_H1_BODY_LENGTH,
    LK_H1_BODY_CHUNKED,
    LK_H1_BODY_UNTIL_CLOSE, /* also the payload after an upgrade */
};

/* Bytes of one chunk line, extensions included. */
#define LK_H1_CHUNK_LINE_MAX 1024u

struct lk_h1_body {
    uint64_t left;      /* payload bytes to come: of the body, or of the current chunk */
    uint16_t line_used; /* bytes of the current chunk line */
    uint8_t digits;     /* of the current chunk size */
    uint8_t kind;
    uint8_t state;
};

enum lk_h1_body_event {
    LK_H1_BODY_MORE,     /* all is used, the body goes on */
    LK_H1_BODY_DATA,     /* *payload is a piece of the body, followed by more of it or by its end */
    LK_H1_BODY_TRAILERS, /* the last chunk was seen: a trailer section begins behind *used */
    LK_H1_BODY_END,      /* the body is complete; with payload, that was its last piece */
    LK_H1_BODY_BAD,      /* *why says what is wrong (static) */
};

void lk_h1_body_begin(struct lk_h1_body *body, enum lk_h1_body_kind kind, uint64_t length);
/* One step over data; *used tells how much of it is done with. Call again while something is left and the event was not
 * END, TRAILERS or BAD. */
enum lk_h1_body_event lk_h1_body_next(struct lk_h1_body *body, const char *data, size_t len, size_t *used,
                                      struct lk_str *payload, const char **why);
