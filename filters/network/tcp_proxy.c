/* envoy.filters.network.tcp_proxy: descriptor and decoding; the engine is proxy/downstream/tcp_tunnel. */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "proxy/downstream/tcp_tunnel.h"
#include "proxy/stats/stat_names.h"
#include "proxy/upstream/cluster.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_metadata.h"

#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb-c.h"

#include <stdio.h>

typedef Envoy__Extensions__Filters__Network__TcpProxy__V3__TcpProxy tcp_proxy_proto;
#define CASE(name) ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_##name

static void decode_weighted(struct lk_decoder *decoder, const tcp_proxy_proto *in, struct lk_tcp_proxy_config *out)
{
    size_t count = in->weighted_clusters->n_clusters;
    struct lk_tcp_weighted *weighted = lk_arena_array(decoder->arena, count, sizeof(*weighted));
    size_t mark = lk_errors_push(decoder->errors, "weighted_clusters");
    for (size_t i = 0; i < count; i++) {
        size_t item = lk_errors_push_index(decoder->errors, "clusters", i);
        weighted[i].cluster = lk_decode_required(decoder, "name", in->weighted_clusters->clusters[i]->name);
        weighted[i].weight = in->weighted_clusters->clusters[i]->weight;
        if (weighted[i].weight == 0)
            lk_errors_add_at(decoder->errors, "weight", "must be at least 1");
        out->total_weight += weighted[i].weight;
        weighted[i].metadata_match =
            lk_match_criteria_of(decoder->arena, out->metadata_match,
                                 lk_decode_metadata(decoder, in->weighted_clusters->clusters[i]->metadata_match));
        lk_errors_pop(decoder->errors, item);
    }
    if (count == 0)
        lk_errors_add_at(decoder->errors, "clusters", "must name at least one cluster");
    lk_errors_pop(decoder->errors, mark);
    out->weighted = weighted;
    out->weighted_count = count;
}

static void decode_cluster(struct lk_decoder *decoder, const tcp_proxy_proto *in, struct lk_tcp_proxy_config *out)
{
    switch (in->cluster_specifier_case) {
    case CASE(CLUSTER):
        out->cluster = lk_decode_required(decoder, "cluster", in->cluster);
        break;
    case CASE(WEIGHTED_CLUSTERS):
        decode_weighted(decoder, in, out);
        break;
    default:
        lk_errors_add(decoder->errors, "one of cluster and weighted_clusters is required");
    }
}

static void unref_stats(void *stats)
{
    lk_stats_scope_unref(stats);
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    struct lk_decoder decoder;
    const tcp_proxy_proto *in = lk_typed_begin(
        &decoder, context, any, &envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct lk_tcp_proxy_config *config = lk_arena_zalloc(context->arena, sizeof(*config));
    struct lk_str prefix = lk_decode_required(&decoder, "stat_prefix", in->stat_prefix);
    config->clusters = context->clusters;
    config->metadata_match =
        lk_match_criteria_of(decoder.arena, NULL, lk_decode_metadata(&decoder, in->metadata_match));
    decode_cluster(&decoder, in, config);
    config->idle_timeout_ms = lk_decode_ms(&decoder, "idle_timeout", in->idle_timeout, 3600000, LK_DURATION_ANY);
    config->max_duration_ms = lk_decode_ms(&decoder, "max_downstream_connection_duration",
                                           in->max_downstream_connection_duration, 0, LK_DURATION_POSITIVE);
    config->max_connect_attempts = lk_decode_u32(in->max_connect_attempts, 1);
    if (config->max_connect_attempts == 0)
        lk_errors_add_at(errors, "max_connect_attempts", "must be at least 1");
    const struct lk_access_log_config *logs = NULL;
    lk_decode_access_logs(&decoder, "access_log", in->n_access_log, in->access_log, &logs);
    config->access_logs = lk_access_logs_build(context, logs, in->n_access_log, errors);
    config->access_log_count = in->n_access_log;
    char name[512];
    int len = snprintf(name, sizeof(name), "tcp.%.*s.", LK_STR_ARG(prefix));
    config->stats =
        lk_stats_scope_ref(context->stats, &lk_tcp_stat_block, lk_str(name, LK_MIN((size_t)len, sizeof(name) - 1)));
    lk_arena_on_free(context->arena, unref_stats, config->stats);
    return lk_typed_end(&decoder) ? config : NULL;
}

const struct lk_network_filter lk_tcp_proxy_filter = {
    .name = "envoy.filters.network.tcp_proxy",
    .type = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    .terminal = true,
    .config_new = config_new,
    .start = lk_tcp_tunnel_start,
    .on_drain = lk_tcp_tunnel_on_drain,
    .on_abort = lk_tcp_tunnel_on_abort,
    .explain = lk_tcp_tunnel_explain,
};
