/* --mode validate-lanes: a lane table from a file, checked without starting anything. Main thread. */
#pragma once

#include <stdbool.h>

/* Prints every mistake to stderr as `file:line: path: what, expected`, warnings likewise, and one line of summary to
 * stdout. True when the table is good. allow_unknown: unknown fields are warnings. */
bool lk_lane_check(const char *path, bool allow_unknown);
