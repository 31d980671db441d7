/* Joins the lane filters, which know of no protobuf, and the decoder of table files. */
#include "filters/common/lane_load.h"

#include "xds/decode/lane_file.h"

struct lk_lane_table *lk_lane_load(const char *path, struct lk_str resource, struct lk_errors *errors)
{
    const struct lk_lane_file_options options = {.resource = resource};

    return lk_lane_file_load(path, &options, errors);
}
