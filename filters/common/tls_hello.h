/*
 * Reads a TLS ClientHello that may still be incomplete, without keeping state: what a listener filter needs to choose a
 * filter chain (RFC 8446 4.1.2, RFC 6066 3, RFC 7301). Nothing is copied; results point into the input.
 */
#pragma once

#include "proxy/base/str.h"

#define LK_HELLO_ALPN_MAX 16

enum lk_hello_result {
    LK_HELLO_MORE,    /* could still become a hello */
    LK_HELLO_NOT_TLS, /* cannot */
    LK_HELLO_OK,
};

struct lk_hello {
    struct lk_str sni; /* host_name, as sent; empty: none */
    struct lk_str alpn[LK_HELLO_ALPN_MAX];
    unsigned alpn_count;
    size_t size; /* bytes of the records that hold it */
};

/* `scratch` receives the handshake message when it is spread over several records; at least data.len bytes. */
enum lk_hello_result lk_hello_parse(struct lk_str data, char *scratch, struct lk_hello *hello);
