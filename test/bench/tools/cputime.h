// CPU time of other processes and of whole cores, read from /proc at the edges of a measuring
// window. Loopback softirq work is billed by the kernel to the task that sent, so it is included.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define LK_BENCH_MAX_PIDS 16
#define LK_BENCH_MAX_CORES 64

struct lk_bench_cpu_core {
    uint64_t busy, steal, total; // clock ticks
};

struct lk_bench_cputime {
    uint64_t run_ns;       // sum over all threads, from schedstat
    uint64_t user, system; // clock ticks
    unsigned cores;
    struct lk_bench_cpu_core core[LK_BENCH_MAX_CORES];
};

struct lk_bench_pids {
    unsigned count;
    pid_t pid[LK_BENCH_MAX_PIDS];
};

// Samples the processes and the machine. A process that has gone counts as 0.
void lk_bench_cputime_read(const struct lk_bench_pids *pids, struct lk_bench_cputime *sample);

// Writes the members "cpu_ns", "user_ms", "system_ms" and "cores" of a JSON object: the difference of
// two samples.
void lk_bench_cputime_print(const struct lk_bench_cputime *from, const struct lk_bench_cputime *to, FILE *out);
