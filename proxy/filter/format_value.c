/* Values of format operators, in groups: messages, streams, upstream, downstream. Any worker. */
#include "proxy/filter/format_value.h"

#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/config/metadata.h"
#include "proxy/config/route_config.h"
#include "proxy/filter/format_eval.h"
#include "proxy/http/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct lk_format_value absent = {{NULL, 0}, false};

static struct lk_format_value text(struct lk_str value)
{
    return (struct lk_format_value){value.len > 0 ? value : lk_str(NULL, 0), false};
}

static struct lk_format_value number(uint64_t value, char *scratch)
{
    char *p = scratch + 24;
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return (struct lk_format_value){lk_str(p, (size_t)(scratch + 24 - p)), true};
}

static struct lk_format_value address(const struct lk_addr *addr, char *scratch)
{
    if (addr->len == 0)
        return addr->family == AF_UNIX && addr->un != NULL ? text(lk_addr_text(addr, scratch)) : absent;
    return text(lk_addr_text(addr, scratch));
}

static struct lk_format_value ip(const struct lk_addr *addr, char *scratch)
{
    return addr->len == 0 ? absent : text(lk_addr_ip_text(addr, scratch));
}

static struct lk_format_value port(const struct lk_addr *addr, char *scratch)
{
    return addr->len == 0 || addr->family == AF_UNIX ? absent : number(lk_addr_port(addr), scratch);
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

static struct lk_str header_value(const struct lk_headers *headers, struct lk_str name, int id)
{
    if (headers == NULL || name.len == 0)
        return lk_str(NULL, 0);
    struct lk_header_key key = {(enum lk_header_id)id, name};
    if (id < 0)
        key.id = lk_header_id_of(name);
    const struct lk_header *header = lk_headers_find_key(headers, &key);
    return header != NULL ? header->value : lk_str(NULL, 0);
}

static struct lk_format_value header(const struct lk_format_part *part, const struct lk_headers *headers)
{
    struct lk_str value = header_value(headers, part->text, part->header_id);
    if (value.ptr == NULL)
        value = header_value(headers, part->text_alt, part->header_id_alt);
    return (struct lk_format_value){value, false};
}

static struct lk_format_value path(const struct lk_format_part *part, const struct lk_log_event *event)
{
    struct lk_str rest = part->text;
    struct lk_str query = lk_str_split(&rest, ':');
    struct lk_str original = header_value(event->request, LK_STR("x-envoy-original-path"), -1);
    struct lk_str current = header_value(event->request, LK_STR(":path"), -1);
    struct lk_str value = current;
    if (lk_str_eq(rest, LK_STR("ORIG")))
        value = original;
    else if (!lk_str_eq(rest, LK_STR("PATH")) && original.ptr != NULL)
        value = original;
    return text(lk_str_eq(query, LK_STR("NQ")) && value.ptr != NULL ? lk_path_only(value) : value);
}

static struct lk_format_value query_param(const struct lk_format_part *part, const struct lk_log_event *event)
{
    struct lk_str value;
    struct lk_str target = header_value(event->request, LK_STR(":path"), -1);
    return target.ptr != NULL && lk_query_get(lk_path_query(target), part->text, &value) ? text(value) : absent;
}

static struct lk_format_value without_query(const struct lk_format_part *part, const struct lk_log_event *event)
{
    struct lk_format_value value = header(part, event->request);
    return value.text.ptr != NULL ? text(lk_path_only(value.text)) : absent;
}

/* --- metadata ------------------------------------------------------------------------------------------------------
 */

/* "namespace:key:key" */
static struct lk_format_value metadata(const struct lk_metadata *source, struct lk_str spec,
                                       const struct lk_log_event *event)
{
    struct lk_str keys[16];
    size_t count = 0;
    struct lk_str ns = lk_str_split(&spec, ':');
    while (spec.ptr != NULL && count < LK_ARRAY_LEN(keys))
        keys[count++] = lk_str_split(&spec, ':');
    const struct lk_value *value = lk_metadata_get(source, ns, keys, count);
    return value != NULL ? text(lk_value_text(value, event->arena)) : absent;
}

/* "namespace" or "namespace:key:key" */
static struct lk_format_value dynamic_metadata(struct lk_str spec, const struct lk_log_event *event)
{
    struct lk_str ns = lk_str_split(&spec, ':');
    const struct lk_value *value = lk_stream_info_metadata(event->info, event->arena, ns);
    while (value != NULL && spec.ptr != NULL)
        value = lk_value_get(value, lk_str_split(&spec, ':'));
    return value != NULL ? text(lk_value_text(value, event->arena)) : absent;
}

static struct lk_format_value typed_metadata(const struct lk_format_part *part, const struct lk_log_event *event)
{
    const struct lk_stream_info *info = event->info;
    struct lk_str rest = part->text;
    struct lk_str kind = lk_str_split(&rest, ':');
    if (rest.ptr == NULL)
        return absent;
    if (lk_str_eq(kind, LK_STR("DYNAMIC")))
        return dynamic_metadata(rest, event);
    const struct lk_metadata *source = NULL;
    if (lk_str_eq(kind, LK_STR("ROUTE")) && info->route != NULL)
        source = info->route->metadata;
    else if (lk_str_eq(kind, LK_STR("VIRTUAL_HOST")) && info->vhost != NULL)
        source = info->vhost->metadata;
    else if (lk_str_eq(kind, LK_STR("CLUSTER")))
        source = info->upstream.cluster_metadata;
    else if (lk_str_eq(kind, LK_STR("UPSTREAM_HOST")))
        source = info->upstream.host_metadata;
    return source != NULL ? metadata(source, rest, event) : absent;
}

/* --- the stream ------------------------------------------------------------------------------------------------------
 */

static struct lk_format_value flags(const struct lk_stream_info *info, bool long_names, char *scratch)
{
    size_t len = 0;
    if (info->flags == 0)
        return text(LK_STR("-"));
    for (unsigned flag = 0; flag < LK_FLAG_COUNT; flag++) {
        if (((info->flags >> flag) & 1) == 0)
            continue;
        const char *name = lk_response_flag_name((enum lk_response_flag)flag, long_names);
        len += (size_t)snprintf(scratch + len, LK_FORMAT_SCRATCH - len, "%s%s", len > 0 ? "," : "", name);
        if (len >= LK_FORMAT_SCRATCH)
            return text(lk_str(scratch, LK_FORMAT_SCRATCH - 1));
    }
    return text(lk_str(scratch, len));
}

static struct lk_format_value protocol(bool known, enum lk_protocol value)
{
    static const struct lk_str names[] = {LK_STR_INIT("HTTP/1.0"), LK_STR_INIT("HTTP/1.1"), LK_STR_INIT("HTTP/2")};
    return known ? text(names[value]) : absent;
}

/* White space in details would break the columns of a log line. */
static struct lk_format_value details(const struct lk_format_part *part, const struct lk_log_event *event)
{
    struct lk_str value = event->info->details;
    if (value.len == 0)
        return absent;
    if (lk_str_eq(part->text, LK_STR("ALLOW_WHITESPACES")) || memchr(value.ptr, ' ', value.len) == NULL)
        return text(value);
    char *copy = lk_arena_cstr(event->arena, value);
    for (size_t i = 0; i < value.len; i++)
        copy[i] = copy[i] == ' ' ? '_' : copy[i];
    return text(lk_str(copy, value.len));
}

static struct lk_format_value grpc_status(const struct lk_format_part *part, const struct lk_log_event *event)
{
    static const struct {
        const char *camel;
        const char *snake;
    } names[] = {{"OK", "OK"},
                 {"Canceled", "CANCELLED"},
                 {"Unknown", "UNKNOWN"},
                 {"InvalidArgument", "INVALID_ARGUMENT"},
                 {"DeadlineExceeded", "DEADLINE_EXCEEDED"},
                 {"NotFound", "NOT_FOUND"},
                 {"AlreadyExists", "ALREADY_EXISTS"},
                 {"PermissionDenied", "PERMISSION_DENIED"},
                 {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
                 {"FailedPrecondition", "FAILED_PRECONDITION"},
                 {"Aborted", "ABORTED"},
                 {"OutOfRange", "OUT_OF_RANGE"},
                 {"Unimplemented", "UNIMPLEMENTED"},
                 {"Internal", "INTERNAL"},
                 {"Unavailable", "UNAVAILABLE"},
                 {"DataLoss", "DATA_LOSS"},
                 {"Unauthenticated", "UNAUTHENTICATED"}};
    struct lk_str value = header_value(event->trailers, LK_STR("grpc-status"), LK_HEADER_GRPC_STATUS);
    uint64_t code;
    if (value.ptr == NULL)
        value = header_value(event->response, LK_STR("grpc-status"), LK_HEADER_GRPC_STATUS);
    if (value.ptr == NULL)
        return absent;
    if (!lk_str_to_u64(value, &code))
        return text(value); /* the peer's words: never a number in JSON */
    bool numeric = part->op == LK_FORMAT_GRPC_STATUS_NUMBER || lk_str_eq(part->text, LK_STR("NUMBER"));
    if (numeric || code >= LK_ARRAY_LEN(names))
        return (struct lk_format_value){value, numeric && (value.len == 1 || value.ptr[0] != '0')};
    bool snake = lk_str_eq(part->text, LK_STR("SNAKE_STRING"));
    return text(lk_str_from(snake ? names[code].snake : names[code].camel));
}

static struct lk_format_value server_name(const struct lk_format_part *part, const struct lk_log_event *event)
{
    struct lk_str sni = event->info->conn->sni;
    struct lk_str rest = part->text;
    struct lk_str kind = lk_str_split(&rest, ':');
    if (lk_str_eq(kind, LK_STR("SNI_FIRST")) && sni.len == 0)
        return text(header_value(event->request, LK_STR(":authority"), LK_HEADER_AUTHORITY));
    if (lk_str_eq(kind, LK_STR("HOST_FIRST"))) {
        struct lk_str host = header_value(event->request, LK_STR(":authority"), LK_HEADER_AUTHORITY);
        return text(host.len > 0 ? host : sni);
    }
    return text(sni);
}

static struct lk_format_value hostname(char *scratch)
{
    if (gethostname(scratch, LK_FORMAT_SCRATCH - 1) != 0)
        return absent;
    scratch[LK_FORMAT_SCRATCH - 1] = '\0';
    return text(lk_str_from(scratch));
}

static struct lk_format_value unique_id(char *scratch)
{
    lk_rand_uuid(scratch);
    return text(lk_str(scratch, LK_UUID_LEN));
}

/* Names and values as HTTP/2 would have them. */
static uint64_t head_bytes(const struct lk_headers *headers)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; headers != NULL && i < headers->count; i++) {
        const struct lk_header *h = &headers->items[i];
        if (h->removed)
            continue;
        bytes += h->value.len + (h->id == LK_HEADER_OTHER ? h->name.len : lk_header_name((enum lk_header_id)h->id).len);
    }
    return bytes;
}

static struct lk_format_value of_message(const struct lk_format_part *part, const struct lk_log_event *event,
                                         char *scratch)
{
    const struct lk_stream_info *info = event->info;
    switch (part->op) {
    case LK_FORMAT_TRAILER:
        return header(part, event->trailers);
    case LK_FORMAT_REQ_WITHOUT_QUERY:
        return without_query(part, event);
    case LK_FORMAT_PATH:
        return path(part, event);
    case LK_FORMAT_QUERY_PARAM:
        return query_param(part, event);
    case LK_FORMAT_REQUEST_HEADERS_BYTES:
        return number(head_bytes(event->request), scratch);
    case LK_FORMAT_RESPONSE_HEADERS_BYTES:
        return number(head_bytes(event->response), scratch);
    case LK_FORMAT_RESPONSE_TRAILERS_BYTES:
        return number(info->response_trailers_bytes, scratch);
    case LK_FORMAT_BYTES_RECEIVED:
        return number(info->bytes_received, scratch);
    case LK_FORMAT_BYTES_SENT:
        return number(info->bytes_sent, scratch);
    case LK_FORMAT_DOWNSTREAM_WIRE_BYTES_RECEIVED:
        return number(info->wire_received, scratch);
    case LK_FORMAT_DOWNSTREAM_WIRE_BYTES_SENT:
        return number(info->wire_sent, scratch);
    case LK_FORMAT_GRPC_STATUS:
    case LK_FORMAT_GRPC_STATUS_NUMBER:
        return grpc_status(part, event);
    case LK_FORMAT_ENVIRONMENT:
        return text(lk_str_from(getenv(lk_arena_cstr(event->arena, part->text))));
    case LK_FORMAT_METADATA:
        return typed_metadata(part, event);
    case LK_FORMAT_DYNAMIC_METADATA:
        return dynamic_metadata(part->text, event);
    case LK_FORMAT_CLUSTER_METADATA:
        return metadata(info->upstream.cluster_metadata, part->text, event);
    case LK_FORMAT_UPSTREAM_METADATA:
        return metadata(info->upstream.host_metadata, part->text, event);
    default:
        return absent;
    }
}

static struct lk_format_value of_upstream(const struct lk_format_part *part, const struct lk_log_event *event,
                                          char *scratch)
{
    const struct lk_upstream_info *up = &event->info->upstream;
    switch (part->op) {
    case LK_FORMAT_UPSTREAM_PROTOCOL:
        return protocol(up->has_protocol, up->protocol);
    case LK_FORMAT_UPSTREAM_HOST:
    case LK_FORMAT_UPSTREAM_REMOTE_ADDRESS:
        return up->host_addr != NULL ? address(up->host_addr, scratch) : absent;
    case LK_FORMAT_UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT:
        return up->host_addr != NULL ? ip(up->host_addr, scratch) : absent;
    case LK_FORMAT_UPSTREAM_REMOTE_PORT:
        return up->host_addr != NULL ? port(up->host_addr, scratch) : absent;
    case LK_FORMAT_UPSTREAM_HOST_NAME:
        if (up->host_name.len > 0)
            return text(up->host_name);
        return up->host_addr != NULL ? address(up->host_addr, scratch) : absent;
    case LK_FORMAT_UPSTREAM_HOST_NAME_WITHOUT_PORT:
        if (up->host_name.len > 0) {
            struct lk_str host, rest;
            lk_host_split(up->host_name, &host, &rest);
            return text(host);
        }
        return up->host_addr != NULL ? ip(up->host_addr, scratch) : absent;
    case LK_FORMAT_UPSTREAM_CLUSTER:
        return text(up->cluster_alt);
    case LK_FORMAT_UPSTREAM_CLUSTER_RAW:
        return text(up->cluster);
    case LK_FORMAT_UPSTREAM_LOCAL_ADDRESS:
        return address(&up->local, scratch);
    case LK_FORMAT_UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT:
        return ip(&up->local, scratch);
    case LK_FORMAT_UPSTREAM_LOCAL_PORT:
        return port(&up->local, scratch);
    case LK_FORMAT_UPSTREAM_CONNECTION_ID:
        return up->connection_id != 0 ? number(up->connection_id, scratch) : absent;
    case LK_FORMAT_UPSTREAM_TRANSPORT_FAILURE_REASON:
        return text(up->transport_failure);
    case LK_FORMAT_UPSTREAM_WIRE_BYTES_SENT:
        return number(up->wire_sent, scratch);
    case LK_FORMAT_UPSTREAM_WIRE_BYTES_RECEIVED:
        return number(up->wire_received, scratch);
    case LK_FORMAT_UPSTREAM_REQUEST_ATTEMPT_COUNT:
        return number(up->attempts, scratch);
    default:
        return of_message(part, event, scratch);
    }
}

static struct lk_format_value of_downstream(const struct lk_format_part *part, const struct lk_log_event *event,
                                            char *scratch)
{
    const struct lk_conn_info *conn = event->info->conn;
    const struct lk_addr *remote = event->info->remote.len > 0 ? &event->info->remote : &conn->remote;
    const struct lk_transport_info *secure = conn->secure;
    switch (part->op) {
    case LK_FORMAT_DOWNSTREAM_REMOTE_ADDRESS:
        return address(remote, scratch);
    case LK_FORMAT_DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT:
        return ip(remote, scratch);
    case LK_FORMAT_DOWNSTREAM_REMOTE_PORT:
        return port(remote, scratch);
    case LK_FORMAT_DOWNSTREAM_DIRECT_REMOTE_ADDRESS:
        return address(&conn->remote, scratch);
    case LK_FORMAT_DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT:
        return ip(&conn->remote, scratch);
    case LK_FORMAT_DOWNSTREAM_DIRECT_REMOTE_PORT:
        return port(&conn->remote, scratch);
    case LK_FORMAT_DOWNSTREAM_LOCAL_ADDRESS:
        return address(&conn->local, scratch);
    case LK_FORMAT_DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT:
        return ip(&conn->local, scratch);
    case LK_FORMAT_DOWNSTREAM_LOCAL_PORT:
        return port(&conn->local, scratch);
    case LK_FORMAT_DOWNSTREAM_DIRECT_LOCAL_ADDRESS:
        return address(&conn->direct_local, scratch);
    case LK_FORMAT_DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT:
        return ip(&conn->direct_local, scratch);
    case LK_FORMAT_DOWNSTREAM_TRANSPORT_FAILURE_REASON:
        return text(conn->transport_failure);
    case LK_FORMAT_CONNECTION_ID:
        return number(conn->id, scratch);
    case LK_FORMAT_FILTER_CHAIN_NAME:
        return text(conn->filter_chain_name);
    case LK_FORMAT_REQUESTED_SERVER_NAME:
        return server_name(part, event);
    case LK_FORMAT_PROTOCOL_DOWNSTREAM_PEER_URI_SAN:
        return secure != NULL ? text(secure->peer_uri_san) : absent;
    case LK_FORMAT_DOWNSTREAM_LOCAL_URI_SAN:
        return secure != NULL ? text(secure->local_uri_san) : absent;
    case LK_FORMAT_DOWNSTREAM_PEER_SUBJECT:
        return secure != NULL ? text(secure->peer_subject) : absent;
    case LK_FORMAT_DOWNSTREAM_TLS_VERSION:
        return secure != NULL ? text(secure->version) : absent;
    case LK_FORMAT_DOWNSTREAM_TLS_CIPHER:
        return secure != NULL ? text(secure->cipher) : absent;
    default:
        return of_upstream(part, event, scratch);
    }
}

struct lk_format_value lk_format_value_of(const struct lk_format_part *part, const struct lk_log_event *event,
                                          char scratch[LK_FORMAT_SCRATCH])
{
    const struct lk_stream_info *info = event->info;
    uint64_t duration;
    switch (part->op) {
    case LK_FORMAT_REQ: /* half of what a line is made of */
        return header(part, event->request);
    case LK_FORMAT_RESP:
        return header(part, event->response);
    case LK_FORMAT_START_TIME:
        return text(lk_format_time(part->text, info->start_wall_us, false, event, scratch));
    case LK_FORMAT_START_TIME_LOCAL:
        return text(lk_format_time(part->text, info->start_wall_us, true, event, scratch));
    case LK_FORMAT_EMIT_TIME:
        return text(lk_format_time(part->text, info->start_wall_us + (int64_t)(info->end_us - info->start_us), false,
                                   event, scratch));
    case LK_FORMAT_DURATION:
    case LK_FORMAT_REQUEST_DURATION:
    case LK_FORMAT_REQUEST_TX_DURATION:
    case LK_FORMAT_RESPONSE_DURATION:
    case LK_FORMAT_RESPONSE_TX_DURATION:
    case LK_FORMAT_COMMON_DURATION:
    case LK_FORMAT_UPSTREAM_CONNECTION_POOL_READY_DURATION:
        return lk_format_duration(part, event, &duration) ? number(duration, scratch) : absent;
    case LK_FORMAT_PROTOCOL:
        return protocol(info->has_protocol, info->protocol);
    case LK_FORMAT_RESPONSE_CODE:
        return number(info->response_code, scratch);
    case LK_FORMAT_RESPONSE_CODE_DETAILS:
        return details(part, event);
    case LK_FORMAT_CONNECTION_TERMINATION_DETAILS:
        return text(info->connection_details.len > 0 ? info->connection_details
                                                     : lk_str_from(info->conn->termination_details));
    case LK_FORMAT_RESPONSE_FLAGS:
        return flags(info, false, scratch);
    case LK_FORMAT_RESPONSE_FLAGS_LONG:
        return flags(info, true, scratch);
    case LK_FORMAT_ROUTE_NAME:
        return text(info->route_name);
    case LK_FORMAT_STREAM_ID: {
        struct lk_str id = header_value(event->request, LK_STR("x-request-id"), LK_HEADER_X_REQUEST_ID);
        return id.len > 0 ? text(id) : number(info->id, scratch);
    }
    case LK_FORMAT_HOSTNAME:
        return hostname(scratch);
    case LK_FORMAT_LOCAL_REPLY_BODY:
        return (struct lk_format_value){info->local_reply_body.len > 0 ? info->local_reply_body : LK_STR(""), false};
    case LK_FORMAT_TRACE_ID:
        return text(info->trace_id);
    case LK_FORMAT_SPAN_ID:
        return text(info->span_id);
    case LK_FORMAT_ACCESS_LOG_TYPE:
        return text(lk_str_from(event->type));
    case LK_FORMAT_UNIQUE_ID:
        return unique_id(scratch);
    default:
        return of_downstream(part, event, scratch);
    }
}
