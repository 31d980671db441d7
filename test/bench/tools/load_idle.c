// Many idle connections: each carries one request, then all stay open and silent until standard input
// ends, so that the proxy's memory can be read meanwhile.
#include "test/bench/tools/load.h"

#include <stdio.h>
#include <unistd.h>

struct idle {
    unsigned started, ended;
    uint64_t failures;
};

static void start_next(struct lk_load *load)
{
    struct idle *idle = load->mode;
    if (idle->started == load->options.connections)
        return;
    struct lk_load_conn *conn = &load->conns[idle->started];
    lk_load_conn_send(load, conn, &load->request, idle->started++, lk_bench_now_ns());
}

static void on_done(struct lk_load *load, struct lk_load_conn *conn, unsigned status)
{
    (void)conn;
    struct idle *idle = load->mode;
    idle->ended++;
    if (status != 200)
        idle->failures++;
    start_next(load);
}

static void wait_for_end_of_input(void)
{
    char ignored[64];
    while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
        ;
}

int lk_load_idle(struct lk_load *load)
{
    struct idle idle = {0};
    load->mode = &idle;
    load->on_done = on_done;
    for (unsigned i = 0; i < load->options.in_flight; i++)
        start_next(load);
    while (idle.ended < load->options.connections)
        lk_load_turn(load, lk_bench_now_ns() + 1000000000ull);
    printf("{\"connections\": %u, \"failures\": %llu}\n", load->options.connections, (unsigned long long)idle.failures);
    fflush(stdout);
    wait_for_end_of_input();
    lk_load_turn(load, 0);
    unsigned open = 0;
    for (unsigned i = 0; i < load->options.connections; i++)
        open += load->conns[i].fd >= 0;
    printf("{\"still_open\": %u}\n", open);
    return 0;
}
