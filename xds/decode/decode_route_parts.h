/* Internal to the route decoder: its files' functions for each other. */
#pragma once

#include "xds/decode/decode_route.h"

void lk_decode_route_match(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteMatch *in,
                           struct lk_route_match *out);
void lk_decode_route_action(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RouteAction *in,
                            struct lk_route_action *out);
/* After out->metadata_match, which each cluster's own is laid over. */
void lk_decode_weighted_clusters(struct lk_decoder *decoder, const Envoy__Config__Route__V3__WeightedCluster *in,
                                 struct lk_route_action *out);
struct lk_mirror_policies lk_decode_mirrors(struct lk_decoder *decoder, size_t count,
                                            Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy *const *in);
void lk_decode_redirect(struct lk_decoder *decoder, const Envoy__Config__Route__V3__RedirectAction *in,
                        struct lk_redirect_action *out);
void lk_decode_direct_response(struct lk_decoder *decoder, const Envoy__Config__Route__V3__DirectResponseAction *in,
                               uint32_t max_body, struct lk_direct_response *out);

/* One entry of typed_per_filter_config; all levels have their own generated entry type, but the same key and value. */
void lk_decode_per_filter(struct lk_decoder *decoder, const char *key, const Google__Protobuf__Any *value,
                          struct lk_per_filter_config *out);

/* Decodes a typed_per_filter_config map of any message. */
#define LK_DECODE_PER_FILTERS(decoder, in, list, count)                                                                \
    do {                                                                                                               \
        struct lk_per_filter_config *own_ =                                                                            \
            (in)->n_typed_per_filter_config > 0                                                                        \
                ? lk_arena_array((decoder)->arena, (in)->n_typed_per_filter_config, sizeof(*own_))                     \
                : NULL;                                                                                                \
        for (size_t i_ = 0; i_ < (in)->n_typed_per_filter_config; i_++)                                                \
            lk_decode_per_filter(decoder, (in)->typed_per_filter_config[i_]->key,                                      \
                                 (in)->typed_per_filter_config[i_]->value, &own_[i_]);                                 \
        *(list) = own_;                                                                                                \
        *(count) = (in)->n_typed_per_filter_config;                                                                    \
    } while (0)
