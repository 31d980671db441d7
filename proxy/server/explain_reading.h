/* Inside the parser of POST /explain's body: what its two files share. See explain_request.h. */
#pragma once

#include "proxy/server/explain_request.h"

#include <jansson.h>

/* What is read, and where to. */
struct lk_explain_reading {
    struct lk_explain_request *request;
    struct lk_arena *arena;
    struct lk_errors *errors;
    struct lk_str authority;
    bool has_authority;
    const json_t *headers;
    struct lk_str raw; /* empty: the head is made of the members above */
};

const char *lk_explain_type_name(const json_t *value);
struct lk_str lk_explain_text_of(struct lk_arena *arena, const json_t *value);
bool lk_explain_has_control(struct lk_str text);
/* All of these report at the current path. */
bool lk_explain_want_string(struct lk_explain_reading *reading, const json_t *value, const char *expected,
                            struct lk_str *out);
/* What goes into a line of the head. Whether HTTP allows it is the codec's business. */
bool lk_explain_want_line(struct lk_explain_reading *reading, const json_t *value, const char *expected,
                          struct lk_str *out);
void lk_explain_read_metadata(struct lk_explain_reading *reading, const json_t *value);
/* request->wire, from method, path, authority and headers. */
void lk_explain_write_head(struct lk_explain_reading *reading);
