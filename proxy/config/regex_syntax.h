/*
 * RE2's pattern language, checked and rewritten for PCRE2. Every construct that comes out was recognised by our own
 * scanner, so nothing PCRE2 knows beyond RE2 (look-around, back-references, possessive quantifiers, recursion, verbs,
 * callouts) can slip through. Pure; configuration time only.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_regex_pattern {
    char *text; /* for PCRE2 in UTF mode; heap, lk_free */
    size_t len;
    size_t cap;
    unsigned groups; /* capturing groups */
};

/* Fills *out also on failure (free its text either way). look_ahead: (?= and (?! are passed on, for stats tags. */
bool lk_regex_translate(struct lk_str pattern, bool look_ahead, struct lk_regex_pattern *out,
                        struct lk_error *error) LK_MUST_CHECK;
