/*
 * Compiled format strings: access-log lines, header values with %VARIABLES%, local-reply bodies. Compilation is here
 * (plain data); evaluation on a stream is proxy/filter/format_eval. Operators are Envoy's (docs: access log usage).
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, "OPERATOR", takes parentheses: 0 no, 1 must, 2 may) */
#define LK_FORMAT_OPERATORS(X)                                                                                         \
    X(REQ, "REQ", 1)                                                                                                   \
    X(RESP, "RESP", 1)                                                                                                 \
    X(TRAILER, "TRAILER", 1)                                                                                           \
    X(START_TIME, "START_TIME", 2)                                                                                     \
    X(EMIT_TIME, "EMIT_TIME", 2)                                                                                       \
    X(START_TIME_LOCAL, "START_TIME_LOCAL", 2)                                                                         \
    X(REQUEST_HEADERS_BYTES, "REQUEST_HEADERS_BYTES", 0)                                                               \
    X(BYTES_RECEIVED, "BYTES_RECEIVED", 0)                                                                             \
    X(PROTOCOL, "PROTOCOL", 0)                                                                                         \
    X(UPSTREAM_PROTOCOL, "UPSTREAM_PROTOCOL", 0)                                                                       \
    X(RESPONSE_CODE, "RESPONSE_CODE", 0)                                                                               \
    X(RESPONSE_CODE_DETAILS, "RESPONSE_CODE_DETAILS", 2)                                                               \
    X(CONNECTION_TERMINATION_DETAILS, "CONNECTION_TERMINATION_DETAILS", 0)                                             \
    X(RESPONSE_HEADERS_BYTES, "RESPONSE_HEADERS_BYTES", 0)                                                             \
    X(RESPONSE_TRAILERS_BYTES, "RESPONSE_TRAILERS_BYTES", 0)                                                           \
    X(BYTES_SENT, "BYTES_SENT", 0)                                                                                     \
    X(UPSTREAM_WIRE_BYTES_SENT, "UPSTREAM_WIRE_BYTES_SENT", 0)                                                         \
    X(UPSTREAM_WIRE_BYTES_RECEIVED, "UPSTREAM_WIRE_BYTES_RECEIVED", 0)                                                 \
    X(DOWNSTREAM_WIRE_BYTES_SENT, "DOWNSTREAM_WIRE_BYTES_SENT", 0)                                                     \
    X(DOWNSTREAM_WIRE_BYTES_RECEIVED, "DOWNSTREAM_WIRE_BYTES_RECEIVED", 0)                                             \
    X(UPSTREAM_REQUEST_ATTEMPT_COUNT, "UPSTREAM_REQUEST_ATTEMPT_COUNT", 0)                                             \
    X(DURATION, "DURATION", 0)                                                                                         \
    X(COMMON_DURATION, "COMMON_DURATION", 1)                                                                           \
    X(REQUEST_DURATION, "REQUEST_DURATION", 0)                                                                         \
    X(REQUEST_TX_DURATION, "REQUEST_TX_DURATION", 0)                                                                   \
    X(RESPONSE_DURATION, "RESPONSE_DURATION", 0)                                                                       \
    X(RESPONSE_TX_DURATION, "RESPONSE_TX_DURATION", 0)                                                                 \
    X(DOWNSTREAM_HANDSHAKE_DURATION, "DOWNSTREAM_HANDSHAKE_DURATION", 0)                                               \
    X(ROUNDTRIP_DURATION, "ROUNDTRIP_DURATION", 0)                                                                     \
    X(UPSTREAM_CONNECTION_POOL_READY_DURATION, "UPSTREAM_CONNECTION_POOL_READY_DURATION", 0)                           \
    X(RESPONSE_FLAGS, "RESPONSE_FLAGS", 0)                                                                             \
    X(RESPONSE_FLAGS_LONG, "RESPONSE_FLAGS_LONG", 0)                                                                   \
    X(ROUTE_NAME, "ROUTE_NAME", 0)                                                                                     \
    X(VIRTUAL_CLUSTER_NAME, "VIRTUAL_CLUSTER_NAME", 0)                                                                 \
    X(UPSTREAM_HOST, "UPSTREAM_HOST", 0)                                                                               \
    X(UPSTREAM_HOST_NAME, "UPSTREAM_HOST_NAME", 0)                                                                     \
    X(UPSTREAM_HOST_NAME_WITHOUT_PORT, "UPSTREAM_HOST_NAME_WITHOUT_PORT", 0)                                           \
    X(UPSTREAM_CLUSTER, "UPSTREAM_CLUSTER", 0)                                                                         \
    X(UPSTREAM_CLUSTER_RAW, "UPSTREAM_CLUSTER_RAW", 0)                                                                 \
    X(UPSTREAM_LOCAL_ADDRESS, "UPSTREAM_LOCAL_ADDRESS", 0)                                                             \
    X(UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT, "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", 0)                                   \
    X(UPSTREAM_LOCAL_PORT, "UPSTREAM_LOCAL_PORT", 0)                                                                   \
    X(UPSTREAM_REMOTE_ADDRESS, "UPSTREAM_REMOTE_ADDRESS", 0)                                                           \
    X(UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT, "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", 0)                                 \
    X(UPSTREAM_REMOTE_PORT, "UPSTREAM_REMOTE_PORT", 0)                                                                 \
    X(UPSTREAM_CONNECTION_ID, "UPSTREAM_CONNECTION_ID", 0)                                                             \
    X(UPSTREAM_TRANSPORT_FAILURE_REASON, "UPSTREAM_TRANSPORT_FAILURE_REASON", 0)                                       \
    X(UPSTREAM_HOSTS_ATTEMPTED, "UPSTREAM_HOSTS_ATTEMPTED", 0)                                                         \
    X(UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT, "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", 0)                               \
    X(DOWNSTREAM_REMOTE_ADDRESS, "DOWNSTREAM_REMOTE_ADDRESS", 0)                                                       \
    X(DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT, "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", 0)                             \
    X(DOWNSTREAM_REMOTE_PORT, "DOWNSTREAM_REMOTE_PORT", 0)                                                             \
    X(DOWNSTREAM_DIRECT_REMOTE_ADDRESS, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", 0)                                         \
    X(DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", 0)               \
    X(DOWNSTREAM_DIRECT_REMOTE_PORT, "DOWNSTREAM_DIRECT_REMOTE_PORT", 0)                                               \
    X(DOWNSTREAM_LOCAL_ADDRESS, "DOWNSTREAM_LOCAL_ADDRESS", 0)                                                         \
    X(DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT, "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", 0)                               \
    X(DOWNSTREAM_LOCAL_PORT, "DOWNSTREAM_LOCAL_PORT", 0)                                                               \
    X(DOWNSTREAM_DIRECT_LOCAL_ADDRESS, "DOWNSTREAM_DIRECT_LOCAL_ADDRESS", 0)                                           \
    X(DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT, "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", 0)                 \
    X(DOWNSTREAM_TRANSPORT_FAILURE_REASON, "DOWNSTREAM_TRANSPORT_FAILURE_REASON", 0)                                   \
    X(CONNECTION_ID, "CONNECTION_ID", 0)                                                                               \
    X(STREAM_ID, "STREAM_ID", 0)                                                                                       \
    X(REQUESTED_SERVER_NAME, "REQUESTED_SERVER_NAME", 2)                                                               \
    X(HOSTNAME, "HOSTNAME", 0)                                                                                         \
    X(LOCAL_REPLY_BODY, "LOCAL_REPLY_BODY", 0)                                                                         \
    X(FILTER_CHAIN_NAME, "FILTER_CHAIN_NAME", 0)                                                                       \
    X(GRPC_STATUS, "GRPC_STATUS", 2)                                                                                   \
    X(GRPC_STATUS_NUMBER, "GRPC_STATUS_NUMBER", 0)                                                                     \
    X(ENVIRONMENT, "ENVIRONMENT", 1)                                                                                   \
    X(METADATA, "METADATA", 1)                                                                                         \
    X(DYNAMIC_METADATA, "DYNAMIC_METADATA", 1)                                                                         \
    X(CLUSTER_METADATA, "CLUSTER_METADATA", 1)                                                                         \
    X(UPSTREAM_METADATA, "UPSTREAM_METADATA", 1)                                                                       \
    X(FILTER_STATE, "FILTER_STATE", 1)                                                                                 \
    X(TRACE_ID, "TRACE_ID", 0)                                                                                         \
    X(SPAN_ID, "SPAN_ID", 0)                                                                                           \
    X(QUERY_PARAM, "QUERY_PARAM", 1)                                                                                   \
    X(PATH, "PATH", 2)                                                                                                 \
    X(PROTOCOL_DOWNSTREAM_PEER_URI_SAN, "DOWNSTREAM_PEER_URI_SAN", 0)                                                  \
    X(DOWNSTREAM_LOCAL_URI_SAN, "DOWNSTREAM_LOCAL_URI_SAN", 0)                                                         \
    X(DOWNSTREAM_PEER_SUBJECT, "DOWNSTREAM_PEER_SUBJECT", 0)                                                           \
    X(DOWNSTREAM_TLS_VERSION, "DOWNSTREAM_TLS_VERSION", 0)                                                             \
    X(DOWNSTREAM_TLS_CIPHER, "DOWNSTREAM_TLS_CIPHER", 0)                                                               \
    X(REQ_WITHOUT_QUERY, "REQ_WITHOUT_QUERY", 1)                                                                       \
    X(ACCESS_LOG_TYPE, "ACCESS_LOG_TYPE", 0)                                                                           \
    X(UNIQUE_ID, "UNIQUE_ID", 0)

enum lk_format_op {
    LK_FORMAT_TEXT, /* literal */
#define X(id, name, args) LK_FORMAT_##id,
    LK_FORMAT_OPERATORS(X)
#undef X
        LK_FORMAT_EXTENSION, /* registered by a filter: "lane.served" */
    LK_FORMAT_TLS_ONLY,      /* a fact of a TLS peer that no transport supplies yet: absent, as on plaintext in Envoy */
};

struct lk_format_part {
    enum lk_format_op op;
    struct lk_str text; /* literal, or the operator's argument: header name (lower case), time format, metadata path;
                         * of an extension: its name, the argument is in text_alt */
    struct lk_str text_alt; /* alternative header of %REQ(A?B)% */
    int header_id;          /* enum lk_header_id of text, resolved by the evaluator's prepare step; -1 unresolved */
    int header_id_alt;
    int max_len;           /* of %REQ(X):10%; -1: none */
    const void *extension; /* resolved by the evaluator */
};

struct lk_format {
    struct lk_format_part *parts;
    unsigned count;
};

/* "%%" is a percent sign. An unknown operator is an error that names it, unless `extensions` (a NULL-terminated list,
 * may be NULL) has it. */
struct lk_format *lk_format_compile(struct lk_arena *arena, struct lk_str text, const char *const *extensions,
                                    struct lk_error *error);
/* A format that is a single literal. */
bool lk_format_is_literal(const struct lk_format *format, struct lk_str *text);

/* JSON log format: a tree of objects whose leaves are formats (values that are a single numeric operator are printed as
 * numbers, as Envoy does). */
enum lk_json_format_kind { LK_JSON_FORMAT_OBJECT, LK_JSON_FORMAT_LIST, LK_JSON_FORMAT_VALUE, LK_JSON_FORMAT_LITERAL };
struct lk_json_format {
    enum lk_json_format_kind kind;
    struct lk_str name;    /* key inside an object */
    struct lk_str literal; /* LITERAL: JSON text of a number, bool or null */
    struct lk_format *format;
    struct lk_json_format *children;
    unsigned child_count;
};

struct lk_log_format {            /* envoy.config.core.v3.SubstitutionFormatString */
    const struct lk_format *text; /* or */
    const struct lk_json_format *json;
    bool omit_empty_values;
    struct lk_str content_type; /* of a local reply */
};
