/*
 * What the tests of choosing hosts by lane share: a table made by hand, a cluster whose endpoints are written in a
 * line, and the outcome of a decision as a line.
 *
 * Endpoints: "lane=g,lane=g|h,lane=base!,-" are a, b, c, d: of lane g, of g and h, of base and unhealthy, without
 * metadata. '~' at the end is degraded; "istio:" before the labels is their namespace in place of envoy.lb; a digit
 * behind '@' at the end is the priority.
 */
#pragma once

#include "proxy/lane/lane_pick.h"
#include "test/support/upstream_fixture.h"
#include "test/unit/proxy/upstream/labels.h"

#include <stdio.h>

/* k falls back to p; t is strict; d is disabled, e has expired; h and q are plain. */
enum { BASE, G, K, P, T, S, D, E, H, Q, LANES };
#define WALL 1000000LL
#define START 100000u

struct fixture {
    struct upstream_fixture *up;
    struct lk_arena arena;
    struct lk_lane_table *table;
    struct lk_lane *lanes;
    struct lk_lane_filter_membership config;
    struct lk_lane_membership membership;
    struct lk_budgets *budgets;
    struct lk_budget_memo memo;
    struct lk_lane_ask ask;
    struct lk_cluster_config siblings[3];
    unsigned sibling_count;
    uint64_t now_ms;
};

static inline void make_table(struct fixture *f)
{
    static const char *const names[LANES] = {"base", "g", "k", "p", "t", "shadow-s", "d", "e", "h", "q"};

    f->table = lk_lane_table_new();
    f->table->hash = 77;
    f->lanes = lk_arena_array(f->table->arena, LANES, sizeof(*f->lanes));
    f->lanes[BASE] = f->table->lanes[0];
    for (uint16_t i = 1; i < LANES; i++) {
        f->lanes[i] = (struct lk_lane){.name = lk_str_from(names[i]),
                                       .index = i,
                                       .kind = LK_LANE_GRAY,
                                       .on_unhealthy = true,
                                       .min_healthy_percent = 1,
                                       .cap_percent = 20,
                                       .cap_min_rps = 10,
                                       .cap_window_ms = 1000,
                                       .absent_grace_ms = 5000};
        lk_map_set(&f->table->by_name, f->lanes[i].name, &f->lanes[i]);
    }
    f->lanes[K].parents[0] = P;
    f->lanes[K].parent_count = 1;
    f->lanes[T].mode = LK_LANE_STRICT;
    f->lanes[S].kind = LK_LANE_SHADOW;
    f->lanes[S].mode = LK_LANE_STRICT;
    f->lanes[D].state = LK_LANE_DISABLED;
    f->lanes[E].expires_us = WALL;
    f->table->lanes = f->lanes;
    f->table->lane_count = LANES;
}

static inline void init(struct fixture *f)
{
    static const struct lk_str path = LK_STR_INIT("lane");

    memset(f, 0, sizeof(*f));
    lk_arena_init(&f->arena);
    f->up = upstream_new(0);
    f->up->config.panic_percent = 0;
    make_table(f);
    f->config = (struct lk_lane_filter_membership){
        .metadata_namespace = LK_STR("envoy.lb"), .path = &path, .path_len = 1, .separator = ';'};
    f->budgets = lk_budgets_new(1);
    lk_budget_memo_init(&f->memo, f->budgets);
    f->now_ms = START;
    f->ask = (struct lk_lane_ask){
        .membership = &f->membership, .table = f->table, .budgets = &f->memo, .wall_us = WALL, .now_ms = START};
}

static inline void fini(struct fixture *f)
{
    upstream_free(f->up);
    lk_budget_memo_fini(&f->memo, f->now_ms);
    lk_budgets_free(f->budgets);
    lk_lane_table_unref(f->table);
    lk_arena_reset(&f->arena);
}

static inline void make_endpoint(struct fixture *f, struct lk_str spec, struct lk_endpoint *out, uint32_t *priority)
{
    struct lk_metadata *metadata;
    bool istio = lk_str_has_prefix(spec, LK_STR("istio:"));

    out->weight = 1;
    out->health = LK_HEALTH_HEALTHY;
    if (spec.len > 2 && spec.ptr[spec.len - 2] == '@') {
        *priority = (uint32_t)(spec.ptr[spec.len - 1] - '0');
        spec.len -= 2;
    }
    if (spec.ptr[spec.len - 1] == '!' || spec.ptr[spec.len - 1] == '~')
        out->health = spec.ptr[--spec.len] == '!' ? LK_HEALTH_UNHEALTHY : LK_HEALTH_DEGRADED;
    if (lk_str_eq(spec, LK_STR("-")))
        return;
    if (istio)
        spec = lk_str_drop(spec, 6);
    metadata = (struct lk_metadata *)test_metadata(&f->arena, lk_arena_cstr(&f->arena, spec));
    if (istio)
        ((struct lk_value *)metadata->root.children)->name = LK_STR("istio");
    out->metadata = metadata;
}

/* `first` letters are skipped, so that clusters differ. */
static inline struct lk_endpoints *make_endpoints(struct fixture *f, const char *text, unsigned first)
{
    struct lk_endpoints *all = lk_arena_zalloc(&f->arena, sizeof(*all));
    struct lk_locality_endpoints *groups = lk_arena_array(&f->arena, 26, sizeof(*groups));
    struct lk_endpoint *list = lk_arena_array(&f->arena, 26, sizeof(*list));
    struct lk_str rest = lk_str_from(text);

    for (unsigned i = 0; rest.ptr != NULL && rest.len > 0; i++) {
        groups[i] = (struct lk_locality_endpoints){.endpoints = &list[i], .endpoint_count = 1};
        make_endpoint(f, lk_str_split(&rest, ','), &list[i], &groups[i].priority);
        list[i].hostname = lk_arena_printf(&f->arena, "%c", (char)('a' + first + i));
        LK_CHECK(lk_addr_parse_ip(lk_arena_printf(&f->arena, "10.0.0.%u", first + i + 1), 80, &list[i].addr));
        all->locality_count++;
    }
    lk_ref_init(&all->ref);
    all->localities = groups;
    return all;
}

/* The cluster's endpoints, at first or anew. Membership is compiled from f->config. */
static inline void set_hosts(struct fixture *f, const char *text)
{
    if (f->up->clusters == NULL) {
        lk_lane_membership_init(&f->membership, &f->config);
        f->up->config.endpoints = make_endpoints(f, text, 0);
        upstream_start(f->up);
        return;
    }
    lk_cluster_set_hosts(f->up->cluster, lk_host_set_from_endpoints(f->up->cluster, make_endpoints(f, text, 0)));
    upstream_turn(f->up, 2);
}

/* Another cluster, its endpoints from letter q on. */
static inline struct lk_cluster_view *add_cluster(struct fixture *f, const char *name, const char *hosts)
{
    struct lk_cluster_config *config = &f->siblings[f->sibling_count];
    struct lk_cluster_view *view;
    struct lk_errors errors;

    *config = f->up->config;
    lk_ref_init(&config->ref);
    config->name = config->stat_name = lk_str_from(name);
    lk_errors_init(&errors);
    LK_CHECK(lk_clusters_add(f->up->clusters, config, &errors));
    lk_errors_fini(&errors);
    view = lk_cluster_view_get(f->up->clusters, f->up->loop, config->name);
    lk_cluster_set_hosts(view->cluster, lk_host_set_from_endpoints(view->cluster, make_endpoints(f, hosts, 16)));
    upstream_turn(f->up, 2);
    f->sibling_count++;
    return view;
}

/* The hosts of many picks in order, "ab"; "-": none. */
static inline const char *picks(const struct lk_lane_choice *choice, char text[32])
{
    const struct lk_pick any = {.original_dst = NULL};
    bool seen[26] = {false};
    size_t len = 0;

    for (unsigned i = 0; i < 100; i++) {
        struct lk_worker_host *wh = choice->whole ? lk_cluster_pick(choice->cluster, &any)
                                                  : lk_cluster_pick_from(choice->cluster, choice->hosts, &any);
        if (wh == NULL)
            return "-";
        seen[wh->host->hostname.ptr[0] - 'a'] = true;
        lk_worker_host_unref(wh);
    }
    for (unsigned i = 0; i < 26; i++) {
        if (seen[i])
            text[len++] = (char)('a' + i);
    }
    text[len] = 0;
    return text;
}

/* "g ok ab": the lane that serves, the reason, the hosts; "503 capped": refused; "none absent": nobody is there. */
static inline const char *outcome_of(const struct lk_lane_choice *choice)
{
    static char text[128];
    char hosts[32];
    const char *reason = lk_lane_reason_name(choice->reason);

    if (choice->refused || (choice->hosts == NULL && !choice->whole)) {
        LK_CHECK_LKSTR(choice->served, "");
        snprintf(text, sizeof(text), "%s %s", choice->refused ? "503" : "none", reason);
        return text;
    }
    snprintf(text, sizeof(text), "%.*s %s %s", LK_STR_ARG(choice->served), reason, picks(choice, hosts));
    return text;
}

static inline const char *decide_in(struct fixture *f, struct lk_cluster_view *cluster, const char *mark)
{
    struct lk_lane_choice choice;

    f->ask.now_ms = f->now_ms;
    lk_lane_ask_mark(&f->ask, lk_str_from(mark));
    choice = lk_lane_pick(&f->ask, cluster, NULL);
    return outcome_of(&choice);
}

static inline const char *decide(struct fixture *f, const char *mark)
{
    return decide_in(f, f->up->view, mark);
}

/* One decision on its own. */
struct pick_case {
    const char *hosts, *mark, *outcome;
};
#define CHECK_CASES(list_, change_)                                                                                    \
    for (size_t c_ = 0; c_ < LK_ARRAY_LEN(list_); c_++) {                                                              \
        const struct pick_case *case_ = &(list_)[c_];                                                                  \
        struct fixture f;                                                                                              \
        init(&f);                                                                                                      \
        change_;                                                                                                       \
        set_hosts(&f, case_->hosts);                                                                                   \
        const char *got_ = decide(&f, case_->mark);                                                                    \
        LK_CHECK_MSG(strcmp(got_, case_->outcome) == 0, "%s of \"%s\": \"%s\", not \"%s\"", case_->mark, case_->hosts, \
                     got_, case_->outcome);                                                                            \
        fini(&f);                                                                                                      \
    }
