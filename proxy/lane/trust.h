/*
 * Who may hand us a mark. Two questions, both pure functions of the configuration and of what is known of the
 * connection: is the peer trusted, so that its marks count as they are; and if not, does a rule let this one mark in.
 * Compiled on the main thread, used by all workers; an optional recorder hears of every candidate, for the dry run on
 * `/lanes`.
 *
 * An identity is what mutual TLS proved (a SPIFFE id or another name of the certificate); it is empty on every other
 * connection, and then the address speaks.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/error.h"
#include "proxy/config/listener_config.h"
#include "proxy/config/matcher.h"
#include "proxy/http/header_set.h"

enum lk_lane_role { LK_LANE_SIDECAR, LK_LANE_ENTRY };

struct lk_trust_peer {
    const struct lk_addr *remote; /* NULL: unknown; an IPv4 address in its own family, not mapped */
    struct lk_str identity;
};

struct lk_trust_sources {
    const struct lk_cidr *cidrs;
    size_t cidr_count;
    const struct lk_string_matcher *principals;
    size_t principal_count;
};

/* Lets marks of certain lanes in from certain peers. Each kind of condition that is given must hold; within a kind one
 * is enough. At least one must be given. */
struct lk_trust_grant {
    struct lk_trust_sources from;
    struct lk_header_key secret_header; /* name empty: no condition */
    struct lk_str secret;
    const struct lk_str *lanes; /* "*": every lane but shadow lanes, which must be named one by one */
    size_t lane_count;
};

struct lk_lane_trust {
    const struct lk_cidr *plaintext_cidrs; /* trusted when they show no identity */
    size_t plaintext_cidr_count;
    const struct lk_string_matcher *principals; /* trusted identities; none: those of trust_domain */
    size_t principal_count;
    struct lk_str trust_domain;                /* ours, for example "cluster.local"; empty: unknown */
    struct lk_trust_sources untrusted_sources; /* wins over the above: gateways that pass on what clients send */
    const struct lk_trust_grant *allow;
    size_t allow_count;
    struct lk_header_set secrets; /* compiled: the secret headers, to be removed from every request that came in */
};

/* Checks the grants and fills in what is compiled; mistakes are reported at allow[i]. */
bool lk_trust_compile(struct lk_lane_trust *trust, struct lk_arena *arena, struct lk_errors *errors) LK_MUST_CHECK;

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
 * Outbound, the peer is the local application: trusted. Inbound: untrusted_sources are not trusted; an identity is
 * trusted when `principals` match, or, in a sidecar without principals, when it belongs to the trust domain; a
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

/* Whether an untrusted peer may bring this lane's mark. */
enum lk_trust_result lk_trust_allows(const struct lk_lane_trust *trust, const struct lk_trust_peer *peer,
                                     const struct lk_headers *headers, struct lk_str lane,
                                     const struct lk_trust_recorder *recorder);
