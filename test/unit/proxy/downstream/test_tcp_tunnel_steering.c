/* The TCP relay and a filter before it that chooses the hosts, or refuses. */
#include "test/unit/proxy/downstream/tunnel_fixture.h"

#include "proxy/upstream/host_selector.h"

/* What the filter does, and what it was asked. */
static struct {
    struct lk_host_selector selector;
    const char *refuse; /* NULL: it lets the connection in */
    bool no_host, no_room;
    unsigned asked, steered;
    bool last[8];
} script;

static struct lk_host_selection select_one(struct lk_host_selector *self, struct lk_cluster_view *view,
                                           const struct lk_pick *pick, bool last)
{
    LK_CHECK_EQ_PTR(self, &script.selector);
    script.last[script.asked++] = last;
    if (script.no_room)
        return (struct lk_host_selection){
            .refused = true, .flag = LK_FLAG_LANE_SHADOW_REFUSED, .details = "not for you"};
    return (struct lk_host_selection){.host = script.no_host ? NULL : lk_cluster_pick(view, pick)};
}

static const char *steer(const struct lk_tcp_steering *self, struct lk_stream_info *info,
                         struct lk_cluster_view *cluster)
{
    (void)self;
    script.steered++;
    LK_CHECK_LKSTR(cluster->config->name, "upstream");
    info->selector = &script.selector;
    if (script.refuse != NULL)
        lk_stream_info_flag(info, LK_FLAG_LANE_SHADOW_REFUSED);
    return script.refuse;
}

static const struct lk_tcp_steering steering = {.steer = steer};

static void *gate_new(struct lk_session *session, const void *config, void *worker)
{
    (void)config;
    (void)worker;
    lk_session_info(session)->steering = &steering;
    return NULL; /* it has done what it is for */
}

static const void *gate_config(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    (void)context;
    (void)errors;
    return any;
}

static const struct lk_network_filter gate = {.name = "test.gate",
                                              .type = "test.Gate",
                                              .ends_in = "test.tunnel",
                                              .config_new = gate_config,
                                              .session_new = gate_new};
static const struct lk_network_filter lost_gate = {.name = "test.lost",
                                                   .type = "test.Lost",
                                                   .ends_in = "test.other",
                                                   .config_new = gate_config,
                                                   .session_new = gate_new};
static const struct lk_network_filter *const steered_filters[] = {&gate, &lost_gate, &tunnel_filter, NULL};
static const struct lk_registry steered = {.listener_filters = listener_filters,
                                           .network_filters = steered_filters,
                                           .http_filters = http_filters,
                                           .access_loggers = access_loggers};

static void begin_steered(struct tunnel_test *t, const char *filter)
{
    memset(t, 0, sizeof(*t));
    memset(&logged, 0, sizeof(logged));
    memset(&script, 0, sizeof(script));
    script.selector.select = select_one;
    t->f = session_new(&steered, 1);
    t->log.logger = &logger;
    t->config = (struct lk_tcp_proxy_config){
        .cluster = LK_STR("upstream"), .max_connect_attempts = 1, .access_logs = &t->log, .access_log_count = 1};
    session_network_filter(t->f, 0, filter, NULL);
    session_network_filter(t->f, 0, "test.tunnel", &t->config);
}

LK_TEST(tcp_tunnel_steering, the_filters_host_is_connected_to)
{
    struct tunnel_test t;
    int client, server;

    begin_steered(&t, "test.gate");
    connect_through(&t, &client, &server);
    upstream_write(client, "hello");
    LK_CHECK_STR(session_read(t.f, server, "hello"), "hello");
    close(client);
    session_expect_end(t.f, server);
    close(server);
    finish(&t);
    LK_CHECK_EQ_UINT(script.steered, 1);
    LK_CHECK_EQ_UINT(script.asked, 1);
    LK_CHECK(!script.last[0]);
    LK_CHECK_STR(logged.cluster, "upstream");
}

/* The client sees its connection end, the host sees none. */
static void expect_refusal(struct tunnel_test *t, uint64_t flags, unsigned none_healthy)
{
    int client;

    session_start(t->f);
    client = session_connect(t->f, 0);
    session_expect_end(t->f, client);
    close(client);
    LK_CHECK(!upstream_pending(t->f->up, 0));
    LK_CHECK_EQ_UINT(upstream_stat(t->f->up, LK_CLUSTER_CX_NONE_HEALTHY), none_healthy);
    finish(t);
    LK_CHECK_EQ_UINT(logged.lines, 1);
    LK_CHECK_EQ_UINT(logged.flags, flags);
}

LK_TEST(tcp_tunnel_steering, refused_before_a_host_is_chosen)
{
    struct tunnel_test t;

    begin_steered(&t, "test.gate");
    script.refuse = "out of the question";
    expect_refusal(&t, LK_FLAG_BIT(LANE_SHADOW_REFUSED), 0);
    LK_CHECK_EQ_UINT(script.asked, 0);
}

LK_TEST(tcp_tunnel_steering, refused_as_a_host_is_chosen)
{
    struct tunnel_test t;

    begin_steered(&t, "test.gate");
    t.config.max_connect_attempts = 3;
    script.no_room = true;
    expect_refusal(&t, LK_FLAG_BIT(LANE_SHADOW_REFUSED), 0);
    LK_CHECK_EQ_UINT(script.asked, 1); /* not tried again */
}

LK_TEST(tcp_tunnel_steering, no_host_is_no_healthy_upstream)
{
    struct tunnel_test t;

    begin_steered(&t, "test.gate");
    script.no_host = true;
    expect_refusal(&t, LK_FLAG_BIT(NO_HEALTHY_UPSTREAM), 1);
}

LK_TEST(tcp_tunnel_steering, each_attempt_asks_and_the_last_one_says_so)
{
    struct tunnel_test t;
    int client;

    begin_steered(&t, "test.gate");
    t.config.max_connect_attempts = 3;
    session_start(t.f);
    close(t.f->up->listeners[0]); /* refuses connects */
    t.f->up->listeners[0] = -1;
    client = session_connect(t.f, 0);
    session_expect_end(t.f, client);
    close(client);
    finish(&t);
    LK_CHECK_EQ_UINT(script.steered, 1);
    LK_CHECK_EQ_UINT(script.asked, 3);
    LK_CHECK(!script.last[0] && !script.last[1] && script.last[2]);
    LK_CHECK_EQ_UINT(logged.attempts, 3);
}

LK_TEST(tcp_tunnel_steering, filter_that_the_end_of_its_chain_does_not_ask_is_refused)
{
    struct tunnel_test t;
    struct lk_errors errors;

    begin_steered(&t, "test.lost");
    lk_errors_init(&errors);
    t.f->listeners = lk_listeners_new(1, 0);
    LK_CHECK(!lk_listeners_add(t.f->listeners, &t.f->config[0], &t.f->context, &errors));
    LK_CHECK_STR(errors.items[0].path, "filter_chains[0].filters[0]");
    LK_CHECK_STR(errors.items[0].text,
                 "test.lost has no effect in a chain that ends in test.tunnel, expected test.other");
    lk_errors_fini(&errors);
    lk_stats_scope_unref(t.config.stats);
    session_free(t.f);
}
