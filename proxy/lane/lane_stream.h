/*
 * What the lane filter knows of one request, and its steps: inbound (whose mark counts, what it comes to, what the
 * application is told and what is remembered), outbound (which lane a request of the application belongs to, where the
 * mesh ends, who serves), the response, the end. Lives in the stream's arena; owner: the stream's worker.
 */
#pragma once

#include "proxy/filter/http_filter.h"
#include "proxy/http/trace_key.h"
#include "proxy/lane/entry.h"
#include "proxy/lane/lane_explain.h"
#include "proxy/lane/lane_selector.h"
#include "proxy/lane/lane_settings.h"

#include <stdbool.h>
#include <stdint.h>

/* %LANE_SOURCE%: why a request is said to belong to its lane. The kinds of ids stand in the order of
 * lk_trace_key_kind. */
#define LK_LANE_ORIGINS(X)                                                                                             \
    X(NONE, "none")                                                                                                    \
    X(EXPLICIT, "explicit") /* its own mark */                                                                         \
    X(ENTRY, "entry")       /* an entry rule */                                                                        \
    X(TRACE, "trace")       /* an id that an inbound request of the lane has too */                                    \
    X(SW8, "sw8")                                                                                                      \
    X(B3, "b3")                                                                                                        \
    X(JAEGER, "jaeger")                                                                                                \
    X(HEADER, "header")                                                                                                \
    X(REQID, "reqid")                                                                                                  \
    X(POD, "pod") /* the lane of the pod itself */
#define LK_LANE_ORIGIN_ENUM(id, name) LK_LANE_ORIGIN_##id,
enum lk_lane_origin { LK_LANE_ORIGINS(LK_LANE_ORIGIN_ENUM) LK_LANE_ORIGIN_COUNT };
const char *lk_lane_origin_name(enum lk_lane_origin origin);

/* How the request is counted as in flight. */
enum lk_lane_flight { LK_LANE_NOT_IN_FLIGHT, LK_LANE_FLIES_MARKED, LK_LANE_FLIES_UNMARKED };

struct lk_lane_stream {
    struct lk_http_slot *slot; /* of the filter, for whoever made the stream */
    struct lk_lane_worker *worker;
    const struct lk_lane_settings *settings;
    struct lk_loop *loop;
    struct lk_arena *arena;
    struct lk_stream_info *info;
    struct lk_lane_table *table; /* in force when the stream began; NULL: there was none */
    const struct lk_lane_attachment *attachment;
    int64_t wall_us;

    /* The decision. */
    struct lk_str requested;    /* name of the lane; empty: base */
    const struct lk_lane *lane; /* the table's lane of that name, or NULL */
    enum lk_lane_origin origin;
    const struct lk_lane_selector *selector; /* NULL: no cluster of the mesh was asked */
    struct lk_mirror_selector mirrors;       /* lane_mirror.c */
    enum lk_lane_reason reason;              /* unless the selector has one */

    /* A refusal: 503 with this. */
    enum lk_response_flag flag;
    const char *details; /* NULL: it is not refused */

    struct lk_mark seen; /* in the request's block, as it is now */
    bool emitted;        /* some lane's header may be in it; false is certain */
    bool classified, trusted;
    bool is_probe;
    bool entered;                      /* entry holds a result */
    struct lk_lane_recorder *recorder; /* lane_explain.h; NULL when forwarding */
    enum lk_lane_flight flight;
    unsigned handle_count;
    /* From here on nothing is set before it is used. */
    uint64_t handles[LK_TRACE_KEY_KIND_COUNT]; /* in the association table */
    struct lk_entry_result entry;
};

/* The table in force holds for the stream, until its end (or lk_lane_stream_stays). */
struct lk_lane_stream *lk_lane_stream_new(struct lk_lane_worker *worker, struct lk_loop *loop, struct lk_arena *arena,
                                          struct lk_stream_info *info);

/* Both are false when the request is refused; then details and flag are set, and the flag is in info. */
bool lk_lane_inbound(struct lk_lane_stream *stream, struct lk_headers *headers);
/* cluster: the view of the cluster that the route chose; NULL: there is none, nothing will be sent. */
bool lk_lane_outbound(struct lk_lane_stream *stream, struct lk_headers *headers, struct lk_cluster_view *cluster);
/* Mirrored copies of the request get their mark and host here as well, whatever route they are of. */
void lk_lane_mirrors(struct lk_lane_stream *stream);
/* The same for a TCP connection of the pod, which belongs to the pod's own lane. */
bool lk_lane_connection(struct lk_lane_stream *stream, struct lk_cluster_view *cluster);
void lk_lane_response(struct lk_lane_stream *stream, struct lk_headers *headers);
/* Once; the stream's info is final, and everything was logged: it knows of no lane from now on. */
void lk_lane_stream_end(struct lk_lane_stream *stream);

/* Instead of the end, once: the stream lasts as long as its arena, and so does its table. For what is neither judged
 * nor measured: TCP connections, dry runs. */
void lk_lane_stream_stays(struct lk_lane_stream *stream);

/* For logs. served is empty when nobody did. */
struct lk_str lk_lane_stream_served(const struct lk_lane_stream *stream);
enum lk_lane_reason lk_lane_stream_reason(const struct lk_lane_stream *stream);

/* --- for the steps ------------------------------------------------------------------------------------------------ */

/* Whether the peer's marks count as they are; asked once. */
bool lk_lane_stream_trusts(struct lk_lane_stream *stream);
struct lk_trust_peer lk_lane_stream_peer(const struct lk_lane_stream *stream);
/* Where its lanes are counted, by index in the table; without a table everything is _other. */
const struct lk_lane_scopes *lk_lane_stream_scopes(const struct lk_lane_stream *stream);
/* Counts for a lane of the table, _other for one that it does not have (NULL). */
void lk_lane_stream_count(const struct lk_lane_stream *stream, const struct lk_lane *lane, enum lk_lane_stat stat);
/* Always false. */
bool lk_lane_stream_refuse_shadow(struct lk_lane_stream *stream, enum lk_lane_stat stat);
/* Takes a lane for the request, with what the table says of it; false: refused. */
bool lk_lane_stream_request(struct lk_lane_stream *stream, struct lk_str name, enum lk_lane_origin origin);
/* Reads the block into seen and emitted; what is wrong with the mark is counted. */
void lk_lane_stream_read(struct lk_lane_stream *stream, const struct lk_headers *headers);
/* Removes every mark and emitted header; whether there was any. */
bool lk_lane_stream_strip(struct lk_lane_stream *stream, struct lk_headers *headers);
/* Writes the requested lane's mark; there is one. emit: the lane whose headers go with it, or NULL. */
void lk_lane_stream_write(struct lk_lane_stream *stream, const struct lk_lane *emit, struct lk_headers *headers);
/* Sets who chooses the host in a cluster of the mesh, by the lane that was requested. Of ask budgets and connection are
 * given. */
void lk_lane_stream_select(struct lk_lane_stream *stream, struct lk_lane_ask *ask);
/* A mark was taken off: counted, and LX. */
void lk_lane_stream_stripped(struct lk_lane_stream *stream, struct lk_str name);

/* The id of one kind in its canonical form, in buf where it is a number; empty when there is none. */
#define LK_LANE_ID_BYTES 16
/* Of these kinds (bits) those that the request may have an id of. */
unsigned lk_lane_stream_kinds(const struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kinds);
struct lk_str lk_lane_stream_id(const struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kind,
                                char buf[LK_LANE_ID_BYTES]);
