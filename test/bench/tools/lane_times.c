// How long the lane code takes, without a request around it: a decision with many lanes and endpoints, and a table from
// its bytes until every worker has it. Prints one JSON object of medians; needs the proxy's libraries.
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/io/loop.h"
#include "proxy/lane/lane_pick.h"
#include "proxy/lane/lane_tables.h"
#include "xds/decode/lane_file.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LANES 256
#define ENDPOINTS 10000
#define WORKERS 4
#define PUSHES 101
#define BATCHES 101
#define DECISIONS 2000

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

/* A reference for the caller. */
static struct lk_lane_table *load(struct lk_str text)
{
    const struct lk_lane_file_options options = {.allow_unknown = false};
    struct lk_errors errors;
    struct lk_lane_table *table;

    lk_errors_init(&errors);
    table = lk_lane_text_load(text, LK_YAML_SYNTAX_JSON, &options, &errors);
    if (table == NULL)
        lk_panic("the table is refused: %s: %s", errors.items[0].path, errors.items[0].text);
    lk_errors_fini(&errors);
    return table;
}

/* Every second lane has a parent. */
static struct lk_str table_text(struct lk_arena *arena, unsigned revision)
{
    struct lk_str text = lk_arena_printf(arena, "{\"revision\": %u, \"lanes\": [", revision);

    for (unsigned i = 0; i < LANES; i++)
        text = lk_arena_printf(arena, "%.*s%s{\"name\": \"gray-%03u\"%s}", LK_STR_ARG(text), i > 0 ? "," : "", i,
                               i % 2 == 1 ? ", \"parent\": \"gray-000\"" : "");
    return lk_arena_printf(arena, "%.*s]}", LK_STR_ARG(text));
}

// --- one process -----------------------------------------------------------------------------------------------------

struct process {
    struct lk_arena arena;
    struct lk_stats *stats;
    struct lk_loop *loop;
    struct lk_loop *loops[1];
    struct lk_clusters *clusters;
    struct lk_lane_filter_config config;
    struct lk_lane_tables *tables;
};

static void process_init(struct process *p)
{
    struct lk_errors errors;
    const struct lk_loop_options loop_options = {.name = "bench"};
    const struct lk_lane_process_options options = {.stat_names = 0};

    memset(p, 0, sizeof(*p));
    lk_errors_init(&errors);
    lk_arena_init(&p->arena);
    p->stats = lk_stats_new(WORKERS + 1);
    p->loop = lk_loop_new(&loop_options);
    p->loops[0] = p->loop;
    p->clusters = lk_clusters_new(
        &(struct lk_clusters_options){.stats = p->stats, .main_loop = p->loop, .loops = p->loops, .loop_count = 1});
    p->config.carriers.header = LK_STR("x-lane");
    p->config.carriers.baggage_key = LK_STR("lane");
    struct lk_filter_context context = {
        .arena = &p->arena, .stats = p->stats, .main_loop = p->loop, .worker_count = WORKERS, .clusters = p->clusters};
    struct lk_lane_runtime *runtime = lk_lane_runtime_ref(&context, &options, &errors);
    p->tables = lk_lane_tables_ref(&context, runtime, &p->config, NULL, &errors);
    if (p->tables == NULL)
        lk_panic("no lane tables");
    lk_errors_fini(&errors);
}

// --- a push ----------------------------------------------------------------------------------------------------------

struct worker {
    pthread_t thread;
    struct lk_lane_source *source;
    unsigned index;
    sem_t request, answer;
    uint64_t revision; // of the table that the last request found; UINT64_MAX in place of a request: the end
};

// Each request asks for the table, as the lane filter does.
static void *work(void *arg)
{
    struct worker *worker = arg;
    struct lk_lane_reader reader;

    lk_stats_thread = worker->index;
    lk_lane_reader_init(&reader, worker->source);
    for (sem_wait(&worker->request); worker->revision != UINT64_MAX; sem_wait(&worker->request)) {
        const struct lk_lane_table *table = lk_lane_reader_get(&reader);

        worker->revision = table != NULL ? table->revision : 0;
        sem_post(&worker->answer);
    }
    lk_lane_reader_fini(&reader);
    return NULL;
}

static void start_workers(struct worker *workers, struct lk_lane_source *source)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.source = source, .index = i};
        sem_init(&workers[i].request, 0, 0);
        sem_init(&workers[i].answer, 0, 0);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            lk_panic("no thread");
    }
}

// A request on every worker at once; false: one of them has another table.
static bool all_have(struct worker *workers, uint64_t revision)
{
    bool all = true;

    for (unsigned i = 0; i < WORKERS; i++)
        sem_post(&workers[i].request);
    for (unsigned i = 0; i < WORKERS; i++) {
        sem_wait(&workers[i].answer);
        all &= workers[i].revision == revision;
    }
    return all;
}

static void stop_workers(struct worker *workers)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].revision = UINT64_MAX;
        sem_post(&workers[i].request);
        pthread_join(workers[i].thread, NULL);
    }
}

// Microseconds from the table's bytes.
struct push_times {
    double made[PUSHES], published[PUSHES], in_force[PUSHES];
};

static double since(uint64_t begin_ns)
{
    return (double)(now_ns() - begin_ns) / 1e3;
}

static void push(struct process *p, struct worker *workers, unsigned number, struct push_times *times)
{
    struct lk_arena arena;
    struct lk_str text;
    uint64_t begin;

    lk_arena_init(&arena);
    text = table_text(&arena, number + 1);
    begin = now_ns();
    struct lk_lane_table *table = load(text);
    times->made[number] = since(begin);
    lk_lane_source_publish(p->tables->source, table);
    times->published[number] = since(begin);
    if (!all_have(workers, number + 1))
        lk_panic("a table is not in force once it is published");
    times->in_force[number] = since(begin);
    lk_arena_reset(&arena);
}

static void time_pushes(struct process *p, struct push_times *times)
{
    struct worker workers[WORKERS];

    start_workers(workers, p->tables->source);
    for (unsigned i = 0; i < PUSHES; i++)
        push(p, workers, i, times);
    stop_workers(workers);
}

// --- a decision ------------------------------------------------------------------------------------------------------

// Endpoint i is in lane i % (LANES + 1); the last of those is base.
static struct lk_endpoints *make_endpoints(struct lk_arena *arena)
{
    struct lk_endpoints *all = lk_arena_zalloc(arena, sizeof(*all));
    struct lk_locality_endpoints *group = lk_arena_zalloc(arena, sizeof(*group));
    struct lk_endpoint *list = lk_arena_array(arena, ENDPOINTS, sizeof(*list));

    for (unsigned i = 0; i < ENDPOINTS; i++) {
        struct lk_str ip = lk_arena_printf(arena, "10.%u.%u.1", i / 256, i % 256);

        if (!lk_addr_parse_ip(ip, 80, &list[i].addr))
            lk_panic("no address: %.*s", LK_STR_ARG(ip));
        list[i].weight = 1;
        list[i].health = LK_HEALTH_HEALTHY;
        if (i % (LANES + 1) == LANES)
            continue;
        struct lk_value *values = lk_arena_array(arena, 2, sizeof(*values));
        struct lk_metadata *metadata = lk_arena_zalloc(arena, sizeof(*metadata));
        values[0] = (struct lk_value){.kind = LK_VALUE_OBJECT, .name = LK_STR("envoy.lb"), .children = &values[1]};
        values[0].child_count = 1;
        values[1] = (struct lk_value){.kind = LK_VALUE_TEXT,
                                      .name = LK_STR("lane"),
                                      .text = lk_arena_printf(arena, "gray-%03u", i % (LANES + 1))};
        metadata->root = (struct lk_value){.kind = LK_VALUE_OBJECT, .children = values, .child_count = 1};
        list[i].metadata = metadata;
    }
    *group = (struct lk_locality_endpoints){.endpoints = list, .endpoint_count = ENDPOINTS};
    lk_ref_init(&all->ref);
    all->localities = group;
    all->locality_count = 1;
    return all;
}

static void on_ready(void *arg)
{
    (void)arg;
}

static struct lk_cluster_view *add_cluster(struct process *p, struct lk_cluster_config *config)
{
    static const struct lk_circuit_limits limits[2] = {{.max_requests = 1024}, {.max_requests = 1024}};
    struct lk_errors errors;
    struct lk_error error;

    *config = (struct lk_cluster_config){.name = LK_STR("service"),
                                         .stat_name = LK_STR("service"),
                                         .type = LK_CLUSTER_STATIC,
                                         .limits = limits,
                                         .endpoints = make_endpoints(&p->arena)};
    lk_ref_init(&config->ref);
    lk_errors_init(&errors);
    if (!lk_clusters_add(p->clusters, config, &errors) || !lk_clusters_start(p->clusters, on_ready, NULL, &error))
        lk_panic("no cluster");
    lk_errors_fini(&errors);
    return lk_cluster_view_get(p->clusters, p->loop, config->name);
}

// Nanoseconds for one decision: the lane of a mark, its hosts, one of them.
static double time_decisions(struct process *p, struct lk_lane_table *table, bool marked)
{
    static const struct lk_str path = LK_STR_INIT("lane");
    const struct lk_lane_filter_membership membership_config = {
        .metadata_namespace = LK_STR("envoy.lb"), .path = &path, .path_len = 1, .separator = ';'};
    static struct lk_cluster_config cluster;
    static struct lk_cluster_view *view;
    struct lk_lane_membership membership;
    struct lk_budget_memo memo;
    struct lk_lane_ask ask = {.table = table, .membership = &membership, .budgets = &memo};
    double times[BATCHES];
    unsigned lane = 0;

    if (view == NULL)
        view = add_cluster(p, &cluster);
    lk_stats_thread = WORKERS;
    lk_lane_membership_init(&membership, &membership_config);
    lk_budget_memo_init(&memo, p->tables->runtime->budgets);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t begin = now_ns();

        for (unsigned i = 0; i < DECISIONS; i++) {
            lane = (lane * 5 + 113) % LANES; /* every lane in turn, in no order */
            ask.now_ms = lk_loop_now_ms(p->loop);
            lk_lane_ask_mark(&ask, marked ? table->lanes[1 + lane].name : LK_STR(""));
            struct lk_lane_choice choice = lk_lane_pick(&ask, view, NULL);
            struct lk_worker_host *host =
                lk_cluster_pick_from(choice.cluster, choice.hosts, &(struct lk_pick){.original_dst = NULL});
            if (host == NULL || !lk_str_eq(choice.served, marked ? table->lanes[1 + lane].name : LK_STR("base")))
                lk_panic("served by %.*s", LK_STR_ARG(choice.served));
            lk_worker_host_unref(host);
        }
        times[batch] = (double)(now_ns() - begin) / DECISIONS;
    }
    lk_budget_memo_fini(&memo, lk_clock_ms());
    return median(times, BATCHES);
}

int main(void)
{
    static struct push_times times;
    struct process p;
    double base, gray;

    process_init(&p);
    time_pushes(&p, &times);
    struct lk_lane_table *table = load(table_text(&p.arena, 1));
    base = time_decisions(&p, table, false);
    gray = time_decisions(&p, table, true);
    printf("{\"lanes\": %d, \"endpoints\": %d, \"workers\": %d, \"table_made_us\": %.1f, "
           "\"table_published_us\": %.1f, \"table_in_force_us\": %.1f, \"decision_base_ns\": %.0f, "
           "\"decision_lane_ns\": %.0f}\n",
           LANES, ENDPOINTS, WORKERS, median(times.made, PUSHES), median(times.published, PUSHES),
           median(times.in_force, PUSHES), base, gray);
    return 0;
}
