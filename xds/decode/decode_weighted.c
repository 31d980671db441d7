/* Weighted clusters of routes. Main thread. */
#include "xds/decode/decode_route_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"
#include "xds/decode/decode_matcher.h"
#include "xds/decode/decode_metadata.h"

static void weighted_cluster(struct lk_decoder *decoder,
                             const Envoy__Config__Route__V3__WeightedCluster__ClusterWeight *in, const char *prefix,
                             struct lk_weighted_cluster *out)
{
    out->cluster = lk_decode_str(decoder, in->name);
    out->cluster_header = lk_decode_lower(decoder, in->cluster_header);
    if ((out->cluster.len == 0) == (out->cluster_header.len == 0))
        lk_errors_add(decoder->errors, "expected exactly one of name, cluster_header");
    if (in->cluster_header[0] != 0)
        lk_decode_header_name_ok(decoder, "cluster_header", in->cluster_header, true);
    if (in->weight == NULL)
        lk_errors_add_at(decoder->errors, "weight", "is required");
    out->weight = lk_decode_u32(in->weight, 0);
    if (prefix[0] != 0)
        out->runtime_key = lk_arena_printf(decoder->arena, "%s.%s", prefix, in->name);
    lk_decode_mutations(decoder, "request_headers", in->n_request_headers_to_add, in->request_headers_to_add,
                        in->n_request_headers_to_remove, in->request_headers_to_remove, &out->request_headers);
    lk_decode_mutations(decoder, "response_headers", in->n_response_headers_to_add, in->response_headers_to_add,
                        in->n_response_headers_to_remove, in->response_headers_to_remove, &out->response_headers);
    LK_DECODE_PER_FILTERS(decoder, in, &out->per_filter, &out->per_filter_count);
    if (in->host_rewrite_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__CLUSTER_WEIGHT__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL)
        out->host_rewrite_literal = lk_decode_header_text(decoder, "host_rewrite_literal", in->host_rewrite_literal);
}

void lk_decode_weighted_clusters(struct lk_decoder *decoder, const Envoy__Config__Route__V3__WeightedCluster *in,
                                 struct lk_route_action *out)
{
    struct lk_weighted_cluster *list =
        in->n_clusters > 0 ? lk_arena_array(decoder->arena, in->n_clusters, sizeof(*list)) : NULL;
    uint64_t total = 0;
    size_t mark = lk_errors_push(decoder->errors, "weighted_clusters");

    for (size_t i = 0; i < in->n_clusters; i++) {
        size_t at = lk_errors_push_index(decoder->errors, "clusters", i);

        weighted_cluster(decoder, in->clusters[i], in->runtime_key_prefix, &list[i]);
        list[i].metadata_match = lk_match_criteria_of(decoder->arena, out->metadata_match,
                                                      lk_decode_metadata(decoder, in->clusters[i]->metadata_match));
        total += list[i].weight;
        lk_errors_pop(decoder->errors, at);
    }
    if (in->n_clusters == 0)
        lk_errors_add_at(decoder->errors, "clusters", "must not be empty");
    else if (total == 0)
        lk_errors_add(decoder->errors, "the sum of all weights must be more than 0");
    else if (total > UINT32_MAX)
        lk_errors_add(decoder->errors, "the sum of all weights is more than %u", UINT32_MAX);
    if (in->random_value_specifier_case ==
            ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__RANDOM_VALUE_SPECIFIER_HEADER_NAME &&
        in->header_name[0] != 0) {
        lk_decode_header_name_ok(decoder, "header_name", in->header_name, true);
        out->weight_header = lk_decode_lower(decoder, in->header_name);
    }
    out->weighted = list;
    out->weighted_count = in->n_clusters;
    out->total_weight = (uint32_t)total;
    lk_errors_pop(decoder->errors, mark);
}
