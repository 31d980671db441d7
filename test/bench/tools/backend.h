// The backend of the benchmark: an epoll HTTP/1.1 server that answers every request with the same
// bytes. Its race mode closes idle connections after a time with jitter, answers late, and counts how
// often each numbered POST arrived.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_BENCH_HEAD_LIMIT 16384

struct lk_backend_options {
    uint64_t size;      // bytes of every response body
    uint64_t idle_ns;   // close a connection idle for this long; 0: never
    uint64_t jitter_ns; // idle_ns varies by up to this much, either way
    uint64_t delay_ns;  // answer this late
    uint64_t numbers;   // numbered POSTs are /n/0 .. /n/(numbers - 1)
};

struct lk_backend_counts {
    uint64_t connections, requests, numbered, duplicates, idle_closes;
};

struct lk_backend {
    struct lk_backend_options options;
    struct lk_backend_counts counts;
    char *response;
    size_t response_size;
    uint8_t *seen; // arrivals of each number, saturating
    uint64_t random;
    struct lk_backend_conn *first; // all connections, for the timers of the race mode
    char scratch[64 * 1024];
};

// One client connection. A response is fixed, so output is a count of responses due and an offset.
struct lk_backend_conn {
    int fd;
    bool readable, writable, closing, last, dead;
    unsigned due;
    size_t sent;
    uint64_t answer_ns; // when the response that is due may leave; 0: at once
    uint64_t close_ns;  // when the idle connection is closed; 0: not idle or never
    uint64_t body_left;
    uint64_t number;
    bool in_body, numbered;
    size_t head_size; // bytes of an unfinished head in `head`
    char *head;
    struct lk_backend_conn *next, *previous;
};

struct lk_backend_conn *lk_backend_conn_new(struct lk_backend *backend, int fd);

// Takes one epoll event; afterwards `dead` may be set, and the caller frees it after the batch.
void lk_backend_conn_event(struct lk_backend *backend, struct lk_backend_conn *conn, uint32_t events);

// Late answers and idle closes of all connections, `now` in monotonic ns.
void lk_backend_timers(struct lk_backend *backend, uint64_t now);

// Frees every connection marked dead.
void lk_backend_sweep(struct lk_backend *backend);
