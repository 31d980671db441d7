/* Options of HttpConnectionManager, with Envoy's defaults except where the README lists a difference. Main thread. */
#include "filters/common/hcm_decode.h"
#include "proxy/base/mem.h"
#include "proxy/config/bootstrap_config.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"

#define HCM(name) ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__##name
#define MAX_BODY_BYTES ((size_t)1 << 20)

static void decode_codec(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    switch ((int)in->codec_type) {
    case HCM(CODEC_TYPE__AUTO):
        config->codec_type = LK_CODEC_AUTO;
        break;
    case HCM(CODEC_TYPE__HTTP1):
        config->codec_type = LK_CODEC_HTTP1;
        break;
    case HCM(CODEC_TYPE__HTTP2):
        lk_errors_unsupported(decoder->errors, "codec_type",
                              "HTTP2 is not built into this version, expected AUTO or HTTP1");
        break;
    case HCM(CODEC_TYPE__HTTP3):
        lk_errors_unsupported(decoder->errors, "codec_type",
                              "HTTP3 is not built into this version, expected AUTO or HTTP1");
        break;
    default:
        lk_errors_add_at(decoder->errors, "codec_type", "unknown value %d", (int)in->codec_type);
    }
}

static void decode_h1(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Http1ProtocolOptions *in,
                      struct lk_http_manager_config *config)
{
    struct lk_h1_options *h1 = &config->h1;
    h1->accept_http10 = true; /* ours; Envoy: false unless written */
    h1->allow_absolute_url = true;
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "http_protocol_options");
    h1->allow_absolute_url = lk_decode_bool(in->allow_absolute_url, true);
    h1->default_host_for_http10 = lk_decode_str(decoder, in->default_host_for_http_10);
    h1->enable_trailers = in->enable_trailers;
    if (in->header_key_format != NULL)
        h1->proper_case_words =
            in->header_key_format->header_format_case ==
            ENVOY__CONFIG__CORE__V3__HTTP1_PROTOCOL_OPTIONS__HEADER_KEY_FORMAT__HEADER_FORMAT_PROPER_CASE_WORDS;
    lk_errors_pop(decoder->errors, mark);
}

static void decode_common(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HttpProtocolOptions *in,
                          struct lk_http_manager_config *config)
{
    config->idle_timeout_ms = 3600000;
    config->h1.max_headers_count = 100;
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "common_http_protocol_options");
    config->idle_timeout_ms = lk_decode_ms(decoder, "idle_timeout", in->idle_timeout, 3600000, LK_DURATION_ANY);
    config->max_connection_duration_ms =
        lk_decode_ms(decoder, "max_connection_duration", in->max_connection_duration, 0, LK_DURATION_ANY);
    config->max_stream_duration_ms =
        lk_decode_ms(decoder, "max_stream_duration", in->max_stream_duration, 0, LK_DURATION_ANY);
    config->h1.max_headers_count = lk_decode_u32(in->max_headers_count, 100);
    if (config->h1.max_headers_count == 0)
        lk_errors_add_at(decoder->errors, "max_headers_count", "must be at least 1");
    config->max_requests_per_connection = lk_decode_u32(in->max_requests_per_connection, 0);
    config->underscores = (enum lk_underscore_action)in->headers_with_underscores_action;
    lk_errors_pop(decoder->errors, mark);
}

static void decode_limits(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    config->stream_idle_timeout_ms =
        lk_decode_ms(decoder, "stream_idle_timeout", in->stream_idle_timeout, 300000, LK_DURATION_ANY);
    config->request_timeout_ms = lk_decode_ms(decoder, "request_timeout", in->request_timeout, 0, LK_DURATION_ANY);
    config->request_headers_timeout_ms =
        lk_decode_ms(decoder, "request_headers_timeout", in->request_headers_timeout, 0, LK_DURATION_ANY);
    config->drain_timeout_ms = lk_decode_ms(decoder, "drain_timeout", in->drain_timeout, 5000, LK_DURATION_ANY);
    config->delayed_close_timeout_ms =
        lk_decode_ms(decoder, "delayed_close_timeout", in->delayed_close_timeout, 1000, LK_DURATION_ANY);
    config->h1.max_headers_kb =
        lk_decode_range(decoder, "max_request_headers_kb", lk_decode_u32(in->max_request_headers_kb, 60), 1, 8192);
}

static void decode_addresses(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    config->use_remote_address = lk_decode_bool(in->use_remote_address, false);
    config->skip_xff_append = in->skip_xff_append;
    config->xff_num_trusted_hops = in->xff_num_trusted_hops;
    config->append_x_forwarded_port = in->append_x_forwarded_port;
    if (in->internal_address_config != NULL) {
        size_t mark = lk_errors_push(decoder->errors, "internal_address_config");
        config->unix_is_internal = in->internal_address_config->unix_sockets;
        config->internal_cidr_count = in->internal_address_config->n_cidr_ranges;
        lk_decode_cidrs(decoder, "cidr_ranges", in->internal_address_config->n_cidr_ranges,
                        in->internal_address_config->cidr_ranges, &config->internal_cidrs);
        lk_errors_pop(decoder->errors, mark);
    }
}

static void decode_ids(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                       struct lk_http_manager_config *config)
{
    config->generate_request_id = lk_decode_bool(in->generate_request_id, true);
    config->preserve_external_request_id = in->preserve_external_request_id;
    config->always_set_request_id_in_response = in->always_set_request_id_in_response;
    config->via = lk_decode_str(decoder, in->via);
    config->add_user_agent = lk_decode_bool(in->add_user_agent, false);
    if (context->bootstrap != NULL) {
        config->local_cluster = context->bootstrap->node.cluster;
        config->local_node = context->bootstrap->node.id;
    }
    config->server_name = in->server_name[0] != '\0' ? lk_decode_str(decoder, in->server_name) : LK_STR("lanekeeper");
    config->server_header = (enum lk_server_header)in->server_header_transformation;
    lk_decode_enum_ok(
        decoder, "server_header_transformation",
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__server_header_transformation__descriptor,
        (int)in->server_header_transformation);
    const Envoy__Config__Core__V3__SchemeHeaderTransformation *scheme = in->scheme_header_transformation;
    if (scheme != NULL && scheme->transformation_case ==
                              ENVOY__CONFIG__CORE__V3__SCHEME_HEADER_TRANSFORMATION__TRANSFORMATION_SCHEME_TO_OVERWRITE)
        config->scheme_overwrite = lk_decode_str(decoder, scheme->scheme_to_overwrite);
}

static void decode_paths(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    config->normalize_path = lk_decode_bool(in->normalize_path, false);
    config->merge_slashes = in->merge_slashes;
    config->strip_matching_host_port = in->strip_matching_host_port;
    config->strip_trailing_host_dot = in->strip_trailing_host_dot;
    if (in->strip_port_mode_case == HCM(STRIP_PORT_MODE_STRIP_ANY_HOST_PORT))
        config->strip_any_host_port = in->strip_any_host_port;
    switch ((int)in->path_with_escaped_slashes_action) {
    case HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__IMPLEMENTATION_SPECIFIC_DEFAULT):
    case HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__KEEP_UNCHANGED):
        config->escaped_slashes = LK_SLASH_KEEP;
        break;
    case HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__REJECT_REQUEST):
        config->escaped_slashes = LK_SLASH_REJECT;
        break;
    case HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_REDIRECT):
        config->escaped_slashes = LK_SLASH_UNESCAPE_REDIRECT;
        break;
    case HCM(PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_FORWARD):
        config->escaped_slashes = LK_SLASH_UNESCAPE_FORWARD;
        break;
    default:
        lk_errors_add_at(decoder->errors, "path_with_escaped_slashes_action", "unknown value %d",
                         (int)in->path_with_escaped_slashes_action);
    }
}

static void decode_upgrades(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    struct lk_upgrade_config *upgrades = lk_arena_array(decoder->arena, in->n_upgrade_configs + 1, sizeof(*upgrades));
    for (size_t i = 0; i < in->n_upgrade_configs; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "upgrade_configs", i);
        upgrades[i].type = lk_decode_lower(decoder, in->upgrade_configs[i]->upgrade_type);
        upgrades[i].enabled = lk_decode_bool(in->upgrade_configs[i]->enabled, true);
        if (lk_str_eq(upgrades[i].type, LK_STR("connect")) && upgrades[i].enabled)
            lk_errors_unsupported(decoder->errors, "upgrade_type", "CONNECT is not built into this version");
        lk_errors_pop(decoder->errors, mark);
    }
    config->upgrades = upgrades;
    config->upgrade_count = in->n_upgrade_configs;
}

static void decode_mapper(struct lk_decoder *decoder,
                          const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__ResponseMapper *in,
                          struct lk_reply_mapper *out)
{
    if (in->filter == NULL)
        lk_errors_add_at(decoder->errors, "filter", "is required");
    else
        out->filter = lk_decode_log_filter(decoder, "filter", in->filter);
    if (in->status_code != NULL) {
        out->status = in->status_code->value;
        if (out->status < 200 || out->status > 599)
            lk_errors_add_at(decoder->errors, "status_code", "must be between 200 and 599");
    }
    if (in->body != NULL)
        out->has_body = lk_decode_data_source(decoder, "body", in->body, MAX_BODY_BYTES, &out->body);
    out->body_format = lk_decode_log_format(decoder, "body_format_override", in->body_format_override);
    lk_decode_header_values(decoder, "headers_to_add", in->n_headers_to_add, in->headers_to_add, &out->headers);
}

static void decode_replies(struct lk_decoder *decoder, const lk_hcm_proto *in, struct lk_http_manager_config *config)
{
    if (in->local_reply_config == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "local_reply_config");
    size_t count = in->local_reply_config->n_mappers;
    struct lk_reply_mapper *mappers = lk_arena_array(decoder->arena, count + 1, sizeof(*mappers));
    for (size_t i = 0; i < count; i++) {
        size_t item = lk_errors_push_index(decoder->errors, "mappers", i);
        decode_mapper(decoder, in->local_reply_config->mappers[i], &mappers[i]);
        lk_errors_pop(decoder->errors, item);
    }
    config->mappers = mappers;
    config->mapper_count = count;
    config->reply_format = lk_decode_log_format(decoder, "body_format", in->local_reply_config->body_format);
    lk_errors_pop(decoder->errors, mark);
}

void lk_hcm_decode_options(struct lk_decoder *decoder, struct lk_filter_context *context, const lk_hcm_proto *in,
                           struct lk_http_manager_config *config)
{
    decode_codec(decoder, in, config);
    decode_h1(decoder, in->http_protocol_options, config);
    decode_common(decoder, in->common_http_protocol_options, config);
    decode_limits(decoder, in, config);
    decode_addresses(decoder, in, config);
    decode_ids(decoder, context, in, config);
    lk_hcm_decode_request_id(decoder, in, config);
    lk_hcm_decode_tracing(decoder, context, in, config);
    decode_paths(decoder, in, config);
    decode_upgrades(decoder, in, config);
    decode_replies(decoder, in, config);
    config->proxy_100_continue = in->proxy_100_continue;
    config->log_new_requests =
        in->flush_access_log_on_new_request ||
        (in->access_log_options != NULL && in->access_log_options->flush_access_log_on_new_request);
}
