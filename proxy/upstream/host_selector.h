/*
 * Who answers "which host" for one request. A filter that narrows the hosts of a cluster (a lane) leaves a selector in
 * the stream; the router asks it for every try, and the balancer itself when there is none. Owner: the stream's worker.
 */
#pragma once

#include "proxy/config/response_flags.h"
#include "proxy/upstream/cluster.h"

struct lk_host_selection {
    struct lk_worker_host *host; /* referenced; NULL: none */
    bool refused;                /* by the selector: the reply below, no retry; else no host is the usual 503 UH */
    enum lk_response_flag flag;
    const char *details; /* response code details, static */
};

struct lk_host_selector {
    /* pick as for lk_cluster_pick. last: no further try follows this one. */
    struct lk_host_selection (*select)(struct lk_host_selector *self, struct lk_cluster_view *view,
                                       const struct lk_pick *pick, bool last);
};
