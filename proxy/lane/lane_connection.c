/*
 * A TCP connection of the pod goes out. It brings no mark and may serve any request of the pod, so that the lane of the
 * pod itself decides, whatever is in flight. There is no fallback budget: a connection has no weight that could be
 * compared with the requests that base gets.
 */
#include "proxy/config/lane_name.h"
#include "proxy/lane/lane_egress.h"
#include "proxy/lane/lane_stream.h"

/* Nothing but pressure-test traffic is kept from leaving the mesh. */
static bool leave(struct lk_lane_stream *stream, const struct lk_lane_boundary *boundary)
{
    if (!stream->settings->pod_is_shadow)
        return true;
    if (!boundary->shadow_ok)
        return lk_lane_stream_refuse_shadow(stream, LK_LANE_STAT_LEAK_BLOCKED);
    lk_lane_select_outside(stream->arena, stream->info);
    return true;
}

bool lk_lane_connection(struct lk_lane_stream *stream, struct lk_cluster_view *cluster)
{
    const struct lk_lane_settings *settings = stream->settings;
    struct lk_lane_boundary boundary = lk_lane_boundary(&settings->config->egress, cluster->config);
    struct lk_lane_ask ask = {.connection = true};

    if (LK_UNLIKELY(stream->recorder != NULL))
        lk_lane_recorder_boundary(stream->recorder, cluster->config->name, &boundary);
    if (settings->pod_lane.len > 0 && (boundary.mesh || settings->pod_is_shadow) &&
        !lk_lane_stream_request(stream, settings->pod_lane, LK_LANE_ORIGIN_POD))
        return false;
    if (!boundary.mesh)
        return leave(stream, &boundary);
    lk_lane_stream_select(stream, &ask);
    return true;
}
