/* Listeners: addresses, socket options, limits. Chains and listener filters are in decode_chain.c. Main thread. */
#include "xds/decode/decode_listener.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_listener_parts.h"
#include "xds/decode/decode_metadata.h"

#define FILTERS_TIMEOUT_DEFAULT_MS 15000
#define BUFFER_LIMIT_DEFAULT (1024 * 1024)

static void listen_address(struct lk_decoder *decoder, const char *field, const Envoy__Config__Core__V3__Address *in,
                           const Envoy__Config__Core__V3__TcpKeepalive *keepalive, struct lk_listen_address *out)
{
    struct lk_decoded_address address;

    if (!lk_decode_address(decoder, field, in, LK_ADDRESS_IP, &address))
        return;
    out->addr = address.addr;
    out->ipv4_compat = address.ipv4_compat;
    out->pipe_mode = address.pipe_mode;
    lk_decode_keepalive(keepalive, &out->keepalive);
}

static void addresses(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__Listener *in,
                      struct lk_listener_config *out)
{
    out->address_count = 1 + in->n_additional_addresses;
    out->addresses = lk_arena_array(decoder->arena, out->address_count, sizeof(*out->addresses));
    if (in->listener_specifier_case == ENVOY__CONFIG__LISTENER__V3__LISTENER__LISTENER_SPECIFIER_INTERNAL_LISTENER)
        return; /* reported as unsupported by the table of fields */
    listen_address(decoder, "address", in->address, in->tcp_keepalive, &out->addresses[0]);
    for (size_t i = 0; i < in->n_additional_addresses; i++) {
        const Envoy__Config__Listener__V3__AdditionalAddress *more = in->additional_addresses[i];
        size_t mark = lk_errors_push_index(decoder->errors, "additional_addresses", i);

        listen_address(decoder, "address", more->address,
                       more->tcp_keepalive != NULL ? more->tcp_keepalive : in->tcp_keepalive, &out->addresses[i + 1]);
        lk_errors_pop(decoder->errors, mark);
    }
}

static void socket_options(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__Listener *in,
                           struct lk_listener_config *out)
{
    out->bind_to_port = lk_decode_bool(in->bind_to_port, true);
    if (in->bind_to_port == NULL && in->deprecated_v1 != NULL)
        out->bind_to_port = lk_decode_bool(in->deprecated_v1->bind_to_port, true);
    out->use_original_dst = lk_decode_bool(in->use_original_dst, false);
    out->transparent = lk_decode_bool(in->transparent, false);
    out->freebind = lk_decode_bool(in->freebind, false);
    out->reuse_port = lk_decode_bool(in->enable_reuse_port, in->reuse_port);
    out->backlog = lk_decode_u32(in->tcp_backlog_size, 0);
    if (in->max_connections_to_accept_per_socket_event != NULL)
        out->accepts_per_event = lk_decode_range(decoder, "max_connections_to_accept_per_socket_event",
                                                 in->max_connections_to_accept_per_socket_event->value, 1, UINT32_MAX);
    out->ignore_global_limit = in->ignore_global_conn_limit;
    lk_decode_keepalive(in->tcp_keepalive, &out->keepalive);
}

static void chains(struct lk_decoder *decoder, const Envoy__Config__Listener__V3__Listener *in,
                   struct lk_listener_config *out)
{
    struct lk_filter_chain_config *list =
        in->n_filter_chains > 0 ? lk_arena_array(decoder->arena, in->n_filter_chains, sizeof(*list)) : NULL;
    struct lk_filter_chain_config *fallback;
    size_t mark;

    for (size_t i = 0; i < in->n_filter_chains; i++) {
        mark = lk_errors_push_index(decoder->errors, "filter_chains", i);
        lk_decode_filter_chain(decoder, in->filter_chains[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->chains = list;
    out->chain_count = in->n_filter_chains;
    if (in->default_filter_chain != NULL) {
        mark = lk_errors_push(decoder->errors, "default_filter_chain");
        fallback = lk_arena_zalloc(decoder->arena, sizeof(*fallback));
        lk_decode_filter_chain(decoder, in->default_filter_chain, fallback);
        out->default_chain = fallback;
        lk_errors_pop(decoder->errors, mark);
    } else if (in->n_filter_chains == 0) {
        lk_errors_add_at(decoder->errors, "filter_chains", "must not be empty");
    }
}

struct lk_listener_config *lk_decode_listener(struct lk_decoder *decoder,
                                              const Envoy__Config__Listener__V3__Listener *in)
{
    struct lk_listener_config *out = lk_arena_zalloc(decoder->arena, sizeof(*out));

    lk_ref_init(&out->ref);
    out->name = lk_decode_str(decoder, in->name);
    out->stat_prefix = lk_decode_str(decoder, in->stat_prefix);
    addresses(decoder, in, out);
    socket_options(decoder, in, out);
    out->continue_on_timeout = in->continue_on_listener_filters_timeout;
    out->filters_timeout_ms = lk_decode_ms(decoder, "listener_filters_timeout", in->listener_filters_timeout,
                                           FILTERS_TIMEOUT_DEFAULT_MS, LK_DURATION_ANY);
    out->buffer_limit = lk_decode_u32(in->per_connection_buffer_limit_bytes, BUFFER_LIMIT_DEFAULT);
    lk_decode_enum_ok(decoder, "drain_type", &envoy__config__listener__v3__listener__drain_type__descriptor,
                      (int)in->drain_type);
    if (lk_decode_enum_ok(decoder, "traffic_direction", &envoy__config__core__v3__traffic_direction__descriptor,
                          (int)in->traffic_direction))
        out->direction = (enum lk_traffic_direction)in->traffic_direction;
    chains(decoder, in, out);
    lk_decode_listener_filters(decoder, in, out);
    lk_decode_access_logs(decoder, "access_log", in->n_access_log, in->access_log, &out->access_logs);
    out->access_log_count = in->n_access_log;
    out->metadata = lk_decode_metadata(decoder, in->metadata);
    out->hash = lk_decode_hash(decoder, &in->base);
    return out;
}
