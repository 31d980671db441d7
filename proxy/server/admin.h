/*
 * The admin interface: a small HTTP server on the main loop (libevent's evhttp), pages under Envoy's names. GET reads,
 * POST changes something. Filters may register pages of their own.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"
#include "proxy/server/server.h"

struct lk_admin;
struct lk_admin_request; /* one request being answered */

/* Binds bootstrap->admin.addr. NULL with an error when it cannot. */
struct lk_admin *lk_admin_new(struct lk_server *server, struct lk_error *error);
void lk_admin_free(struct lk_admin *admin);
/* As bound (port chosen by the kernel). */
const struct lk_addr *lk_admin_addr(const struct lk_admin *admin);

typedef void (*lk_admin_page_fn)(struct lk_admin_request *request, void *arg);
/* path "/lanes"; mutates: POST only. help: one line for /help and the start page. */
void lk_admin_add_page(struct lk_admin *admin, const char *path, bool mutates, const char *help, lk_admin_page_fn page,
                       void *arg);

struct lk_server *lk_admin_request_server(struct lk_admin_request *request);
/* Value of a query parameter, decoded; false when absent. */
bool lk_admin_query(struct lk_admin_request *request, const char *name, struct lk_str *value);
struct lk_str lk_admin_body(struct lk_admin_request *request);
void lk_admin_write(struct lk_admin_request *request, const char *data, size_t len);
void lk_admin_printf(struct lk_admin_request *request, const char *fmt, ...) LK_PRINTF(2, 3);
/* Before or after writing; default 200 text/plain. */
void lk_admin_status(struct lk_admin_request *request, unsigned status, const char *content_type);
