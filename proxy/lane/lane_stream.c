/* A request's lane: what all steps share, the response and the end. See lane_stream.h. */
#include "proxy/lane/lane_stream.h"

#include "proxy/base/clock.h"
#include "proxy/config/lane_name.h"
#include "proxy/io/loop.h"

const char *lk_lane_origin_name(enum lk_lane_origin origin)
{
#define NAME(id, name) name,
    static const char *const names[] = {LK_LANE_ORIGINS(NAME)};
#undef NAME
    return names[origin];
}

struct lk_lane_stream *lk_lane_stream_new(struct lk_lane_worker *worker, struct lk_loop *loop, struct lk_arena *arena,
                                          struct lk_stream_info *info)
{
    struct lk_lane_stream *stream = lk_arena_alloc(arena, sizeof(*stream));
    struct lk_lane_table *table = lk_lane_reader_get(&worker->reader);

    memset(stream, 0, offsetof(struct lk_lane_stream, handles));
    stream->worker = worker;
    stream->settings = worker->settings;
    stream->loop = loop;
    stream->arena = arena;
    stream->info = info;
    if (table != NULL)
        stream->table = lk_lane_table_ref(table);
    stream->attachment = lk_lane_attachment(table);
    stream->wall_us = info->start_wall_us != 0 ? info->start_wall_us : lk_clock_wall_us();
    info->lane = stream;
    return stream;
}

static void unref_table(void *table)
{
    lk_lane_table_unref(table);
}

void lk_lane_stream_stays(struct lk_lane_stream *stream)
{
    if (stream->table != NULL)
        lk_arena_on_free(stream->arena, unref_table, stream->table);
}

/* --- what steps share --------------------------------------------------------------------------------------------- */

struct lk_trust_peer lk_lane_stream_peer(const struct lk_lane_stream *stream)
{
    const struct lk_conn_info *conn = stream->info->conn;
    struct lk_trust_peer peer = {.remote = conn->remote.len > 0 ? &conn->remote : NULL};

    if (conn->secure != NULL)
        peer.identity = conn->secure->peer_uri_san;
    return peer;
}

static bool judge_peer(const struct lk_lane_stream *stream)
{
    const struct lk_lane_settings *settings = stream->settings;
    const struct lk_trust_peer peer = lk_lane_stream_peer(stream);

    return lk_trust_classify(&settings->trust, settings->role, settings->direction, &peer,
                             lk_lane_recorder_trust(stream->recorder))
        .trusted;
}

bool lk_lane_stream_trusts(struct lk_lane_stream *stream)
{
    struct lk_peer_verdict *verdict = stream->info->conn->verdict;

    if (verdict == NULL) {
        if (!stream->classified)
            stream->trusted = judge_peer(stream);
        stream->classified = true;
        return stream->trusted;
    }
    if (LK_UNLIKELY(verdict->judge != stream->settings->serial))
        *verdict = (struct lk_peer_verdict){stream->settings->serial, judge_peer(stream)};
    return verdict->trusted;
}

const struct lk_lane_scopes *lk_lane_stream_scopes(const struct lk_lane_stream *stream)
{
    return stream->attachment != NULL ? stream->attachment->scopes : stream->settings->runtime->unnamed;
}

void lk_lane_stream_count(const struct lk_lane_stream *stream, const struct lk_lane *lane, enum lk_lane_stat stat)
{
    lk_lane_count(lk_lane_stream_scopes(stream), lane != NULL ? lane->index : UINT32_MAX, stat);
}

static bool refuse(struct lk_lane_stream *stream, enum lk_response_flag flag, enum lk_lane_reason reason,
                   const char *details)
{
    stream->flag = flag;
    stream->reason = reason;
    stream->details = details;
    lk_stream_info_flag(stream->info, flag);
    return false;
}

bool lk_lane_stream_refuse_shadow(struct lk_lane_stream *stream, enum lk_lane_stat stat)
{
    lk_lane_stream_count(stream, stream->lane, stat);
    return refuse(stream, LK_FLAG_LANE_SHADOW_REFUSED, LK_LANE_REASON_SHADOW_REFUSED, "lane_shadow_refused");
}

/* NULL: the table has none. */
static const struct lk_lane *find_lane(const struct lk_lane_stream *stream, struct lk_str name)
{
    struct lk_lane_worker *worker = stream->worker;
    const struct lk_lane *lane = worker->recent.lane;

    if (stream->table == NULL)
        return NULL;
    if (lane != NULL && worker->recent.table == stream->table &&
        worker->recent.generation == worker->reader.generation && lk_str_eq(lane->name, name))
        return lane;
    lane = lk_lane_table_find(stream->table, name);
    worker->recent.generation = worker->reader.generation;
    worker->recent.table = stream->table;
    worker->recent.lane = lane;
    return lane;
}

bool lk_lane_stream_request(struct lk_lane_stream *stream, struct lk_str name, enum lk_lane_origin origin)
{
    const struct lk_lane_resolution resolution =
        lk_lane_table_judge(stream->table, find_lane(stream, name), name, stream->wall_us);

    stream->requested = name;
    stream->origin = origin;
    stream->lane = resolution.lane;
    if (resolution.standing == LK_LANE_IS_UNKNOWN) {
        lk_lane_stream_count(stream, NULL, LK_LANE_STAT_UNKNOWN);
        lk_stream_info_flag(stream->info, LK_FLAG_LANE_UNKNOWN);
    }
    if (resolution.outcome == LK_LANE_REFUSE_SHADOW)
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_SHADOW_REFUSED);
    if (resolution.outcome == LK_LANE_REJECT)
        return refuse(stream, LK_FLAG_LANE_UNKNOWN, LK_LANE_REASON_UNKNOWN, "lane_unknown");
    return true;
}

static void note_mark(const struct lk_lane_stream *stream, const struct lk_mark *mark)
{
    struct lk_lane_runtime *runtime = stream->settings->runtime;

    if (mark->conflict)
        lk_lane_process_count(runtime, LK_LANE_PROCESS_CONFLICT);
    if (mark->invalid > 0)
        lk_lane_process_count(runtime, LK_LANE_PROCESS_INVALID);
}

void lk_lane_stream_read(struct lk_lane_stream *stream, const struct lk_headers *headers)
{
    const struct lk_lane_attachment *attachment = stream->attachment;

    stream->emitted = attachment != NULL && lk_header_set_any(&attachment->emit_names, headers);
    if (!lk_header_set_any(&stream->settings->carriers->all, headers))
        return;
    stream->seen = lk_carriers_read(stream->settings->carriers, headers);
    note_mark(stream, &stream->seen);
    if (LK_UNLIKELY(stream->recorder != NULL))
        lk_lane_recorder_mark(stream->recorder, &stream->seen);
}

static const struct lk_header_set *emit_names(const struct lk_lane_stream *stream)
{
    return stream->emitted ? &stream->attachment->emit_names : NULL;
}

bool lk_lane_stream_strip(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    bool stripped;

    if (!stream->emitted && !stream->seen.stands)
        return false;
    stripped = lk_carriers_strip(stream->settings->carriers, emit_names(stream), headers);
    stream->seen = (struct lk_mark){.found = false};
    stream->emitted = false;
    return stripped;
}

void lk_lane_stream_write(struct lk_lane_stream *stream, const struct lk_lane *emit, struct lk_headers *headers)
{
    size_t count = emit != NULL ? emit->emit_count : 0;

    lk_carriers_write(stream->settings->carriers, emit_names(stream), &stream->seen, stream->requested,
                      count > 0 ? emit->emit : NULL, count, headers);
    stream->seen = (struct lk_mark){.stands = true};
    stream->emitted = count > 0;
}

void lk_lane_stream_select(struct lk_lane_stream *stream, struct lk_lane_ask *ask)
{
    struct lk_lane_selector *selector;

    ask->membership = &stream->settings->membership;
    ask->table = stream->table;
    ask->wall_us = stream->wall_us;
    ask->dry = stream->recorder != NULL;
    ask->lane = stream->lane;
    ask->unknown = stream->requested.len > 0 && stream->lane == NULL;
    ask->shadow = lk_lane_name_is_shadow(stream->requested);
    selector = lk_lane_selector_new(stream->arena, stream->info, ask, lk_lane_stream_scopes(stream));
    selector->recorder = stream->recorder;
    stream->selector = selector;
}

void lk_lane_stream_stripped(struct lk_lane_stream *stream, struct lk_str name)
{
    const struct lk_lane *lane = stream->table != NULL ? lk_lane_table_find(stream->table, name) : NULL;

    lk_lane_process_count(stream->settings->runtime, LK_LANE_PROCESS_STRIPPED);
    lk_lane_stream_count(stream, lane, LK_LANE_STAT_STRIPPED);
    lk_stream_info_flag(stream->info, LK_FLAG_LANE_STRIPPED);
}

static const struct lk_header_key *configured_id(const struct lk_lane_stream *stream)
{
    const struct lk_header_key *key = &stream->settings->association_header;

    return key->name.len > 0 ? key : NULL;
}

unsigned lk_lane_stream_kinds(const struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kinds)
{
    return kinds & lk_trace_key_kinds(headers, configured_id(stream) != NULL);
}

struct lk_str lk_lane_stream_id(const struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kind,
                                char buf[LK_LANE_ID_BYTES])
{
    struct lk_trace_key key;

    if (!lk_trace_key_read(headers, (enum lk_trace_key_kind)kind, configured_id(stream), &key))
        return lk_str(NULL, 0);
    if (key.text.ptr != NULL)
        return key.text;
    memcpy(buf, &key.high, sizeof(key.high));
    memcpy(buf + sizeof(key.high), &key.low, sizeof(key.low));
    return lk_str(buf, LK_LANE_ID_BYTES);
}

/* --- for logs ----------------------------------------------------------------------------------------------------- */

struct lk_str lk_lane_stream_served(const struct lk_lane_stream *stream)
{
    const struct lk_str pod = stream->settings->pod_lane;

    if (stream->details != NULL)
        return lk_str(NULL, 0);
    if (stream->selector != NULL)
        return stream->selector->served;
    if (stream->settings->outbound)
        return lk_str(NULL, 0);
    return pod.len > 0 ? pod : LK_STR(LK_LANE_BASE);
}

enum lk_lane_reason lk_lane_stream_reason(const struct lk_lane_stream *stream)
{
    return stream->selector != NULL ? stream->selector->reason : stream->reason;
}

/* --- the response ------------------------------------------------------------------------------------------------- */

static void tell_lanes(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    const struct lk_lane_settings *settings = stream->settings;
    const struct lk_header_key *served = &settings->served_header, *mark = &settings->carriers->header;

    if (!lk_lane_stream_trusts(stream)) {
        lk_headers_remove_key(headers, mark);
        if (served->name.len > 0)
            lk_headers_remove_key(headers, served);
        return;
    }
    if (served->name.len == 0)
        return;
    if (stream->details != NULL)
        lk_headers_remove_key(headers, served);
    else if (!settings->outbound && served->id != LK_HEADER_OTHER && !lk_headers_maybe(headers, served->id))
        lk_headers_add_key(headers, served, lk_lane_stream_served(stream));
    else if (!settings->outbound)
        lk_headers_set_key(headers, served, lk_lane_stream_served(stream));
    if (settings->role == LK_LANE_ENTRY && stream->requested.len > 0)
        lk_headers_set_key(headers, mark, stream->requested);
}

void lk_lane_response(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    if (!stream->settings->inbound)
        return;
    tell_lanes(stream, headers);
    if (stream->entered && stream->entry.set_cookie != NULL)
        lk_headers_add(headers, LK_HEADER_SET_COOKIE, lk_entry_cookie(&stream->entry, stream->arena));
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void forget(struct lk_lane_stream *stream)
{
    struct lk_lane_runtime *runtime = stream->settings->runtime;
    struct lk_lane_in_flight *in_flight = &runtime->in_flight;

    for (unsigned i = 0; i < stream->handle_count; i++)
        lk_association_release(runtime->association, stream->handles[i], lk_loop_now_ms(stream->loop));
    if (stream->flight == LK_LANE_FLIES_MARKED)
        atomic_fetch_sub_explicit(&in_flight->marked, 1, memory_order_relaxed);
    if (stream->flight == LK_LANE_FLIES_UNMARKED)
        atomic_fetch_sub_explicit(&in_flight->unmarked, 1, memory_order_relaxed);
    if (stream->is_probe)
        atomic_fetch_sub_explicit(&in_flight->probes, 1, memory_order_relaxed);
}

/* A request that the client gave up is nobody's fault. */
static bool failed(const struct lk_stream_info *info)
{
    const uint64_t given_up = LK_FLAG_BIT(DOWNSTREAM_CONNECTION_TERMINATION) | LK_FLAG_BIT(DOWNSTREAM_REMOTE_RESET);

    if (info->response_code != 0)
        return info->response_code >= 500;
    return (info->flags & given_up) == 0;
}

/* What a split left to base is compared with each lane that it assigns to. */
static void judge_base(struct lk_lane_stream *stream, const struct lk_entry_split *split, bool is_5xx,
                       uint64_t latency_us)
{
    struct lk_lane_set seen = {{0}};

    for (size_t i = 0; i < split->part_count; i++) {
        uint16_t lane = split->parts[i].lane;
        struct lk_guard *guard = stream->attachment->lanes[lane].guard;

        if (guard != NULL && !lk_lane_set_has(&seen, lane))
            lk_guard_record(guard, LK_GUARD_BASE, stream->table->revision, is_5xx, latency_us);
        lk_lane_set_add(&seen, lane);
    }
}

static void judge(struct lk_lane_stream *stream, bool is_5xx, uint64_t latency_us)
{
    const struct lk_entry_result *entry = &stream->entry;

    if (!stream->entered || stream->attachment == NULL || stream->attachment->guard_count == 0 || entry->rule < 0)
        return;
    if (entry->lane == LK_LANE_INDEX_BASE) {
        if (stream->table->rules[entry->rule].is_split && entry->intended == LK_LANE_INDEX_BASE)
            judge_base(stream, &stream->table->rules[entry->rule].split, is_5xx, latency_us);
        return;
    }
    struct lk_guard *guard = stream->attachment->lanes[entry->lane].guard;
    if (guard != NULL)
        lk_guard_record(guard, LK_GUARD_LANE, stream->table->revision, is_5xx, latency_us);
}

static void measure(struct lk_lane_stream *stream, bool is_5xx, uint64_t latency_us)
{
    struct lk_stats_scope *scope;

    if (stream->requested.len == 0)
        return;
    scope = lk_lane_scope(lk_lane_stream_scopes(stream), stream->lane != NULL ? stream->lane->index : UINT32_MAX);
    lk_stats_record(scope, LK_LANE_STAT_LATENCY, latency_us / 1000);
    if (is_5xx)
        lk_stats_inc(scope, LK_LANE_STAT_STATUS_5XX);
}

void lk_lane_stream_end(struct lk_lane_stream *stream)
{
    const struct lk_stream_info *info = stream->info;

    forget(stream);
    if (stream->entered || stream->requested.len > 0) {
        uint64_t end_us = info->end_us != 0 ? info->end_us : lk_loop_now_us(stream->loop);
        uint64_t latency_us = end_us > info->start_us ? end_us - info->start_us : 0;
        bool is_5xx = failed(info);

        judge(stream, is_5xx, latency_us);
        measure(stream, is_5xx, latency_us);
    }
    stream->info->lane = NULL;
    lk_lane_table_unref(stream->table);
    stream->table = NULL;
}
