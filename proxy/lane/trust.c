/*
 * Trust decisions about marks, see trust.h. Workers; lk_trust_compile on the main thread.
 */
#include "proxy/lane/trust.h"

#include "proxy/config/lane_name.h"
#include "proxy/http/validate.h"

static const struct lk_str any_lane = LK_STR_INIT("*");

/* ---- compilation ---- */

static void check_lanes(const struct lk_trust_grant *grant, struct lk_errors *errors)
{
    if (grant->lane_count == 0)
        lk_errors_add_at(errors, "lanes", "a rule must name lanes, or \"*\"");
    for (size_t i = 0; i < grant->lane_count; i++) {
        struct lk_str lane = grant->lanes[i];
        size_t mark = lk_errors_push_index(errors, "lanes", i);
        if (!lk_str_eq(lane, any_lane) && (!lk_lane_name_valid(lane) || lk_lane_name_is_base(lane)))
            lk_errors_add(errors, "\"%.*s\" is neither a lane's name nor \"*\"", LK_STR_ARG(lane));
        lk_errors_pop(errors, mark);
    }
}

static void check_secret(const struct lk_trust_grant *grant, struct lk_errors *errors)
{
    const struct lk_header_key *key = &grant->secret_header;
    if (key->name.len == 0)
        return;
    if (!lk_trailer_allowed(key->id))
        lk_errors_add_at(errors, "secret_header", "%.*s cannot hold a secret", LK_STR_ARG(key->name));
    if (grant->secret.len == 0)
        lk_errors_add_at(errors, "secret_header", "the secret is empty");
}

static void check_grant(const struct lk_trust_grant *grant, struct lk_errors *errors)
{
    if (grant->from.cidr_count == 0 && grant->from.principal_count == 0 && grant->secret_header.name.len == 0)
        lk_errors_add(errors, "a rule without a condition would let everybody in");
    check_lanes(grant, errors);
    check_secret(grant, errors);
}

bool lk_trust_compile(struct lk_lane_trust *trust, struct lk_arena *arena, struct lk_errors *errors)
{
    size_t before = errors->count;
    struct lk_header_key *secrets = lk_arena_array(arena, trust->allow_count + 1, sizeof(*secrets));
    size_t secret_count = 0;
    for (size_t i = 0; i < trust->allow_count; i++) {
        size_t mark = lk_errors_push_index(errors, "allow", i);
        check_grant(&trust->allow[i], errors);
        lk_errors_pop(errors, mark);
        if (trust->allow[i].secret_header.name.len > 0)
            secrets[secret_count++] = trust->allow[i].secret_header;
    }
    lk_header_set_init(&trust->secrets, arena, secrets, secret_count);
    return errors->count == before;
}

/* ---- candidates ---- */

/* Tells the recorder; returns whether the candidate held. */
static bool note(const struct lk_trust_recorder *recorder, const char *rule, size_t index, const char *why)
{
    if (recorder != NULL)
        recorder->note(recorder->arg, rule, index, why);
    return why == NULL;
}

static bool in_cidrs(const struct lk_cidr *cidrs, size_t count, const struct lk_trust_peer *peer, const char *rule,
                     const struct lk_trust_recorder *recorder)
{
    for (size_t i = 0; i < count; i++) {
        bool inside = peer->remote != NULL && lk_cidr_contains(&cidrs[i], peer->remote);
        if (note(recorder, rule, i, inside ? NULL : "the peer's address lies outside"))
            return true;
    }
    return false;
}

static bool in_principals(const struct lk_string_matcher *principals, size_t count, const struct lk_trust_peer *peer,
                          const char *rule, const struct lk_trust_recorder *recorder)
{
    for (size_t i = 0; i < count; i++) {
        bool known = peer->identity.len > 0;
        bool match = known && lk_string_matcher_match(&principals[i], peer->identity);
        const char *why = match ? NULL : known ? "the peer's identity does not match" : "the peer showed no identity";
        if (note(recorder, rule, i, why))
            return true;
    }
    return false;
}

/* spiffe://<trust domain>/... */
static bool in_trust_domain(struct lk_str domain, struct lk_str identity)
{
    struct lk_str scheme = LK_STR("spiffe://");
    if (domain.len == 0 || !lk_str_has_prefix(identity, scheme))
        return false;
    struct lk_str rest = lk_str_drop(identity, scheme.len);
    return lk_str_has_prefix(rest, domain) && rest.len > domain.len && rest.ptr[domain.len] == '/';
}

/* ---- decisions ---- */

static struct lk_trust_verdict verdict(bool trusted, const char *reason)
{
    return (struct lk_trust_verdict){trusted, reason};
}

static struct lk_trust_verdict classify_identity(const struct lk_lane_trust *trust, enum lk_lane_role role,
                                                 const struct lk_trust_peer *peer,
                                                 const struct lk_trust_recorder *recorder)
{
    if (in_principals(trust->principals, trust->principal_count, peer, "principals", recorder))
        return verdict(true, "identity in principals");
    if (trust->principal_count > 0)
        return verdict(false, "identity not in principals");
    if (role == LK_LANE_ENTRY)
        return verdict(false, "an entry has no principals by default");
    bool ours = in_trust_domain(trust->trust_domain, peer->identity);
    return note(recorder, "trust_domain", 0, ours ? NULL : "the peer's identity is of another domain")
               ? verdict(true, "identity of the same trust domain")
               : verdict(false, "identity of another trust domain");
}

struct lk_trust_verdict lk_trust_classify(const struct lk_lane_trust *trust, enum lk_lane_role role,
                                          enum lk_traffic_direction direction, const struct lk_trust_peer *peer,
                                          const struct lk_trust_recorder *recorder)
{
    const struct lk_trust_sources *out = &trust->untrusted_sources;
    if (direction == LK_DIRECTION_OUTBOUND)
        return verdict(true, "the local application");
    if (in_principals(out->principals, out->principal_count, peer, "untrusted_sources.principals", recorder))
        return verdict(false, "identity in untrusted_sources");
    if (in_cidrs(out->cidrs, out->cidr_count, peer, "untrusted_sources.cidrs", recorder))
        return verdict(false, "address in untrusted_sources");
    if (peer->identity.len > 0)
        return classify_identity(trust, role, peer, recorder);
    if (in_cidrs(trust->plaintext_cidrs, trust->plaintext_cidr_count, peer, "plaintext_cidrs", recorder))
        return verdict(true, "address in plaintext_cidrs");
    return verdict(false, "no identity, and address not in plaintext_cidrs");
}

static bool lists(const struct lk_trust_grant *grant, struct lk_str lane)
{
    bool shadow = lk_lane_name_is_shadow(lane);
    for (size_t i = 0; i < grant->lane_count; i++) {
        if (lk_str_eq(grant->lanes[i], lane) || (!shadow && lk_str_eq(grant->lanes[i], any_lane)))
            return true;
    }
    return false;
}

/* The time does not tell how many bytes agree. */
static bool same_secret(struct lk_str a, struct lk_str b)
{
    unsigned char differs = 0;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        differs |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
    return differs == 0;
}

static bool shows_secret(const struct lk_trust_grant *grant, const struct lk_headers *headers)
{
    const struct lk_header *h = lk_headers_find_key(headers, &grant->secret_header);
    for (; h != NULL; h = lk_headers_next(headers, h)) {
        if (same_secret(lk_str_trim(h->value), grant->secret))
            return true;
    }
    return false;
}

/* Why the grant does not let this mark in; NULL when it does. */
static const char *objection(const struct lk_trust_grant *grant, const struct lk_trust_peer *peer,
                             const struct lk_headers *headers, struct lk_str lane)
{
    const struct lk_trust_sources *from = &grant->from;
    bool conditions = from->cidr_count > 0 || from->principal_count > 0 || grant->secret_header.name.len > 0;
    if (!conditions)
        return "the rule has no condition";
    if (!lists(grant, lane))
        return lk_lane_name_is_shadow(lane) ? "the rule does not name the shadow lane" : "the rule is for other lanes";
    if (from->cidr_count > 0 && !in_cidrs(from->cidrs, from->cidr_count, peer, NULL, NULL))
        return "the peer's address lies outside";
    if (from->principal_count > 0 && !in_principals(from->principals, from->principal_count, peer, NULL, NULL))
        return "the peer's identity does not match";
    if (grant->secret_header.name.len > 0 && !shows_secret(grant, headers))
        return "the secret is missing or wrong";
    return NULL;
}

enum lk_trust_result lk_trust_allows(const struct lk_lane_trust *trust, const struct lk_trust_peer *peer,
                                     const struct lk_headers *headers, struct lk_str lane,
                                     const struct lk_trust_recorder *recorder)
{
    if (!lk_lane_name_valid(lane) || lk_lane_name_is_base(lane))
        return LK_TRUST_STRIP;
    for (size_t i = 0; i < trust->allow_count; i++) {
        if (note(recorder, "allow", i, objection(&trust->allow[i], peer, headers, lane)))
            return LK_TRUST_ALLOW;
    }
    return lk_lane_name_is_shadow(lane) ? LK_TRUST_REFUSE_SHADOW : LK_TRUST_STRIP;
}
