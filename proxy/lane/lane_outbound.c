/*
 * A request goes out: which lane it belongs to by all evidence there is, whether its cluster is part of the mesh, and
 * who is to serve it. Evidence of a shadow lane, wherever it comes from, is never outdone by any other.
 */
#include "proxy/config/lane_name.h"
#include "proxy/io/loop.h"
#include "proxy/lane/lane_egress.h"
#include "proxy/lane/lane_stream.h"

/* --- evidence ----------------------------------------------------------------------------------------------------- */

struct evidence {
    struct lk_str name; /* empty: none */
    enum lk_lane_origin origin;
};

struct memory {
    struct evidence found;
    bool ambiguous;        /* an id of several lanes */
    bool shadow_ambiguous; /* one of which is a shadow lane */
    bool probed;
};

static void recall(struct lk_lane_stream *stream, unsigned kind, uint32_t value, struct memory *memory)
{
    struct lk_str name = lk_lane_ids_name(stream->settings->runtime->ids, value & ~LK_ASSOCIATION_DOMINANT);
    bool better =
        memory->found.name.len == 0 || (lk_lane_name_is_shadow(name) && !lk_lane_name_is_shadow(memory->found.name));

    if (better)
        memory->found = (struct evidence){name, (enum lk_lane_origin)(LK_LANE_ORIGIN_TRACE + kind)};
}

static void look_up(struct lk_lane_stream *stream, const struct lk_headers *headers, unsigned kind,
                    struct memory *memory)
{
    struct lk_association *association = stream->settings->runtime->association;
    char buf[LK_LANE_ID_BYTES];
    uint32_t value = 0;
    enum lk_trace_glance glance = lk_trace_key_glance(headers, (enum lk_trace_key_kind)kind, &value);
    uint64_t now_ms;
    struct lk_str id;

    if (glance == LK_TRACE_GLANCE_ABSENT ||
        (glance == LK_TRACE_GLANCE_LOW && stream->recorder == NULL && !lk_association_may_hold(association, value)))
        return;
    id = lk_lane_stream_id(stream, headers, kind, buf);
    if (id.len == 0)
        return;
    now_ms = lk_loop_now_ms(stream->loop);
    switch (LK_UNLIKELY(stream->recorder != NULL) ? lk_association_peek(association, kind, id, now_ms, &value)
                                                  : lk_association_lookup(association, kind, id, now_ms, &value)) {
    case LK_ASSOCIATION_MISS:
        break;
    case LK_ASSOCIATION_HIT:
        recall(stream, kind, value, memory);
        break;
    case LK_ASSOCIATION_PROBED:
        memory->probed = true;
        break;
    case LK_ASSOCIATION_AMBIGUOUS:
        memory->ambiguous = true;
        memory->shadow_ambiguous |= (value & LK_ASSOCIATION_DOMINANT) != 0;
        break;
    }
}

static struct memory ask_memory(struct lk_lane_stream *stream, const struct lk_headers *headers)
{
    const struct lk_lane_filter_association *config = &stream->settings->config->association;
    struct lk_lane_runtime *runtime = stream->settings->runtime;
    struct memory memory = {.found = {.origin = LK_LANE_ORIGIN_NONE}};

    if (!config->enabled || lk_association_size(runtime->association) == 0)
        return memory;
    for (unsigned kinds = lk_lane_stream_kinds(stream, headers, config->kinds); kinds != 0; kinds &= kinds - 1)
        look_up(stream, headers, (unsigned)__builtin_ctz(kinds), &memory);
    if (memory.ambiguous) {
        lk_lane_process_count(runtime, LK_LANE_PROCESS_AMBIGUOUS);
        lk_lane_process_count(runtime, LK_LANE_PROCESS_CONFLICT);
    }
    return memory;
}

/* A pod that serves base requests too does not know for which of them it calls. */
static struct evidence ask_pod(const struct lk_lane_stream *stream)
{
    const struct lk_lane_settings *settings = stream->settings;
    const struct lk_lane_in_flight *in_flight = &settings->runtime->in_flight;
    bool sure = settings->pod_is_shadow || settings->config->pod.recolor ||
                atomic_load_explicit(&in_flight->unmarked, memory_order_relaxed) == 0;

    if (settings->pod_lane.len == 0 || !sure)
        return (struct evidence){.origin = LK_LANE_ORIGIN_NONE};
    return (struct evidence){settings->pod_lane, LK_LANE_ORIGIN_POD};
}

/* The first of a shadow lane, else the first. */
static struct evidence weigh(const struct evidence *items, size_t count)
{
    struct evidence best = {.origin = LK_LANE_ORIGIN_NONE};

    for (size_t i = 0; i < count; i++)
        if (items[i].name.len > 0 &&
            (best.name.len == 0 || (lk_lane_name_is_shadow(items[i].name) && !lk_lane_name_is_shadow(best.name))))
            best = items[i];
    return best;
}

static void note_conflict(struct lk_lane_stream *stream, const struct evidence *explicit_mark,
                          const struct memory *memory)
{
    const struct lk_lane *lane;

    if (explicit_mark->name.len == 0 || memory->found.name.len == 0 ||
        lk_str_eq(explicit_mark->name, memory->found.name))
        return;
    lane = stream->table != NULL ? lk_lane_table_find(stream->table, explicit_mark->name) : NULL;
    lk_lane_process_count(stream->settings->runtime, LK_LANE_PROCESS_CONFLICT);
    lk_lane_stream_count(stream, lane, LK_LANE_STAT_CONFLICT);
}

/* What the application drops is told where the blame is certain. */
static void note_carrying(struct lk_lane_stream *stream, const struct evidence *chosen, const struct memory *memory)
{
    struct lk_lane_runtime *runtime = stream->settings->runtime;
    uint32_t marked = atomic_load_explicit(&runtime->in_flight.marked, memory_order_relaxed);
    uint32_t probes = atomic_load_explicit(&runtime->in_flight.probes, memory_order_relaxed);
    uint32_t unmarked = atomic_load_explicit(&runtime->in_flight.unmarked, memory_order_relaxed);

    if (chosen->name.len == 0 && marked > 0)
        lk_lane_process_count(runtime, LK_LANE_PROCESS_SUSPECT_LOST);
    if (memory->probed)
        lk_lane_process_count(runtime, LK_LANE_PROCESS_CARRIED);
    else if (probes == 1 && marked + unmarked == 1)
        lk_lane_process_count(runtime, LK_LANE_PROCESS_LOST);
}

static void tell(struct lk_lane_recorder *recorder, const struct evidence *items, size_t count,
                 const struct memory *memory, const struct evidence *chosen)
{
    static const char *const names[] = {"mark", "association", "pod"};

    for (size_t i = 0; i < count; i++)
        lk_lane_recorder_evidence(recorder, names[i], items[i].name,
                                  items[i].name.len > 0 && items[i].origin != LK_LANE_ORIGIN_EXPLICIT
                                      ? lk_lane_origin_name(items[i].origin)
                                      : NULL);
    if (memory->ambiguous)
        lk_lane_recorder_evidence(recorder, "ambiguous", lk_str(NULL, 0), "an id belongs to several lanes");
    lk_lane_recorder_evidence(recorder, "weighed", chosen->name, "the first counts, but any shadow lane before it");
}

/* *chosen by precedence. mesh: the destination is part of it, so that what was inferred counts. False: refused. */
static bool decide(struct lk_lane_stream *stream, const struct lk_headers *headers, bool mesh, struct evidence *chosen)
{
    const struct lk_mark *mark = &stream->seen;
    struct memory memory = ask_memory(stream, headers);
    const struct evidence items[] = {
        {mark->found ? mark->name : lk_str(NULL, 0), mark->found ? LK_LANE_ORIGIN_EXPLICIT : LK_LANE_ORIGIN_NONE},
        memory.found,
        ask_pod(stream),
    };

    *chosen = weigh(items, LK_ARRAY_LEN(items));
    if (LK_UNLIKELY(stream->recorder != NULL))
        tell(stream->recorder, items, LK_ARRAY_LEN(items), &memory, chosen);
    if (mark->invalid_shadow || (memory.shadow_ambiguous && !lk_lane_name_is_shadow(chosen->name)))
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_SHADOW_REFUSED);
    note_conflict(stream, &items[0], &memory);
    if (mesh) {
        note_carrying(stream, chosen, &memory);
        if (chosen->origin >= LK_LANE_ORIGIN_TRACE && chosen->origin <= LK_LANE_ORIGIN_REQID)
            lk_lane_stream_count(stream, stream->table != NULL ? lk_lane_table_find(stream->table, chosen->name) : NULL,
                                 LK_LANE_STAT_ASSOC_HIT);
    } else if (!lk_lane_name_is_shadow(chosen->name)) {
        *chosen = items[0];
    }
    return true;
}

/* --- where to ----------------------------------------------------------------------------------------------------- */

/* Nothing of ours leaves the mesh. */
static bool leave(struct lk_lane_stream *stream, struct lk_headers *headers, const struct lk_lane_boundary *boundary)
{
    if (lk_lane_name_is_shadow(stream->requested) && !boundary->shadow_ok)
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_LEAK_BLOCKED);
    if (lk_lane_stream_strip(stream, headers)) {
        lk_lane_stream_stripped(stream, stream->requested);
        stream->reason = LK_LANE_REASON_STRIPPED;
    }
    if (lk_lane_name_is_shadow(stream->requested))
        lk_lane_select_outside(stream->arena, stream->info);
    return true;
}

static void stay(struct lk_lane_stream *stream, struct lk_headers *headers)
{
    struct lk_lane_ask ask = {.budgets = &stream->worker->budgets};

    /* the lane's own headers are for the application behind the next hop, which writes them anew */
    if (stream->requested.len > 0)
        lk_lane_stream_write(stream, NULL, headers);
    else
        lk_lane_stream_strip(stream, headers);
    lk_lane_stream_select(stream, &ask);
}

bool lk_lane_outbound(struct lk_lane_stream *stream, struct lk_headers *headers, struct lk_cluster_view *cluster)
{
    struct lk_lane_boundary boundary;
    struct evidence chosen;

    if (cluster == NULL)
        return true;
    lk_lane_mirrors(stream);
    boundary = lk_lane_boundary(&stream->settings->config->egress, cluster->config);
    if (LK_UNLIKELY(stream->recorder != NULL))
        lk_lane_recorder_boundary(stream->recorder, cluster->config->name, &boundary);
    if (!stream->settings->inbound) {
        lk_lane_stream_read(stream, headers);
        if (!decide(stream, headers, boundary.mesh, &chosen))
            return false;
        if (chosen.name.len > 0 && !lk_lane_stream_request(stream, chosen.name, chosen.origin))
            return false;
    }
    if (!boundary.mesh)
        return leave(stream, headers, &boundary);
    stay(stream, headers);
    return true;
}
