/*
 * The compiler of format strings: "%OPERATOR(argument):length%" between literal text, "%%" for a percent sign.
 * Configuration time only; the result is immutable.
 */
#include "proxy/config/format.h"

#include "proxy/base/mem.h"
#include "proxy/config/format_args.h"

struct compiler {
    struct lk_arena *arena;
    struct lk_str text;
    size_t pos;
    const char *const *extensions;
    struct lk_error *error;
    struct lk_format_part *parts; /* heap */
    size_t cap;
    unsigned count;
};

static bool operator_find(struct lk_str name, enum lk_format_op *op)
{
    static const struct {
        struct lk_str name;
        enum lk_format_op op;
    } names[] = {
#define X(id, text, args) {LK_STR_INIT(text), LK_FORMAT_##id},
        LK_FORMAT_OPERATORS(X)
#undef X
            {LK_STR_INIT("REQUEST_HEADER"), LK_FORMAT_REQ},
        {LK_STR_INIT("RESPONSE_HEADER"), LK_FORMAT_RESP},
        {LK_STR_INIT("RESPONSE_TRAILER"), LK_FORMAT_TRAILER},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        if (lk_str_eq(names[i].name, name)) {
            *op = names[i].op;
            return true;
        }
    }
    return false;
}

static bool name_in(struct lk_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (lk_str_eq(name, lk_str_from(names[i])))
            return true;
    return false;
}

static bool is_tls_only(struct lk_str name)
{
    static const char *const names[] = {
        "DOWNSTREAM_PEER_FINGERPRINT_256",
        "DOWNSTREAM_PEER_FINGERPRINT_1",
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
        "DOWNSTREAM_PEER_SERIAL",
        "DOWNSTREAM_PEER_CHAIN_SERIALS",
        "DOWNSTREAM_PEER_ISSUER",
        "DOWNSTREAM_PEER_CERT",
        "DOWNSTREAM_PEER_CERT_V_START",
        "DOWNSTREAM_PEER_CERT_V_END",
        "DOWNSTREAM_PEER_DNS_SAN",
        "DOWNSTREAM_PEER_IP_SAN",
        "DOWNSTREAM_PEER_EMAIL_SAN",
        "DOWNSTREAM_LOCAL_SUBJECT",
        "DOWNSTREAM_LOCAL_DNS_SAN",
        "DOWNSTREAM_TLS_SESSION_ID",
        "TLS_JA3_FINGERPRINT",
        "TLS_JA4_FINGERPRINT",
        "UPSTREAM_PEER_SUBJECT",
        "UPSTREAM_PEER_ISSUER",
        "UPSTREAM_PEER_CERT",
        "UPSTREAM_PEER_CERT_V_START",
        "UPSTREAM_PEER_CERT_V_END",
        "UPSTREAM_PEER_URI_SAN",
        "UPSTREAM_LOCAL_URI_SAN",
        "UPSTREAM_TLS_VERSION",
        "UPSTREAM_TLS_CIPHER",
        "UPSTREAM_TLS_SESSION_ID",
    };

    return name_in(name, names, LK_ARRAY_LEN(names));
}

/* Envoy's operators that are not built: refused, but not as typing mistakes. */
static bool is_unsupported(struct lk_str name)
{
    static const char *const names[] = {
        "COALESCE",
        "CEL",
        "CUSTOM_FLAGS",
        "STREAM_INFO_REQ",
        "BYTES_RETRANSMITTED",
        "PACKETS_RETRANSMITTED",
        "DOWNSTREAM_LOCAL_CLOSE_REASON",
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        "UPSTREAM_LOCAL_CLOSE_REASON",
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        "DOWNSTREAM_HEADER_BYTES_SENT",
        "DOWNSTREAM_HEADER_BYTES_RECEIVED",
        "UPSTREAM_HEADER_BYTES_SENT",
        "UPSTREAM_HEADER_BYTES_RECEIVED",
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
        "PER_REQUEST_STATE",
    };

    return name_in(name, names, LK_ARRAY_LEN(names));
}

static bool extension_find(const char *const *extensions, struct lk_str name)
{
    for (; extensions != NULL && *extensions != NULL; extensions++)
        if (lk_str_eq(lk_str_from(*extensions), name))
            return true;
    return false;
}

static struct lk_format_part *part_add(struct compiler *compiler, enum lk_format_op op)
{
    compiler->parts = lk_grow(compiler->parts, &compiler->cap, compiler->count + 1u, sizeof(*compiler->parts));
    struct lk_format_part *part = &compiler->parts[compiler->count++];

    *part = (struct lk_format_part){.op = op, .header_id = -1, .header_id_alt = -1, .max_len = -1};
    return part;
}

/* Literal text up to the next operator, with "%%" resolved. */
static void literal(struct compiler *compiler)
{
    struct lk_str text = compiler->text;
    char *out = lk_arena_alloc(compiler->arena, text.len - compiler->pos + 1);
    size_t len = 0;

    while (compiler->pos < text.len) {
        if (text.ptr[compiler->pos] == '%') {
            if (compiler->pos + 1 >= text.len || text.ptr[compiler->pos + 1] != '%')
                break;
            compiler->pos++;
        }
        out[len++] = text.ptr[compiler->pos++];
    }
    out[len] = 0;
    if (len > 0 || text.len == 0)
        part_add(compiler, LK_FORMAT_TEXT)->text = lk_str(out, len);
}

static bool is_name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' || c == '.';
}

/* ":10%" or "%" at `at`: the end of a command. Returns the offset behind it, 0 when it is something else. */
static size_t command_end(struct lk_str text, size_t at, struct lk_format_command *command)
{
    size_t digits = at + 1;
    struct lk_str number;

    if (at < text.len && text.ptr[at] == '%')
        return at + 1;
    if (at >= text.len || text.ptr[at] != ':')
        return 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    number = lk_str(text.ptr + at + 1, digits - at - 1);
    if (digits >= text.len || text.ptr[digits] != '%' || !lk_str_to_u64(number, &command->length))
        return 0;
    command->has_length = true;
    return digits + 1;
}

/* The argument ends at the first ')' that the end of the command follows: it may hold percent signs and even ')'. */
static bool scan(struct compiler *compiler, struct lk_format_command *command)
{
    struct lk_str text = compiler->text;
    size_t at = compiler->pos + 1;
    size_t start = at;
    size_t end;

    *command = (struct lk_format_command){0};
    while (at < text.len && is_name_byte(text.ptr[at]))
        at++;
    command->name = lk_str(text.ptr + start, at - start);
    end = command_end(text, at, command);
    if (end == 0 && at < text.len && text.ptr[at] == '(') {
        start = ++at;
        for (; at < text.len && text.ptr[at] != '\n' && end == 0; at++)
            if (text.ptr[at] == ')')
                end = command_end(text, at + 1, command);
        command->arg = lk_str(text.ptr + start, at - start - (end != 0));
    }
    if (end == 0 || command->name.len == 0)
        return lk_error_set(compiler->error, LK_ERROR_INVALID, "no valid %%OPERATOR%% at offset %zu of '%.*s'",
                            compiler->pos, (int)LK_MIN(text.len, (size_t)200), text.ptr);
    compiler->pos = end;
    return true;
}

static bool resolve(struct compiler *compiler, struct lk_str name, enum lk_format_op *op)
{
    *op = LK_FORMAT_EXTENSION;
    if (extension_find(compiler->extensions, name) || operator_find(name, op))
        return true;
    *op = LK_FORMAT_TLS_ONLY;
    if (is_tls_only(name))
        return true;
    if (is_unsupported(name))
        return lk_error_set(compiler->error, LK_ERROR_UNSUPPORTED, "the format operator %%%.*s%% is not supported",
                            LK_STR_ARG(name));
    return lk_error_set(compiler->error, LK_ERROR_INVALID, "unknown format operator %%%.*s%%", LK_STR_ARG(name));
}

static bool operator(struct compiler *compiler)
{
    struct lk_format_command command;
    enum lk_format_op op;

    if (!scan(compiler, &command) || !resolve(compiler, command.name, &op))
        return false;
    command.name = lk_arena_str(compiler->arena, command.name);
    command.arg = lk_arena_str(compiler->arena, command.arg);
    return lk_format_apply_args(compiler->arena, &command, part_add(compiler, op), compiler->error);
}

struct lk_format *lk_format_compile(struct lk_arena *arena, struct lk_str text, const char *const *extensions,
                                    struct lk_error *error)
{
    struct compiler compiler = {.arena = arena, .text = text, .extensions = extensions, .error = error};
    bool ok = true;
    struct lk_format *format;

    do {
        literal(&compiler);
        if (compiler.pos < text.len)
            ok = operator(&compiler);
    } while (ok && compiler.pos < text.len);
    if (!ok) {
        lk_free(compiler.parts);
        return NULL;
    }
    format = lk_arena_zalloc(arena, sizeof(*format));
    format->count = compiler.count;
    format->parts = lk_arena_array(arena, compiler.count, sizeof(*format->parts));
    if (compiler.count > 0)
        memcpy(format->parts, compiler.parts, compiler.count * sizeof(*format->parts));
    lk_free(compiler.parts);
    return format;
}

bool lk_format_is_literal(const struct lk_format *format, struct lk_str *text)
{
    if (format->count != 1 || format->parts[0].op != LK_FORMAT_TEXT)
        return false;
    *text = format->parts[0].text;
    return true;
}
