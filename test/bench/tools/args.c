// Command-line numbers for the benchmark's tools.
#include "test/bench/tools/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t lk_bench_arg_number(const char *option, const char *text, uint64_t max)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value > max) {
        fprintf(stderr, "--%s: expected a number up to %llu, got \"%s\"\n", option, (unsigned long long)max, text);
        exit(2);
    }
    return value;
}

double lk_bench_arg_decimal(const char *option, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0) || value > 1e9) {
        fprintf(stderr, "--%s: expected a decimal number, got \"%s\"\n", option, text);
        exit(2);
    }
    return value;
}
