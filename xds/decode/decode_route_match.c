/* The conditions of a route. Main thread. */
#include "xds/decode/decode_route_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"

static void separated_prefix(struct lk_decoder *decoder, struct lk_str path)
{
    if (path.len < 2 || lk_str_find_byte(path, '?') < path.len || lk_str_find_byte(path, '#') < path.len ||
        path.ptr[path.len - 1] == '/')
        lk_errors_add_at(decoder->errors, "path_separated_prefix",
                         "must have two bytes, no ? or #, and not end with /");
}

static void path(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteMatch *in, struct lk_route_match *out)
{
    switch (in->path_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX:
        out->kind = LK_PATH_MATCH_PREFIX;
        out->path = lk_decode_str(decoder, in->prefix);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH:
        out->kind = LK_PATH_MATCH_EXACT;
        out->path = lk_decode_str(decoder, in->path);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH_SEPARATED_PREFIX:
        out->kind = LK_PATH_MATCH_SEPARATED_PREFIX;
        out->path = lk_decode_str(decoder, in->path_separated_prefix);
        separated_prefix(decoder, out->path);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_SAFE_REGEX:
        out->kind = LK_PATH_MATCH_REGEX;
        out->regex = lk_decode_regex(decoder, "safe_regex", in->safe_regex);
        out->path = lk_decode_str(decoder, in->safe_regex->regex);
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_CONNECT_MATCHER:
        out->kind = LK_PATH_MATCH_CONNECT;
        lk_errors_warn(decoder->errors, "connect_matcher", "CONNECT requests are refused: this route is never taken");
        break;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH_MATCH_POLICY:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add(decoder->errors,
                      "expected one of prefix, path, path_separated_prefix, safe_regex, connect_matcher");
        break;
    }
}

void lk_decode_route_match(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteMatch *in,
                           struct lk_route_match *out)
{
    path(decoder, in, out);
    out->case_sensitive = lk_decode_bool(in->case_sensitive, true);
    out->grpc_only = in->grpc != NULL;
    lk_decode_header_matchers(decoder, "headers", in->n_headers, in->headers, &out->headers);
    out->header_count = in->n_headers;
    lk_decode_query_matchers(decoder, "query_parameters", in->n_query_parameters, in->query_parameters, &out->queries);
    out->query_count = in->n_query_parameters;
    if (in->runtime_fraction != NULL) {
        out->has_fraction = true;
        lk_decode_runtime_fraction(decoder, "runtime_fraction", in->runtime_fraction, &out->fraction);
    }
    if (in->tls_context != NULL) {
        out->has_tls_presented = in->tls_context->presented != NULL;
        out->tls_presented = lk_decode_bool(in->tls_context->presented, false);
        out->has_tls_validated = in->tls_context->validated != NULL;
        out->tls_validated = lk_decode_bool(in->tls_context->validated, false);
    }
}
