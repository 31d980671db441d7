// The keep-alive race. Requests go out in waves: all connections at once, so that the proxy needs as
// many upstream connections, each of which was idle for about one period before. With a period around
// the server's idle timeout, requests and closes cross on the wire.
// Odd connections send POSTs with a number each, even ones GETs.
#include "test/bench/tools/load.h"

#include <stdio.h>
#include <stdlib.h>

#define STATUS_LIMIT 600

struct shot {
    uint64_t at_ns;
    struct lk_load_conn *conn;
};

struct race {
    struct lk_load_request get, post;
    struct shot *shots;
    uint64_t gets, posts, get_failures, post_failures;
    unsigned in_flight;
    uint64_t statuses[STATUS_LIMIT]; // of failures; 0: the connection broke
};

static int compare_shots(const void *a, const void *b)
{
    const struct shot *left = a, *right = b;
    return left->at_ns < right->at_ns ? -1 : left->at_ns > right->at_ns;
}

static void on_done(struct lk_load *load, struct lk_load_conn *conn, unsigned status)
{
    struct race *race = load->mode;
    race->in_flight--;
    if (status == 200)
        return;
    if (conn->post)
        race->post_failures++;
    else
        race->get_failures++;
    race->statuses[status < STATUS_LIMIT ? status : 0]++;
}

static void shoot(struct lk_load *load, struct lk_load_conn *conn)
{
    struct race *race = load->mode;
    conn->post = conn->index % 2;
    uint64_t *count = conn->post ? &race->posts : &race->gets;
    if (*count == load->options.requests)
        return;
    race->in_flight++;
    lk_load_conn_send(load, conn, conn->post ? &race->post : &race->get, (*count)++, lk_bench_now_ns());
}

static void wave(struct lk_load *load, uint64_t start_ns)
{
    struct race *race = load->mode;
    unsigned count = load->options.connections;
    uint64_t spread = (uint64_t)(load->options.spread_ms * 1e6) + 1;
    for (unsigned i = 0; i < count; i++)
        race->shots[i] = (struct shot){start_ns + lk_load_random(load, spread), &load->conns[i]};
    qsort(race->shots, count, sizeof(race->shots[0]), compare_shots);
    for (unsigned i = 0; i < count; i++) {
        while (lk_bench_now_ns() < race->shots[i].at_ns)
            lk_load_turn(load, race->shots[i].at_ns);
        shoot(load, race->shots[i].conn);
    }
    while (race->in_flight)
        lk_load_turn(load, lk_bench_now_ns() + 1000000000ull);
}

static void report(const struct lk_load *load, const struct race *race)
{
    printf("{\"gets\": %llu, \"get_failures\": %llu, \"posts\": %llu, \"post_failures\": %llu, "
           "\"connections_opened\": %llu, \"statuses\": {",
           (unsigned long long)race->gets, (unsigned long long)race->get_failures, (unsigned long long)race->posts,
           (unsigned long long)race->post_failures, (unsigned long long)load->opened);
    const char *separator = "";
    for (unsigned i = 0; i < STATUS_LIMIT; i++) {
        if (!race->statuses[i])
            continue;
        printf("%s\"%u\": %llu", separator, i, (unsigned long long)race->statuses[i]);
        separator = ", ";
    }
    printf("}}\n");
}

int lk_load_race(struct lk_load *load)
{
    static struct race race;
    load->mode = &race;
    load->on_done = on_done;
    lk_load_request_init(&race.get, &load->options, "GET", "/g/%N", 0);
    lk_load_request_init(&race.post, &load->options, "POST", "/n/%N", 16);
    race.shots = lk_bench_alloc(load->options.connections, sizeof(race.shots[0]));
    uint64_t period = (uint64_t)(load->options.period_ms * 1e6);
    uint64_t limit = load->options.requests;
    bool both = load->options.connections > 1;
    while (race.gets < limit || (both && race.posts < limit)) {
        uint64_t start = lk_bench_now_ns();
        wave(load, start);
        while (lk_bench_now_ns() < start + period)
            lk_load_turn(load, start + period);
    }
    report(load, &race);
    free(race.shots);
    free(race.get.text);
    free(race.post.text);
    return 0;
}
