/* The admin page /lanes: what the lane filters of this process know and do, and a dry run of what they would do with a
 * request. Main thread. */
#pragma once

#include "proxy/filter/admin_page.h"

/* For the descriptor of the lane filter. */
extern const struct lk_filter_page lk_lane_pages[];
