// The backend of the benchmark: options, accept loop, and the report that it prints when it is told to
// stop. One thread.
#include "test/bench/tools/backend.h"
#include "test/bench/tools/args.h"
#include "test/bench/tools/net.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;

static void on_terminate(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static void usage(void)
{
    fprintf(stderr, "usage: lk-bench-backend [--port N] [--size BYTES] [--idle-close MS]\n"
                    "    [--jitter MS] [--delay MS] [--numbers N]\n"
                    "Prints its port, serves until SIGTERM, then prints its counts as JSON.\n");
    exit(2);
}

static uint64_t milliseconds(const char *option, const char *text)
{
    return (uint64_t)(lk_bench_arg_decimal(option, text) * 1e6);
}

static uint16_t parse_options(int argc, char **argv, struct lk_backend_options *options)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},
        {"size", required_argument, NULL, 's'},
        {"idle-close", required_argument, NULL, 'i'},
        {"jitter", required_argument, NULL, 'j'},
        {"delay", required_argument, NULL, 'd'},
        {"numbers", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    uint16_t port = 0;
    options->size = 128;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (o) {
        case 'p':
            port = (uint16_t)lk_bench_arg_number("port", optarg, UINT16_MAX);
            break;
        case 's':
            options->size = lk_bench_arg_number("size", optarg, 1u << 30);
            break;
        case 'i':
            options->idle_ns = milliseconds("idle-close", optarg);
            break;
        case 'j':
            options->jitter_ns = milliseconds("jitter", optarg);
            break;
        case 'd':
            options->delay_ns = milliseconds("delay", optarg);
            break;
        case 'n':
            options->numbers = lk_bench_arg_number("numbers", optarg, 100000000);
            break;
        default:
            usage();
        }
    }
    if (optind != argc || options->jitter_ns > options->idle_ns)
        usage();
    return port;
}

static void make_response(struct lk_backend *backend)
{
    size_t body = (size_t)backend->options.size;
    backend->response = lk_bench_alloc(1, body + 256);
    int head = snprintf(backend->response, 256,
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %zu\r\n\r\n", body);
    memset(backend->response + head, 'x', body);
    backend->response_size = (size_t)head + body;
}

static void on_accept(struct lk_backend *backend, int epoll_fd, int listener)
{
    for (int fd; (fd = lk_bench_accept(listener)) >= 0;)
        lk_bench_watch(epoll_fd, fd, lk_backend_conn_new(backend, fd));
}

static void run(struct lk_backend *backend, int listener)
{
    int epoll_fd = lk_bench_epoll();
    lk_bench_watch(epoll_fd, listener, NULL);
    bool timed = backend->options.idle_ns || backend->options.delay_ns;
    struct epoll_event events[LK_BENCH_BATCH];
    while (!stopping) {
        int count = epoll_wait(epoll_fd, events, LK_BENCH_BATCH, timed ? 1 : -1);
        bool swept = count == 0;
        for (int i = 0; i < count; i++) {
            struct lk_backend_conn *conn = events[i].data.ptr;
            if (!conn) {
                on_accept(backend, epoll_fd, listener);
                continue;
            }
            lk_backend_conn_event(backend, conn, events[i].events);
            swept |= conn->dead;
        }
        if (timed)
            lk_backend_timers(backend, lk_bench_now_ns());
        if (timed || swept)
            lk_backend_sweep(backend);
    }
    close(epoll_fd);
}

static void report(const struct lk_backend_counts *counts)
{
    printf("{\"connections\": %llu, \"requests\": %llu, \"numbered\": %llu, \"duplicates\": %llu, "
           "\"idle_closes\": %llu}\n",
           (unsigned long long)counts->connections, (unsigned long long)counts->requests,
           (unsigned long long)counts->numbered, (unsigned long long)counts->duplicates,
           (unsigned long long)counts->idle_closes);
}

int main(int argc, char **argv)
{
    struct lk_backend *backend = lk_bench_alloc(1, sizeof(*backend));
    uint16_t port = parse_options(argc, argv, &backend->options);
    struct sigaction action = {.sa_handler = on_terminate};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    backend->random = lk_bench_now_ns() | 1;
    backend->seen = lk_bench_alloc(backend->options.numbers + 1, 1);
    make_response(backend);
    int listener = lk_bench_listen(port);
    printf("%u\n", lk_bench_port(listener));
    fflush(stdout);
    run(backend, listener);
    report(&backend->counts);
    for (struct lk_backend_conn *conn = backend->first; conn; conn = conn->next)
        conn->dead = true;
    lk_backend_sweep(backend);
    free(backend->response);
    free(backend->seen);
    free(backend);
    return 0;
}
