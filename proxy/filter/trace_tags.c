/* Tags of spans, under the names that Envoy gives them (docs: tracing, "what data each trace contains"). */
#include "proxy/base/clock.h"
#include "proxy/config/metadata.h"
#include "proxy/config/route_config.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/format_value.h"
#include "proxy/filter/http_stream.h"
#include "proxy/filter/tracing.h"

void lk_trace_tag_add(struct lk_trace_span *span, struct lk_arena *arena, struct lk_str name, struct lk_str value)
{
    if (span->tag_count == LK_TRACE_TAGS_MAX)
        return;
    if (span->tags == NULL)
        span->tags = lk_arena_alloc(arena, LK_TRACE_TAGS_MAX * sizeof(*span->tags));
    span->tags[span->tag_count++] = (struct lk_trace_tag){name, value};
}

struct tagging {
    struct lk_http_stream *stream;
    struct lk_trace_span *span;
    struct lk_log_event event;
};

static struct tagging tagging_of(struct lk_http_stream *stream, struct lk_trace_span *span)
{
    return (struct tagging){stream,
                            span,
                            {.info = &stream->info,
                             .request = stream->request,
                             .response = stream->response,
                             .trailers = stream->response_trailers,
                             .arena = &stream->arena,
                             .loop = stream->loop}};
}

static void tag(struct tagging *t, struct lk_str name, struct lk_str value)
{
    lk_trace_tag_add(t->span, &t->stream->arena, name, value);
}

/* Only when there is a value. */
static void tag_some(struct tagging *t, struct lk_str name, struct lk_str value)
{
    if (value.len > 0)
        tag(t, name, value);
}

static void tag_number(struct tagging *t, struct lk_str name, uint64_t value)
{
    tag(t, name, lk_arena_printf(&t->stream->arena, "%llu", (unsigned long long)value));
}

/* The value of a format operator without argument. */
static struct lk_str operator_value(struct tagging *t, enum lk_format_op op)
{
    char scratch[LK_FORMAT_SCRATCH];
    struct lk_format_part part = {.op = op, .header_id = -1, .header_id_alt = -1, .max_len = -1};
    struct lk_str value = lk_format_value_of(&part, &t->event, scratch).text;
    return value.ptr != NULL ? lk_arena_str(&t->stream->arena, value) : value;
}

static struct lk_str request_header(const struct tagging *t, enum lk_header_id id)
{
    return lk_headers_get(t->stream->request, id);
}

/* --- both kinds --------------------------------------------------------------------------------------------------- */

static struct lk_str grpc_value(const struct tagging *t, enum lk_header_id id)
{
    struct lk_str value = lk_str(NULL, 0);
    if (t->stream->response_trailers != NULL)
        value = lk_headers_get(t->stream->response_trailers, id);
    if (value.ptr == NULL && t->stream->response != NULL)
        value = lk_headers_get(t->stream->response, id);
    return value;
}

static void tag_outcome(struct tagging *t, unsigned status)
{
    const struct lk_stream_info *info = &t->stream->info;
    struct lk_str grpc_status = grpc_value(t, LK_HEADER_GRPC_STATUS);
    tag(t, LK_STR("component"), LK_STR("proxy"));
    if (info->upstream.cluster.len > 0) {
        tag(t, LK_STR("upstream_cluster"), info->upstream.cluster);
        tag(t, LK_STR("upstream_cluster.name"), info->upstream.cluster_alt);
    }
    tag_number(t, LK_STR("http.status_code"), status);
    tag(t, LK_STR("response_flags"), operator_value(t, LK_FORMAT_RESPONSE_FLAGS));
    tag_some(t, LK_STR("grpc.status_code"), grpc_status);
    tag_some(t, LK_STR("grpc.message"), grpc_value(t, LK_HEADER_GRPC_MESSAGE));
    bool grpc_failed = grpc_status.len > 0 && !lk_str_eq(grpc_status, LK_STR("0"));
    t->span->error = status == 0 || status >= 500 || grpc_failed;
    if (t->span->error)
        tag(t, LK_STR("error"), LK_STR("true"));
}

/* --- those of filters --------------------------------------------------------------------------------------------- */

#define REGISTERED_MAX 16

static struct {
    const char *name;
    lk_format_extension_fn value;
} registered[REGISTERED_MAX];
static unsigned registered_count;

void lk_trace_register_tag(const char *name, lk_format_extension_fn value)
{
    LK_ASSERT(registered_count < REGISTERED_MAX);
    registered[registered_count].name = name;
    registered[registered_count++].value = value;
}

static void tag_registered(struct tagging *t)
{
    for (unsigned i = 0; i < registered_count; i++)
        tag_some(t, lk_str_from(registered[i].name), registered[i].value(&t->event, lk_str(NULL, 0)));
}

/* --- configured ones ---------------------------------------------------------------------------------------------- */

static const struct lk_value *request_metadata(const struct tagging *t, const struct lk_trace_tag_config *config)
{
    for (const struct lk_dynamic_metadata *m = t->stream->info.dynamic_metadata; m != NULL; m = m->next) {
        if (config->path_len == 0 || !lk_str_eq(m->ns, config->text) || !lk_str_eq(m->key, config->path[0]))
            continue;
        const struct lk_value *value = m->value;
        for (size_t i = 1; i < config->path_len && value != NULL; i++)
            value = lk_value_get(value, config->path[i]);
        return value;
    }
    return NULL;
}

static const struct lk_value *metadata(const struct tagging *t, const struct lk_trace_tag_config *config)
{
    const struct lk_stream_info *info = &t->stream->info;
    const struct lk_metadata *source = NULL;
    switch (config->metadata) {
    case LK_TRACE_METADATA_REQUEST:
        return request_metadata(t, config);
    case LK_TRACE_METADATA_ROUTE:
        source = info->route != NULL ? info->route->metadata : NULL;
        break;
    case LK_TRACE_METADATA_CLUSTER:
        source = info->upstream.cluster_metadata;
        break;
    case LK_TRACE_METADATA_HOST:
        source = info->upstream.host_metadata;
        break;
    }
    return lk_metadata_get(source, config->text, config->path, config->path_len);
}

static struct lk_str custom_value(struct tagging *t, const struct lk_trace_tag_config *config)
{
    const struct lk_header *header;
    const struct lk_value *value;
    switch (config->source) {
    case LK_TRACE_TAG_LITERAL:
        return config->text;
    case LK_TRACE_TAG_HEADER:
        header = lk_headers_find_name(t->stream->request, config->text);
        return header != NULL ? header->value : config->fallback;
    case LK_TRACE_TAG_METADATA:
        value = metadata(t, config);
        return value != NULL ? lk_value_text(value, &t->stream->arena) : config->fallback;
    case LK_TRACE_TAG_FORMAT:
        return lk_format_eval(config->format, &t->event, true);
    }
    return lk_str(NULL, 0);
}

static bool names(const struct lk_trace_tags_config *tags, struct lk_str name)
{
    for (size_t i = 0; i < tags->count; i++)
        if (lk_str_eq(tags->items[i].tag, name))
            return true;
    return false;
}

static void tag_custom(struct tagging *t, const struct lk_request_trace *trace)
{
    const struct lk_trace_tags_config *own = &trace->config->tags;
    const struct lk_trace_tags_config *of_route = trace->route != NULL ? &trace->route->tags : NULL;
    for (size_t i = 0; of_route != NULL && i < of_route->count; i++)
        tag_some(t, of_route->items[i].tag, custom_value(t, &of_route->items[i]));
    for (size_t i = 0; i < own->count; i++)
        if (of_route == NULL || !names(of_route, own->items[i].tag))
            tag_some(t, own->items[i].tag, custom_value(t, &own->items[i]));
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static struct lk_str or_dash(struct lk_str value)
{
    return value.len > 0 ? value : LK_STR("-");
}

static struct lk_str url(const struct tagging *t, uint32_t max_path)
{
    struct lk_str path = request_header(t, LK_HEADER_X_ENVOY_ORIGINAL_PATH);
    if (path.len == 0)
        path = request_header(t, LK_HEADER_PATH);
    if (path.len > max_path)
        path.len = max_path;
    struct lk_str proto = request_header(t, LK_HEADER_X_FORWARDED_PROTO);
    struct lk_str host = request_header(t, LK_HEADER_AUTHORITY);
    return lk_arena_printf(&t->stream->arena, "%.*s://%.*s%.*s", LK_STR_ARG(proto), LK_STR_ARG(host), LK_STR_ARG(path));
}

static void tag_grpc_request(struct tagging *t)
{
    struct lk_str type = request_header(t, LK_HEADER_CONTENT_TYPE);
    if (!lk_str_has_prefix(type, LK_STR("application/grpc")))
        return;
    tag_some(t, LK_STR("grpc.path"), request_header(t, LK_HEADER_PATH));
    tag_some(t, LK_STR("grpc.authority"), request_header(t, LK_HEADER_AUTHORITY));
    tag_some(t, LK_STR("grpc.content_type"), type);
    tag_some(t, LK_STR("grpc.timeout"), request_header(t, LK_HEADER_GRPC_TIMEOUT));
}

static void log_moment(const struct tagging *t, const char *event, uint64_t at_us)
{
    const struct lk_stream_info *info = &t->stream->info;
    if (at_us < info->start_us || at_us == 0 || t->span->log_count == LK_TRACE_LOGS_MAX)
        return;
    t->span->logs[t->span->log_count++] =
        (struct lk_trace_log){lk_str_from(event), info->start_wall_us + (int64_t)(at_us - info->start_us)};
}

/* Tracing.verbose */
static void log_moments(const struct tagging *t)
{
    const struct lk_stream_info *info = &t->stream->info;
    log_moment(t, "last_downstream_rx_byte_received", info->last_downstream_rx_us);
    log_moment(t, "first_upstream_tx_byte_sent", info->upstream.first_tx_us);
    log_moment(t, "last_upstream_tx_byte_sent", info->upstream.last_tx_us);
    log_moment(t, "first_upstream_rx_byte_received", info->upstream.first_rx_us);
    log_moment(t, "last_upstream_rx_byte_received", info->upstream.last_rx_us);
    log_moment(t, "first_downstream_tx_byte_sent", info->first_downstream_tx_us);
    log_moment(t, "last_downstream_tx_byte_sent", info->last_downstream_tx_us);
}

void lk_trace_request_tags(struct lk_http_stream *stream, struct lk_request_trace *trace)
{
    struct tagging t = tagging_of(stream, &trace->span);
    tag_some(&t, LK_STR("node_id"), trace->config->node_id);
    tag_some(&t, LK_STR("zone"), trace->config->zone);
    tag_some(&t, LK_STR("guid:x-request-id"), request_header(&t, LK_HEADER_X_REQUEST_ID));
    tag(&t, LK_STR("http.url"), url(&t, trace->config->max_path_tag_length));
    tag_some(&t, LK_STR("http.method"), request_header(&t, LK_HEADER_METHOD));
    tag(&t, LK_STR("downstream_cluster"), or_dash(request_header(&t, LK_HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER)));
    tag(&t, LK_STR("user_agent"), or_dash(request_header(&t, LK_HEADER_USER_AGENT)));
    tag_some(&t, LK_STR("http.protocol"), operator_value(&t, LK_FORMAT_PROTOCOL));
    trace->span.peer = operator_value(&t, LK_FORMAT_DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT);
    tag_some(&t, LK_STR("peer.address"), trace->span.peer);
    tag_some(&t, LK_STR("guid:x-client-trace-id"), request_header(&t, LK_HEADER_X_CLIENT_TRACE_ID));
    tag_grpc_request(&t);
    tag_number(&t, LK_STR("request_size"), stream->info.bytes_received);
    tag_number(&t, LK_STR("response_size"), stream->info.bytes_sent);
    tag_some(&t, LK_STR("upstream_address"), operator_value(&t, LK_FORMAT_UPSTREAM_REMOTE_ADDRESS));
    tag_outcome(&t, stream->info.response_code);
    tag_registered(&t);
    tag_custom(&t, trace);
    if (trace->config->verbose)
        log_moments(&t);
}

void lk_trace_try_tags(struct lk_http_stream *stream, struct lk_request_trace *trace)
{
    struct tagging t = tagging_of(stream, &trace->try_span);
    tag_some(&t, LK_STR("node_id"), trace->config->node_id);
    tag_some(&t, LK_STR("zone"), trace->config->zone);
    tag_some(&t, LK_STR("http.protocol"), operator_value(&t, LK_FORMAT_UPSTREAM_PROTOCOL));
    tag_some(&t, LK_STR("upstream_address"), trace->try_span.peer);
    tag_some(&t, LK_STR("peer.address"), trace->try_span.peer);
    tag_outcome(&t, trace->try_status);
    tag_custom(&t, trace);
}

/* --- before use --------------------------------------------------------------------------------------------------- */

/* Formats are const for everyone else; until the configuration is in use nobody else has them. */
static void prepare(const struct lk_format *format)
{
    if (format != NULL)
        lk_format_prepare((struct lk_format *)format);
}

void lk_trace_tags_prepare(const struct lk_trace_tags_config *tags)
{
    for (size_t i = 0; i < tags->count; i++)
        prepare(tags->items[i].format);
}

void lk_route_tracing_prepare(const struct lk_route_tracing *tracing)
{
    if (tracing == NULL)
        return;
    lk_trace_tags_prepare(&tracing->tags);
    prepare(tracing->operation);
    prepare(tracing->upstream_operation);
}
