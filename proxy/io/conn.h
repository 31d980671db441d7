/*
 * One socket, edge-triggered and registered once. It reads into the loop's scratch chunk and keeps only an unconsumed
 * tail, collects output and writes it once per loop turn, pauses reading by count, and closes in the right order.
 *
 * on_* callbacks run inside the loop, never inside a verb called by the owner: a verb that has consequences puts the
 * connection on the loop's ready or dirty list. The connection is freed at the end of the turn in which it was closed,
 * so a pointer is valid until the owner's own callback has returned.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/io/buf.h"
#include "proxy/io/loop.h"
#include "proxy/io/timer.h"
#include "proxy/io/transport.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lk_conn_failure {
    LK_CONN_OK,
    LK_CONN_CONNECT_REFUSED, /* any error of connect(2) */
    LK_CONN_RESET,           /* ECONNRESET, EPIPE, ... after it was up */
    LK_CONN_HANDSHAKE,       /* the transport's handshake failed */
};

/* How a connection ends. */
enum lk_close_mode {
    LK_CLOSE_NOW,    /* drop pending output; RST when unread input is left is the kernel's decision */
    LK_CLOSE_ABORT,  /* SO_LINGER 0: reset */
    LK_CLOSE_FLUSH,  /* write what is pending, then close */
    LK_CLOSE_LINGER, /* write, shut our direction, discard input until EOF or the delayed-close timeout, then close: the
                        peer gets to read our answer although it is still sending */
};

struct lk_conn_ops {
    /* The connect and the transport handshake succeeded (outgoing), or the handshake did (accepted; only when the
     * transport has one). */
    void (*on_connected)(struct lk_conn *conn);
    /* New bytes: all that is unconsumed, contiguous. Returns how many were consumed; the rest is kept and offered again
     * with more bytes behind it. The span dies with the callback unless its chunk is referenced (lk_buf_add_span does).
     * Not called while paused. After on_eof it is called only by lk_conn_poke. */
    size_t (*on_data)(struct lk_conn *conn, struct lk_span data);
    /* The peer ended its direction; everything before it was offered to on_data. */
    void (*on_eof)(struct lk_conn *conn);
    /* Output went above the high watermark and has now fallen below half of it. NULL: not interested. */
    void (*on_drained)(struct lk_conn *conn);
    /* Everything queued has been written to the socket (once per time that happens after output was queued). NULL: not
     * interested. */
    void (*on_flushed)(struct lk_conn *conn);
    /* Broken. The owner must close it (LK_CLOSE_NOW). */
    void (*on_failure)(struct lk_conn *conn, enum lk_conn_failure failure);
};

struct lk_conn {
    struct lk_loop *loop;
    const struct lk_conn_ops *ops;
    void *owner;
    const struct lk_transport_ops *transport;
    void *transport_state;
    int fd;
    /* software readiness, see the design's hot path 1 */
    bool readable : 1;
    bool writable : 1;
    bool closed : 1; /* EPOLLRDHUP or EPOLLHUP was seen: read to the end */
    bool connecting : 1;
    bool handshaking : 1;
    bool eof : 1; /* read returned 0 */
    bool eof_reported : 1;
    bool write_failed : 1; /* what the peer sent before is still read, then on_failure follows */
    bool failed : 1;       /* on_failure was called */
    bool closing : 1;      /* lk_conn_close was called: no more callbacks */
    bool lingering : 1;    /* closing, and our direction is shut */
    bool above_high : 1;
    bool shut_pending : 1; /* shut our direction once output is out */
    bool shut_done : 1;
    bool in_data : 1;           /* on_data is running */
    bool mid_message : 1;       /* the owner's: more bytes must follow. Reads then go on until EAGAIN even after a short
                                   one: libevent shows a reset that comes together with data as plain readiness */
    bool offer_wanted : 1;      /* unconsumed input is due for on_data */
    bool transport_changed : 1; /* during on_data: the rest of that input belongs to the new transport */
    uint8_t close_mode;
    uint16_t paused;          /* counted */
    int error;                /* errno of the failure */
    const char *failure_text; /* static text of a transport failure, or NULL */
    struct lk_chunk *rx;      /* unconsumed input, NULL when none */
    struct lk_chunk *early;   /* bytes read from the socket before the transport was set: read first */
    uint32_t early_off;
    uint32_t rx_off;
    uint32_t rx_len;
    uint32_t rx_limit; /* input kept unconsumed before reading stops; on_data must make progress then */
    struct lk_buf out;
    size_t high_watermark; /* bytes of output; 0: none */
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t last_read_us; /* loop clock of the last byte read; 0: never */
    struct lk_list ready_node;
    struct lk_list dirty_node;
    struct lk_deferred deferred;
    struct lk_timer close_timer;
    void (*on_gone)(struct lk_conn *conn);
    uint32_t delayed_close_ms; /* how long LK_CLOSE_FLUSH waits for progress and LK_CLOSE_LINGER for EOF; 0: flush waits
                                  the default of 1000 and nothing lingers */
    struct event event;
};

#define LK_CONN_RX_LIMIT 69632u /* default rx_limit */

/* For a protocol whose largest head is of `head` bytes: it must fit below the limit of input. */
static inline void lk_conn_expect_head(struct lk_conn *conn, size_t head)
{
    const size_t slack = 4096;
    if (head + slack > conn->rx_limit)
        conn->rx_limit = (uint32_t)(head + slack);
}

/* Takes over an accepted, non-blocking socket. Reading starts in this or the next turn. Embedded in the owner's struct.
 */
void lk_conn_init(struct lk_conn *conn, struct lk_loop *loop, int fd, const struct lk_conn_ops *ops, void *owner);

struct lk_connect_options {
    const struct lk_addr *source; /* NULL: any */
    bool freebind;
    bool transparent; /* IP_TRANSPARENT */
    uint32_t mark;    /* SO_MARK, 0: none */
    /* TCP keepalive, seconds; all 0: off. envoy.config.core.v3.TcpKeepalive */
    uint32_t keepalive_time, keepalive_interval, keepalive_probes;
    bool keepalive;
};
/* Starts a connect. False: it failed at once (error is filled, errno in conn->error); no callback is called then and
 * there is nothing to close. */
bool lk_conn_connect(struct lk_conn *conn, struct lk_loop *loop, const struct lk_addr *addr,
                     const struct lk_connect_options *options, const struct lk_conn_ops *ops, void *owner,
                     struct lk_error *error) LK_MUST_CHECK;

/* Replaces the transport (default raw) before the owner consumed or sent anything; what an inspector peeked at is read
 * again by the new one. Takes over state. A handshake starts in this or the next turn. */
void lk_conn_set_transport(struct lk_conn *conn, const struct lk_transport_ops *ops, void *state);
/* Gives the connection to another owner (hand-off to a filter chain, to a pool, to a tunnel). Unconsumed input is
 * offered to the new ops in this or the next turn, and EOF is reported to them again. */
void lk_conn_set_owner(struct lk_conn *conn, const struct lk_conn_ops *ops, void *owner);

/* Counted: every pause needs a resume. A paused connection is not read; EOF and failure are then noticed at resume,
 * except failure while writing. */
void lk_conn_pause(struct lk_conn *conn);
void lk_conn_resume(struct lk_conn *conn);
/* Offer unconsumed input again in this turn's tail (the owner became able to take more). */
void lk_conn_poke(struct lk_conn *conn);

/* Output: append to conn->out, then call this. The bytes leave at the end of the turn; all at once, so bytes_written
 * tells whether the peer can have seen anything. */
void lk_conn_flush(struct lk_conn *conn);
static inline bool lk_conn_is_full(const struct lk_conn *conn)
{
    return conn->high_watermark != 0 && conn->out.len >= conn->high_watermark;
}
/* Half-close of our direction after the pending output. */
void lk_conn_shutdown(struct lk_conn *conn);

/* Ends it; to be called once. No callback follows; the owner may free itself through lk_conn_on_gone, which runs when
 * the socket is closed and the struct is no longer touched. */
void lk_conn_close(struct lk_conn *conn, enum lk_close_mode mode, void (*on_gone)(struct lk_conn *conn));
/* Detaches the socket from the loop and returns it (splice, hand-over). Output must be empty, unconsumed input is
 * dropped; no callback follows. The socket may be readable already. */
int lk_conn_release(struct lk_conn *conn, void (*on_gone)(struct lk_conn *conn));

/* Unconsumed input right now, empty during on_data, which was given it. */
static inline struct lk_str lk_conn_input(const struct lk_conn *conn)
{
    return conn->rx != NULL ? lk_str(conn->rx->data + conn->rx_off, conn->rx_len) : lk_str(NULL, 0);
}
/* NULL: plaintext. */
const struct lk_transport_info *lk_conn_secure_info(const struct lk_conn *conn);
/* "connection refused", "connection reset by peer", ... for logs and %UPSTREAM_TRANSPORT_FAILURE_REASON%. */
const char *lk_conn_failure_text(const struct lk_conn *conn);
