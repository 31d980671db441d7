/* A rehearsed request's account in the HTTP manager: its head, its virtual host and routes, its answer. Runs on a
 * worker. See http_explain.h. */
#include "proxy/downstream/http_explain.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/http/request_id.h"

#include <inttypes.h>

/* Of an answer's body this much is told. */
#define BODY_TOLD 512u

/* --- the answer --------------------------------------------------------------------------------------------------- */

static struct lk_http_rehearsal *rehearsal_of(struct lk_http_stream *stream)
{
    return LK_CONTAINER_OF(LK_EXCHANGE_OF(stream), struct lk_http_rehearsal, ex);
}

static void note_headers(struct lk_explain *explain, struct lk_note *in, const char *key,
                         const struct lk_headers *headers)
{
    struct lk_note *list = lk_note_list(explain, in, key);

    LK_HEADERS_FOREACH(header, headers)
    {
        struct lk_note *pair = lk_note_list(explain, list, NULL);

        lk_note_text(explain, pair, NULL, header->name);
        lk_note_text(explain, pair, NULL, header->value);
    }
}

void lk_rehearsal_on_headers(struct lk_http_stream *stream, struct lk_headers *headers, bool end)
{
    struct lk_http_rehearsal *r = rehearsal_of(stream);
    struct lk_explain *explain = r->explain;
    unsigned status = lk_headers_status(headers);
    struct lk_str location = lk_headers_get(headers, LK_HEADER_LOCATION);
    struct lk_note *step =
        lk_explain_step(explain, "answer", "answered here", "%u, details \"%.*s\": no upstream is asked", status,
                        LK_STR_ARG(stream->info.details));

    (void)end;
    r->told_answer = true;
    r->ex.ended = true; /* no second answer */
    stream->info.response_code = status;
    lk_note_number(explain, step, "status", status);
    lk_note_text(explain, step, "details", stream->info.details);
    note_headers(explain, step, "headers", headers);
    lk_explain_result_number(explain, "status", status);
    lk_explain_result(explain, "details", stream->info.details);
    if (location.ptr != NULL)
        lk_explain_result(explain, "location", location);
    if (stream->info.upstream.cluster.len > 0)
        lk_explain_result(explain, "cluster", stream->info.upstream.cluster);
}

void lk_rehearsal_on_data(struct lk_http_stream *stream, struct lk_span data, bool end)
{
    struct lk_http_rehearsal *r = rehearsal_of(stream);

    (void)end;
    if (r->explain->decisions.last != NULL)
        lk_note_text(r->explain, r->explain->decisions.last, "body",
                     lk_str(data.ptr, LK_MIN(data.len, (size_t)BODY_TOLD)));
}

void lk_rehearsal_on_reset(struct lk_http_stream *stream, enum lk_reset_reason reason)
{
    struct lk_http_rehearsal *r = rehearsal_of(stream);

    lk_explain_step(r->explain, "answer", "reset", "the request is cut off without an answer: %s",
                    lk_reset_reason_text(reason));
    stream->request_stopped = true;
}

/* --- routes ------------------------------------------------------------------------------------------------------- */

static const char *domain_kind(enum lk_domain_kind kind)
{
    static const char *const names[] = {
        [LK_DOMAIN_EXACT] = "exact",
        [LK_DOMAIN_SUFFIX] = "suffix",
        [LK_DOMAIN_PREFIX] = "prefix",
        [LK_DOMAIN_ANY] = "any",
    };

    return names[kind];
}

static void on_domain(struct lk_route_trace *trace, enum lk_domain_kind kind, struct lk_str domain,
                      const struct lk_virtual_host *host)
{
    struct lk_http_rehearsal *r = LK_CONTAINER_OF(trace, struct lk_http_rehearsal, trace);
    struct lk_explain *explain = r->explain;
    struct lk_note *note;

    if (r->domains == NULL) {
        struct lk_note *step = lk_explain_step(explain, "domains", "looked up",
                                               "exact names first, then the longest suffix (*.x), the longest prefix "
                                               "(x.*), then *; of several that fit the last one told is taken");

        r->domains = lk_note_list(explain, step, "tried");
    }
    note = lk_note_object(explain, r->domains, NULL);
    lk_note_text(explain, note, "kind", lk_str_from(domain_kind(kind)));
    if (host == NULL) {
        lk_note_text(explain, note, "why", LK_STR("no such domain fits"));
        return;
    }
    lk_note_format(explain, note, "domain", "%s%.*s%s", kind == LK_DOMAIN_SUFFIX || kind == LK_DOMAIN_ANY ? "*" : "",
                   LK_STR_ARG(domain), kind == LK_DOMAIN_PREFIX ? "*" : "");
    lk_note_text(explain, note, "virtual_host", host->name);
}

static void on_virtual_host(struct lk_route_trace *trace, const struct lk_virtual_host *host)
{
    struct lk_http_rehearsal *r = LK_CONTAINER_OF(trace, struct lk_http_rehearsal, trace);
    struct lk_explain *explain = r->explain;
    struct lk_str authority = lk_headers_get(r->ex.stream.request, LK_HEADER_AUTHORITY);
    struct lk_note *step;

    r->domains = NULL;
    r->routes = NULL;
    r->routes_tried = 0;
    if (host == NULL) {
        lk_explain_step(explain, "virtual_host", "none", "no virtual host serves \"%.*s\"", LK_STR_ARG(authority));
        return;
    }
    step = lk_explain_step(explain, "virtual_host", "chosen", "\"%.*s\" serves \"%.*s\"", LK_STR_ARG(host->name),
                           LK_STR_ARG(authority));
    lk_note_text(explain, step, "name", host->name);
    lk_note_number(explain, step, "routes", host->route_count);
    lk_explain_result(explain, "virtual_host", host->name);
    step = lk_explain_step(explain, "routes", "tried", "in their order, those whose path fits");
    r->routes = lk_note_list(explain, step, "tried");
}

static void note_path_match(struct lk_explain *explain, struct lk_note *note, const struct lk_route_match *match)
{
    static const char *const kinds[] = {
        [LK_PATH_MATCH_PREFIX] = "prefix",
        [LK_PATH_MATCH_EXACT] = "path",
        [LK_PATH_MATCH_SEPARATED_PREFIX] = "path_separated_prefix",
        [LK_PATH_MATCH_REGEX] = "safe_regex",
        [LK_PATH_MATCH_CONNECT] = "connect_matcher",
    };

    lk_note_format(explain, note, "match", "%s \"%.*s\"", kinds[match->kind], LK_STR_ARG(match->path));
}

static void note_verdict(struct lk_http_rehearsal *r, struct lk_note *note, const struct lk_route_match *match,
                         enum lk_route_verdict verdict, size_t detail)
{
    struct lk_explain *explain = r->explain;

    switch (verdict) {
    case LK_ROUTE_TAKEN:
        lk_note_text(explain, note, "why", LK_STR("every condition holds"));
        break;
    case LK_ROUTE_FELL_REGEX:
        lk_note_text(explain, note, "why", LK_STR("safe_regex: the path does not match"));
        break;
    case LK_ROUTE_FELL_FRACTION:
        lk_note_format(explain, note, "why", "runtime_fraction: the draw %" PRIu64 " lies outside", r->ex.random);
        break;
    case LK_ROUTE_FELL_GRPC:
        lk_note_text(explain, note, "why", LK_STR("grpc: the content-type is not gRPC's"));
        break;
    case LK_ROUTE_FELL_HEADER:
        lk_note_format(explain, note, "why", "headers[%zu]: \"%.*s\" does not fit", detail,
                       LK_STR_ARG(match->headers[detail].name));
        break;
    case LK_ROUTE_FELL_QUERY:
        lk_note_format(explain, note, "why", "query_parameters[%zu]: \"%.*s\" does not fit", detail,
                       LK_STR_ARG(match->queries[detail].name));
        break;
    case LK_ROUTE_FELL_TLS_CONTEXT:
        lk_note_text(explain, note, "why", LK_STR("tls_context: the client's certificate is not as asked for"));
        break;
    }
}

static void tell_route(struct lk_http_rehearsal *r, const struct lk_route *route)
{
    struct lk_explain *explain = r->explain;
    size_t index = (size_t)(route - route->virtual_host->routes);
    struct lk_note *step = lk_explain_step(explain, "route", "taken", "route %zu of virtual host \"%.*s\"", index,
                                           LK_STR_ARG(route->virtual_host->name));

    lk_note_text(explain, step, "name", route->name);
    lk_note_number(explain, step, "index", index);
    lk_note_number(explain, step, "ruled_out_by_path", index + 1 - r->routes_tried);
    lk_note_text(explain, step, "table", lk_route_table_config(r->ex.routes)->name);
    lk_explain_result(explain, "route", route->name);
    lk_explain_result_number(explain, "route_index", index);
}

static void on_route(struct lk_route_trace *trace, const struct lk_route *route, enum lk_route_verdict verdict,
                     size_t detail)
{
    struct lk_http_rehearsal *r = LK_CONTAINER_OF(trace, struct lk_http_rehearsal, trace);
    struct lk_explain *explain = r->explain;
    struct lk_note *note;

    r->routes_tried++;
    note = lk_note_object(explain, r->routes, NULL);
    lk_note_number(explain, note, "index", (uint64_t)(route - route->virtual_host->routes));
    lk_note_text_if(explain, note, "name", route->name);
    note_path_match(explain, note, &route->match);
    lk_note_text(explain, note, "verdict", verdict == LK_ROUTE_TAKEN ? LK_STR("taken") : LK_STR("fell"));
    note_verdict(r, note, &route->match, verdict, detail);
    if (route->match.has_fraction)
        lk_note_number(explain, note, "draw", r->ex.random);
    if (verdict == LK_ROUTE_TAKEN)
        tell_route(r, route);
}

void lk_rehearsal_record_routes(struct lk_http_rehearsal *r)
{
    r->trace = (struct lk_route_trace){on_domain, on_virtual_host, on_route};
    r->ex.route_trace = &r->trace;
}

void lk_rehearsal_tell_no_route(struct lk_http_rehearsal *r)
{
    const struct lk_route *route = r->ex.route;

    if (!r->ex.route_known)
        return;
    if (route == NULL)
        lk_explain_step(r->explain, "route", "none", "no route takes the request; %zu were tried", r->routes_tried);
    else if (route->kind == LK_ROUTE_REDIRECT && route->redirect.require_tls)
        lk_explain_step(r->explain, "route", "require_tls", "the virtual host demands TLS: a redirect of its own");
}

/* --- the head ----------------------------------------------------------------------------------------------------- */

static void note_change(struct lk_explain *explain, struct lk_note *step, const char *key, struct lk_str before,
                        struct lk_str now)
{
    if (!lk_str_eq(before, now))
        lk_note_format(explain, step, key, "\"%.*s\" becomes \"%.*s\"", LK_STR_ARG(before), LK_STR_ARG(now));
}

static const char *fate_of_id(struct lk_str received, struct lk_str now)
{
    size_t at = LK_REQUEST_ID_REASON_AT;

    if (received.len == 0 || received.len != now.len)
        return "generated";
    if (lk_str_eq(received, now))
        return "kept";
    return received.len == LK_UUID_LEN && memcmp(received.ptr, now.ptr, at) == 0
               ? "kept, but for the digit that tells why the request is traced"
               : "generated";
}

void lk_rehearsal_tell_head(struct lk_http_rehearsal *r, struct lk_note *step, bool admitted)
{
    struct lk_explain *explain = r->explain;
    const struct lk_stream_info *info = &r->ex.stream.info;
    const struct lk_headers *before = explain->head, *now = r->ex.stream.request;
    struct lk_str id = lk_headers_get(before, LK_HEADER_X_REQUEST_ID);

    lk_note_bool(explain, step, "admitted", admitted);
    note_change(explain, step, "path", lk_headers_get(before, LK_HEADER_PATH), lk_headers_get(now, LK_HEADER_PATH));
    note_change(explain, step, "authority", lk_headers_get(before, LK_HEADER_AUTHORITY),
                lk_headers_get(now, LK_HEADER_AUTHORITY));
    lk_note_text(explain, step, "scheme", lk_headers_get(now, LK_HEADER_SCHEME));
    lk_note_addr(explain, step, "client", info->remote.len > 0 ? &info->remote : &info->conn->remote);
    lk_note_bool(explain, step, "internal", info->internal_request);
    if (admitted)
        lk_note_text(explain, step, "request_id",
                     lk_str_from(fate_of_id(id, lk_headers_get(now, LK_HEADER_X_REQUEST_ID))));
    if (r->hc.config->tracing != NULL)
        lk_note_bool(explain, step, "traced", info->traced);
    lk_explain_result(explain, "path", lk_headers_get(now, LK_HEADER_PATH));
    lk_explain_result(explain, "authority", lk_headers_get(now, LK_HEADER_AUTHORITY));
}

void lk_rehearsal_tell_metadata(struct lk_http_rehearsal *r)
{
    struct lk_explain *explain = r->explain;
    struct lk_note *step = NULL, *list = NULL;

    for (const struct lk_dynamic_metadata *m = r->ex.stream.info.dynamic_metadata; m != NULL; m = m->next) {
        if (step == NULL) {
            step = lk_explain_step(explain, "dynamic_metadata", "set", "by the request to explain and by filters");
            list = lk_note_list(explain, step, "values");
        }
        struct lk_note *note = lk_note_object(explain, list, NULL);
        lk_note_text(explain, note, "namespace", m->ns);
        lk_note_text(explain, note, "key", m->key);
        lk_note_text(explain, note, "value", lk_value_text(m->value, &r->ex.stream.arena));
    }
}

/* --- timeouts ----------------------------------------------------------------------------------------------------- */

void lk_rehearsal_tell_timeouts(struct lk_http_rehearsal *r)
{
    struct lk_explain *explain = r->explain;
    const struct lk_http_manager_config *config = r->hc.config;
    const struct lk_route *route = r->ex.route;
    struct lk_note *step = lk_explain_step(explain, "downstream_timeouts", "in force", "ms, 0: none");

    lk_note_number(explain, step, "stream_idle_ms", r->ex.idle_ms);
    lk_note_number(explain, step, "max_stream_duration_ms",
                   route != NULL && route->action.has_max_stream_duration ? route->action.max_stream_duration_ms
                                                                          : config->max_stream_duration_ms);
    lk_note_number(explain, step, "request_ms", config->request_timeout_ms);
    lk_note_number(explain, step, "request_headers_ms", config->request_headers_timeout_ms);
}
