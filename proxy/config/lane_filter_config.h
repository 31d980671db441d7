/*
 * The configuration of the lane filter, compiled: what lanekeeper.lane.v1.LaneFilter says beside the table. Plain data,
 * immutable, in the arena of the configuration that holds it; all workers read it.
 */
#pragma once

#include "proxy/config/lane_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name with at most one star, which stands for any text, as in "outbound|*". */
struct lk_lane_pattern {
    bool exact;
    struct lk_str prefix; /* the whole when exact */
    struct lk_str suffix;
};
/* False when there is more than one '*', or nothing. The slices point into text. */
bool lk_lane_pattern_parse(struct lk_str text, struct lk_lane_pattern *out);
bool lk_lane_pattern_match(const struct lk_lane_pattern *pattern, struct lk_str text);

struct lk_lane_patterns {
    const struct lk_lane_pattern *items;
    size_t count;
};
bool lk_lane_patterns_match(const struct lk_lane_patterns *patterns, struct lk_str text);

struct lk_lane_principals {
    const struct lk_string_matcher *items; /* exact, prefix or suffix */
    size_t count;
};
struct lk_lane_cidrs {
    const struct lk_cidr *items;
    size_t count;
};

struct lk_lane_filter_carriers {
    struct lk_str header; /* lower case */
    struct lk_str baggage_key;
    struct lk_str tracestate_key; /* empty: off */
    struct lk_str sw8_correlation_key;
    const struct lk_str *aliases; /* lower case */
    size_t alias_count;
};

struct lk_lane_filter_allow { /* all that is set must hold */
    struct lk_lane_cidrs cidrs;
    struct lk_lane_principals principals;
    struct lk_secret_header secret; /* name empty: none */
    const struct lk_str *lanes;     /* "*": every lane but shadow lanes */
    size_t lane_count;
};
struct lk_lane_filter_trust {
    struct lk_lane_cidrs plaintext;
    struct lk_lane_principals principals; /* none: those of the own trust domain */
    struct lk_lane_principals untrusted;
    const struct lk_lane_filter_allow *allow;
    size_t allow_count;
};

enum { /* lanekeeper.lane.v1.Association.Kind, as bits */
       LK_LANE_ID_TRACEPARENT = 1 << 0,
       LK_LANE_ID_SW8 = 1 << 1,
       LK_LANE_ID_B3 = 1 << 2,
       LK_LANE_ID_JAEGER = 1 << 3,
       LK_LANE_ID_HEADER = 1 << 4,
       LK_LANE_ID_REQUEST_ID = 1 << 5,
};
struct lk_lane_filter_association {
    bool enabled;
    unsigned kinds;       /* bits */
    struct lk_str header; /* lower case; empty: none */
    uint32_t linger_ms;
    uint32_t max_lifetime_ms;
    uint32_t capacity;
    uint32_t preflight_denominator; /* 0: off */
};

struct lk_lane_filter_pod {
    bool enabled;
    struct lk_str lane; /* empty: from node metadata or the environment */
    bool recolor;
    bool shadow_ok;
};

struct lk_lane_filter_egress {
    bool require_shadow_mark;
    struct lk_str mirror_lane; /* of a shadow lane; empty: none */
    struct lk_str metadata_namespace, metadata_key, shadow_ok_key;
    bool namespace_is_enough;
    struct lk_lane_patterns clusters, external_clusters, shadow_ok_clusters;
};

struct lk_lane_filter_membership {
    struct lk_str metadata_namespace;
    const struct lk_str *path;
    size_t path_len;
    uint32_t field; /* the first is 1; 0: the whole value */
    char separator;
    bool implies_not_in_active_lane; /* ISTIO_WORKLOAD */
    bool subset_clusters;
};

struct lk_lane_filter_config {
    bool entry;       /* role */
    bool connections; /* of the network filter: TCP connections, which bring no marks */
    struct lk_lane_filter_carriers carriers;
    struct lk_lane_filter_trust trust;
    struct lk_lane_filter_association association;
    struct lk_lane_filter_pod pod;
    struct lk_lane_filter_egress egress;
    struct lk_lane_filter_membership membership;
    bool seed_ids;
    struct lk_lane_table *inline_table; /* a reference, released with the arena; NULL: none */
    struct lk_str table_path;           /* a watched file; empty: none */
    struct lk_str table_directory;      /* WatchedDirectory.path, may be empty */
    struct lk_str table_name;           /* of the resource */
    uint32_t stat_names;
    struct lk_str served_header; /* lower case; empty: none */
};
