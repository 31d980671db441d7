/* How lane filters read a table from a file: lk_lane_load_fn. Main thread. */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/lane_table.h"

/* NULL with errors. resource: its name, where the file knows several. */
struct lk_lane_table *lk_lane_load(const char *path, struct lk_str resource, struct lk_errors *errors);
