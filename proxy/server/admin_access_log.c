/*
 * The access log of the admin interface: bootstrap.admin.access_log and the older access_log_path, through the same
 * loggers that listeners use. Main loop.
 */
#include "proxy/base/mem.h"
#include "proxy/filter/access_logger.h"
#include "proxy/server/admin_internal.h"

#include <event2/keyvalq_struct.h>

/* envoy.extensions.access_loggers.file.v3.FileAccessLog{path = 1}, as bytes. */
static struct lk_any file_log(struct lk_arena *arena, struct lk_str path)
{
    char *bytes = lk_arena_alloc(arena, path.len + 11);
    size_t used = 0;

    bytes[used++] = 1 << 3 | 2;
    for (size_t rest = path.len; rest > 0 || used == 1; rest >>= 7)
        bytes[used++] = (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    memcpy(bytes + used, path.ptr, path.len);
    return (struct lk_any){.type = LK_STR("envoy.extensions.access_loggers.file.v3.FileAccessLog"),
                           .value = lk_str(bytes, used + path.len)};
}

/* What was wrong, as one error: the list is short. */
static bool take_errors(struct lk_errors *errors, struct lk_error *error)
{
    if (lk_errors_any(errors))
        lk_error_set(error, errors->items[0].code, "admin.%s: %s", errors->items[0].path, errors->items[0].text);
    else
        lk_error_set(error, LK_ERROR_INVALID, "admin.access_log cannot be used");
    return false;
}

bool lk_admin_log_open(struct lk_admin *admin, struct lk_error *error)
{
    struct lk_server *server = admin->server;
    const struct lk_admin_config *config = &server->bootstrap->admin;
    struct lk_access_log_config *entries =
        lk_arena_array(&admin->arena, config->access_log_count + 1, sizeof(*entries));
    struct lk_filter_context context = {
        .arena = &admin->arena,
        .stats = server->stats,
        .main_loop = server->main_loop,
        .worker_count = server->worker_count,
        .registry = server->registry,
        .clusters = server->clusters,
        .sinks = server->sinks,
        .bootstrap = server->bootstrap,
        .allow_unknown = server->options->allow_unknown_static,
    };
    struct lk_errors errors;
    bool ok;

    for (size_t i = 0; i < config->access_log_count; i++)
        entries[admin->log_count++] = config->access_logs[i];
    if (config->access_log_path.len > 0)
        entries[admin->log_count++] = (struct lk_access_log_config){
            .name = LK_STR("envoy.access_loggers.file"), .any = file_log(&admin->arena, config->access_log_path)};
    lk_errors_init(&errors);
    admin->logs = lk_access_logs_build(&context, entries, admin->log_count, &errors);
    ok = admin->logs != NULL || take_errors(&errors, error);
    lk_errors_fini(&errors);
    return ok;
}

static void add_fields(struct lk_headers *headers, const struct evkeyvalq *fields)
{
    for (const struct evkeyval *field = fields->tqh_first; field; field = field->next.tqe_next) {
        struct lk_str name = lk_str_from(field->key);

        lk_headers_add_raw(headers, lk_header_id_of(name), name, lk_str_from(field->value));
    }
}

/* With the client as x-forwarded-for, which is where Envoy's default line has it. */
static void fill_request_headers(struct lk_headers *headers, struct lk_admin_request *request)
{
    char text[LK_ADDR_TEXT_MAX];

    lk_headers_add(headers, LK_HEADER_METHOD, lk_str_from(lk_admin_method(request)));
    lk_headers_add(headers, LK_HEADER_PATH, lk_str_from(evhttp_request_get_uri(request->http)));
    lk_headers_add(headers, LK_HEADER_SCHEME, LK_STR("http"));
    add_fields(headers, evhttp_request_get_input_headers(request->http));
    if (request->remote.len > 0 && !lk_headers_find(headers, LK_HEADER_X_FORWARDED_FOR))
        lk_headers_add(headers, LK_HEADER_X_FORWARDED_FOR,
                       lk_arena_str(&request->arena, lk_addr_ip_text(&request->remote, text)));
}

static void fill_response_headers(struct lk_headers *headers, struct lk_admin_request *request)
{
    lk_headers_set_status(headers, request->status);
    add_fields(headers, evhttp_request_get_output_headers(request->http));
}

void lk_admin_log(struct lk_admin_request *request)
{
    struct lk_admin *admin = request->admin;
    struct lk_loop *loop = admin->server->main_loop;
    struct lk_headers request_headers, response_headers;
    struct lk_conn_info conn = {.start_us = request->start_us,
                                .start_wall_us = request->start_wall_us,
                                .remote = request->remote,
                                .local = admin->addr,
                                .direct_local = admin->addr};
    struct lk_stream_info info = {.conn = &conn};
    struct lk_log_event event = {.info = &info,
                                 .request = &request_headers,
                                 .response = &response_headers,
                                 .arena = &request->arena,
                                 .loop = loop,
                                 .type = "DownstreamEnd"};

    if (admin->log_count == 0)
        return;
    lk_headers_init(&request_headers, &request->arena);
    fill_request_headers(&request_headers, request);
    lk_headers_init(&response_headers, &request->arena);
    fill_response_headers(&response_headers, request);
    info.id = ++admin->next_stream_id;
    info.start_us = request->start_us;
    info.start_wall_us = request->start_wall_us;
    info.end_us = info.last_downstream_tx_us = lk_loop_now_us(loop);
    info.bytes_received = evbuffer_get_length(evhttp_request_get_input_buffer(request->http));
    info.bytes_sent = request->body_sent;
    info.response_code = request->status;
    if (!request->handed)
        lk_stream_info_flag(&info, LK_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
    info.protocol = LK_HTTP11;
    info.has_protocol = true;
    lk_access_logs_write(admin->logs, admin->log_count, &event);
}
