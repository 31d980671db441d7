/* lanekeeper.filters.http.lane: keeps requests in their lanes. Configuration and log operators are here, on the main
 * thread; what happens to a request is in proxy/lane. */
#include "filters/common/lane_load.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/filter/format_eval.h"
#include "proxy/filter/http_stream.h"
#include "proxy/lane/lane_page.h"
#include "proxy/lane/lane_stream.h"
#include "xds/decode/decode_lane.h"

/* --- configuration ------------------------------------------------------------------------------------------------ */

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    const struct lk_lane_filter_config *config;
    const struct lk_lane_settings *settings = NULL;
    struct lk_decoder decoder;
    const Lanekeeper__Lane__V1__LaneFilter *in =
        lk_typed_begin(&decoder, context, any, &lanekeeper__lane__v1__lane_filter__descriptor, errors);

    if (in == NULL)
        return NULL;
    config = lk_decode_lane_filter(&decoder, in);
    if (lk_typed_end(&decoder))
        settings = lk_lane_settings_new(context, config, lk_lane_load, errors);
    return settings;
}

static void *worker_new(const void *config, struct lk_loop *loop)
{
    (void)loop;
    return lk_lane_worker_new(config);
}

static void worker_free(void *worker)
{
    lk_lane_worker_free(worker);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void *stream_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct lk_lane_stream *lane =
        lk_lane_stream_new(worker, lk_http_loop(slot), lk_http_arena(slot), lk_http_info(slot));

    (void)config;
    lane->slot = slot;
    return lane;
}

static struct lk_cluster_view *find_cluster(const struct lk_lane_stream *lane)
{
    struct lk_http_stream *stream = lk_http_slot_stream(lane->slot);
    struct lk_clusters *clusters = lane->settings->clusters;

    if (stream->sink->route(stream) == NULL || stream->info.route_cluster.len == 0 || clusters == NULL)
        return NULL;
    return lk_cluster_view_get(clusters, stream->loop, stream->info.route_cluster);
}

static enum lk_filter_status refuse(const struct lk_lane_stream *lane)
{
    const struct lk_local_reply reply = {
        .status = 503,
        .body = lk_str_from(lane->details),
        .details = lk_str_from(lane->details),
        .grpc_status = -1,
    };

    lk_http_local_reply(lane->slot, &reply);
    return LK_FILTER_PAUSE;
}

/* False: refused. */
static bool pass(struct lk_lane_stream *lane, struct lk_headers *headers)
{
    const struct lk_lane_settings *settings = lane->settings;

    if (settings->inbound && !lk_lane_inbound(lane, headers))
        return false;
    return !settings->outbound || lk_lane_outbound(lane, headers, find_cluster(lane));
}

static enum lk_filter_status on_request_headers(void *instance, struct lk_headers *headers, bool end)
{
    (void)end;
    return pass(instance, headers) ? LK_FILTER_CONTINUE : refuse(instance);
}

static void explain(void *instance, struct lk_headers *headers, bool end, struct lk_explain *account)
{
    struct lk_lane_stream *lane = instance;
    struct lk_lane_recorder *recorder = lk_lane_recorder_new(lane, account);
    bool passed = pass(lane, headers);

    (void)end;
    lk_lane_recorder_end(recorder, passed);
    if (!passed)
        refuse(lane);
}

static enum lk_filter_status on_response_headers(void *instance, struct lk_headers *headers, bool end)
{
    (void)end;
    lk_lane_response(instance, headers);
    return LK_FILTER_CONTINUE;
}

static void on_destroy(void *instance)
{
    lk_lane_stream_end(instance);
}

/* --- log operators ------------------------------------------------------------------------------------------------ */

static struct lk_str log_requested(const struct lk_log_event *event, struct lk_str argument)
{
    (void)argument;
    return event->info->lane != NULL && event->info->lane->requested.len > 0 ? event->info->lane->requested
                                                                             : lk_str(NULL, 0);
}

static struct lk_str log_served(const struct lk_log_event *event, struct lk_str argument)
{
    struct lk_str served = {NULL, 0};

    (void)argument;
    if (event->info->lane != NULL)
        served = lk_lane_stream_served(event->info->lane);
    return served.len > 0 ? served : lk_str(NULL, 0);
}

static struct lk_str log_source(const struct lk_log_event *event, struct lk_str argument)
{
    (void)argument;
    return event->info->lane != NULL ? lk_str_from(lk_lane_origin_name(event->info->lane->origin)) : lk_str(NULL, 0);
}

static struct lk_str log_reason(const struct lk_log_event *event, struct lk_str argument)
{
    (void)argument;
    return event->info->lane != NULL ? lk_str_from(lk_lane_reason_name(lk_lane_stream_reason(event->info->lane)))
                                     : lk_str(NULL, 0);
}

static const struct lk_log_operator log_operators[] = {
    {"LANE_REQUESTED", log_requested},
    {"LANE_SERVED", log_served},
    {"LANE_SOURCE", log_source},
    {"LANE_REASON", log_reason},
    {NULL, NULL},
};

/* --- span tags ---------------------------------------------------------------------------------------------------- */

/* A request that no lane had anything to do with says nothing of lanes. */
static bool is_decided(const struct lk_log_event *event)
{
    const struct lk_lane_stream *lane = event->info->lane;

    return lane != NULL && (lane->requested.len > 0 || lk_lane_stream_reason(lane) != LK_LANE_REASON_OK);
}

static struct lk_str tag_served(const struct lk_log_event *event, struct lk_str argument)
{
    return is_decided(event) ? log_served(event, argument) : lk_str(NULL, 0);
}

static struct lk_str tag_source(const struct lk_log_event *event, struct lk_str argument)
{
    return is_decided(event) ? log_source(event, argument) : lk_str(NULL, 0);
}

static struct lk_str tag_reason(const struct lk_log_event *event, struct lk_str argument)
{
    return is_decided(event) ? log_reason(event, argument) : lk_str(NULL, 0);
}

static const struct lk_log_operator span_tags[] = {
    {"lane.requested", log_requested},
    {"lane.served", tag_served},
    {"lane.source", tag_source},
    {"lane.reason", tag_reason},
    {NULL, NULL},
};

const struct lk_http_filter lk_lane_filter = {
    .name = "lanekeeper.filters.http.lane",
    .type = "lanekeeper.lane.v1.LaneFilter",
    .decides_access = true,
    .log_operators = log_operators,
    .span_tags = span_tags,
    .admin_pages = lk_lane_pages,
    .config_new = config_new,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .stream_new = stream_new,
    .on_request_headers = on_request_headers,
    .on_response_headers = on_response_headers,
    .on_destroy = on_destroy,
    .explain = explain,
};
