/*
 * What the schedule of a check (health_checker.c) and the protocols it speaks (health_http.c, health_tcp.c) know of
 * each other. Main thread.
 */
#pragma once

#include "proxy/config/health_config.h"
#include "proxy/upstream/health_checker.h"

enum lk_check_result {
    LK_CHECK_PASSED,
    LK_CHECK_DEGRADED,  /* passed; the host says that it is degraded */
    LK_CHECK_FAILED,    /* the host says that it is not well: one is enough */
    LK_CHECK_RETRIABLE, /* the same, but the threshold decides */
    LK_CHECK_NETWORK,   /* no answer: connection refused, reset, cut short */
    LK_CHECK_TIMEOUT,
};

struct lk_check;

struct lk_probe_ops {
    /* One check: connects where there is no connection, sends, waits. The result comes through lk_check_done, maybe
     * before this returns. */
    void (*start)(struct lk_check *check);
    /* Closes the connection; no result follows. */
    void (*stop)(struct lk_check *check);
};
extern const struct lk_probe_ops lk_http_probe;
extern const struct lk_probe_ops lk_tcp_probe;

/* The checking of one host. */
struct lk_check {
    struct lk_list node;
    struct lk_health_checker *checker;
    struct lk_cluster *cluster;
    const struct lk_health_check_config *config;
    struct lk_host *host;   /* referenced: keeps what addr and hostname point into */
    struct lk_addr addr;    /* whom to ask */
    struct lk_str hostname; /* of the endpoint; empty: not given */
    const struct lk_probe_ops *ops;
    void *probe; /* the connection and what belongs to it; NULL: none */
    struct lk_timer interval, timeout;
    uint64_t generation; /* of the host set that it was last seen in */
    uint32_t passed_in_row, failed_in_row;
    bool first;   /* no result yet */
    bool awaited; /* somebody waits for its first result */
};

void lk_check_done(struct lk_check *check, enum lk_check_result result);
/* The response was asked whose it is (service_name_matcher). */
void lk_check_count_verified(struct lk_check *check);

/* Whether the blocks occur in the data, one behind the other. */
bool lk_check_payload_found(const struct lk_check_payload *payload, struct lk_str data);
/* Whether the status lies in one of the ranges. */
bool lk_status_ranges_have(const struct lk_status_ranges *ranges, unsigned status);
