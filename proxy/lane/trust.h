/*
 * Who may hand us a mark. Two questions, both pure functions of the configuration and of what is known of the
 * connection: is the peer trusted, so that its marks count as they are; and if not, does a rule let this one mark in.
 * Prepared on the main thread, used by all workers; an optional recorder hears of every candidate, for the dry run on
 * `/lanes`.
 *
 * An identity is what mutual TLS proved (a SPIFFE id or another name of the certificate); it is empty on every other
 * connection, and then the address speaks.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/config/lane_filter_config.h"
#include "proxy/config/listener_config.h"
#include "proxy/http/header_set.h"

enum lk_lane_role { LK_LANE_SIDECAR, LK_LANE_ENTRY };

struct lk_trust_peer {
    const struct lk_addr *remote; /* NULL: unknown; an IPv4 address in its own family, not mapped */
    struct lk_str identity;
};

struct lk_lane_trust {
    const struct lk_lane_filter_trust *config;
    struct lk_str trust_domain;              /* ours, for example "cluster.local"; empty: unknown */
    const struct lk_header_key *secret_keys; /* of config->allow, in its order */
    struct lk_header_set secrets;            /* the same names: to be removed from requests before they go on */
};

/* The configuration outlives the result. Main thread. */
void lk_trust_init(struct lk_lane_trust *trust, struct lk_arena *arena, const struct lk_lane_filter_trust *config,
                   struct lk_str trust_domain);

/* Told of every candidate in the order of the decision. `rule` is the field path without index ("allow",
 * "principals", ...), `index` its element; `why` says why it fell, NULL when it holds. */
struct lk_trust_recorder {
    void (*note)(void *arg, const char *rule, size_t index, const char *why);
    void *arg;
};

struct lk_trust_verdict {
    bool trusted;
    const char *reason; /* static text */
};

/*
 * Outbound, the peer is the local application: trusted. Inbound: identities in untrusted_sources are not trusted;
 * others are when `principals` match, or, in a sidecar without principals, when they belong to the trust domain; a
 * connection without identity is trusted when its address lies in plaintext_cidrs. An identity that is not trusted is
 * not saved by its address. An entry trusts nobody by default, only what is configured.
 */
struct lk_trust_verdict lk_trust_classify(const struct lk_lane_trust *trust, enum lk_lane_role role,
                                          enum lk_traffic_direction direction, const struct lk_trust_peer *peer,
                                          const struct lk_trust_recorder *recorder);

enum lk_trust_result {
    LK_TRUST_STRIP,         /* the mark goes, the request goes on without */
    LK_TRUST_ALLOW,         /* the mark stands */
    LK_TRUST_REFUSE_SHADOW, /* the request must be refused: without its mark pressure-test traffic would become real */
};

/* Whether an untrusted peer may bring this lane's mark: all conditions of some rule in `allow` hold (at least one is
 * set) and it lists the lane. "*" lists every lane but shadow lanes, which are named one by one. Secrets are compared
 * in constant time. */
enum lk_trust_result lk_trust_allows(const struct lk_lane_trust *trust, const struct lk_trust_peer *peer,
                                     const struct lk_headers *headers, struct lk_str lane,
                                     const struct lk_trust_recorder *recorder);
