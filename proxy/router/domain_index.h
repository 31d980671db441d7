/* The domains of a route configuration: which virtual host serves an authority. Part of the route table. */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/map.h"
#include "proxy/router/radix.h"

struct lk_domain_index {
    struct lk_map exact;           /* lower case */
    struct lk_radix_node suffixes; /* "*.foo.com" as "moc.oof." */
    struct lk_radix_node prefixes; /* "foo.*" as "foo." */
    bool has_suffixes, has_prefixes;
    void *any; /* "*" */
};

void lk_domain_index_init(struct lk_domain_index *index);
void lk_domain_index_fini(struct lk_domain_index *index);
/* value is what a look-up returns. The same domain twice is an error. */
bool lk_domain_index_add(struct lk_domain_index *index, struct lk_arena *arena, struct lk_str domain, void *value,
                         struct lk_error *error) LK_MUST_CHECK;
enum lk_domain_kind { LK_DOMAIN_EXACT, LK_DOMAIN_SUFFIX, LK_DOMAIN_PREFIX, LK_DOMAIN_ANY };
/* Told, in the order of the look-up, of every kind that was asked and of each domain of that kind that fits: domain
 * without its asterisk, in lower case and in short-lived memory. value NULL: none of the kind fits. */
struct lk_domain_trace {
    void (*on_domain)(struct lk_domain_trace *trace, enum lk_domain_kind kind, struct lk_str domain, void *value);
};

/* host: any case; NULL when nothing matches. scratch takes upper-case and very long names. recorder is NULL when
 * forwarding. */
void *lk_domain_index_find(const struct lk_domain_index *index, struct lk_arena *scratch, struct lk_str host,
                           struct lk_domain_trace *recorder);
/* Whether "*" is all there is, so that the authority does not matter. */
bool lk_domain_index_only_any(const struct lk_domain_index *index);
