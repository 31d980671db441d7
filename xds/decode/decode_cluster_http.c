/* HTTP towards a cluster: typed HttpProtocolOptions or the older fields of Cluster. Main thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"

#include "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"

#define IDLE_TIMEOUT_DEFAULT_MS 3600000
#define RESPONSE_HEADERS_KB_DEFAULT 80
#define HEADERS_COUNT_DEFAULT 100
#define HEADERS_KB_MAX 8192

static void common_options(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HttpProtocolOptions *in,
                           struct lk_cluster_config *out)
{
    size_t mark = lk_errors_push(decoder->errors, "common_http_protocol_options");

    out->idle_timeout_ms =
        lk_decode_ms(decoder, "idle_timeout", in->idle_timeout, IDLE_TIMEOUT_DEFAULT_MS, LK_DURATION_ANY);
    out->max_connection_duration_ms =
        lk_decode_ms(decoder, "max_connection_duration", in->max_connection_duration, 0, LK_DURATION_ANY);
    if (in->max_stream_duration != NULL)
        lk_errors_warn(decoder->errors, "max_stream_duration", "not supported for a cluster, ignored");
    out->max_requests_per_connection = lk_decode_u32(in->max_requests_per_connection, out->max_requests_per_connection);
    if (in->max_headers_count != NULL)
        out->max_headers_count =
            lk_decode_range(decoder, "max_headers_count", in->max_headers_count->value, 1, UINT32_MAX);
    if (in->max_response_headers_kb != NULL)
        out->max_response_headers_kb =
            lk_decode_range(decoder, "max_response_headers_kb", in->max_response_headers_kb->value, 1, HEADERS_KB_MAX);
    lk_errors_pop(decoder->errors, mark);
}

static void key_format(struct lk_decoder *decoder,
                       const Envoy__Config__Core__V3__Http1ProtocolOptions__HeaderKeyFormat *in,
                       struct lk_cluster_config *out)
{
    const Envoy__Config__Core__V3__TypedExtensionConfig *formatter = in->stateful_formatter;

    switch (in->header_format_case) {
    case ENVOY__CONFIG__CORE__V3__HTTP1_PROTOCOL_OPTIONS__HEADER_KEY_FORMAT__HEADER_FORMAT_PROPER_CASE_WORDS:
        out->proper_case_words = true;
        break;
    case ENVOY__CONFIG__CORE__V3__HTTP1_PROTOCOL_OPTIONS__HEADER_KEY_FORMAT__HEADER_FORMAT_STATEFUL_FORMATTER:
        if (lk_any_is(
                formatter->typed_config,
                &envoy__extensions__http__header_formatters__preserve_case__v3__preserve_case_formatter_config__descriptor))
            out->preserve_case = true;
        else
            lk_errors_unsupported(decoder->errors, "header_key_format.stateful_formatter",
                                  "the formatter '%s' is not supported", formatter->name);
        break;
    default:
        lk_errors_add_at(decoder->errors, "header_key_format", "expected one of proper_case_words, stateful_formatter");
        break;
    }
}

static void http1_options(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Http1ProtocolOptions *in,
                          struct lk_cluster_config *out)
{
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "http_protocol_options");

    out->enable_trailers = in->enable_trailers;
    out->accept_http_10 = in->accept_http_10;
    if (in->header_key_format != NULL)
        key_format(decoder, in->header_key_format, out);
    lk_errors_pop(decoder->errors, mark);
}

static void explicit_config(struct lk_decoder *decoder,
                            const Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions__ExplicitHttpConfig *in,
                            struct lk_cluster_config *out)
{
    size_t mark = lk_errors_push(decoder->errors, "explicit_http_config");

    switch (in->protocol_config_case) {
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP_PROTOCOL_OPTIONS:
        http1_options(decoder, in->http_protocol_options, out);
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS:
        out->protocol = LK_UPSTREAM_HTTP2;
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP3_PROTOCOL_OPTIONS:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add(decoder->errors, "expected one of http_protocol_options, http2_protocol_options");
        break;
    }
    lk_errors_pop(decoder->errors, mark);
}

static void typed_options(struct lk_decoder *decoder,
                          const Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions *in,
                          struct lk_cluster_config *out)
{
    size_t mark;

    if (in->common_http_protocol_options != NULL)
        common_options(decoder, in->common_http_protocol_options, out);
    switch (in->upstream_protocol_options_case) {
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG:
        explicit_config(decoder, in->explicit_http_config, out);
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_USE_DOWNSTREAM_PROTOCOL_CONFIG:
        out->protocol = LK_UPSTREAM_DOWNSTREAM;
        mark = lk_errors_push(decoder->errors, "use_downstream_protocol_config");
        http1_options(decoder, in->use_downstream_protocol_config->http_protocol_options, out);
        lk_errors_pop(decoder->errors, mark);
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_AUTO_CONFIG:
        out->protocol = LK_UPSTREAM_AUTO;
        mark = lk_errors_push(decoder->errors, "auto_config");
        http1_options(decoder, in->auto_config->http_protocol_options, out);
        lk_errors_pop(decoder->errors, mark);
        break;
    default:
        lk_errors_add(decoder->errors,
                      "expected one of explicit_http_config, use_downstream_protocol_config, auto_config");
        break;
    }
}

/* True when typed options were there: they replace the older fields. */
static bool extension_options(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                              struct lk_cluster_config *out)
{
    const ProtobufCMessageDescriptor *desc = &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor;
    bool found = false;

    for (size_t i = 0; i < in->n_typed_extension_protocol_options; i++) {
        const char *key = in->typed_extension_protocol_options[i]->key;
        const Google__Protobuf__Any *value = in->typed_extension_protocol_options[i]->value;
        const Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions *options;
        size_t mark = lk_errors_push_key(decoder->errors, "typed_extension_protocol_options", lk_str_from(key));

        if (strcmp(key, desc->name) != 0 || !lk_any_is(value, desc)) {
            lk_errors_unsupported(decoder->errors, NULL, "protocol options of type '%.*s' are not supported here",
                                  LK_STR_ARG(lk_decode_type_of(value)));
        } else if ((options = lk_decode_unpack(decoder, value)) != NULL) {
            found = true;
            typed_options(decoder, options, out);
        }
        lk_errors_pop(decoder->errors, mark);
    }
    return found;
}

void lk_decode_cluster_http(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                            struct lk_cluster_config *out)
{
    out->protocol = LK_UPSTREAM_HTTP1;
    out->idle_timeout_ms = IDLE_TIMEOUT_DEFAULT_MS;
    out->max_response_headers_kb = RESPONSE_HEADERS_KB_DEFAULT;
    out->max_headers_count = HEADERS_COUNT_DEFAULT;
    out->max_requests_per_connection = lk_decode_u32(in->max_requests_per_connection, 0);
    if (extension_options(decoder, in, out))
        return;
    if (in->common_http_protocol_options != NULL)
        common_options(decoder, in->common_http_protocol_options, out);
    http1_options(decoder, in->http_protocol_options, out);
    if (in->http2_protocol_options != NULL)
        out->protocol = LK_UPSTREAM_HTTP2;
    if (in->protocol_selection ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_PROTOCOL_SELECTION__USE_DOWNSTREAM_PROTOCOL)
        out->protocol = LK_UPSTREAM_DOWNSTREAM;
}
