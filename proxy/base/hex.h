/* Hexadecimal numbers as ids are written: no prefix, no sign. Pure functions. */
#pragma once

#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum lk_hex_case { LK_HEX_LOWER, LK_HEX_ANY_CASE };

/* The whole slice, 1 to 16 digits, as a number; false on anything else. */
bool lk_hex_to_u64(struct lk_str s, enum lk_hex_case letters, uint64_t *out);
/* Writes the lowest `digits` (up to 16) digits of the value in lower case, no terminator; returns the end. */
char *lk_hex_put(char *out, uint64_t value, unsigned digits);
