/*
 * Regular expressions of stats: filters of the admin page and tag rules. PCRE2 with JIT; a match that runs into the
 * library's limits counts as no match. One thread at a time per pattern.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>

struct lk_pattern;

/* NULL with an error that says what is wrong and where. */
struct lk_pattern *lk_pattern_new(struct lk_str regex, struct lk_error *error) LK_MUST_CHECK;
void lk_pattern_free(struct lk_pattern *pattern);

/* Whether it matches anywhere in text. */
bool lk_pattern_search(struct lk_pattern *pattern, struct lk_str text);
/* The same, with the first two groups; a group that took no part has ptr NULL. */
bool lk_pattern_groups(struct lk_pattern *pattern, struct lk_str text, struct lk_str *first, struct lk_str *second);
