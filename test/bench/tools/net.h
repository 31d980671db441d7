// Sockets on 127.0.0.1 and the clock, for the benchmark's tools. Every tool runs one epoll loop
// on one thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LK_BENCH_BATCH 256
#define LK_BENCH_SCRATCH (64 * 1024)

// A non-blocking listening socket on 127.0.0.1:`port` (0: the kernel picks one). Ends the
// process with a message when that is not possible.
int lk_bench_listen(uint16_t port);

// The port that a listening socket got.
uint16_t lk_bench_port(int fd);

// Accepts one connection, non-blocking, TCP_NODELAY set; -1 when none is waiting.
int lk_bench_accept(int listener);

// Starts a non-blocking connect to 127.0.0.1:`port`; -1 with errno set when the kernel refuses.
int lk_bench_connect(uint16_t port);

// Registers `fd` once, edge triggered, for reading, writing and the peer's close.
void lk_bench_watch(int epoll_fd, int fd, void *data);

// An epoll instance; ends the process when there is none to be had.
int lk_bench_epoll(void);

// Monotonic time in nanoseconds.
uint64_t lk_bench_now_ns(void);

// malloc that ends the process instead of returning NULL; the memory is zeroed.
void *lk_bench_alloc(size_t count, size_t size);

// Prints a message with the text of errno and ends the process.
_Noreturn void lk_bench_die(const char *what);
