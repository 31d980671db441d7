// The benchmark's client: set-up, the turn of the loop, and the choice of the way of running.
#include "test/bench/tools/load.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

uint64_t lk_load_random(struct lk_load *load, uint64_t bound)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return load->random % bound;
}

void lk_load_turn(struct lk_load *load, uint64_t until_ns)
{
    struct epoll_event events[LK_BENCH_BATCH];
    uint64_t now = lk_bench_now_ns();
    uint64_t wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    int count = epoll_pwait2(load->epoll_fd, events, LK_BENCH_BATCH, &timeout, NULL);
    for (int i = 0; i < count; i++)
        lk_load_conn_event(load, events[i].data.ptr, events[i].events);
}

static void make_conns(struct lk_load *load)
{
    load->conns = lk_bench_alloc(load->options.connections, sizeof(load->conns[0]));
    for (unsigned i = 0; i < load->options.connections; i++) {
        load->conns[i].fd = -1;
        load->conns[i].index = i;
    }
}

static void free_conns(struct lk_load *load)
{
    for (unsigned i = 0; i < load->options.connections; i++) {
        if (load->conns[i].fd >= 0)
            close(load->conns[i].fd);
        free(load->conns[i].head);
        free(load->conns[i].numbered);
    }
    free(load->conns);
}

static int run_mode(struct lk_load *load)
{
    switch (load->options.mode) {
    case LK_LOAD_IDLE:
        return lk_load_idle(load);
    case LK_LOAD_RACE:
        return lk_load_race(load);
    case LK_LOAD_RUN:
        break;
    }
    return lk_load_run(load);
}

int main(int argc, char **argv)
{
    struct lk_load *load = lk_bench_alloc(1, sizeof(*load));
    lk_load_options_parse(argc, argv, &load->options);
    prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); // the schedule is kept to microseconds
    load->random = lk_bench_now_ns() | 1;
    load->epoll_fd = lk_bench_epoll();
    lk_load_request_init(&load->request, &load->options, load->options.method, load->options.path, load->options.body);
    make_conns(load);
    int code = run_mode(load);
    free_conns(load);
    free(load->request.text);
    close(load->epoll_fd);
    free(load);
    return code;
}
