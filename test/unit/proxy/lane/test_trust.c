/* Who is trusted with a mark, as truth tables; the recorder hears of every candidate. */
#include "proxy/lane/trust.h"
#include "test/support/header_text.h"

static const struct lk_string_matcher any_of_mesh = {.kind = LK_STRING_PREFIX, .text = LK_STR_INIT("spiffe://mesh/")};
static const struct lk_string_matcher gateway = {.kind = LK_STRING_EXACT, .text = LK_STR_INIT("spiffe://mesh/gw")};
static const struct lk_string_matcher tester = {.kind = LK_STRING_EXACT, .text = LK_STR_INIT("spiffe://lab/tester")};

static struct lk_cidr cidr_of(const char *ip, unsigned bits)
{
    struct lk_cidr cidr;
    LK_CHECK(lk_cidr_parse(lk_str_from(ip), bits, &cidr));
    return cidr;
}

/* The peer of an address (NULL: unknown) and an identity. */
struct peer {
    struct lk_addr addr;
    struct lk_trust_peer peer;
};

static void peer_set(struct peer *p, const char *ip, const char *identity)
{
    *p = (struct peer){.peer.identity = lk_str_from(identity)};
    if (ip == NULL)
        return;
    LK_CHECK(lk_addr_parse_ip(lk_str_from(ip), 1234, &p->addr));
    p->peer.remote = &p->addr;
}

/* What the recorder was told: "rule[index]: why; ". */
struct told {
    char text[1024];
};

static void tell(void *arg, const char *rule, size_t index, const char *why)
{
    struct told *told = arg;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof(told->text) - used, "%s[%zu]: %s; ", rule, index, why != NULL ? why : "yes");
}

struct classify_row {
    const char *ip, *identity;
    bool trusted;
    const char *reason;
};

struct prepared {
    struct lk_arena arena;
    struct lk_lane_trust trust;
};

static const struct lk_lane_trust *prepare(struct prepared *p, const struct lk_lane_filter_trust *config,
                                           const char *domain)
{
    lk_arena_init(&p->arena);
    lk_trust_init(&p->trust, &p->arena, config, lk_str_from(domain));
    return &p->trust;
}

static void check_classify(const struct lk_lane_filter_trust *config, const char *domain, enum lk_lane_role role,
                           enum lk_traffic_direction direction, const struct classify_row *table, size_t count)
{
    struct prepared prepared;
    const struct lk_lane_trust *trust = prepare(&prepared, config, domain);
    for (size_t i = 0; i < count; i++) {
        struct peer p;
        peer_set(&p, table[i].ip, table[i].identity);
        struct lk_trust_verdict verdict = lk_trust_classify(trust, role, direction, &p.peer, NULL);
        LK_CHECK_MSG(verdict.trusted == table[i].trusted, "row %zu: %s", i, verdict.reason);
        LK_CHECK_STR(verdict.reason, table[i].reason);
    }
    lk_arena_reset(&prepared.arena);
}

#define CHECK_CLASSIFY(config, domain, role, direction, table)                                                         \
    check_classify((config), (domain), (role), (direction), (table), LK_ARRAY_LEN(table))

LK_TEST(trust, nothing_configured_trusts_only_the_local_application)
{
    static const struct classify_row inbound[] = {
        {"10.0.0.1", "", false, "no identity, and address not in plaintext_cidrs"},
        {"127.0.0.1", "", false, "no identity, and address not in plaintext_cidrs"},
        {NULL, "", false, "no identity, and address not in plaintext_cidrs"},
        {"10.0.0.1", "spiffe://mesh/a", false, "identity of another trust domain"},
    };
    static const struct classify_row outbound[] = {
        {"10.0.0.1", "", true, "the local application"},
        {NULL, "", true, "the local application"},
    };
    struct lk_lane_filter_trust trust = {0};
    CHECK_CLASSIFY(&trust, "", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, inbound);
    CHECK_CLASSIFY(&trust, "", LK_LANE_SIDECAR, LK_DIRECTION_UNSPECIFIED, inbound);
    CHECK_CLASSIFY(&trust, "", LK_LANE_SIDECAR, LK_DIRECTION_OUTBOUND, outbound);
}

LK_TEST(trust, a_plaintext_peer_is_known_by_its_address)
{
    static const struct classify_row table[] = {
        {"10.1.2.3", "", true, "address in plaintext_cidrs"},
        {"10.2.0.1", "", false, "no identity, and address not in plaintext_cidrs"},
        {"fd00::1", "", true, "address in plaintext_cidrs"},
        {"fe80::1", "", false, "no identity, and address not in plaintext_cidrs"},
        {NULL, "", false, "no identity, and address not in plaintext_cidrs"},
        /* who shows an identity is judged by it */
        {"10.1.2.3", "spiffe://other/a", false, "identity of another trust domain"},
    };
    struct lk_cidr cidrs[] = {cidr_of("10.1.0.0", 16), cidr_of("fd00::", 8)};
    struct lk_lane_filter_trust trust = {.plaintext = {cidrs, 2}};
    CHECK_CLASSIFY(&trust, "", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, table);
}

LK_TEST(trust, without_principals_a_sidecar_trusts_its_own_domain)
{
    static const struct classify_row sidecar[] = {
        {"1.2.3.4", "spiffe://mesh/ns/a/sa/b", true, "identity of the same trust domain"},
        {NULL, "spiffe://mesh/a", true, "identity of the same trust domain"},
        {NULL, "spiffe://mesh", false, "identity of another trust domain"},
        {NULL, "spiffe://mesh.evil/a", false, "identity of another trust domain"},
        {NULL, "spiffe://evil/spiffe://mesh/a", false, "identity of another trust domain"},
        {NULL, "mesh/a", false, "identity of another trust domain"},
        {NULL, "spiffe://MESH/a", false, "identity of another trust domain"},
    };
    static const struct classify_row entry[] = {
        {NULL, "spiffe://mesh/a", false, "an entry has no principals by default"},
        {"1.2.3.4", "", false, "no identity, and address not in plaintext_cidrs"},
    };
    struct lk_lane_filter_trust trust = {0};
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, sidecar);
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_ENTRY, LK_DIRECTION_INBOUND, entry);
}

LK_TEST(trust, principals_replace_the_domain_and_hold_for_an_entry_too)
{
    static const struct classify_row table[] = {
        {NULL, "spiffe://lab/tester", true, "identity in principals"},
        {NULL, "spiffe://mesh/a", false, "identity not in principals"},
        {"10.1.2.3", "spiffe://mesh/a", false, "identity not in principals"},
        {"10.1.2.3", "", true, "address in plaintext_cidrs"},
    };
    struct lk_cidr cidr = cidr_of("10.1.0.0", 16);
    struct lk_lane_filter_trust trust = {.plaintext = {&cidr, 1}, .principals = {&tester, 1}};
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, table);
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_ENTRY, LK_DIRECTION_INBOUND, table);
}

LK_TEST(trust, untrusted_sources_win)
{
    static const struct classify_row table[] = {
        {"10.1.2.3", "spiffe://mesh/gw", false, "identity in untrusted_sources"},
        {"10.1.2.3", "", true, "address in plaintext_cidrs"},
        {"10.1.2.3", "spiffe://mesh/a", true, "identity in principals"},
    };
    static const struct classify_row domain[] = {
        {NULL, "spiffe://mesh/gw", false, "identity in untrusted_sources"},
        {NULL, "spiffe://mesh/a", true, "identity of the same trust domain"},
    };
    struct lk_cidr cidr = cidr_of("10.1.0.0", 16);
    struct lk_lane_filter_trust trust = {
        .plaintext = {&cidr, 1}, .principals = {&any_of_mesh, 1}, .untrusted = {&gateway, 1}};
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, table);
    trust.principals.count = 0;
    CHECK_CLASSIFY(&trust, "mesh", LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, domain);
}

LK_TEST(trust, the_recorder_hears_why_each_candidate_fell)
{
    struct lk_cidr cidrs[] = {cidr_of("10.1.0.0", 16), cidr_of("10.2.0.0", 16), cidr_of("10.3.0.0", 16)};
    struct lk_lane_filter_trust config = {.plaintext = {cidrs, 3}, .untrusted = {&gateway, 1}};
    struct prepared prepared;
    const struct lk_lane_trust *trust = prepare(&prepared, &config, "mesh");
    struct told told = {""};
    struct lk_trust_recorder recorder = {tell, &told};
    struct peer p;
    peer_set(&p, "10.2.0.1", "");
    LK_CHECK(lk_trust_classify(trust, LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, &p.peer, &recorder).trusted);
    LK_CHECK_STR(told.text, "untrusted_sources[0]: the peer showed no identity; "
                            "plaintext_cidrs[0]: the peer's address lies outside; plaintext_cidrs[1]: yes; ");
    told.text[0] = '\0';
    peer_set(&p, NULL, "spiffe://lab/x");
    LK_CHECK(!lk_trust_classify(trust, LK_LANE_SIDECAR, LK_DIRECTION_INBOUND, &p.peer, &recorder).trusted);
    LK_CHECK_STR(told.text, "untrusted_sources[0]: the peer's identity does not match; "
                            "trust_domain[0]: the peer's identity is of another domain; ");
    lk_arena_reset(&prepared.arena);
}

static const char *const result_names[] = {
    [LK_TRUST_STRIP] = "strip",
    [LK_TRUST_ALLOW] = "allow",
    [LK_TRUST_REFUSE_SHADOW] = "refuse",
};

struct allow_row {
    const char *ip, *identity, *headers, *lane;
    enum lk_trust_result result;
    const char *told;
};

static void check_allow(const struct lk_lane_filter_trust *config, const struct allow_row *table, size_t count)
{
    struct prepared prepared;
    const struct lk_lane_trust *trust = prepare(&prepared, config, "mesh");
    for (size_t i = 0; i < count; i++) {
        const struct allow_row *row = &table[i];
        struct peer p;
        struct header_text t;
        struct told told = {""};
        struct lk_trust_recorder recorder = {tell, &told};
        peer_set(&p, row->ip, row->identity);
        header_text_init(&t, row->headers);
        struct lk_str lane = lk_str_from(row->lane);
        enum lk_trust_result result = lk_trust_allows(trust, &p.peer, &t.headers, lane, NULL);
        LK_CHECK_MSG(result == row->result, "row %zu: %s", i, result_names[result]);
        LK_CHECK_EQ_INT(lk_trust_allows(trust, &p.peer, &t.headers, lane, &recorder), result);
        if (row->told != NULL)
            LK_CHECK_STR(told.text, row->told);
        header_text_fini(&t);
    }
    lk_arena_reset(&prepared.arena);
}

static struct lk_lane_filter_trust with_rules(const struct lk_lane_filter_allow *rules, size_t count)
{
    return (struct lk_lane_filter_trust){.allow = rules, .allow_count = count};
}

LK_TEST(trust, without_a_rule_marks_are_stripped_and_shadow_marks_refused)
{
    static const struct allow_row table[] = {
        {"10.0.0.1", "spiffe://mesh/a", "", "g", LK_TRUST_STRIP, ""},
        {"10.0.0.1", "spiffe://mesh/a", "", "shadow-l1", LK_TRUST_REFUSE_SHADOW, ""},
        {NULL, "", "", "g", LK_TRUST_STRIP, ""},
        {NULL, "", "", "shadow-l1", LK_TRUST_REFUSE_SHADOW, ""},
        {NULL, "", "", "shadow", LK_TRUST_STRIP, ""},
    };
    struct lk_lane_filter_trust trust = {0};
    check_allow(&trust, table, LK_ARRAY_LEN(table));
}

LK_TEST(trust, a_rule_lets_the_lanes_it_lists_in)
{
    static const struct lk_str lanes[] = {LK_STR_INIT("g"), LK_STR_INIT("shadow-l1")};
    static const struct allow_row table[] = {
        {NULL, "spiffe://lab/tester", "", "g", LK_TRUST_ALLOW, "allow[0]: yes; "},
        {NULL, "spiffe://lab/tester", "", "h", LK_TRUST_STRIP, "allow[0]: the rule is for other lanes; "},
        {NULL, "spiffe://lab/tester", "", "shadow-l1", LK_TRUST_ALLOW, "allow[0]: yes; "},
        {NULL, "spiffe://lab/tester", "", "shadow-l2", LK_TRUST_REFUSE_SHADOW,
         "allow[0]: the rule does not name the shadow lane; "},
        {NULL, "spiffe://lab/other", "", "g", LK_TRUST_STRIP, "allow[0]: the peer's identity does not match; "},
        {"10.0.0.1", "", "", "g", LK_TRUST_STRIP, NULL},
        {"10.0.0.1", "", "", "shadow-l1", LK_TRUST_REFUSE_SHADOW, NULL},
        /* no mark is let in by any rule */
        {NULL, "spiffe://lab/tester", "", "base", LK_TRUST_STRIP, ""},
        {NULL, "spiffe://lab/tester", "", "", LK_TRUST_STRIP, ""},
        {NULL, "spiffe://lab/tester", "", "G", LK_TRUST_STRIP, ""},
    };
    struct lk_lane_filter_allow rule = {.principals = {&tester, 1}, .lanes = lanes, .lane_count = 2};
    struct lk_lane_filter_trust trust = with_rules(&rule, 1);
    check_allow(&trust, table, LK_ARRAY_LEN(table));
}

LK_TEST(trust, the_star_means_every_lane_but_shadow_lanes)
{
    static const struct lk_str star = LK_STR_INIT("*");
    static const struct allow_row table[] = {
        {"10.1.2.3", "", "", "g", LK_TRUST_ALLOW, NULL},
        {"10.1.2.3", "spiffe://lab/x", "", "any.lane", LK_TRUST_ALLOW, NULL},
        {"10.1.2.3", "", "", "shadow-l1", LK_TRUST_REFUSE_SHADOW, NULL},
        {"10.2.2.3", "", "", "g", LK_TRUST_STRIP, "allow[0]: the peer's address lies outside; "},
        {NULL, "", "", "g", LK_TRUST_STRIP, NULL},
    };
    struct lk_cidr cidr = cidr_of("10.1.0.0", 16);
    struct lk_lane_filter_allow rule = {.cidrs = {&cidr, 1}, .lanes = &star, .lane_count = 1};
    struct lk_lane_filter_trust trust = with_rules(&rule, 1);
    check_allow(&trust, table, LK_ARRAY_LEN(table));
}

LK_TEST(trust, a_secret_opens_only_when_it_is_the_same)
{
    static const struct lk_str star = LK_STR_INIT("*");
    static const struct allow_row table[] = {
        {NULL, "", "x-secret: s3cret\n", "g", LK_TRUST_ALLOW, NULL},
        {NULL, "", "X-Secret:  s3cret \n", "g", LK_TRUST_ALLOW, NULL},
        {NULL, "", "x-secret: no\nx-secret: s3cret\n", "g", LK_TRUST_ALLOW, NULL},
        {NULL, "", "x-secret: S3cret\n", "g", LK_TRUST_STRIP, "allow[0]: the secret is missing or wrong; "},
        {NULL, "", "x-secret: s3cre\n", "g", LK_TRUST_STRIP, NULL},
        {NULL, "", "x-secret: s3crets\n", "g", LK_TRUST_STRIP, NULL},
        {NULL, "", "x-secret: \n", "g", LK_TRUST_STRIP, NULL},
        {NULL, "", "x-other: s3cret\n", "g", LK_TRUST_STRIP, NULL},
        {NULL, "", "x-secret: s3cret\n", "shadow-l1", LK_TRUST_REFUSE_SHADOW, NULL},
    };
    struct lk_lane_filter_allow rule = {
        .secret = {.name = LK_STR("x-secret"), .value = LK_STR("s3cret")},
        .lanes = &star,
        .lane_count = 1,
    };
    struct lk_lane_filter_trust trust = with_rules(&rule, 1);
    check_allow(&trust, table, LK_ARRAY_LEN(table));
}

LK_TEST(trust, all_conditions_of_a_rule_must_hold_and_one_rule_is_enough)
{
    static const struct lk_str g = LK_STR_INIT("g");
    static const struct lk_str h = LK_STR_INIT("h");
    static const struct allow_row table[] = {
        {"10.1.2.3", "spiffe://lab/tester", "x-secret: s\n", "g", LK_TRUST_ALLOW, "allow[0]: yes; "},
        {"10.2.2.3", "spiffe://lab/tester", "x-secret: s\n", "g", LK_TRUST_STRIP, NULL},
        {"10.1.2.3", "spiffe://lab/x", "x-secret: s\n", "g", LK_TRUST_STRIP, NULL},
        {"10.1.2.3", "spiffe://lab/tester", "", "g", LK_TRUST_STRIP, NULL},
        {"10.1.2.3", "", "", "h", LK_TRUST_ALLOW, "allow[0]: the rule is for other lanes; allow[1]: yes; "},
        /* a rule without a condition never opens */
        {"10.9.9.9", "", "", "h", LK_TRUST_STRIP,
         "allow[0]: the rule is for other lanes; allow[1]: the peer's address lies outside; "
         "allow[2]: the rule has no condition; "},
    };
    struct lk_cidr cidr = cidr_of("10.1.0.0", 16);
    struct lk_lane_filter_allow rules[] = {
        {{&cidr, 1}, {&tester, 1}, {.name = LK_STR("x-secret"), .value = LK_STR("s")}, &g, 1},
        {.cidrs = {&cidr, 1}, .lanes = &h, .lane_count = 1},
        {.lanes = &h, .lane_count = 1},
    };
    struct lk_lane_filter_trust trust = with_rules(rules, LK_ARRAY_LEN(rules));
    check_allow(&trust, table, LK_ARRAY_LEN(table));
}

LK_TEST(trust, secrets_can_be_taken_out_of_a_request)
{
    static const struct lk_str star = LK_STR_INIT("*");
    struct lk_cidr cidr = cidr_of("10.1.0.0", 16);
    struct lk_lane_filter_allow rules[] = {
        {.secret = {.name = LK_STR("x-s"), .value = LK_STR("s")}, .lanes = &star, .lane_count = 1},
        {.cidrs = {&cidr, 1}, .lanes = &star, .lane_count = 1},
        {.secret = {.name = LK_STR("x-t"), .value = LK_STR("t")}, .lanes = &star, .lane_count = 1},
    };
    struct lk_lane_filter_trust config = with_rules(rules, LK_ARRAY_LEN(rules));
    struct prepared prepared;
    const struct lk_lane_trust *trust = prepare(&prepared, &config, "");
    struct header_text t;
    header_text_init(&t, "x-s: s\nvia: 1\nX-T: wrong\n");
    LK_CHECK_EQ_UINT(lk_header_set_remove(&trust->secrets, &t.headers), 2);
    CHECK_HEADERS(&t, "via: 1\n");
    header_text_fini(&t);
    lk_arena_reset(&prepared.arena);
}
