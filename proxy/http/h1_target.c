/* The four forms of a request target (RFC 9112 3.2), as Envoy accepts them. Pure function; see h1_internal.h. */
#include "proxy/http/h1_internal.h"
#include "proxy/http/validate.h"

static bool refuse(struct lk_codec_error *error, const char *details, const char *text)
{
    *error = (struct lk_codec_error){400, details, text};
    return false;
}

/* Length of the scheme of an absolute URI, 0 when there is none. */
static size_t scheme_len(struct lk_str target)
{
    size_t colon = lk_str_find_byte(target, ':');
    if (colon == 0 || !lk_str_has_prefix(lk_str_drop(target, colon), LK_STR("://")))
        return 0;
    return lk_str_span_class(lk_str(target.ptr, colon), LK_CHAR_HOST) == colon ? colon : 0;
}

static bool absolute_form(struct lk_str target, size_t scheme, struct lk_h1_target *out, struct lk_codec_error *error)
{
    struct lk_str name = lk_str(target.ptr, scheme);
    if (lk_str_ieq(name, LK_STR("http")))
        out->scheme = LK_STR("http");
    else if (lk_str_ieq(name, LK_STR("https")))
        out->scheme = LK_STR("https");
    else
        return refuse(error, "http1.invalid_scheme", "the scheme of the request target is neither http nor https");
    struct lk_str rest = lk_str_drop(target, scheme + 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
        end++;
    out->authority = lk_str(rest.ptr, end);
    size_t user = lk_str_find_byte(out->authority, '@');
    if (user < end)
        out->authority = lk_str_drop(out->authority, user + 1);
    if (!lk_host_port_valid(out->authority))
        return refuse(error, "http1.invalid_url", "the authority of the request target is not host[:port]");
    out->path = end < rest.len ? lk_str_drop(rest, end) : LK_STR("/");
    return true;
}

bool lk_h1_target_parse(struct lk_str target, struct lk_str method, bool allow_absolute, struct lk_h1_target *out,
                        struct lk_codec_error *error)
{
    *out = (struct lk_h1_target){.path = target};
    if (lk_str_eq(method, LK_STR("CONNECT"))) {
        *out = (struct lk_h1_target){.authority = target};
        bool port = target.ptr[target.len - 1] != ']' && lk_str_find_byte(target, ':') < target.len;
        return (port && lk_host_port_valid(target)) ||
               refuse(error, "http1.invalid_url", "the target of CONNECT is not host:port");
    }
    if (target.ptr[0] == '/')
        return true;
    if (lk_str_eq(target, LK_STR("*")))
        return lk_str_eq(method, LK_STR("OPTIONS")) ||
               refuse(error, "http1.invalid_url", "the target * is for OPTIONS only");
    size_t scheme = scheme_len(target);
    if (scheme == 0)
        return refuse(error, "http1.codec_error", "the request target is neither a path nor an absolute URI");
    return !allow_absolute || absolute_form(target, scheme, out, error);
}
