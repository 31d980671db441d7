// Command-line numbers for the benchmark's tools: a bad one ends the process with a message that
// names the option.
#pragma once

#include <stdint.h>

// A whole number between 0 and `max`.
uint64_t lk_bench_arg_number(const char *option, const char *text, uint64_t max);

// Seconds or milliseconds with a decimal part, not negative.
double lk_bench_arg_decimal(const char *option, const char *text);
