/*
 * What a connection needs from the layer between it and the socket. Raw sockets and TLS are two op tables; nobody above
 * asks which one it is, except through lk_transport_info.
 */
#pragma once

#include "proxy/base/str.h"
#include "proxy/io/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct lk_conn;

enum lk_io_status {
    LK_IO_OK,
    LK_IO_AGAIN, /* the socket has no more for now */
    LK_IO_EOF,   /* orderly end of the peer's direction */
    LK_IO_ERROR, /* connection is broken; errno is in conn->error, or a reason in conn->failure_text */
};

struct lk_io_result {
    enum lk_io_status status;
    size_t bytes;
};

/* What is known of a secured peer; all slices live as long as the connection. */
struct lk_transport_info {
    bool secure;
    struct lk_str alpn;         /* negotiated, empty if none */
    struct lk_str sni;          /* of the server name the client asked for */
    struct lk_str peer_uri_san; /* first URI SAN of a verified peer */
    struct lk_str local_uri_san;
    struct lk_str peer_subject;
    struct lk_str version;
    struct lk_str cipher;
};

struct lk_transport_ops {
    const char *name; /* "raw_buffer", "tls" */
    /* Called after connect/accept until it no longer says AGAIN. NULL: no handshake. */
    struct lk_io_result (*handshake)(struct lk_conn *conn);
    /* Reads at most cap bytes. A result shorter than cap with OK means that the socket is (probably) empty. */
    struct lk_io_result (*read)(struct lk_conn *conn, char *data, size_t cap);
    /* Writes from the front of out and drains what was taken, until out is empty or the socket takes no more. bytes
     * counts also when the status is ERROR. */
    struct lk_io_result (*write)(struct lk_conn *conn, struct lk_buf *out);
    /* Bytes decrypted or read ahead that no socket event will announce. NULL: never. */
    bool (*pending)(struct lk_conn *conn);
    /* Ends our direction (close_notify, SHUT_WR). False: call again when writable. */
    bool (*shutdown)(struct lk_conn *conn);
    /* Frees conn->transport_state. NULL: nothing to free. */
    void (*free)(struct lk_conn *conn);
    /* NULL: plaintext. */
    const struct lk_transport_info *(*info)(const struct lk_conn *conn);
};

/* Plaintext. Other transports reach the socket through its read and write: read gives what was peeked at before they
 * were set, then the socket's bytes; write may be called with any buf. */
extern const struct lk_transport_ops lk_transport_raw;
