/* A header block written and read as text: lines "name: value", each ended by a newline, in the order of the block. */
#pragma once

#include "proxy/http/headers.h"
#include "proxy/http/trace_context.h"

struct lk_header_fixture {
    struct lk_arena arena;
    struct lk_headers headers;
    char text[8192];
};

void lk_header_fixture_begin(struct lk_header_fixture *f, const char *lines);
/* Valid until the next call. */
const char *lk_header_fixture_text(struct lk_header_fixture *f);
void lk_header_fixture_end(struct lk_header_fixture *f);

/* A row of a table about one wire format: what is read from `in`, and what the same context is written as. */
struct lk_trace_row {
    const char *in;
    enum lk_trace_result result;
    const char *out; /* NULL: nothing can be written */
};
void lk_trace_rows_check(enum lk_trace_format format, const struct lk_trace_row *rows, size_t count);
