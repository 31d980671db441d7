/* Configured header changes: actions, values, levels. */
#include "test/support/lk_test.h"

#include "proxy/filter/format_eval.h"
#include "proxy/filter/stream_info.h"
#include "proxy/router/header_mutation.h"

struct setup {
    struct lk_arena arena;
    struct lk_headers headers;
    struct lk_stream_info info;
    struct lk_conn_info conn;
    struct lk_log_event event;
    char text[2048];
};

static void begin(struct setup *s)
{
    memset(s, 0, sizeof(*s));
    lk_arena_init(&s->arena);
    lk_headers_init(&s->headers, &s->arena);
    s->info.conn = &s->conn;
    s->event = (struct lk_log_event){.info = &s->info, .request = &s->headers, .arena = &s->arena};
}

static void finish(struct setup *s)
{
    lk_arena_reset(&s->arena);
}

static void have(struct setup *s, const char *name, const char *value)
{
    struct lk_header_key key = lk_header_key(&s->arena, lk_str_from(name));
    lk_headers_add_key(&s->headers, &key, lk_str_from(value));
}

static struct lk_header_mutation mutation(struct setup *s, const char *name, const char *value,
                                          enum lk_header_append action)
{
    struct lk_error error;
    struct lk_format *format = lk_format_compile(&s->arena, lk_str_from(value), NULL, &error);
    LK_CHECK_MSG(format != NULL, "%s", error.text);
    lk_format_prepare(format);
    return (struct lk_header_mutation){.name = lk_str_from(name),
                                       .header_id = (int)lk_header_id_of(lk_str_from(name)),
                                       .value = format,
                                       .action = action};
}

static const char *text_of(struct setup *s)
{
    size_t len = 0;
    s->text[0] = '\0';
    LK_HEADERS_FOREACH(h, &s->headers)
    {
        len += (size_t)snprintf(s->text + len, sizeof(s->text) - len, "%.*s=%.*s;", LK_STR_ARG(h->name),
                                LK_STR_ARG(h->value));
    }
    return s->text;
}

static void check_action(enum lk_header_append action, bool exists, const char *expected)
{
    struct setup s;
    begin(&s);
    have(&s, "a", "0");
    if (exists) {
        have(&s, "x", "1");
        have(&s, "x", "2");
    }
    const struct lk_header_mutation add = mutation(&s, "x", "new", action);
    const struct lk_header_mutations all = {.add = &add, .add_count = 1};
    lk_header_mutations_apply(&all, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), expected);
    finish(&s);
}

LK_TEST(header_mutation, every_append_action_with_and_without_the_header)
{
    check_action(LK_APPEND_IF_EXISTS_OR_ADD, true, "a=0;x=1;x=2;x=new;");
    check_action(LK_APPEND_IF_EXISTS_OR_ADD, false, "a=0;x=new;");
    check_action(LK_APPEND_ADD_IF_ABSENT, true, "a=0;x=1;x=2;");
    check_action(LK_APPEND_ADD_IF_ABSENT, false, "a=0;x=new;");
    check_action(LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD, true, "a=0;x=new;");
    check_action(LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD, false, "a=0;x=new;");
    check_action(LK_APPEND_OVERWRITE_IF_EXISTS, true, "a=0;x=new;");
    check_action(LK_APPEND_OVERWRITE_IF_EXISTS, false, "a=0;");
}

LK_TEST(header_mutation, well_known_names_are_found_by_their_id)
{
    struct setup s;
    begin(&s);
    have(&s, "user-agent", "curl");
    const struct lk_header_mutation add = mutation(&s, "user-agent", "me", LK_APPEND_OVERWRITE_IF_EXISTS);
    const struct lk_header_mutations all = {.add = &add, .add_count = 1};
    lk_header_mutations_apply(&all, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), "user-agent=me;");
    finish(&s);
}

LK_TEST(header_mutation, removal_takes_every_value_and_spares_what_routes_a_request)
{
    struct setup s;
    static const struct lk_str names[] = {LK_STR_INIT("x"), LK_STR_INIT(":path"), LK_STR_INIT("host"),
                                          LK_STR_INIT("none")};
    begin(&s);
    have(&s, ":path", "/");
    have(&s, ":authority", "h");
    have(&s, "x", "1");
    have(&s, "y", "1");
    have(&s, "x", "2");
    const struct lk_header_mutations all = {.remove = names, .remove_count = 4};
    lk_header_mutations_apply(&all, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), ":path=/;:authority=h;y=1;");
    finish(&s);
}

LK_TEST(header_mutation, removal_comes_before_addition)
{
    struct setup s;
    static const struct lk_str names[] = {LK_STR_INIT("x")};
    begin(&s);
    have(&s, "x", "old");
    const struct lk_header_mutation add = mutation(&s, "x", "new", LK_APPEND_IF_EXISTS_OR_ADD);
    const struct lk_header_mutations all = {.add = &add, .add_count = 1, .remove = names, .remove_count = 1};
    lk_header_mutations_apply(&all, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), "x=new;");
    finish(&s);
}

LK_TEST(header_mutation, variables_are_filled_in_and_an_empty_value_is_left_out)
{
    struct setup s;
    begin(&s);
    s.info.response_code = 404;
    have(&s, "x-in", "in");
    struct lk_header_mutation add[] = {
        mutation(&s, "x-a", "<%REQ(X-IN)%:%RESPONSE_CODE%>", LK_APPEND_IF_EXISTS_OR_ADD),
        mutation(&s, "x-b", "%REQ(X-NONE)%", LK_APPEND_IF_EXISTS_OR_ADD),
        mutation(&s, "x-c", "%REQ(X-NONE)%", LK_APPEND_IF_EXISTS_OR_ADD),
        mutation(&s, "x-d", "100%%", LK_APPEND_IF_EXISTS_OR_ADD),
    };
    add[2].keep_empty_value = true;
    const struct lk_header_mutations all = {.add = add, .add_count = 4};
    lk_header_mutations_apply(&all, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), "x-in=in;x-a=<in:404>;x-c=;x-d=100%;");
    finish(&s);
}

/* --- levels
 * --------------------------------------------------------------------------------------------------------------- */

static void check_levels(bool most_specific_wins, enum lk_mutation_side side, const char *expected)
{
    struct setup s;
    struct lk_route_config table = {.most_specific_mutations_wins = most_specific_wins};
    struct lk_virtual_host host = {.name = LK_STR("v")};
    struct lk_route route = {.virtual_host = &host};
    struct lk_weighted_cluster weighted = {.cluster = LK_STR("w")};
    begin(&s);
    s.info.route_config = &table;
    const struct lk_header_mutation adds[] = {mutation(&s, "l", "weighted", LK_APPEND_IF_EXISTS_OR_ADD),
                                              mutation(&s, "l", "route", LK_APPEND_IF_EXISTS_OR_ADD),
                                              mutation(&s, "l", "host", LK_APPEND_IF_EXISTS_OR_ADD),
                                              mutation(&s, "l", "table", LK_APPEND_IF_EXISTS_OR_ADD)};
    const struct lk_header_mutations level[] = {{.add = &adds[0], .add_count = 1},
                                                {.add = &adds[1], .add_count = 1},
                                                {.add = &adds[2], .add_count = 1},
                                                {.add = &adds[3], .add_count = 1}};
    if (side == LK_MUTATE_REQUEST) {
        weighted.request_headers = level[0];
        route.request_headers = level[1];
        host.request_headers = level[2];
        table.request_headers = level[3];
    } else {
        weighted.response_headers = level[0];
        route.response_headers = level[1];
        host.response_headers = level[2];
        table.response_headers = level[3];
    }
    lk_route_mutate_headers(&route, &weighted, side, &s.headers, &s.event);
    LK_CHECK_STR(text_of(&s), expected);
    finish(&s);
}

LK_TEST(header_mutation, levels_follow_envoys_order)
{
    check_levels(false, LK_MUTATE_REQUEST, "l=weighted;l=route;l=host;l=table;");
    check_levels(true, LK_MUTATE_REQUEST, "l=weighted;l=table;l=host;l=route;");
    check_levels(false, LK_MUTATE_RESPONSE, "l=weighted;l=route;l=host;l=table;");
    check_levels(true, LK_MUTATE_RESPONSE, "l=weighted;l=table;l=host;l=route;");
}
