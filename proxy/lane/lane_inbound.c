/*
 * A request comes in: whose mark counts, what it comes to in the table, which lane an entry assigns, whether this pod
 * may serve it; then the application gets the mark and headers of the lane, and the ids of the request are remembered.
 */
#include "proxy/base/rand.h"
#include "proxy/config/lane_name.h"
#include "proxy/io/loop.h"
#include "proxy/lane/lane_stream.h"

/* --- whose mark --------------------------------------------------------------------------------------------------- */

/* A stranger's mark: none is left in the block, and the name only where a rule lets it in. False: refused. */
static bool admit(struct lk_lane_stream *stream, struct lk_mark *mark, struct lk_headers *headers)
{
    const struct lk_trust_peer peer = lk_lane_stream_peer(stream);
    enum lk_trust_result result = LK_TRUST_STRIP;

    if (mark->found)
        result = lk_trust_allows(&stream->settings->trust, &peer, headers, mark->name,
                                 lk_lane_recorder_trust(stream->recorder));
    if (result == LK_TRUST_REFUSE_SHADOW) {
        stream->requested = mark->name; /* for logs */
        stream->lane = stream->table != NULL ? lk_lane_table_find(stream->table, mark->name) : NULL;
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_SHADOW_REFUSED);
    }
    bool stripped = lk_lane_stream_strip(stream, headers);
    if (result == LK_TRUST_ALLOW)
        return true;
    if (stripped)
        lk_lane_stream_stripped(stream, mark->name);
    mark->found = false;
    return true;
}

/* *name is empty where there is no mark that counts. False: refused. */
static bool accept_mark(struct lk_lane_stream *stream, struct lk_headers *headers, struct lk_str *name)
{
    struct lk_mark mark;

    *name = lk_str(NULL, 0);
    lk_lane_stream_read(stream, headers);
    if (!stream->seen.stands && !stream->emitted)
        return true;
    mark = stream->seen;
    if (mark.invalid_shadow)
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_SHADOW_REFUSED);
    if (!lk_lane_stream_trusts(stream) && !admit(stream, &mark, headers))
        return false;
    if (mark.found)
        *name = mark.name;
    return true;
}

/* --- entry -------------------------------------------------------------------------------------------------------- */

static void find_stopped(const struct lk_lane_stream *stream, struct lk_lane_set *stopped)
{
    for (size_t i = 0; i < stream->table->lane_count; i++) {
        const struct lk_guard *guard = stream->attachment->lanes[i].guard;

        if (guard != NULL && lk_guard_is_tripped(guard, stream->table->revision))
            lk_lane_set_add(stopped, (uint16_t)i);
    }
}

static bool enter(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    const struct lk_stream_info *info = stream->info;
    struct lk_lane_set stopped = {{0}};
    struct lk_entry_request request = {
        .headers = headers,
        .source = info->remote.len > 0 ? &info->remote : &info->conn->remote,
        .principal = lk_lane_stream_peer(stream).identity,
        .now_us = stream->wall_us,
    };

    if (stream->table == NULL)
        return true;
    if (stream->attachment->guard_count > 0) {
        find_stopped(stream, &stopped);
        request.stopped = &stopped;
    }
    stream->entry = lk_entry_assign(
        stream->table, &request, stream->recorder != NULL ? lk_lane_recorder_random(stream->recorder) : lk_rand_u64(),
        lk_lane_recorder_entry(stream->recorder));
    stream->entered = true;
    if (stream->entry.refused) {
        stream->lane = &stream->table->lanes[stream->entry.intended];
        stream->requested = stream->lane->name; /* for logs */
        stream->origin = LK_LANE_ORIGIN_ENTRY;
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_SHADOW_REFUSED);
    }
    if (stream->entry.lane == LK_LANE_INDEX_BASE)
        return true;
    return lk_lane_stream_request(stream, stream->table->lanes[stream->entry.lane].name, LK_LANE_ORIGIN_ENTRY);
}

/* --- the pod ------------------------------------------------------------------------------------------------------ */

/* Pressure-test traffic is refused here too, should the caller have failed to; false: refused. */
static bool check_pod(struct lk_lane_stream *stream)
{
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_str pod = settings->pod_lane;
    bool own = lk_str_eq(pod, stream->requested);

    if (lk_lane_name_is_shadow(stream->requested) && !own && !settings->config->pod.shadow_ok)
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_LEAK_BLOCKED);
    if (stream->requested.len > 0 || own)
        return true;
    const struct lk_lane *lane = stream->table != NULL ? lk_lane_table_find(stream->table, pod) : NULL;
    lk_lane_stream_count(stream, lane, LK_LANE_STAT_BASE_ON_LANE_POD);
    return !settings->config->pod.recolor || lk_lane_stream_request(stream, pod, LK_LANE_ORIGIN_POD);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static uint32_t memory_value(const struct lk_lane_stream *stream)
{
    uint32_t id = stream->lane != NULL ? stream->attachment->lanes[stream->lane->index].id
                                       : lk_lane_ids_get(stream->settings->runtime->ids, stream->requested, false);

    if (id != LK_LANE_ID_NONE && lk_lane_name_is_shadow(stream->requested))
        id |= LK_ASSOCIATION_DOMINANT;
    return id;
}

static unsigned insert(struct lk_lane_stream *stream, unsigned kind, struct lk_str id, uint32_t value)
{
    uint64_t handle =
        lk_association_insert(stream->settings->runtime->association, kind, id, value, lk_loop_now_ms(stream->loop));

    if (handle == 0)
        return 0;
    stream->handles[stream->handle_count++] = handle;
    return 1;
}

static void remember(struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kinds)
{
    uint32_t value = memory_value(stream);
    unsigned inserted = 0;
    char buf[LK_LANE_ID_BYTES];

    kinds = value != LK_LANE_ID_NONE ? lk_lane_stream_kinds(stream, headers, kinds) : 0;
    for (; kinds != 0; kinds &= kinds - 1) {
        unsigned kind = (unsigned)__builtin_ctz(kinds);
        struct lk_str id = lk_lane_stream_id(stream, headers, kind, buf);

        if (id.len > 0)
            inserted += insert(stream, kind, id, value);
    }
    if (inserted == 0)
        lk_lane_process_count(stream->settings->runtime, LK_LANE_PROCESS_UNTIED);
}

/* Alike in every pod that the request comes to. */
static bool in_sample(uint32_t low, uint32_t denominator)
{
    return (uint64_t)(low * 0x9e3779b1u) * denominator >> 32 == 0;
}

/* One in so many unmarked requests is followed, to see whether the application would carry a mark. */
static void probe(struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kinds)
{
    uint32_t denominator = stream->settings->config->association.preflight_denominator;
    char buf[LK_LANE_ID_BYTES];
    struct lk_str id = {NULL, 0};
    uint32_t low = 0;

    if (denominator == 0)
        return;
    for (kinds = lk_lane_stream_kinds(stream, headers, kinds); kinds != 0; kinds &= kinds - 1) {
        unsigned kind = (unsigned)__builtin_ctz(kinds);
        enum lk_trace_glance glance = lk_trace_key_glance(headers, (enum lk_trace_key_kind)kind, &low);

        if (glance == LK_TRACE_GLANCE_ABSENT)
            continue;
        if (glance == LK_TRACE_GLANCE_LOW && !stream->is_probe && !in_sample(low, denominator))
            return; /* the first id decides, the others are followed with it */
        id = lk_lane_stream_id(stream, headers, kind, buf);
        if (id.len == 0)
            continue;
        if (!stream->is_probe && !in_sample(lk_trace_text_low(id), denominator))
            return;
        stream->is_probe |= insert(stream, kind, id, LK_ASSOCIATION_PROBE) > 0;
    }
    if (stream->is_probe)
        atomic_fetch_add_explicit(&stream->settings->runtime->in_flight.probes, 1, memory_order_relaxed);
}

/* A stranger's ids may be those of anybody: only what was seeded here ties. */
static unsigned tying_kinds(struct lk_lane_stream *stream, unsigned seeded)
{
    unsigned kinds = stream->settings->config->association.kinds;
    unsigned own = ((seeded & LK_TRACE_SEEDED_TRACEPARENT) != 0 ? LK_LANE_ID_TRACEPARENT : 0) |
                   ((seeded & LK_TRACE_SEEDED_REQUEST_ID) != 0 ? LK_LANE_ID_REQUEST_ID : 0);

    return lk_lane_stream_trusts(stream) ? kinds : kinds & own;
}

static void take_off(struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned seeded)
{
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_lane_in_flight *in_flight = &settings->runtime->in_flight;
    bool marked = stream->requested.len > 0;

    stream->flight = marked ? LK_LANE_FLIES_MARKED : LK_LANE_FLIES_UNMARKED;
    atomic_fetch_add_explicit(marked ? &in_flight->marked : &in_flight->unmarked, 1, memory_order_relaxed);
    if (!settings->config->association.enabled)
        return;
    if (marked)
        remember(stream, headers, tying_kinds(stream, seeded));
    else
        probe(stream, headers, settings->config->association.kinds);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void tell_application(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    if (stream->requested.len == 0) {
        lk_lane_stream_strip(stream, headers);
        return;
    }
    lk_lane_stream_write(stream, stream->lane, headers);
    lk_lane_stream_count(stream, stream->lane, LK_LANE_STAT_RQ_IN);
}

/* What proved that a mark may be brought, or chose a rule, has served. */
static void drop_secrets(const struct lk_lane_stream *stream, struct lk_headers *headers)
{
    if (stream->settings->trust.config->allow_count > 0)
        lk_header_set_remove(&stream->settings->trust.secrets, headers);
    if (stream->attachment != NULL && stream->settings->role == LK_LANE_ENTRY)
        lk_header_set_remove(&stream->attachment->secrets, headers);
}

bool lk_lane_inbound(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_str name;
    unsigned seeded = 0;

    if (!accept_mark(stream, headers, &name) ||
        (name.len > 0 && !lk_lane_stream_request(stream, name, LK_LANE_ORIGIN_EXPLICIT)))
        return false;
    if (name.len == 0 && settings->role == LK_LANE_ENTRY && !enter(stream, headers))
        return false;
    drop_secrets(stream, headers);
    if (settings->role == LK_LANE_SIDECAR && !check_pod(stream))
        return false;
    if (settings->config->seed_ids)
        seeded = lk_trace_seed(headers);
    if (!settings->outbound && LK_LIKELY(stream->recorder == NULL))
        take_off(stream, headers, seeded);
    tell_application(stream, headers);
    return true;
}
