/*
 * What may stand in the parts of a message (RFC 9110 section 5, RFC 9112 sections 3 and 6). One table of byte classes
 * and the rules built on it, shared by every codec. Pure functions, any thread.
 */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_char_class {
    LK_CHAR_TOKEN = 1,     /* tchar: field names, methods */
    LK_CHAR_VALUE = 2,     /* field-vchar, SP, HTAB, obs-text */
    LK_CHAR_TARGET = 4,    /* visible ASCII */
    LK_CHAR_AUTHORITY = 8, /* what Envoy lets stand in :authority */
    LK_CHAR_HOST = 16,     /* letters, digits, '-' and '.' */
    LK_CHAR_HEX = 32,
    LK_CHAR_DIGIT = 64,
};

extern const uint8_t lk_char_classes[256];

static inline bool lk_char_is(char c, enum lk_char_class classes)
{
    return (lk_char_classes[(unsigned char)c] & classes) != 0;
}

/* Index of the first byte that is not in the class, or s.len. */
size_t lk_str_span_class(struct lk_str s, enum lk_char_class class);

/* A token that is not empty (RFC 9110 5.6.2). */
bool lk_header_name_valid(struct lk_str name);
/* No NUL, CR, LF or other control byte but HTAB; any length. */
bool lk_header_value_valid(struct lk_str value);
/* The bytes of a Host or :authority value, as Envoy checks them; may be empty. */
bool lk_authority_valid(struct lk_str authority);
/* host[:port] of an absolute-form target (RFC 9112 3.2.2): a name of letters, digits, '-' and '.', or an IPv6 literal;
 * a port is a number below 65536. */
bool lk_host_port_valid(struct lk_str authority);
/* A registered method that Envoy's codec knows; case counts (RFC 9110 9.1). */
bool lk_method_known(struct lk_str method);
/* Content-Length (RFC 9110 8.6): digits only, one value, no overflow of 63 bits. */
bool lk_content_length_parse(struct lk_str value, uint64_t *out);
/* A field that frames, routes or authenticates a message, or belongs to the connection, has no meaning in a trailer
 * section and is dropped from it (RFC 9110 6.5.1). */
bool lk_trailer_allowed(unsigned header_id);
