/*
 * Trust decisions about marks, see trust.h. Workers; lk_trust_init on the main thread.
 */
#include "proxy/lane/trust.h"

#include "proxy/config/lane_name.h"

void lk_trust_init(struct lk_lane_trust *trust, struct lk_arena *arena, const struct lk_lane_filter_trust *config,
                   struct lk_str trust_domain)
{
    struct lk_header_key *keys = lk_arena_array(arena, config->allow_count, sizeof(*keys));
    struct lk_header_key *named = lk_arena_array(arena, config->allow_count, sizeof(*named));
    size_t count = 0;
    for (size_t i = 0; i < config->allow_count; i++) {
        struct lk_str name = config->allow[i].secret.name;
        keys[i] = (struct lk_header_key){lk_header_id_of(name), name};
        if (name.len > 0)
            named[count++] = keys[i];
    }
    *trust = (struct lk_lane_trust){.config = config, .trust_domain = trust_domain, .secret_keys = keys};
    lk_header_set_init(&trust->secrets, arena, named, count);
}

/* ---- candidates ---- */

/* Tells the recorder; returns whether the candidate held. */
static bool note(const struct lk_trust_recorder *recorder, const char *rule, size_t index, const char *why)
{
    if (recorder != NULL)
        recorder->note(recorder->arg, rule, index, why);
    return why == NULL;
}

static bool in_cidrs(const struct lk_lane_cidrs *cidrs, const struct lk_trust_peer *peer, const char *rule,
                     const struct lk_trust_recorder *recorder)
{
    for (size_t i = 0; i < cidrs->count; i++) {
        bool inside = peer->remote != NULL && lk_cidr_contains(&cidrs->items[i], peer->remote);
        if (note(recorder, rule, i, inside ? NULL : "the peer's address lies outside"))
            return true;
    }
    return false;
}

static bool in_principals(const struct lk_lane_principals *principals, const struct lk_trust_peer *peer,
                          const char *rule, const struct lk_trust_recorder *recorder)
{
    for (size_t i = 0; i < principals->count; i++) {
        bool known = peer->identity.len > 0;
        bool match = known && lk_string_matcher_match(&principals->items[i], peer->identity);
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
    const struct lk_lane_principals *principals = &trust->config->principals;
    if (in_principals(principals, peer, "principals", recorder))
        return verdict(true, "identity in principals");
    if (principals->count > 0)
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
    if (direction == LK_DIRECTION_OUTBOUND)
        return verdict(true, "the local application");
    if (in_principals(&trust->config->untrusted, peer, "untrusted_sources", recorder))
        return verdict(false, "identity in untrusted_sources");
    if (peer->identity.len > 0)
        return classify_identity(trust, role, peer, recorder);
    if (in_cidrs(&trust->config->plaintext, peer, "plaintext_cidrs", recorder))
        return verdict(true, "address in plaintext_cidrs");
    return verdict(false, "no identity, and address not in plaintext_cidrs");
}

static bool lists(const struct lk_lane_filter_allow *rule, struct lk_str lane)
{
    bool shadow = lk_lane_name_is_shadow(lane);
    for (size_t i = 0; i < rule->lane_count; i++) {
        if (lk_str_eq(rule->lanes[i], lane) || (!shadow && lk_str_eq(rule->lanes[i], LK_STR("*"))))
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

static bool shows_secret(const struct lk_header_key *key, struct lk_str secret, const struct lk_headers *headers)
{
    const struct lk_header *h = lk_headers_find_key(headers, key);
    for (; h != NULL; h = lk_headers_next(headers, h)) {
        if (same_secret(lk_str_trim(h->value), secret))
            return true;
    }
    return false;
}

/* Why a rule does not let this mark in; NULL when it does. */
static const char *objection(const struct lk_lane_trust *trust, size_t index, const struct lk_trust_peer *peer,
                             const struct lk_headers *headers, struct lk_str lane)
{
    const struct lk_lane_filter_allow *rule = &trust->config->allow[index];
    bool secret = rule->secret.name.len > 0;
    if (rule->cidrs.count == 0 && rule->principals.count == 0 && !secret)
        return "the rule has no condition";
    if (!lists(rule, lane))
        return lk_lane_name_is_shadow(lane) ? "the rule does not name the shadow lane" : "the rule is for other lanes";
    if (rule->cidrs.count > 0 && !in_cidrs(&rule->cidrs, peer, NULL, NULL))
        return "the peer's address lies outside";
    if (rule->principals.count > 0 && !in_principals(&rule->principals, peer, NULL, NULL))
        return "the peer's identity does not match";
    if (secret && !shows_secret(&trust->secret_keys[index], rule->secret.value, headers))
        return "the secret is missing or wrong";
    return NULL;
}

enum lk_trust_result lk_trust_allows(const struct lk_lane_trust *trust, const struct lk_trust_peer *peer,
                                     const struct lk_headers *headers, struct lk_str lane,
                                     const struct lk_trust_recorder *recorder)
{
    if (!lk_lane_name_valid(lane) || lk_lane_name_is_base(lane))
        return LK_TRUST_STRIP;
    for (size_t i = 0; i < trust->config->allow_count; i++) {
        if (note(recorder, "allow", i, objection(trust, i, peer, headers, lane)))
            return LK_TRUST_ALLOW;
    }
    return lk_lane_name_is_shadow(lane) ? LK_TRUST_REFUSE_SHADOW : LK_TRUST_STRIP;
}
