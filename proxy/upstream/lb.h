/* Load balancers: choose one slot of a view's group. A worker's state; nothing is sent or counted here. */
#pragma once

#include "proxy/config/cluster_config.h"
#include "proxy/upstream/host_view.h"

/* Requests in flight on a slot's host from this worker. */
uint32_t lk_view_slot_active(const struct lk_view_slot *slot);

/* How a group is balanced over. */
enum lk_lb_method { LK_LB_ONLY_HOST, LK_LB_BY_RANDOM, LK_LB_BY_SCHEDULE, LK_LB_BY_LOAD, LK_LB_IN_TURN };
enum lk_lb_method lk_lb_method(const struct lk_cluster_config *config, const struct lk_view_group *group);

/* The slot that lk_lb_pick would give, and nothing moves. NULL: a schedule that has not begun yet, and will begin
 * anywhere. group->count > 0. */
struct lk_view_slot *lk_lb_peek(const struct lk_cluster_config *config, const struct lk_view_group *group,
                                uint64_t random);
/* group->count > 0. random is any 64 bits, used by RANDOM and LEAST_REQUEST. */
struct lk_view_slot *lk_lb_pick(const struct lk_cluster_config *config, struct lk_view_group *group, uint64_t random);
