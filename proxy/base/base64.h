/* Base64 in both alphabets of RFC 4648, as protobuf JSON and SkyWalking headers use it. Pure functions. */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"

#include <stdbool.h>

/* Standard or URL-safe alphabet, padding optional, nothing else. *out lies in the arena. */
bool lk_base64_decode(struct lk_arena *arena, struct lk_str text, struct lk_str *out);

/* Standard alphabet with padding. */
struct lk_str lk_base64_encode(struct lk_arena *arena, struct lk_str bytes);
