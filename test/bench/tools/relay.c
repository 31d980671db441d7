// The floor of the benchmark: an epoll relay that joins each client connection to one upstream
// connection and copies bytes without looking at them. One thread. It does what any proxy must do
// (two reads, two writes, a shared epoll_wait per request) and nothing else.
#include "test/bench/tools/args.h"
#include "test/bench/tools/net.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RELAY_SCRATCH (128 * 1024) // a 64 kB body and its head in one read

// One direction's end: a socket, its readiness as edges told it, and bytes that it did not take yet.
struct flow {
    int fd;
    struct flow *peer;
    bool readable, writable, closing; // closing: the peer of this socket sent FIN, read to the end
    bool ended;                       // nothing more comes from this socket
    char *pending;
    size_t pending_size;
};

struct pair {
    struct flow client, upstream;
    struct pair *next_dead;
    bool dead;
};

static struct {
    int epoll_fd;
    int listener;
    uint16_t upstream_port;
    struct pair *dead;
    char scratch[RELAY_SCRATCH];
} relay;

static struct pair *pair_of(struct flow *flow)
{
    return flow < flow->peer ? (struct pair *)(void *)flow : (struct pair *)(void *)flow->peer;
}

// Freed after the batch: later events of the same batch may still point here.
static void pair_end(struct pair *pair)
{
    if (pair->dead)
        return;
    pair->dead = true;
    close(pair->client.fd);
    close(pair->upstream.fd);
    pair->next_dead = relay.dead;
    relay.dead = pair;
}

static void free_dead(void)
{
    while (relay.dead) {
        struct pair *pair = relay.dead;
        relay.dead = pair->next_dead;
        free(pair->client.pending);
        free(pair->upstream.pending);
        free(pair);
    }
}

static void keep(struct flow *flow, const char *data, size_t size)
{
    char *copy = lk_bench_alloc(1, size);
    memcpy(copy, data, size);
    free(flow->pending);
    flow->pending = copy;
    flow->pending_size = size;
}

// Sends to `flow`; what it does not take is kept. False when the connection is broken.
static bool flow_send(struct flow *flow, const char *data, size_t size)
{
    ssize_t sent = send(flow->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            return false;
        sent = 0;
    }
    if ((size_t)sent < size) {
        flow->writable = false;
        keep(flow, data + sent, size - (size_t)sent);
    }
    return true;
}

static bool flow_flush(struct flow *flow)
{
    if (!flow->pending)
        return true;
    char *data = flow->pending;
    flow->pending = NULL;
    bool ok = flow_send(flow, data, flow->pending_size);
    free(data);
    return ok;
}

// Moves bytes from `from` to its peer until either side has no more to give or take.
static bool flow_pump(struct flow *from)
{
    struct flow *to = from->peer;
    while (from->readable && to->writable && !to->pending && !from->ended) {
        ssize_t got = recv(from->fd, relay.scratch, sizeof(relay.scratch), 0);
        if (got == 0) {
            from->ended = true;
            shutdown(to->fd, SHUT_WR);
            return !to->ended;
        }
        if (got < 0) {
            if (errno != EAGAIN)
                return false;
            from->readable = false;
            return true;
        }
        if ((size_t)got < sizeof(relay.scratch) && !from->closing)
            from->readable = false;
        if (!flow_send(to, relay.scratch, (size_t)got))
            return false;
    }
    return true;
}

static void on_flow_event(struct flow *flow, uint32_t events)
{
    struct pair *pair = pair_of(flow);
    if (pair->dead)
        return;
    if (events & EPOLLERR) {
        pair_end(pair);
        return;
    }
    if (events & (EPOLLRDHUP | EPOLLHUP))
        flow->closing = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
        flow->readable = true;
    bool woke = (events & EPOLLOUT) && !flow->writable;
    if (events & EPOLLOUT)
        flow->writable = true;
    bool ok = true;
    if (woke)
        ok = flow_flush(flow) && flow_pump(flow->peer);
    if (ok && flow->readable)
        ok = flow_pump(flow);
    if (!ok)
        pair_end(pair);
}

static void on_accept(void)
{
    for (int fd; (fd = lk_bench_accept(relay.listener)) >= 0;) {
        int upstream = lk_bench_connect(relay.upstream_port);
        if (upstream < 0) {
            close(fd);
            continue;
        }
        struct pair *pair = lk_bench_alloc(1, sizeof(*pair));
        pair->client = (struct flow){.fd = fd, .peer = &pair->upstream};
        pair->upstream = (struct flow){.fd = upstream, .peer = &pair->client};
        lk_bench_watch(relay.epoll_fd, fd, &pair->client);
        lk_bench_watch(relay.epoll_fd, upstream, &pair->upstream);
    }
}

static void run(void)
{
    struct epoll_event events[LK_BENCH_BATCH];
    for (;;) {
        int count = epoll_wait(relay.epoll_fd, events, LK_BENCH_BATCH, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_flow_event(events[i].data.ptr, events[i].events);
            else
                on_accept();
        }
        free_dead();
    }
}

static void on_terminate(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s LISTEN_PORT UPSTREAM_PORT (on 127.0.0.1; 0 picks a port)\n", argv[0]);
        return 2;
    }
    signal(SIGTERM, on_terminate);
    relay.upstream_port = (uint16_t)lk_bench_arg_number("upstream", argv[2], UINT16_MAX);
    relay.listener = lk_bench_listen((uint16_t)lk_bench_arg_number("listen", argv[1], UINT16_MAX));
    relay.epoll_fd = lk_bench_epoll();
    lk_bench_watch(relay.epoll_fd, relay.listener, NULL);
    printf("%u\n", lk_bench_port(relay.listener));
    fflush(stdout);
    run();
}
