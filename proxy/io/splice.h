/*
 * Moves bytes between two sockets through pipes, without copying them to user space (splice(2)). Takes both sockets
 * over until both directions have ended or one breaks. Without descriptors for a pipe it copies. Owner: one worker.
 */
#pragma once

#include "proxy/io/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_splice;

struct lk_splice_ops {
    /* Bytes moved (any direction): resets idle timers. */
    void (*on_progress)(void *owner);
    /* Over: cleanly (both sides ended) or not. The sockets are still open and belong to the owner again. */
    void (*on_done)(void *owner, bool clean, bool downstream_failed);
};

/* a_eof, b_eof: that side's end was seen already and has been passed on. */
struct lk_splice *lk_splice_new(struct lk_loop *loop, int a, int b, bool a_eof, bool b_eof,
                                const struct lk_splice_ops *ops, void *owner);
/* Stops and frees; the sockets stay open. */
void lk_splice_free(struct lk_splice *splice);
uint64_t lk_splice_bytes_a_to_b(const struct lk_splice *splice);
uint64_t lk_splice_bytes_b_to_a(const struct lk_splice *splice);
