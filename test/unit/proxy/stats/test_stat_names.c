/* The blocks of the core. */
#include "proxy/stats/stat_names.h"
#include "test/support/lk_test.h"

static void check_block(const struct lk_stat_block *block, unsigned count)
{
    LK_CHECK_EQ_UINT(block->count, count);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < i; j++)
            LK_CHECK_MSG(strcmp(block->defs[i].name, block->defs[j].name) != 0, "%s stands twice", block->defs[i].name);
    }
}

LK_TEST(stat_names, names_of_a_block_are_unique)
{
    check_block(&lk_cluster_stat_block, LK_CLUSTER_STAT_COUNT);
    check_block(&lk_http_stat_block, LK_HTTP_STAT_COUNT);
    check_block(&lk_listener_stat_block, LK_LISTENER_STAT_COUNT);
    check_block(&lk_tcp_stat_block, LK_TCP_STAT_COUNT);
    check_block(&lk_health_stat_block, LK_HEALTH_STAT_COUNT);
    check_block(&lk_outlier_stat_block, LK_OUTLIER_STAT_COUNT);
}

LK_TEST(stat_names, indices_name_their_stats)
{
    LK_CHECK_STR(lk_cluster_stat_block.defs[LK_CLUSTER_RQ_TOTAL].name, "upstream_rq_total");
    LK_CHECK_EQ_INT(lk_cluster_stat_block.defs[LK_CLUSTER_RQ_CODES].kind, LK_STAT_CODES);
    LK_CHECK_STR(lk_http_stat_block.defs[LK_HTTP_NO_ROUTE].name, "no_route");
    LK_CHECK_EQ_INT(lk_listener_stat_block.defs[LK_LISTENER_CX_LENGTH_MS].kind, LK_STAT_HISTOGRAM);
    LK_CHECK_EQ_INT(lk_tcp_stat_block.defs[LK_TCP_FLUSH_ACTIVE].kind, LK_STAT_GAUGE);
}
