/*
 * A filter chain made ready from configuration: its network filters instantiated. And the choice among the chains of a
 * listener: a pure function of what is known of a connection.
 */
#pragma once

#include "proxy/filter/access_logger.h"
#include "proxy/filter/filter_context.h"
#include "proxy/filter/network_filter.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_network_filter_entry {
    const struct lk_network_filter *filter;
    const void *config;
    unsigned worker_slot; /* index of its per-worker state in the listener's table */
};

struct lk_filter_chain {
    const struct lk_filter_chain_config *config;
    struct lk_str name;
    struct lk_network_filter_entry *filters; /* the last one is terminal */
    unsigned filter_count;
};

/* Instantiates the filters of one chain. *next_slot counts per-worker states over the listener. False after appending
 * to errors. */
bool lk_filter_chain_build(struct lk_filter_chain *chain, const struct lk_filter_chain_config *config,
                           struct lk_filter_context *context, unsigned *next_slot, struct lk_errors *errors);

/* Refuses chains that could never be told apart (Envoy: "overlapping matching rules"). */
bool lk_filter_chains_check(const struct lk_filter_chain *chains, size_t count, struct lk_errors *errors);

enum lk_chain_step {
    LK_CHAIN_DESTINATION_PORT,
    LK_CHAIN_DESTINATION_IP,
    LK_CHAIN_SERVER_NAME,
    LK_CHAIN_TRANSPORT,
    LK_CHAIN_APPLICATION,
    LK_CHAIN_DIRECT_SOURCE_IP,
    LK_CHAIN_SOURCE_TYPE,
    LK_CHAIN_SOURCE_IP,
    LK_CHAIN_SOURCE_PORT,
    LK_CHAIN_STEP_COUNT,
};

/* Told, step by step, which chains are still in. NULL when forwarding. */
struct lk_chain_trace {
    void (*on_step)(struct lk_chain_trace *trace, enum lk_chain_step step, const struct lk_filter_chain *chain,
                    bool stays);
};

/* The chain for a connection: at each step the most specific value that some remaining chain names wins, without
 * turning back (envoy FilterChainMatch). NULL: none. */
const struct lk_filter_chain *lk_filter_chain_match(const struct lk_filter_chain *chains, size_t count,
                                                    const struct lk_conn_info *info, struct lk_chain_trace *recorder);
