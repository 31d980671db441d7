/*
 * Who answers "which host" for one request. A filter that narrows the hosts of a cluster (a lane) leaves a selector in
 * the stream (lk_stream_info.selector); the router asks it for every try, and the balancer itself when there is none.
 * Owner: the stream's worker.
 */
#pragma once

#include "proxy/config/response_flags.h"
#include "proxy/http/headers.h"
#include "proxy/upstream/cluster.h"

#include <stdbool.h>

struct lk_host_selection {
    struct lk_worker_host *host; /* referenced; NULL: none */
    bool refused;                /* by the selector: the reply below, no retry; else no host is the usual 503 UH */
    enum lk_response_flag flag;
    const char *details; /* response code details, static; also the body of the reply */
};

/* The same for mirrored copies of the request, which go to other clusters (lk_stream_info.mirrors): it may change their
 * heads. A refused copy is not sent; flag and details mean nothing. */
struct lk_mirror_selector {
    struct lk_host_selection (*select)(struct lk_mirror_selector *self, struct lk_cluster_view *view,
                                       struct lk_headers *copy, const struct lk_pick *pick);
};

struct lk_host_selector {
    /* pick as for lk_cluster_pick. last: the last retry that the policy allows; false for a first try. The host may
     * belong to another cluster (wh->view). */
    struct lk_host_selection (*select)(struct lk_host_selector *self, struct lk_cluster_view *view,
                                       const struct lk_pick *pick, bool last);
};
