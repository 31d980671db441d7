/*
 * What every request head gets before filters see it: path and host checks, forwarded-for and -proto, request id,
 * internal headers, hop-by-hop headers. Order and defaults follow Envoy's connection manager (docs: HTTP header
 * manipulation). Runs on the session's worker.
 */
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"
#include "proxy/downstream/http_manager_internal.h"
#include "proxy/http/status.h"
#include "proxy/http/validate.h"
#include "proxy/io/local_address.h"

static void remove_if_there(struct lk_headers *headers, enum lk_header_id id)
{
    if (lk_headers_maybe(headers, id))
        lk_headers_remove(headers, id);
}

static bool has(const struct lk_headers *headers, enum lk_header_id id)
{
    return lk_headers_maybe(headers, id) && lk_headers_find(headers, id) != NULL;
}

/* --- host and path ------------------------------------------------------------------------------------------------ */

static void set_authority(struct lk_headers *headers, struct lk_str host)
{
    struct lk_header *header = lk_headers_find(headers, LK_HEADER_AUTHORITY);
    header->value = host;
}

static void strip_host(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_str authority = lk_headers_get(headers, LK_HEADER_AUTHORITY);
    struct lk_str host, port;
    uint64_t number = 0;
    lk_host_split(authority, &host, &port);
    if (config->strip_trailing_host_dot && host.len > 1 && host.ptr[host.len - 1] == '.') {
        struct lk_str bare = lk_str(host.ptr, host.len - 1);
        authority =
            port.len > 0 ? lk_arena_printf(headers->arena, "%.*s:%.*s", LK_STR_ARG(bare), LK_STR_ARG(port)) : bare;
        set_authority(headers, authority);
        lk_host_split(authority, &host, &port);
    }
    if (port.len == 0 || !lk_str_to_u64(port, &number))
        return;
    if (config->strip_any_host_port ||
        (config->strip_matching_host_port && number == lk_addr_port(&ex->stream.info.conn->local)))
        set_authority(headers, host);
}

static enum lk_policy_verdict check_host(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_str host = lk_headers_get(headers, LK_HEADER_AUTHORITY);
    if (host.ptr == NULL && ex->cs->http10 && config->h1.default_host_for_http10.len > 0) {
        lk_headers_add(headers, LK_HEADER_AUTHORITY, config->h1.default_host_for_http10);
    } else if (host.ptr == NULL && ex->cs->http10) {
        /* HTTP/1.0 knows no Host (RFC 1945); such a request is routed by path in the "*" virtual host */
        lk_headers_add(headers, LK_HEADER_AUTHORITY, LK_STR(""));
    } else if (host.ptr == NULL) {
        ex->close_after = true;
        lk_exchange_reply(ex, 400, lk_str(NULL, 0), LK_STR("missing_host_header"));
        return LK_POLICY_ANSWERED;
    }
    if (config->strip_any_host_port || config->strip_matching_host_port || config->strip_trailing_host_dot)
        strip_host(ex, headers);
    return LK_POLICY_PASS;
}

static void redirect_to_path(void *arg, struct lk_headers *headers)
{
    const struct lk_str *path = arg;
    lk_headers_add(headers, LK_HEADER_LOCATION, *path);
}

/* Logs show the path with its slashes unescaped when that is why it is refused or sent elsewhere. */
static void show_unescaped(struct lk_http_exchange *ex, struct lk_headers *headers, struct lk_str path)
{
    struct lk_str plain;
    if (ex->hc->config->escaped_slashes != LK_SLASH_KEEP &&
        lk_path_normalize(headers->arena, path, false, false, LK_SLASH_UNESCAPE_FORWARD, &plain) == LK_PATH_CHANGED)
        lk_headers_set(headers, LK_HEADER_PATH, plain);
}

static enum lk_policy_verdict check_path(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_str path = lk_headers_get(headers, LK_HEADER_PATH);
    struct lk_str changed;
    if (path.ptr == NULL || path.len == 0 || path.ptr[0] != '/') {
        lk_stats_inc(config->stats, LK_HTTP_RQ_NON_RELATIVE_PATH);
        lk_exchange_reply(ex, 404, lk_str(NULL, 0), LK_STR("absolute_path_rejected"));
        return LK_POLICY_ANSWERED;
    }
    if (memchr(path.ptr, '#', path.len) != NULL) {
        /* a fragment never belongs in a request target (RFC 9112 3.2) */
        ex->close_after = true;
        lk_exchange_reply(ex, 400, lk_str(NULL, 0), LK_STR("path_normalization_failed"));
        return LK_POLICY_ANSWERED;
    }
    if (!config->normalize_path && !config->merge_slashes && config->escaped_slashes == LK_SLASH_KEEP)
        return LK_POLICY_PASS;
    enum lk_path_result result = lk_path_normalize(headers->arena, path, config->normalize_path, config->merge_slashes,
                                                   config->escaped_slashes, &changed);
    if (result == LK_PATH_REDIRECT || result == LK_PATH_REJECT)
        show_unescaped(ex, headers, path);
    switch (result) {
    case LK_PATH_OK:
        return LK_POLICY_PASS;
    case LK_PATH_CHANGED:
        lk_headers_set(headers, LK_HEADER_PATH, changed);
        return LK_POLICY_PASS;
    case LK_PATH_REDIRECT: {
        struct lk_str *location = lk_arena_alloc(headers->arena, sizeof(*location));
        *location = changed;
        struct lk_local_reply reply = {.status = 307,
                                       .details = LK_STR("path_normalization_failed"),
                                       .grpc_status = -1,
                                       .modify = redirect_to_path,
                                       .arg = location};
        lk_stats_inc(config->stats, LK_HTTP_RQ_REDIRECTED_PATH);
        lk_exchange_local_reply(ex, &reply);
        return LK_POLICY_ANSWERED;
    }
    case LK_PATH_REJECT:
        break;
    }
    lk_stats_inc(config->stats, LK_HTTP_RQ_FAILED_PATH);
    ex->close_after = true;
    lk_exchange_reply(ex, 400, lk_str(NULL, 0), LK_STR("path_normalization_failed"));
    return LK_POLICY_ANSWERED;
}

/* A QUERY must say what its content is (RFC 10008, HTTP QUERY method). */
static enum lk_policy_verdict check_query_method(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (!lk_str_eq(lk_headers_get(headers, LK_HEADER_METHOD), LK_STR("QUERY")) || has(headers, LK_HEADER_CONTENT_TYPE))
        return LK_POLICY_PASS;
    ex->close_after = true;
    lk_exchange_reply(ex, 400, lk_str(NULL, 0), LK_STR("query_missing_content_type"));
    return LK_POLICY_ANSWERED;
}

/* headers_with_underscores_action */
static enum lk_policy_verdict check_underscores(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (ex->hc->config->underscores == LK_UNDERSCORE_ALLOW)
        return LK_POLICY_PASS;
    LK_HEADERS_FOREACH(header, headers)
    {
        if (header->id != LK_HEADER_OTHER || memchr(header->name.ptr, '_', header->name.len) == NULL)
            continue;
        if (ex->hc->config->underscores == LK_UNDERSCORE_REJECT) {
            lk_exchange_without_head(ex);
            lk_http_conn_bad_request(ex->hc, 400, lk_status_reason(400), LK_STR("http1.unexpected_underscore"),
                                     LK_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
            return LK_POLICY_ANSWERED;
        }
        lk_headers_remove_entry(headers, header);
    }
    return LK_POLICY_PASS;
}

/* --- hop by hop -----------------------------------------------------------------------------------------------------
 */

/* Connection as one list, however many lines it came in. */
static struct lk_str connection_options(const struct lk_headers *headers)
{
    struct lk_header_key key = {LK_HEADER_CONNECTION, lk_header_name(LK_HEADER_CONNECTION)};
    return lk_headers_get_joined(headers, &key);
}

/* A request to leave HTTP. h2c is not offered: the headers go, the request stays (RFC 9113 3.1). */
static bool asks_upgrade(struct lk_headers *headers)
{
    if (!has(headers, LK_HEADER_UPGRADE) || !has(headers, LK_HEADER_CONNECTION))
        return false;
    struct lk_str upgrade = lk_headers_get(headers, LK_HEADER_UPGRADE);
    return lk_header_has_token(connection_options(headers), LK_STR("upgrade")) && upgrade.len > 0 &&
           !lk_str_ieq(upgrade, LK_STR("h2c"));
}

/* Headers that Connection names belong to this hop only (RFC 9110 7.6.1); what framing and routing rest on stays. */
static void remove_nominated(struct lk_headers *headers)
{
    struct lk_str list = connection_options(headers);
    while (list.ptr != NULL) {
        struct lk_str name = lk_str_trim(lk_str_split(&list, ','));
        enum lk_header_id id = lk_header_id_of(name);
        if (name.len == 0 || id == LK_HEADER_AUTHORITY || id == LK_HEADER_CONTENT_LENGTH ||
            id == LK_HEADER_X_FORWARDED_FOR || id == LK_HEADER_X_FORWARDED_HOST || id == LK_HEADER_X_FORWARDED_PROTO ||
            id == LK_HEADER_CONNECTION || name.ptr[0] == ':')
            continue;
        struct lk_header_key key = {id, name};
        lk_headers_remove_key(headers, &key);
    }
}

static void remove_hop_by_hop(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    ex->upgrade_asked = asks_upgrade(headers);
    if (!ex->upgrade_asked) {
        if (has(headers, LK_HEADER_UPGRADE) && lk_str_ieq(lk_headers_get(headers, LK_HEADER_UPGRADE), LK_STR("h2c")))
            remove_if_there(headers, LK_HEADER_HTTP2_SETTINGS);
        if (has(headers, LK_HEADER_CONNECTION))
            remove_nominated(headers);
        remove_if_there(headers, LK_HEADER_CONNECTION);
        remove_if_there(headers, LK_HEADER_UPGRADE);
    }
    if (has(headers, LK_HEADER_TE)) {
        bool trailers = lk_header_has_token(lk_headers_get(headers, LK_HEADER_TE), LK_STR("trailers"));
        if (trailers)
            lk_headers_set(headers, LK_HEADER_TE, LK_STR("trailers"));
        else
            lk_headers_remove(headers, LK_HEADER_TE);
    }
    remove_if_there(headers, LK_HEADER_KEEP_ALIVE);
    remove_if_there(headers, LK_HEADER_PROXY_CONNECTION);
    remove_if_there(headers, LK_HEADER_TRANSFER_ENCODING);
}

/* --- addresses
 * -------------------------------------------------------------------------------------------------------- */

/* The n-th address from the right of x-forwarded-for (0: the last); *single: there was only one. */
static bool forwarded_address(const struct lk_headers *headers, uint32_t n, struct lk_addr *out, bool *single)
{
    struct lk_header_key key = {LK_HEADER_X_FORWARDED_FOR, lk_header_name(LK_HEADER_X_FORWARDED_FOR)};
    struct lk_str list = lk_headers_get_joined(headers, &key);
    *single = list.ptr != NULL && lk_str_find_byte(list, ',') == list.len;
    for (uint32_t i = 0; list.ptr != NULL; i++) {
        size_t comma = list.len;
        while (comma > 0 && list.ptr[comma - 1] != ',')
            comma--;
        if (i == n) {
            struct lk_str text = lk_str_trim(lk_str(list.ptr + comma, list.len - comma));
            return lk_addr_parse_ip(text, 0, out);
        }
        if (comma == 0)
            return false;
        list.len = comma - 1;
    }
    return false;
}

static void append_forwarded_for(struct lk_headers *headers, struct lk_str address)
{
    struct lk_header *header = lk_headers_find(headers, LK_HEADER_X_FORWARDED_FOR);
    if (header == NULL)
        lk_headers_add(headers, LK_HEADER_X_FORWARDED_FOR, address);
    else
        header->value = lk_arena_printf(headers->arena, "%.*s,%.*s", LK_STR_ARG(header->value), LK_STR_ARG(address));
}

static bool is_internal(const struct lk_http_manager_config *config, const struct lk_addr *addr)
{
    if (addr->family == AF_UNIX)
        return config->unix_is_internal;
    for (size_t i = 0; i < config->internal_cidr_count; i++) {
        if (lk_cidr_contains(&config->internal_cidrs[i], addr))
            return true;
    }
    return false;
}

/* use_remote_address: we are the edge; x-forwarded-for gets our peer. */
static bool take_remote_address(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_stream_info *info = &ex->stream.info;
    char text[LK_ADDR_TEXT_MAX];
    bool single;
    bool known = config->xff_num_trusted_hops > 0 &&
                 forwarded_address(headers, config->xff_num_trusted_hops - 1, &info->remote, &single);
    bool direct = !has(headers, LK_HEADER_X_FORWARDED_FOR);
    if (!known)
        info->remote = info->conn->remote;
    if (!config->skip_xff_append) {
        struct lk_str peer = lk_addr_is_loopback(&info->conn->remote) ? lk_local_address_text(info->conn->remote.family)
                                                                      : lk_addr_ip_text(&info->conn->remote, text);
        append_forwarded_for(headers, lk_arena_str(headers->arena, peer));
    }
    if (config->xff_num_trusted_hops == 0 || !has(headers, LK_HEADER_X_FORWARDED_PROTO))
        lk_headers_set(headers, LK_HEADER_X_FORWARDED_PROTO, info->conn->secure ? LK_STR("https") : LK_STR("http"));
    if (config->append_x_forwarded_port && !has(headers, LK_HEADER_X_FORWARDED_PORT))
        lk_headers_add(headers, LK_HEADER_X_FORWARDED_PORT,
                       lk_arena_printf(headers->arena, "%u", lk_addr_port(&info->conn->local)));
    return direct && is_internal(config, &info->remote);
}

static bool trust_forwarded_for(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    struct lk_stream_info *info = &ex->stream.info;
    struct lk_addr addr;
    bool single = false;
    if (!has(headers, LK_HEADER_X_FORWARDED_FOR) ||
        !forwarded_address(headers, ex->hc->config->xff_num_trusted_hops, &addr, &single))
        return false;
    info->remote = addr;
    return single && is_internal(ex->hc->config, &addr);
}

/* Headers by which internal callers steer the proxy: not for strangers (docs: header_sanitizing). */
static void strip_internal_headers(struct lk_headers *headers, bool edge)
{
    static const enum lk_header_id of_the_edge[] = {
        LK_HEADER_X_ENVOY_DECORATOR_OPERATION,     LK_HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
        LK_HEADER_X_ENVOY_DOWNSTREAM_SERVICE_NODE, LK_HEADER_X_ENVOY_ORIGINAL_PATH,
        LK_HEADER_X_ENVOY_ORIGINAL_HOST,
    };
    static const enum lk_header_id internal[] = {
        LK_HEADER_X_ENVOY_RETRIABLE_STATUS_CODES,
        LK_HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES,
        LK_HEADER_X_ENVOY_RETRY_ON,
        LK_HEADER_X_ENVOY_RETRY_GRPC_ON,
        LK_HEADER_X_ENVOY_MAX_RETRIES,
        LK_HEADER_X_ENVOY_UPSTREAM_ALT_STAT_NAME,
        LK_HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
        LK_HEADER_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
        LK_HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
        LK_HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
        LK_HEADER_X_ENVOY_FORCE_TRACE,
        LK_HEADER_X_ENVOY_IP_TAGS,
        LK_HEADER_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(internal); i++)
        remove_if_there(headers, internal[i]);
    for (size_t i = 0; edge && i < LK_ARRAY_LEN(of_the_edge); i++)
        remove_if_there(headers, of_the_edge[i]);
}

static void set_addresses(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_stream_info *info = &ex->stream.info;
    char text[LK_ADDR_TEXT_MAX];
    bool internal = config->use_remote_address ? take_remote_address(ex, headers) : trust_forwarded_for(ex, headers);
    bool edge = config->use_remote_address && !internal;
    if (!has(headers, LK_HEADER_X_FORWARDED_PROTO))
        lk_headers_add(headers, LK_HEADER_X_FORWARDED_PROTO, info->conn->secure ? LK_STR("https") : LK_STR("http"));
    info->internal_request = internal;
    remove_if_there(headers, LK_HEADER_X_ENVOY_INTERNAL);
    if (internal)
        lk_headers_add(headers, LK_HEADER_X_ENVOY_INTERNAL, LK_STR("true"));
    else
        strip_internal_headers(headers, edge);
    if (edge) {
        lk_headers_set(headers, LK_HEADER_X_ENVOY_EXTERNAL_ADDRESS,
                       lk_arena_str(headers->arena, lk_addr_ip_text(&info->remote, text)));
    }
    ex->from_edge = edge;
}

/* --- the rest
 * --------------------------------------------------------------------------------------------------------- */

static void set_scheme(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    struct lk_str proto = lk_headers_get(headers, LK_HEADER_X_FORWARDED_PROTO);
    if (config->scheme_overwrite.len > 0) {
        lk_headers_set(headers, LK_HEADER_SCHEME, config->scheme_overwrite);
        return;
    }
    bool valid = lk_str_ieq(proto, LK_STR("http")) || lk_str_ieq(proto, LK_STR("https"));
    if (valid)
        lk_headers_set(headers, LK_HEADER_SCHEME, proto);
    else if (!has(headers, LK_HEADER_SCHEME))
        lk_headers_add(headers, LK_HEADER_SCHEME, ex->stream.info.conn->secure ? LK_STR("https") : LK_STR("http"));
}

static void set_request_id(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    if (!config->generate_request_id)
        return;
    struct lk_header *received = lk_headers_find(headers, LK_HEADER_X_REQUEST_ID);
    if (received != NULL && received->value.len > 0 && (!ex->from_edge || config->preserve_external_request_id)) {
        if (ex->from_edge && config->pack_trace_reason) /* a stranger does not decide what is traced */
            lk_request_id_mark(received, headers->arena, LK_TRACE_REASON_NONE);
        return;
    }
    char *id = lk_arena_alloc(headers->arena, LK_UUID_LEN);
    lk_rand_uuid(id);
    lk_headers_set(headers, LK_HEADER_X_REQUEST_ID, lk_str(id, LK_UUID_LEN));
}

static void add_via(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    struct lk_str via = ex->hc->config->via;
    if (via.len == 0)
        return;
    struct lk_header *header = lk_headers_find(headers, LK_HEADER_VIA);
    if (header == NULL)
        lk_headers_add(headers, LK_HEADER_VIA, via);
    else
        header->value = lk_arena_printf(headers->arena, "%.*s, %.*s", LK_STR_ARG(header->value), LK_STR_ARG(via));
}

/* add_user_agent: who we are, for services that look at their callers. */
static void add_user_agent(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    const struct lk_http_manager_config *config = ex->hc->config;
    if (!config->add_user_agent || config->local_cluster.len == 0)
        return;
    lk_headers_set(headers, LK_HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, config->local_cluster);
    if (!has(headers, LK_HEADER_USER_AGENT))
        lk_headers_add(headers, LK_HEADER_USER_AGENT, config->local_cluster);
    if (config->local_node.len > 0)
        lk_headers_set(headers, LK_HEADER_X_ENVOY_DOWNSTREAM_SERVICE_NODE, config->local_node);
}

enum lk_policy_verdict lk_exchange_header_policy(struct lk_http_exchange *ex, struct lk_headers *headers)
{
    if (check_host(ex, headers) == LK_POLICY_ANSWERED)
        return LK_POLICY_ANSWERED;
    if (!ex->cs->is_connect && check_path(ex, headers) == LK_POLICY_ANSWERED)
        return LK_POLICY_ANSWERED;
    if (check_query_method(ex, headers) == LK_POLICY_ANSWERED)
        return LK_POLICY_ANSWERED;
    if (check_underscores(ex, headers) == LK_POLICY_ANSWERED)
        return LK_POLICY_ANSWERED;
    remove_hop_by_hop(ex, headers);
    set_addresses(ex, headers);
    set_scheme(ex, headers);
    add_user_agent(ex, headers);
    /* no transport here proves who the client is, so its word about certificates is not passed on (SANITIZE) */
    remove_if_there(headers, LK_HEADER_X_FORWARDED_CLIENT_CERT);
    add_via(ex, headers);
    set_request_id(ex, headers);
    return LK_POLICY_PASS;
}
