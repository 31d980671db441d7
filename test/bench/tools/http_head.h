// The least HTTP/1.1 that a benchmark needs: where a head ends, its status, its body length and
// whether the connection ends after it. Chunked bodies are not spoken here and are reported.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lk_bench_head {
    size_t size; // bytes up to and including the empty line
    uint64_t body;
    unsigned status; // 0 in a request
    bool close;
    bool chunked;
};

// Reads a head at the start of `data`. False when its end has not arrived. Numbers that do not
// parse read as 0: these tools only talk to each other and to the proxy under test.
bool lk_bench_head_read(const char *data, size_t size, struct lk_bench_head *head);
