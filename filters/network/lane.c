/* lanekeeper.filters.network.lane: TCP connections of a pod stay in the pod's lane. A gate before tcp_proxy, which asks
 * it for the hosts of the cluster that it chose; the decision is proxy/lane/lane_connection.c. */
#include "filters/common/lane_load.h"
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "proxy/lane/lane_stream.h"
#include "xds/decode/decode_lane.h"

/* --- configuration ------------------------------------------------------------------------------------------------ */

typedef Lanekeeper__Lane__V1__LaneFilter filter_proto;

/* What concerns requests and their headers is refused, not ignored. */
static void refuse_http_fields(const filter_proto *in, struct lk_errors *errors)
{
    const Lanekeeper__Lane__V1__Association *association = in->association;
    const struct {
        const char *field;
        bool given;
    } fields[] = {
        {"role", in->role != LANEKEEPER__LANE__V1__LANE_FILTER__ROLE__SIDECAR},
        {"carriers", in->carriers != NULL},
        {"trust", in->trust != NULL},
        {"association.enabled", association != NULL && association->enabled != NULL},
        {"association.kinds", association != NULL && association->n_kinds > 0},
        {"association.header", association != NULL && association->header[0] != '\0'},
        {"association.preflight_denominator", association != NULL && association->preflight_denominator != NULL},
        {"pod_lane.recolor", in->pod_lane != NULL && in->pod_lane->recolor},
        {"pod_lane.shadow_ok", in->pod_lane != NULL && in->pod_lane->shadow_ok},
        {"egress.require_shadow_mark", in->egress != NULL && in->egress->require_shadow_mark},
        {"egress.mirror_lane", in->egress != NULL && in->egress->mirror_lane[0] != '\0'},
        {"seed_ids", in->seed_ids != NULL},
        {"response", in->response != NULL},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(fields); i++)
        if (fields[i].given)
            lk_errors_unsupported(errors, fields[i].field,
                                  "is of requests, and a TCP connection has none; expected only in the HTTP filter");
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    const struct lk_lane_filter_config *config;
    struct lk_lane_filter_config *own;
    struct lk_decoder decoder;
    const filter_proto *in =
        lk_typed_begin(&decoder, context, any, &lanekeeper__lane__v1__lane_filter__descriptor, errors);

    if (in == NULL)
        return NULL;
    if (context->direction == LK_DIRECTION_INBOUND)
        lk_errors_add(errors,
                      "a TCP connection that comes in tells no lane, expected on a listener for OUTBOUND traffic");
    refuse_http_fields(in, errors);
    config = lk_decode_lane_filter(&decoder, in);
    if (!lk_typed_end(&decoder))
        return NULL;
    own = lk_arena_alloc(context->arena, sizeof(*own));
    *own = *config;
    own->connections = true;
    return lk_lane_settings_new(context, own, lk_lane_load, errors);
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

/* --- connections -------------------------------------------------------------------------------------------------- */

struct instance {
    struct lk_tcp_steering steering;
    struct lk_session *session;
    struct lk_lane_worker *worker;
};

static const char *steer(const struct lk_tcp_steering *steering, struct lk_stream_info *info,
                         struct lk_cluster_view *cluster)
{
    const struct instance *self = LK_CONTAINER_OF(steering, const struct instance, steering);
    struct lk_lane_stream *stream =
        lk_lane_stream_new(self->worker, lk_session_loop(self->session), lk_session_arena(self->session), info);

    lk_lane_stream_stays(stream);
    return lk_lane_connection(stream, cluster) ? NULL : stream->details;
}

static void *session_new(struct lk_session *session, const void *config, void *worker)
{
    struct instance *self = lk_arena_alloc(lk_session_arena(session), sizeof(*self));

    (void)config;
    *self = (struct instance){.steering = {.steer = steer}, .session = session, .worker = worker};
    lk_session_info(session)->steering = &self->steering;
    return self;
}

/* --- a rehearsed connection --------------------------------------------------------------------------------------- */

struct rehearsal {
    struct lk_tcp_steering steering;
    struct lk_lane_worker *worker;
    struct lk_explain *explain;
};

static const char *rehearse_steer(const struct lk_tcp_steering *steering, struct lk_stream_info *info,
                                  struct lk_cluster_view *cluster)
{
    const struct rehearsal *self = LK_CONTAINER_OF(steering, const struct rehearsal, steering);
    struct lk_explain *account = self->explain;
    struct lk_lane_stream *stream = lk_lane_stream_new(self->worker, account->loop, account->scratch, info);
    struct lk_lane_recorder *recorder = lk_lane_recorder_new(stream, account);
    bool passed = lk_lane_connection(stream, cluster);

    lk_lane_recorder_end(recorder, passed);
    return passed ? NULL : stream->details;
}

static void explain(const void *config, void *worker, struct lk_explain *account)
{
    struct rehearsal *self = lk_arena_alloc(account->scratch, sizeof(*self));

    (void)config;
    *self = (struct rehearsal){.steering = {.steer = rehearse_steer}, .worker = worker, .explain = account};
    account->conn->steering = &self->steering;
}

const struct lk_network_filter lk_lane_network_filter = {
    .name = "lanekeeper.filters.network.lane",
    .type = "lanekeeper.lane.v1.LaneFilter",
    .decides_access = true,
    .ends_in = "envoy.filters.network.tcp_proxy",
    .config_new = config_new,
    .worker_new = worker_new,
    .worker_free = worker_free,
    .session_new = session_new,
    .explain = explain,
};
