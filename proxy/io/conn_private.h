/* What the files conn*.c share. */
#pragma once

#include "proxy/io/conn.h"
#include "proxy/io/loop_private.h"

void lk_conn_mark_ready(struct lk_conn *conn);
void lk_conn_mark_dirty(struct lk_conn *conn);
/* The event callback of every connection. */
void lk_conn_on_event(evutil_socket_t fd, short what, void *arg);
/* Tells the owner, once. */
void lk_conn_fail(struct lk_conn *conn, enum lk_conn_failure failure);
void lk_conn_drop_input(struct lk_conn *conn);
/* Closes the socket now and calls on_gone at the end of the turn. */
void lk_conn_finish_close(struct lk_conn *conn);
