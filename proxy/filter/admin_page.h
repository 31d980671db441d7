/*
 * The contract of admin pages that a filter type brings, so that filters need not know the admin server. A page exists
 * as soon as the type is built in, whether or not a filter of it is configured. Main thread, all of it.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/json_out.h"
#include "proxy/base/mem.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* A parameter for /help. */
struct lk_admin_param_help {
    const char *name; /* NULL ends the list */
    const char *help;
};

/* A parameter of a request: of the query string, or of the body where that is a form. Decoded. */
struct lk_admin_param {
    struct lk_str name, value;
};

struct lk_admin_call;

/* One page of a filter type; a list of them ends with path NULL. */
struct lk_filter_page {
    const char *path; /* "/lanes"; one page only may have it */
    bool mutates;     /* POST only, and not from pages of other sites */
    const char *help; /* a line for /help and the start page */
    const struct lk_admin_param_help *params;
    /* Writes the reply, all of it or, with lk_admin_call_stream, in pieces. */
    void (*answer)(struct lk_admin_call *call);
};

struct lk_admin_call_ops {
    void (*write)(struct lk_admin_call *call, const char *data, size_t len);
    void (*status)(struct lk_admin_call *call, unsigned status, const char *content_type);
    void (*fail)(struct lk_admin_call *call, unsigned status, struct lk_str text);
    void (*html_begin)(struct lk_admin_call *call, const char *title);
    void (*stream)(struct lk_admin_call *call, bool (*next)(struct lk_admin_call *call));
};

/* One request and its reply. Everything in it lives until the reply has left or the client is gone. */
struct lk_admin_call {
    const struct lk_admin_call_ops *ops;
    struct lk_arena *arena;
    struct lk_str accept;                /* the header of the request; empty: none */
    const struct lk_admin_param *params; /* in their order */
    size_t param_count;
    void *state; /* the page's own */
};

/* The value of the first parameter of the name; false when there is none. value may be NULL. */
bool lk_admin_call_param(const struct lk_admin_call *call, const char *name, struct lk_str *value);

enum lk_admin_format { LK_ADMIN_TEXT, LK_ADMIN_JSON, LK_ADMIN_HTML };
/* What ?format= says (text, json, html), else what the client accepts, in this order: text/html, as browsers do,
 * application/json; else text. False: there is no such format, which the reply says. */
bool lk_admin_call_format(struct lk_admin_call *call, enum lk_admin_format *format);

void lk_admin_call_put(struct lk_admin_call *call, struct lk_str text);
void lk_admin_call_printf(struct lk_admin_call *call, const char *fmt, ...) LK_PRINTF(2, 3);
/* Before or after writing; default 200 text/plain. content_type NULL: as it is. */
void lk_admin_call_status(struct lk_admin_call *call, unsigned status, const char *content_type);
/* The text, with this status, is the whole reply. Not once a reply in pieces has begun. */
void lk_admin_call_fail(struct lk_admin_call *call, unsigned status, const char *fmt, ...) LK_PRINTF(3, 4);
/* A JSON document into the reply; sets the content type. */
struct lk_json_out lk_admin_call_json(struct lk_admin_call *call);
/* The head of an HTML page in the look of the start page, up to and with <body>; sets the content type. The page writes
 * what follows, with </body></html>. title: plain text. */
void lk_admin_call_html(struct lk_admin_call *call, const char *title);
/* Text with what HTML gives another meaning escaped; for elements and for attribute values in quotes of any kind. Where
 * it is no UTF-8, bytes above 0x7f become U+FFFD. */
void lk_admin_call_escaped(struct lk_admin_call *call, struct lk_str text);
/* What was written so far goes out, then each piece that next() appends, as fast as the client reads; a piece may be
 * empty while there is still work to do. next is false after the last one. */
void lk_admin_call_stream(struct lk_admin_call *call, bool (*next)(struct lk_admin_call *call));
