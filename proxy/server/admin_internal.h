/* What the files of the admin interface share: the server, one request, the pages. Main loop. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/list.h"
#include "proxy/config/matcher.h"
#include "proxy/filter/admin_page.h"
#include "proxy/server/admin.h"
#include "proxy/server/admin_query.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>

struct lk_admin_page {
    const char *path;
    bool mutates;
    const char *help;
    const struct lk_admin_param_help *params; /* NULL: none */
    lk_admin_page_fn fn;
    void *arg;
};

struct lk_admin {
    struct lk_server *server;
    struct evhttp *http;
    int fd;
    struct lk_addr addr;
    struct lk_arena arena;       /* own access loggers, texts of added pages */
    struct lk_admin_page *pages; /* by path */
    size_t page_count, page_cap;
    const struct lk_access_log_config *logs;
    size_t log_count;
    uint64_t next_stream_id;
    struct lk_list requests;
};

struct lk_admin_request {
    struct lk_list node;
    struct lk_admin *admin;
    struct evhttp_request *http;
    struct lk_arena arena;
    struct lk_addr remote; /* len 0: a Unix socket */
    struct lk_admin_query query;
    struct evbuffer *body; /* written and not yet handed on */
    const char *path;      /* of the page, for the watchdog */
    unsigned status;
    const char *content_type;
    uint64_t start_us;
    int64_t start_wall_us;
    uint64_t body_sent;
    bool deferred; /* the page answers later with lk_admin_finish */
    bool handed;   /* the whole reply is libevent's */
    /* A reply in pieces: appends the next one, or nothing yet; false after the last. */
    bool (*next)(struct lk_admin_request *request);
    struct lk_timer again;
    /* The page's own state, in the arena or dropped by its cleanups. */
    void *state;
    /* Runs once the reply has left, or cannot leave any more. */
    void (*after)(struct lk_server *server);
};

/* The table of /help and the start page. */
const struct lk_admin_page *lk_admin_find_page(const struct lk_admin *admin, struct lk_str path);

/* "GET" */
const char *lk_admin_method(const struct lk_admin_request *request);

/* admin_reply.c */
struct lk_admin_request *lk_admin_request_new(struct lk_admin *admin, struct evhttp_request *http);
/* The page answers later; must call lk_admin_finish unless state's cleanup runs first (the client is gone). */
void lk_admin_defer(struct lk_admin_request *request);
void lk_admin_finish(struct lk_admin_request *request);
/* What was written so far goes out, then each piece that next() appends, as fast as the client reads. */
void lk_admin_stream(struct lk_admin_request *request, bool (*next)(struct lk_admin_request *request), void *state);
/* Takes over the reference; written in Envoy's layout. */
void lk_admin_json(struct lk_admin_request *request, json_t *json);
void lk_admin_put(struct lk_admin_request *request, struct lk_str text);
/* text/plain with this status; the text is the whole reply. */
void lk_admin_fail(struct lk_admin_request *request, unsigned status, struct lk_str text);
/* Present, whatever its value. */
bool lk_admin_flag(struct lk_admin_request *request, const char *name);
bool lk_admin_wants_json(struct lk_admin_request *request);
/* ?filter=: NULL in *regex when there is none. False: a bad expression, already answered. */
bool lk_admin_filter(struct lk_admin_request *request, struct lk_regex **regex);

/* admin_page.c: the head of an HTML page up to <body>, in the one look that all of them have. title is escaped. */
void lk_admin_html_begin(struct lk_admin_request *request, const char *title);

/* admin_access_log.c */
bool lk_admin_log_open(struct lk_admin *admin, struct lk_error *error);
void lk_admin_log(struct lk_admin_request *request);

/* envoy.config.core.v3.Address */
json_t *lk_admin_address_json(const struct lk_addr *addr);
/* As bound; as configured where it is not. */
const struct lk_addr *lk_admin_listener_addr(const struct lk_listener *listener, size_t index);
json_t *lk_admin_str_json(struct lk_str text);
/* LIVE also means healthy. */
const char *lk_admin_state_name(const struct lk_server *server);

/* The pages; registered by each file. */
void lk_admin_add_info_pages(struct lk_admin *admin);
void lk_admin_add_memory_pages(struct lk_admin *admin);
void lk_admin_add_stats_pages(struct lk_admin *admin);
void lk_admin_add_cluster_pages(struct lk_admin *admin);
void lk_admin_add_listener_pages(struct lk_admin *admin);
void lk_admin_add_config_pages(struct lk_admin *admin);
void lk_admin_add_control_pages(struct lk_admin *admin);
void lk_admin_add_logging_pages(struct lk_admin *admin);
void lk_admin_add_explain_pages(struct lk_admin *admin);
void lk_admin_add_start_pages(struct lk_admin *admin);
/* Those that filter types bring (proxy/filter/admin_page.h). */
void lk_admin_add_filter_pages(struct lk_admin *admin);
/* A table of pages of this process: nothing is copied. */
void lk_admin_add_pages(struct lk_admin *admin, const struct lk_admin_page *pages, size_t count);
