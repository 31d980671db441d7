/*
 * Tracing settings that a connection manager and its routes share: how many requests are sampled and what is put on
 * their spans (envoy HttpConnectionManager.Tracing, route.v3.Tracing, type.tracing.v3.CustomTag). Immutable.
 */
#pragma once

#include "proxy/config/format.h"
#include "proxy/config/matcher.h"

#include <stdbool.h>
#include <stddef.h>

/* Runtime keys tracing.client_enabled, tracing.random_sampling and tracing.global_enabled are set by the decoder. */
struct lk_trace_sampling {
    struct lk_fraction client;
    struct lk_fraction random;
    struct lk_fraction overall;
};

enum lk_trace_tag_source {
    LK_TRACE_TAG_LITERAL, /* also an environment variable: read when the configuration is built */
    LK_TRACE_TAG_HEADER,
    LK_TRACE_TAG_METADATA,
    LK_TRACE_TAG_FORMAT,
};
enum lk_trace_tag_metadata {
    LK_TRACE_METADATA_REQUEST,
    LK_TRACE_METADATA_ROUTE,
    LK_TRACE_METADATA_CLUSTER,
    LK_TRACE_METADATA_HOST,
};

#define LK_TRACE_TAG_PATH_MAX 16

struct lk_trace_tag_config {
    struct lk_str tag;
    enum lk_trace_tag_source source;
    struct lk_str text;     /* the literal, the header's name (lower case), the metadata's namespace */
    struct lk_str fallback; /* when header or metadata is not there; empty: no tag */
    enum lk_trace_tag_metadata metadata;
    const struct lk_str *path; /* within the namespace */
    size_t path_len;           /* up to LK_TRACE_TAG_PATH_MAX */
    const struct lk_format *format;
};

struct lk_trace_tags_config {
    const struct lk_trace_tag_config *items;
    size_t count;
};

struct lk_route_tracing {
    struct lk_trace_sampling sampling;
    struct lk_trace_tags_config tags;           /* of one name: the route's counts before the manager's */
    const struct lk_format *operation;          /* NULL: the manager's */
    const struct lk_format *upstream_operation; /* the same */
};
