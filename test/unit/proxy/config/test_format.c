/* The format compiler: parts, arguments and mistakes. */
#include "test/support/lk_test.h"

#include "proxy/config/format.h"

static struct lk_arena *arena;

static const struct lk_format *compile(const char *text)
{
    static const char *const extensions[] = {"lane.served", NULL};
    struct lk_error error;

    arena = lk_arena_new();
    const struct lk_format *format = lk_format_compile(arena, lk_str_from(text), extensions, &error);

    LK_CHECK_MSG(format != NULL, "%s: %s", text, error.text);
    return format;
}

static void refused(const char *text, const char *reason)
{
    struct lk_arena *own = lk_arena_new();
    struct lk_error error;

    LK_CHECK_MSG(lk_format_compile(own, lk_str_from(text), NULL, &error) == NULL, "'%s' was accepted", text);
    LK_CHECK_CONTAINS(error.text, reason);
    lk_arena_free(own);
}

LK_TEST(format, splits_text_and_operators)
{
    const struct lk_format *format = compile("[%START_TIME(%Y-%m-%d %H)%] 100%% %REQ(X-A?:PATH):10%%PROTOCOL%\n");

    LK_CHECK_EQ_UINT(format->count, 6);
    LK_CHECK_LKSTR(format->parts[0].text, "[");
    LK_CHECK_EQ_INT(format->parts[1].op, LK_FORMAT_START_TIME);
    LK_CHECK_LKSTR(format->parts[1].text, "%Y-%m-%d %H");
    LK_CHECK_LKSTR(format->parts[2].text, "] 100% ");
    LK_CHECK_EQ_INT(format->parts[3].op, LK_FORMAT_REQ);
    LK_CHECK_LKSTR(format->parts[3].text, "x-a");
    LK_CHECK_LKSTR(format->parts[3].text_alt, ":path");
    LK_CHECK_EQ_INT(format->parts[3].max_len, 10);
    LK_CHECK_EQ_INT(format->parts[3].header_id, -1);
    LK_CHECK_EQ_INT(format->parts[4].op, LK_FORMAT_PROTOCOL);
    LK_CHECK_EQ_INT(format->parts[4].max_len, -1);
    LK_CHECK_LKSTR(format->parts[5].text, "\n");
    lk_arena_free(arena);
}

LK_TEST(format, knows_literals)
{
    struct lk_str text;

    LK_CHECK(lk_format_is_literal(compile("plain %% text"), &text));
    LK_CHECK_LKSTR(text, "plain % text");
    lk_arena_free(arena);
    LK_CHECK(lk_format_is_literal(compile(""), &text));
    LK_CHECK_EQ_UINT(text.len, 0);
    lk_arena_free(arena);
    LK_CHECK(!lk_format_is_literal(compile("%PROTOCOL%"), &text));
    lk_arena_free(arena);
}

LK_TEST(format, knows_operators_of_extensions_and_aliases)
{
    const struct lk_format *format = compile("%lane.served%%REQUEST_HEADER(A)%%DYNAMIC_METADATA(a.b:c):5%");

    LK_CHECK_EQ_INT(format->parts[0].op, LK_FORMAT_EXTENSION);
    LK_CHECK_LKSTR(format->parts[0].text, "lane.served");
    LK_CHECK_EQ_INT(format->parts[1].op, LK_FORMAT_REQ);
    LK_CHECK_LKSTR(format->parts[2].text, "a.b:c");
    lk_arena_free(arena);
}

LK_TEST(format, compiles_every_operator_it_lists)
{
    static const struct {
        const char *name;
        int args;
    } all[] = {
#define X(id, name, args) {name, args},
        LK_FORMAT_OPERATORS(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char text[128];
        const char *arg = strcmp(all[i].name, "COMMON_DURATION") == 0 ? "(DS_RX_BEG:DS_TX_END:us)"
                          : strcmp(all[i].name, "METADATA") == 0      ? "(ROUTE:x)"
                                                                      : "(x)";

        snprintf(text, sizeof(text), "%%%s%s%%", all[i].name, all[i].args == 1 ? arg : "");
        LK_CHECK_EQ_INT(compile(text)->count, 1);
        lk_arena_free(arena);
        if (all[i].args == 1) {
            snprintf(text, sizeof(text), "%%%s%%", all[i].name);
            refused(text, "needs an argument");
        } else if (all[i].args == 0) {
            snprintf(text, sizeof(text), "%%%s(x)%%", all[i].name);
            refused(text, "takes no argument");
        }
    }
}

LK_TEST(format, takes_operators_of_tls_as_absent_and_names_those_that_are_not_built)
{
    LK_CHECK_EQ_INT(compile("%UPSTREAM_TLS_VERSION%")->parts[0].op, LK_FORMAT_TLS_ONLY);
    lk_arena_free(arena);
    refused("%COALESCE(x)%", "%COALESCE% is not supported");
    refused("%UPSTREAM_METADATA(x):5%", "takes no length");
}

LK_TEST(format, refuses_mistakes_with_their_place)
{
    refused("50%", "offset 2");
    refused("%PROTOCOL", "offset 0");
    refused("%REQ(X", "offset 0");
    refused("%(x)%", "offset 0");
    refused("%REQ(A):x%", "offset 0");
    refused("%NO_SUCH%", "unknown format operator %NO_SUCH%");
    refused("%lane.served%", "unknown format operator");
    refused("%REQ(a?b?c)%", "more than one alternative");
    refused("%REQ(a b)%", "not a header name");
    refused("%PROTOCOL:5%", "takes no length");
    refused("%START_TIME(%n)%", "line feed");
    refused("%GRPC_STATUS(FOO)%", "CAMEL_STRING");
    refused("%PATH(XX)%", "WQ or NQ");
    refused("%COMMON_DURATION(A)%", "START:END");
    refused("%COMMON_DURATION(A:B:h)%", "START:END");
    refused("%FILTER_STATE(a:FIELD)%", "KEY:FIELD:NAME");
    refused("%RESPONSE_CODE_DETAILS(x)%", "ALLOW_WHITESPACES");
    refused("%METADATA(FOO:x)%", "ROUTE, CLUSTER");
}
