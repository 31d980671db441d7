/* Access-log filters (envoy.config.accesslog.v3.AccessLogFilter), also the matchers of local_reply_config. Any worker.
 */
#pragma once

#include "proxy/config/access_log_config.h"
#include "proxy/filter/access_logger.h"

bool lk_log_filter_match(const struct lk_log_filter *filter, const struct lk_log_event *event);
