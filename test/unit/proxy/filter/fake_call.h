/* A request for an admin page without a server: the reply is kept as text. */
#pragma once

#include "proxy/base/mem.h"
#include "proxy/filter/admin_page.h"
#include "test/support/lk_test.h"

#include <string.h>

struct fake_call {
    struct lk_admin_call call;
    struct lk_arena arena;
    struct lk_admin_param params[128];
    char *text;
    size_t len, cap;
    unsigned status;
    char type[64];
    bool (*next)(struct lk_admin_call *call);
    unsigned pieces;
};

static inline void fake_write(struct lk_admin_call *call, const char *data, size_t len)
{
    struct fake_call *fake = LK_CONTAINER_OF(call, struct fake_call, call);

    fake->text = lk_grow(fake->text, &fake->cap, fake->len + len + 1, 1);
    memcpy(fake->text + fake->len, data, len);
    fake->len += len;
    fake->text[fake->len] = '\0';
}

static inline void fake_status(struct lk_admin_call *call, unsigned status, const char *content_type)
{
    struct fake_call *fake = LK_CONTAINER_OF(call, struct fake_call, call);

    fake->status = status;
    if (content_type != NULL)
        snprintf(fake->type, sizeof(fake->type), "%s", content_type);
}

static inline void fake_fail(struct lk_admin_call *call, unsigned status, struct lk_str text)
{
    struct fake_call *fake = LK_CONTAINER_OF(call, struct fake_call, call);

    fake->len = 0;
    fake_status(call, status, "text/plain");
    fake_write(call, text.ptr, text.len);
}

static inline void fake_html_begin(struct lk_admin_call *call, const char *title)
{
    fake_status(call, 200, "text/html");
    fake_write(call, "<html>", 6);
    fake_write(call, title, strlen(title));
}

static inline void fake_stream(struct lk_admin_call *call, bool (*next)(struct lk_admin_call *call))
{
    LK_CONTAINER_OF(call, struct fake_call, call)->next = next;
}

static const struct lk_admin_call_ops fake_ops = {
    .write = fake_write,
    .status = fake_status,
    .fail = fake_fail,
    .html_begin = fake_html_begin,
    .stream = fake_stream,
};

/* query: "a=1&b=2", not decoded. Not to be moved; fake_fini. */
static inline void fake_init(struct fake_call *fake, const char *query)
{
    struct lk_str rest = lk_str_from(query);

    memset(fake, 0, sizeof(*fake));
    lk_arena_init(&fake->arena);
    fake->status = 200;
    snprintf(fake->type, sizeof(fake->type), "text/plain");
    fake->call = (struct lk_admin_call){.ops = &fake_ops, .arena = &fake->arena, .params = fake->params};
    while (rest.ptr != NULL) {
        struct lk_str value = lk_str_split(&rest, '&');
        struct lk_str name = lk_str_split(&value, '=');

        LK_CHECK(fake->call.param_count < LK_ARRAY_LEN(fake->params));
        if (name.len > 0)
            fake->params[fake->call.param_count++] =
                (struct lk_admin_param){name, value.ptr != NULL ? value : LK_STR("")};
    }
    fake_write(&fake->call, "", 0);
}

static inline void fake_fini(struct fake_call *fake)
{
    lk_arena_reset(&fake->arena);
    lk_free(fake->text);
}

/* The page's whole reply, piece by piece. */
static inline const char *fake_answer(struct fake_call *fake, const struct lk_filter_page *page)
{
    page->answer(&fake->call);
    if (fake->next != NULL) {
        do
            fake->pieces++;
        while (fake->next(&fake->call));
    }
    return fake->text;
}
