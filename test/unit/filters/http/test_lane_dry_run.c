/* The dry run: that it decides as forwarding does, and leaves nothing behind. */
#include "proxy/lane/lane_dry_run.h"

#include "test/unit/filters/http/lane_members.h"

struct dry {
    struct lk_arena arena;
    struct lk_headers headers;
    struct lk_lane_dry_input input;
    struct lk_lane_dry_run *run;
};

/* headers: "name: value" pairs, ended by NULL. */
static void dry_run(struct dry *dry, struct world *w, const void *filter, const char *peer, const char *cluster,
                    const char *const *headers)
{
    memset(dry, 0, sizeof(*dry));
    lk_arena_init(&dry->arena);
    lk_headers_init(&dry->headers, &dry->arena);
    lk_headers_add(&dry->headers, LK_HEADER_METHOD, LK_STR("GET"));
    lk_headers_add(&dry->headers, LK_HEADER_PATH, LK_STR("/"));
    lk_headers_add(&dry->headers, LK_HEADER_AUTHORITY, LK_STR("b"));
    for (; *headers != NULL; headers += 2)
        lk_headers_add_raw(&dry->headers, lk_header_id_of(lk_str_from(headers[0])), lk_str_from(headers[0]),
                           lk_str_from(headers[1]));
    LK_CHECK(lk_addr_parse_ip(lk_str_from(peer), 0, &dry->input.peer));
    dry->input.headers = &dry->headers;
    if (cluster != NULL)
        dry->input.cluster = lk_cluster_view_get(w->t.clusters, w->t.loop, lk_str_from(cluster));
    dry->run = lk_lane_dry_run_new(filter, w->t.loop, &dry->input);
}

static void dry_end(struct dry *dry)
{
    lk_lane_dry_run_free(dry->run);
    lk_arena_reset(&dry->arena);
}

static struct lk_str forwarded(const struct dry *dry, const char *name)
{
    const struct lk_header *header = lk_headers_find_name(dry->run->forwarded, lk_str_from(name));

    return header != NULL ? header->value : LK_STR("(none)");
}

/* Everything that is counted, in one number. */
static uint64_t all_counts(struct world *w)
{
    static const char *const names[] = {
        "lane.gray.rq_in",   "lane.gray.stripped", "lane.shadow-l.shadow_refused", "lane.stripped",  "lane.conflict",
        "lane.untied",       "lane.invalid",       "lane._other.unknown",          "lane.old.rq_in", "lane.other.rq_in",
        "lane.suspect_lost", "lane.carry.lost",    "lane.carry.carried",           "lane.ambiguous",
    };
    uint64_t sum = 0;

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        sum += counter(w, names[i]);
    return sum;
}

LK_TEST(lane_dry_run, decides_as_forwarding_does)
{
    static const struct {
        const char *peer, *headers[5], *requested;
        enum lk_lane_dry_outcome outcome;
    } rows[] = {
        {"10.1.2.3", {"x-lane", "gray", NULL}, "gray", LK_LANE_DRY_KEPT},
        {"10.1.2.3", {"baggage", "k=v,lane=gray", NULL}, "gray", LK_LANE_DRY_KEPT},
        {"10.1.2.3", {"x-lane", "nobody", NULL}, "nobody", LK_LANE_DRY_KEPT},
        {"10.1.2.3", {NULL}, "", LK_LANE_DRY_NONE},
        {"10.1.2.3", {"x-lane", "gray", "baggage", "lane=other", NULL}, "", LK_LANE_DRY_DROPPED},
        {"10.1.2.3", {"x-lane", "Gray", NULL}, "", LK_LANE_DRY_DROPPED},
        {"192.0.2.1", {"x-lane", "gray", NULL}, "", LK_LANE_DRY_STRIPPED},
        {"192.0.2.1", {"x-version", "2", NULL}, "", LK_LANE_DRY_STRIPPED},
        {"192.0.2.1", {"x-lane", "shadow-l", NULL}, "shadow-l", LK_LANE_DRY_REFUSED},
        {"10.1.2.3", {"x-lane", "shadow-l", NULL}, "shadow-l", LK_LANE_DRY_REFUSED},
        {"10.1.2.3", {"x-lane", "Shadow-L", NULL}, "", LK_LANE_DRY_REFUSED},
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct chain_harness *h;
        struct world w;
        struct dry dry;

        world_init(&w, "");
        dry_run(&dry, &w, w.in, rows[i].peer, NULL, rows[i].headers);
        LK_CHECK_STR(lk_lane_dry_outcome_name(dry.run->outcome), lk_lane_dry_outcome_name(rows[i].outcome));
        LK_CHECK_LKSTR(dry.run->requested.len > 0 ? dry.run->requested : LK_STR(""), rows[i].requested);
        LK_CHECK_EQ_UINT(all_counts(&w), 0);
        LK_CHECK_EQ_UINT(dry.headers.count,
                         3 + (rows[i].headers[0] != NULL) + (rows[i].headers[0] && rows[i].headers[2]));

        h = begin(&w, w.in, "b");
        LK_CHECK(lk_addr_parse_ip(lk_str_from(rows[i].peer), 1000, &h->conn.remote));
        for (const char *const *header = rows[i].headers; *header != NULL; header += 2)
            chain_set(h, header[0], header[1]);
        chain_request(h, true);
        LK_CHECK_EQ_INT(h->local_status == 503, dry.run->details != NULL);
        LK_CHECK_EQ_UINT(h->stream.info.flags, dry.run->flags);
        if (dry.run->forwarded != NULL) {
            LK_CHECK_LKSTR_EQ(sent(h, "x-lane"), forwarded(&dry, "x-lane"));
            LK_CHECK_LKSTR_EQ(sent(h, "baggage"), forwarded(&dry, "baggage"));
            LK_CHECK_LKSTR_EQ(sent(h, "x-version"), forwarded(&dry, "x-version"));
        }
        chain_harness_free(h);
        dry_end(&dry);
        world_fini(&w);
    }
}

LK_TEST(lane_dry_run, leaves_nothing_behind)
{
    static const char *const headers[] = {"x-lane", "gray", "traceparent", TRACE, NULL};
    const struct lk_lane_settings *settings;
    struct lk_association_stats stats;
    struct world w;
    struct dry dry;

    world_init(&w, "");
    settings = w.in;
    for (unsigned i = 0; i < 3; i++) {
        dry_run(&dry, &w, w.in, "10.1.2.3", NULL, headers);
        dry_end(&dry);
        dry_run(&dry, &w, w.out, "10.1.2.3", "b", headers);
        dry_end(&dry);
    }
    LK_CHECK_EQ_UINT(all_counts(&w), 0);
    lk_association_read_stats(settings->runtime->association, &stats);
    LK_CHECK_EQ_UINT(stats.inserts + stats.hits + stats.misses, 0);
    LK_CHECK_EQ_UINT(lk_association_size(settings->runtime->association), 0);
    LK_CHECK_EQ_UINT(atomic_load(&settings->runtime->in_flight.marked), 0);
    LK_CHECK_EQ_UINT(atomic_load(&settings->runtime->in_flight.unmarked), 0);
    world_fini(&w);
}

LK_TEST(lane_dry_run, tells_every_candidate_of_trust)
{
    static const char *const headers[] = {"x-lane", "gray", NULL};
    struct world w;
    struct dry dry;

    world_init(&w, "");
    dry_run(&dry, &w, w.in, "192.0.2.1", NULL, headers);
    LK_CHECK(!dry.run->trust.trusted);
    LK_CHECK_EQ_UINT(dry.run->trust_candidates.count, 1);
    LK_CHECK_STR(dry.run->trust_candidates.items[0].rule, "plaintext_cidrs");
    LK_CHECK_STR(dry.run->trust_candidates.items[0].why, "the peer's address lies outside");
    LK_CHECK(dry.run->asked_allow);
    LK_CHECK_EQ_INT(dry.run->allow, LK_TRUST_STRIP);
    LK_CHECK_LKSTR(dry.run->mark_header, "x-lane");
    dry_end(&dry);
    dry_run(&dry, &w, w.in, "10.9.9.9", NULL, headers);
    LK_CHECK(dry.run->trust.trusted);
    LK_CHECK_NULL(dry.run->trust_candidates.items[0].why);
    LK_CHECK(!dry.run->asked_allow);
    dry_end(&dry);
    world_fini(&w);
}

LK_TEST(lane_dry_run, an_identity_stands_over_the_address)
{
    struct lk_headers block;
    struct lk_lane_dry_run *run;
    struct lk_lane_dry_input input = {.headers = &block, .identity = LK_STR("spiffe://elsewhere/x")};
    struct lk_arena arena;
    struct world w;

    world_init(&w, "");
    lk_arena_init(&arena);
    lk_headers_init(&block, &arena);
    LK_CHECK(lk_addr_parse_ip(LK_STR("10.1.2.3"), 0, &input.peer));
    run = lk_lane_dry_run_new(w.in, w.t.loop, &input);
    LK_CHECK(!run->trust.trusted);
    LK_CHECK_STR(run->trust.reason, "identity of another trust domain");
    lk_lane_dry_run_free(run);
    lk_arena_reset(&arena);
    world_fini(&w);
}

LK_TEST(lane_dry_run, asks_entry_rules_at_an_entry)
{
    static const char *const headers[] = {"x-user", "jason", NULL}, *const others[] = {"x-user", "ann", NULL};
    struct world w;
    struct dry dry;

    world_init(&w, "");
    set_members(&w, "b", "lane=gray,-");
    dry_run(&dry, &w, w.entry, "192.0.2.1", "b", headers);
    LK_CHECK(dry.run->entered);
    LK_CHECK_EQ_INT(dry.run->entry.reason, LK_ENTRY_BY_RULE);
    LK_CHECK_EQ_UINT(dry.run->rule_count, 1);
    LK_CHECK_EQ_INT(dry.run->rules[0].verdict, LK_ENTRY_TAKEN);
    LK_CHECK_LKSTR(dry.run->requested, "gray");
    LK_CHECK(dry.run->chosen);
    LK_CHECK_LKSTR(dry.run->choice.served, "gray");
    LK_CHECK_EQ_UINT(dry.run->step_count, 1);
    dry_end(&dry);
    dry_run(&dry, &w, w.entry, "192.0.2.1", "b", others);
    LK_CHECK_EQ_INT(dry.run->entry.reason, LK_ENTRY_NO_RULE);
    LK_CHECK_EQ_INT(dry.run->rules[0].verdict, LK_ENTRY_FELL_HEADER);
    LK_CHECK_LKSTR(dry.run->choice.served, "base");
    dry_end(&dry);
    world_end(&w);
}

LK_TEST(lane_dry_run, tells_what_leaves_the_mesh)
{
    static const char *const headers[] = {"x-lane", "gray", "baggage", "a=b", NULL};
    static const char *const shadow[] = {"x-lane", "shadow-l", NULL};
    struct world w;
    struct dry dry;

    world_init(&w, "");
    set_members(&w, "b", "-");
    dry_run(&dry, &w, w.out, "10.1.2.3", NULL, headers);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_OPEN);
    dry_end(&dry);
    dry_run(&dry, &w, w.out, "10.1.2.3", "internet", headers);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_STRIPPED);
    LK_CHECK_LKSTR(forwarded(&dry, "x-lane"), "(none)");
    LK_CHECK_LKSTR(forwarded(&dry, "baggage"), "a=b");
    LK_CHECK(!dry.run->chosen);
    dry_end(&dry);
    dry_run(&dry, &w, w.out, "10.1.2.3", "internet", shadow);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_REFUSED);
    LK_CHECK_NULL(dry.run->forwarded);
    dry_end(&dry);
    dry_run(&dry, &w, w.out, "10.1.2.3", "b", headers);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_KEPT);
    LK_CHECK_LKSTR(dry.run->choice.served, "base");
    LK_CHECK_EQ_INT(dry.run->choice.reason, LK_LANE_REASON_ABSENT);
    LK_CHECK_EQ_UINT(dry.run->step_count, 2);
    dry_end(&dry);
    world_end(&w);
}

LK_TEST(lane_dry_run, works_before_any_table_has_come)
{
    static const char *const headers[] = {"x-lane", "gray", NULL}, *const shadow[] = {"x-lane", "shadow-l", NULL};
    struct typed_test t;
    struct world w;
    struct dry dry;
    const void *filter;

    memset(&w, 0, sizeof(w));
    typed_init(&t);
    filter = configure(&t, LK_DIRECTION_INBOUND, "{" TRUSTED "}");
    LK_CHECK_NOT_NULL(filter);
    w.t = t;
    dry_run(&dry, &w, filter, "10.1.2.3", NULL, headers);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_KEPT);
    LK_CHECK_EQ_INT(dry.run->standing, LK_LANE_IS_UNKNOWN);
    dry_end(&dry);
    dry_run(&dry, &w, filter, "10.1.2.3", NULL, shadow);
    LK_CHECK_EQ_INT(dry.run->outcome, LK_LANE_DRY_REFUSED);
    dry_end(&dry);
    typed_fini(&t);
}
