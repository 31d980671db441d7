/*
 * Header blocks as text, for tables of headers in and out: lines "name: value", each ended by "\n". Both ways keep
 * order, case and repetition.
 */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/http/headers.h"
#include "test/support/lk_test.h"

struct header_text {
    struct lk_arena arena;
    struct lk_headers headers;
    char *in; /* holds the bytes of the block */
    char *out;
};

static inline void header_text_init(struct header_text *t, const char *lines)
{
    *t = (struct header_text){.in = lk_strdup(lines)};
    lk_arena_init(&t->arena);
    lk_headers_init(&t->headers, &t->arena);
    struct lk_str rest = lk_str_from(t->in);
    while (rest.len > 0) {
        struct lk_str line = lk_str_split(&rest, '\n');
        /* a pseudo-header begins with a colon */
        size_t colon = 1 + lk_str_find_byte(lk_str_drop(line, 1), ':');
        struct lk_str name = lk_str(line.ptr, colon);
        lk_headers_add_raw(&t->headers, lk_header_id_of(name), name, lk_str_drop(line, LK_MIN(colon + 2, line.len)));
    }
}

static inline void header_text_fini(struct header_text *t)
{
    lk_arena_reset(&t->arena);
    lk_free(t->in);
    lk_free(t->out);
}

/* The live entries; valid until the next call. */
static inline const char *header_text_of(struct header_text *t, const struct lk_headers *headers)
{
    size_t cap = 1;
    uint32_t bytes = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        cap += h->name.len + h->value.len + 3;
        bytes += (uint32_t)(h->name.len + h->value.len);
    }
    LK_CHECK_EQ_UINT(headers->bytes, bytes);
    lk_free(t->out);
    t->out = lk_malloc(cap);
    t->out[0] = '\0';
    size_t used = 0;
    LK_HEADERS_FOREACH(h, headers)
    {
        int n = snprintf(t->out + used, cap - used, "%.*s: %.*s\n", LK_STR_ARG(h->name), LK_STR_ARG(h->value));
        used += (size_t)n;
    }
    return t->out;
}

#define CHECK_HEADERS(t, expected) LK_CHECK_STR(header_text_of((t), &(t)->headers), (expected))
