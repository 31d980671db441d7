// The benchmark's HTTP/1.1 client: one thread, one epoll loop. Three ways of running: load (open loop
// at a rate, or closed loop), idle (many connections, one request each, then silence), race (waves of
// GETs and numbered POSTs whose think times lie around the server's idle timeout).
#pragma once

#include "test/bench/tools/cputime.h"
#include "test/bench/tools/latency.h"
#include "test/bench/tools/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_LOAD_MARKS 4
#define LK_LOAD_DIGITS 6
#define LK_LOAD_HEAD_LIMIT 16384
#define LK_LOAD_HEADERS 16

enum lk_load_mode { LK_LOAD_RUN, LK_LOAD_IDLE, LK_LOAD_RACE };

struct lk_load_options {
    enum lk_load_mode mode;
    uint16_t port;
    unsigned connections;
    unsigned in_flight; // idle mode: requests at one time
    const char *method, *path, *host;
    const char *headers[LK_LOAD_HEADERS]; // whole lines
    unsigned header_count;
    uint64_t body;
    double duration, warmup;     // seconds
    double rate;                 // requests per second; 0: closed loop
    bool jitter;                 // spread the open loop's arrivals within their slots
    uint64_t requests;           // end after so many instead of after `duration`; 0: not
    double period_ms, spread_ms; // race mode: from wave to wave, and within a wave
    struct lk_bench_pids pids;   // whose CPU time is reported
};

// The bytes of a request. "%N" in its path or headers stands for the request's number, six digits.
struct lk_load_request {
    char *text;
    size_t size;
    size_t marks[LK_LOAD_MARKS];
    unsigned mark_count;
};

struct lk_load_conn {
    int fd; // -1: closed, the next request opens it
    unsigned index;
    bool readable, writable, closing;
    bool busy, in_body, last;
    const char *out;
    size_t out_size;
    char *numbered; // own copy of a request that carries a number
    size_t numbered_room;
    uint64_t scheduled_ns;
    uint64_t body_left;
    unsigned status;
    bool post; // race mode: what is in flight
    char *head;
    size_t head_size;
    struct lk_load_conn *next_idle;
};

struct lk_load;
// A request ended: `status` of its response, or 0 when the connection broke before it was complete.
// The connection is not busy any more and may be given the next request at once.
typedef void lk_load_done_fn(struct lk_load *load, struct lk_load_conn *conn, unsigned status);

struct lk_load {
    struct lk_load_options options;
    struct lk_load_request request;
    int epoll_fd;
    struct lk_load_conn *conns;
    lk_load_done_fn *on_done;
    void *mode; // state of the way of running
    uint64_t random;
    uint64_t opened, idle_closed; // connections made; closed by the other side between requests
    char scratch[LK_BENCH_SCRATCH];
};

// Fills the options from the command line; ends the process with a usage text on a mistake.
void lk_load_options_parse(int argc, char **argv, struct lk_load_options *options);

// Builds the bytes of a request; `path` may differ from the one in the options.
void lk_load_request_init(struct lk_load_request *request, const struct lk_load_options *options, const char *method,
                          const char *path, uint64_t body);

// Starts a request on a connection that is not busy, opening it where needed. A connection that the
// kernel refuses at once ends the process: the proxy under test is gone.
void lk_load_conn_send(struct lk_load *load, struct lk_load_conn *conn, const struct lk_load_request *request,
                       uint64_t number, uint64_t scheduled_ns);

// Takes one epoll event.
void lk_load_conn_event(struct lk_load *load, struct lk_load_conn *conn, uint32_t events);

// One turn of the loop, waiting until monotonic time `until_ns` at most (0: do not wait).
void lk_load_turn(struct lk_load *load, uint64_t until_ns);

// A uniform random number below `bound` (at least 1).
uint64_t lk_load_random(struct lk_load *load, uint64_t bound);

// The three ways of running; each prints one JSON object and returns the exit code.
int lk_load_run(struct lk_load *load);
int lk_load_idle(struct lk_load *load);
int lk_load_race(struct lk_load *load);
