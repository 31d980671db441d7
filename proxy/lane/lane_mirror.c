/*
 * Mirrored copies of a request (request_mirror_policies) and lanes: a copy belongs to the lane of its request, or to
 * the shadow lane that the configuration names. The mark in its head is that lane's; who may not have it does not get
 * it.
 */
#include "proxy/config/lane_name.h"
#include "proxy/lane/lane_egress.h"
#include "proxy/lane/lane_stream.h"
#include "proxy/upstream/shadow_budget.h"

#define REFUSED ((struct lk_host_selection){.refused = true})

static struct lk_host_selection refuse(const struct lk_lane_stream *stream, struct lk_str mark)
{
    const struct lk_lane *lane = stream->table != NULL ? lk_lane_table_find(stream->table, mark) : NULL;

    lk_lane_stream_count(stream, lane, LK_LANE_STAT_LEAK_BLOCKED);
    return REFUSED;
}

static const struct lk_header_set *emit_names(const struct lk_lane_stream *stream)
{
    return stream->attachment != NULL ? &stream->attachment->emit_names : NULL;
}

/* Nothing of ours leaves the mesh. */
static struct lk_host_selection leave(struct lk_lane_stream *stream, struct lk_str mark, bool shadow_ok,
                                      struct lk_cluster_view *view, struct lk_headers *copy, const struct lk_pick *pick)
{
    bool shadow = lk_lane_name_is_shadow(mark);
    struct lk_worker_host *wh;

    if (shadow && !shadow_ok)
        return refuse(stream, mark);
    lk_carriers_strip(stream->settings->carriers, emit_names(stream), copy);
    wh = lk_cluster_pick(view, pick);
    return (struct lk_host_selection){.host = wh != NULL && shadow ? lk_worker_host_shadow(wh) : wh};
}

static struct lk_host_selection stay(struct lk_lane_stream *stream, struct lk_str mark, struct lk_cluster_view *view,
                                     struct lk_headers *copy, const struct lk_pick *pick)
{
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_lane_ask ask = {.membership = &settings->membership, .table = stream->table, .wall_us = stream->wall_us};

    if (settings->config->egress.require_shadow_mark && !lk_lane_name_is_shadow(mark)) {
        lk_lane_process_count(settings->runtime, LK_LANE_PROCESS_MIRROR_REFUSED);
        return REFUSED;
    }
    lk_carriers_write(settings->carriers, emit_names(stream), NULL, mark, NULL, 0, copy);
    lk_lane_ask_mark(&ask, mark);
    return lk_lane_select_copy(&ask, lk_lane_stream_scopes(stream), stream->info, view, pick);
}

static struct lk_host_selection select_copy(struct lk_mirror_selector *base, struct lk_cluster_view *view,
                                            struct lk_headers *copy, const struct lk_pick *pick)
{
    struct lk_lane_stream *stream = LK_CONTAINER_OF(base, struct lk_lane_stream, mirrors);
    const struct lk_lane_filter_egress *egress = &stream->settings->config->egress;
    struct lk_lane_boundary boundary = lk_lane_boundary(egress, view->config);
    struct lk_str mark = egress->mirror_lane.len > 0 ? egress->mirror_lane : stream->requested;

    return boundary.mesh ? stay(stream, mark, view, copy, pick)
                         : leave(stream, mark, boundary.shadow_ok, view, copy, pick);
}

void lk_lane_mirrors(struct lk_lane_stream *stream)
{
    stream->mirrors.select = select_copy;
    stream->info->mirrors = &stream->mirrors;
}
