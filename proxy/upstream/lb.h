/* Load balancers: choose one slot of a view's group. A worker's state; nothing is sent or counted here. */
#pragma once

#include "proxy/config/cluster_config.h"
#include "proxy/upstream/host_view.h"

/* Requests in flight on a slot's host from this worker. */
uint32_t lk_view_slot_active(const struct lk_view_slot *slot);

/* group->count > 0. random is any 64 bits, used by RANDOM and LEAST_REQUEST. */
struct lk_view_slot *lk_lb_pick(const struct lk_cluster_config *config, struct lk_view_group *group, uint64_t random);
