/*
 * A lane filter's configuration, compiled for requests: carriers and trust as their modules want them, the pod's own
 * lane, what it shares with other filters. Made once on the main thread, immutable, read by all workers.
 */
#pragma once

#include "proxy/lane/budget_memo.h"
#include "proxy/lane/lane_hosts.h"
#include "proxy/lane/lane_tables.h"
#include "proxy/lane/trust.h"

struct lk_lane_settings {
    uint64_t serial; /* of these settings, unique in the process */
    const struct lk_lane_filter_config *config;
    const struct lk_lane_carriers *carriers;
    struct lk_lane_trust trust;
    struct lk_lane_membership membership;
    enum lk_lane_role role;
    enum lk_traffic_direction direction;
    bool inbound, outbound; /* which steps a request takes; both where no application lies between */
    struct lk_str pod_lane; /* empty: base, or off */
    bool pod_is_shadow;
    struct lk_header_key association_header; /* name empty: none */
    struct lk_header_key served_header;      /* the same */
    struct lk_lane_runtime *runtime;
    struct lk_lane_tables *tables;
    struct lk_clusters *clusters;
    /* For /lanes. */
    struct lk_list node; /* of the runtime's filters */
    struct lk_str listener_name;
    const char *pod_lane_from; /* where the pod's lane is told; empty: nowhere, or it is off */
};

/*
 * In the context's arena; config and it live as long. NULL, with errors at paths of LaneFilter. load reads files of
 * tables.
 */
const struct lk_lane_settings *lk_lane_settings_new(struct lk_filter_context *context,
                                                    const struct lk_lane_filter_config *config, lk_lane_load_fn load,
                                                    struct lk_errors *errors);

/* What a worker keeps of a filter. */
struct lk_lane_worker {
    const struct lk_lane_settings *settings;
    struct lk_lane_reader reader;
    struct lk_budget_memo budgets;
    struct {
        uint64_t generation; /* of the reader */
        const struct lk_lane_table *table;
        const struct lk_lane *lane;
    } recent; /* the lane that a request asked for last: the next one is likely to ask for it too */
};
struct lk_lane_worker *lk_lane_worker_new(const struct lk_lane_settings *settings);
void lk_lane_worker_free(struct lk_lane_worker *worker);
