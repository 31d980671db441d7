/* The blocks of the core, made from the lists in the header. */
#include "proxy/stats/stat_names.h"

#include "proxy/base/mem.h"

#define DEF(id, name, kind) {name, LK_STAT_##kind},

static const struct lk_stat_def cluster_defs[] = {LK_CLUSTER_STATS(DEF)};
static const struct lk_stat_def http_defs[] = {LK_HTTP_STATS(DEF)};
static const struct lk_stat_def listener_defs[] = {LK_LISTENER_STATS(DEF)};
static const struct lk_stat_def listener_http_defs[] = {LK_LISTENER_HTTP_STATS(DEF)};
static const struct lk_stat_def tcp_defs[] = {LK_TCP_STATS(DEF)};
static const struct lk_stat_def health_defs[] = {LK_HEALTH_STATS(DEF)};
static const struct lk_stat_def outlier_defs[] = {LK_OUTLIER_STATS(DEF)};

const struct lk_stat_block lk_cluster_stat_block = {cluster_defs, LK_ARRAY_LEN(cluster_defs)};
const struct lk_stat_block lk_http_stat_block = {http_defs, LK_ARRAY_LEN(http_defs)};
const struct lk_stat_block lk_listener_stat_block = {listener_defs, LK_ARRAY_LEN(listener_defs)};
const struct lk_stat_block lk_listener_http_stat_block = {listener_http_defs, LK_ARRAY_LEN(listener_http_defs)};
const struct lk_stat_block lk_tcp_stat_block = {tcp_defs, LK_ARRAY_LEN(tcp_defs)};
const struct lk_stat_block lk_health_stat_block = {health_defs, LK_ARRAY_LEN(health_defs)};
const struct lk_stat_block lk_outlier_stat_block = {outlier_defs, LK_ARRAY_LEN(outlier_defs)};
