/* Arguments of format operators: what each accepts (Envoy docs: access log usage). Configuration time only. */
#include "proxy/config/format_args.h"

#include "proxy/base/mem.h"

#include <limits.h>

enum arg_rule { ARG_NONE, ARG_REQUIRED, ARG_OPTIONAL };

static enum arg_rule rule_of(enum lk_format_op op)
{
    static const unsigned char rules[] = {
        [LK_FORMAT_TEXT] = ARG_NONE,
#define X(id, name, args) [LK_FORMAT_##id] = args,
        LK_FORMAT_OPERATORS(X)
#undef X
            [LK_FORMAT_EXTENSION] = ARG_OPTIONAL,
        [LK_FORMAT_TLS_ONLY] = ARG_NONE,
    };

    return (enum arg_rule)rules[op];
}

static bool takes_length(enum lk_format_op op)
{
    switch (op) {
    case LK_FORMAT_REQ:
    case LK_FORMAT_RESP:
    case LK_FORMAT_TRAILER:
    case LK_FORMAT_REQ_WITHOUT_QUERY:
    case LK_FORMAT_QUERY_PARAM:
    case LK_FORMAT_PATH:
    case LK_FORMAT_ENVIRONMENT:
    case LK_FORMAT_METADATA:
    case LK_FORMAT_DYNAMIC_METADATA:
    case LK_FORMAT_FILTER_STATE:
    case LK_FORMAT_EXTENSION:
        return true;
    default:
        return false;
    }
}

/* A header name as it may appear on the wire: ':' only in front. */
static bool header_name_ok(struct lk_str name)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = lk_ascii_lower((unsigned char)name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == ':' && i == 0) ||
              (c != 0 && strchr(extra, c) != NULL)))
            return false;
    }
    return true;
}

static struct lk_str lower(struct lk_arena *arena, struct lk_str s)
{
    char *out = lk_arena_cstr(arena, s);

    for (size_t i = 0; i < s.len; i++)
        out[i] = (char)lk_ascii_lower((unsigned char)out[i]);
    return lk_str(out, s.len);
}

/* NAME or NAME?ALTERNATIVE */
static bool header_args(struct lk_arena *arena, const struct lk_format_command *command, struct lk_format_part *part,
                        struct lk_error *error)
{
    struct lk_str rest = command->arg;
    struct lk_str first = lk_str_split(&rest, '?');
    struct lk_str second = rest.ptr != NULL ? lk_str_split(&rest, '?') : (struct lk_str){NULL, 0};

    if (rest.ptr != NULL)
        return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s(%.*s)%%: more than one alternative header",
                            LK_STR_ARG(command->name), LK_STR_ARG(command->arg));
    if (!header_name_ok(first) || !header_name_ok(second))
        return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s(%.*s)%%: not a header name", LK_STR_ARG(command->name),
                            LK_STR_ARG(command->arg));
    part->text = lower(arena, first);
    part->text_alt = lower(arena, second);
    return true;
}

/* One of the words of a NULL-terminated list, or empty. */
static bool one_of(struct lk_str word, const char *const *words)
{
    if (word.len == 0)
        return true;
    for (; *words != NULL; words++)
        if (lk_str_eq(word, lk_str_from(*words)))
            return true;
    return false;
}

static bool words_error(const struct lk_format_command *command, const char *expected, struct lk_error *error)
{
    return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s(%.*s)%%: expected %s", LK_STR_ARG(command->name),
                        LK_STR_ARG(command->arg), expected);
}

static bool path_args(const struct lk_format_command *command, struct lk_error *error)
{
    static const char *const queries[] = {"WQ", "NQ", NULL};
    static const char *const options[] = {"ORIG", "PATH", "ORIG_OR_PATH", NULL};
    struct lk_str rest = command->arg;
    struct lk_str query = lk_str_split(&rest, ':');

    if (one_of(query, queries) && one_of(rest, options))
        return true;
    return words_error(command, "WQ or NQ, then ORIG, PATH or ORIG_OR_PATH", error);
}

/* START:END[:ms|us|ns] */
static bool duration_args(const struct lk_format_command *command, struct lk_error *error)
{
    static const char *const units[] = {"ms", "us", "ns", NULL};
    struct lk_str rest = command->arg;
    struct lk_str start = lk_str_split(&rest, ':');
    struct lk_str end = rest.ptr != NULL ? lk_str_split(&rest, ':') : (struct lk_str){NULL, 0};

    if (start.len > 0 && end.len > 0 && one_of(rest, units))
        return true;
    return words_error(command, "START:END or START:END:ms|us|ns", error);
}

/* KEY[:PLAIN|TYPED|FIELD:NAME] */
static bool filter_state_args(const struct lk_format_command *command, struct lk_error *error)
{
    static const char *const kinds[] = {"PLAIN", "TYPED", "FIELD", NULL};
    struct lk_str rest = command->arg;
    struct lk_str key = lk_str_split(&rest, ':');
    struct lk_str kind = rest.ptr != NULL ? lk_str_split(&rest, ':') : (struct lk_str){NULL, 0};
    bool field = lk_str_eq(kind, LK_STR("FIELD"));

    if (key.len > 0 && one_of(kind, kinds) && field == (rest.len > 0))
        return true;
    return words_error(command, "KEY, KEY:PLAIN, KEY:TYPED or KEY:FIELD:NAME", error);
}

/* A line feed in a time format would split the log line. */
static bool time_args(const struct lk_format_command *command, struct lk_error *error)
{
    if (lk_str_find_byte(command->arg, '\n') != command->arg.len ||
        lk_str_find(command->arg, LK_STR("%n")) <= command->arg.len)
        return words_error(command, "a time format without line feed", error);
    return true;
}

/* Operators whose argument is kept as it is written. */
static bool plain_args(const struct lk_format_command *command, struct lk_format_part *part, struct lk_error *error)
{
    static const char *const grpc[] = {"CAMEL_STRING", "SNAKE_STRING", "NUMBER", NULL};
    static const char *const details[] = {"ALLOW_WHITESPACES", NULL};
    static const char *const names[] = {"SNI_ONLY", "SNI_FIRST", "HOST_FIRST", NULL};
    static const char *const kinds[] = {"ROUTE",        "CLUSTER", "UPSTREAM_HOST", "DYNAMIC", "LISTENER",
                                        "VIRTUAL_HOST", NULL};
    struct lk_str rest = command->arg;
    struct lk_str first = lk_str_split(&rest, ':');

    part->text = command->arg;
    switch (part->op) {
    case LK_FORMAT_PATH:
        return path_args(command, error);
    case LK_FORMAT_COMMON_DURATION:
        return duration_args(command, error);
    case LK_FORMAT_FILTER_STATE:
        return filter_state_args(command, error);
    case LK_FORMAT_START_TIME:
    case LK_FORMAT_EMIT_TIME:
    case LK_FORMAT_START_TIME_LOCAL:
        return time_args(command, error);
    case LK_FORMAT_GRPC_STATUS:
        return one_of(command->arg, grpc) || words_error(command, "CAMEL_STRING, SNAKE_STRING or NUMBER", error);
    case LK_FORMAT_RESPONSE_CODE_DETAILS:
        return one_of(command->arg, details) || words_error(command, "ALLOW_WHITESPACES", error);
    case LK_FORMAT_REQUESTED_SERVER_NAME:
        return one_of(first, names) || words_error(command, "SNI_ONLY, SNI_FIRST or HOST_FIRST", error);
    case LK_FORMAT_METADATA:
        return one_of(first, kinds) ||
               words_error(command, "ROUTE, CLUSTER, UPSTREAM_HOST, DYNAMIC, LISTENER or VIRTUAL_HOST first", error);
    default:
        return true;
    }
}

bool lk_format_apply_args(struct lk_arena *arena, const struct lk_format_command *command, struct lk_format_part *part,
                          struct lk_error *error)
{
    enum arg_rule rule = rule_of(part->op);

    if (rule == ARG_NONE && command->arg.len > 0)
        return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s%% takes no argument", LK_STR_ARG(command->name));
    if (rule == ARG_REQUIRED && command->arg.len == 0)
        return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s%% needs an argument in parentheses",
                            LK_STR_ARG(command->name));
    if (command->has_length && !takes_length(part->op))
        return lk_error_set(error, LK_ERROR_INVALID, "%%%.*s%% takes no length", LK_STR_ARG(command->name));
    part->max_len = command->has_length ? (int)LK_MIN(command->length, (uint64_t)INT_MAX) : -1;
    switch (part->op) {
    case LK_FORMAT_REQ:
    case LK_FORMAT_RESP:
    case LK_FORMAT_TRAILER:
    case LK_FORMAT_REQ_WITHOUT_QUERY:
        return header_args(arena, command, part, error);
    case LK_FORMAT_EXTENSION:
        part->text = command->name;
        part->text_alt = command->arg;
        return true;
    default:
        return plain_args(command, part, error);
    }
}
