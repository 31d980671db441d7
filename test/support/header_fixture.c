/* Header blocks as text, and tables of trace headers. */
#include "test/support/header_fixture.h"

#include "test/support/lk_test.h"

void lk_header_fixture_begin(struct lk_header_fixture *f, const char *lines)
{
    lk_arena_init(&f->arena);
    lk_headers_init(&f->headers, &f->arena);
    struct lk_str rest = lk_arena_str(&f->arena, lk_str_from(lines));
    while (rest.len > 0) {
        struct lk_str line = lk_str_split(&rest, '\n');
        size_t colon = 1 + lk_str_find_byte(lk_str_drop(line, 1), ':'); /* a name may begin with one */
        struct lk_str name = lk_str(line.ptr, colon);
        lk_headers_add_raw(&f->headers, lk_header_id_of(name), name, lk_str_trim(lk_str_drop(line, colon + 1)));
    }
}

const char *lk_header_fixture_text(struct lk_header_fixture *f)
{
    size_t used = 0;
    f->text[0] = '\0';
    LK_HEADERS_FOREACH(h, &f->headers)
    {
        used += (size_t)snprintf(f->text + used, sizeof(f->text) - used, "%.*s: %.*s\n", LK_STR_ARG(h->name),
                                 LK_STR_ARG(h->value));
        LK_CHECK(used < sizeof(f->text));
    }
    return f->text;
}

void lk_header_fixture_end(struct lk_header_fixture *f)
{
    lk_arena_reset(&f->arena);
}

static void check_row(const struct lk_trace_propagator *propagator, const struct lk_trace_row *row)
{
    struct lk_header_fixture *f = malloc(sizeof(*f));
    struct lk_trace_context context = {.decision = LK_TRACE_DEFER};
    const char *why = NULL;
    lk_header_fixture_begin(f, row->in);
    enum lk_trace_result result = propagator->read(&f->headers, &f->arena, &context, &why);
    LK_CHECK_MSG(result == row->result, "%s\nread as %d (%s), not %d", row->in, result, why != NULL ? why : "-",
                 row->result);
    LK_CHECK_MSG((why != NULL) == (result == LK_TRACE_MALFORMED), "%s\nreason: %s", row->in, why != NULL ? why : "-");
    propagator->strip(&f->headers);
    LK_CHECK_STR(lk_header_fixture_text(f), "");
    bool added = propagator->add(&f->headers, &context);
    LK_CHECK_MSG(added == (row->out != NULL), "%s\nwritten: %d", row->in, added);
    if (added)
        LK_CHECK_STR(lk_header_fixture_text(f), row->out);
    lk_header_fixture_end(f);
    free(f);
}

void lk_trace_rows_check(enum lk_trace_format format, const struct lk_trace_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&lk_trace_propagators[format], &rows[i]);
}
