/*
 * Tag rules: from the full name of a stat to the name without its variable parts, and those parts as labels. In a rule
 * the first group of the regex is what is cut out of the name, the second (or, without one, the first) is the value.
 * The reading thread.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/stats/stats.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_tags;

struct lk_tag {
    struct lk_str name;
    struct lk_str value;
};

struct lk_tagged_name {
    struct lk_str name;
    struct lk_tag *tags;
    size_t tag_count;
};

/* A rule that exists without configuration. */
struct lk_tag_default {
    const char *tag;
    const char *regex;
    const char *needle; /* part of every match; may be empty */
};
extern const struct lk_tag_default lk_tag_defaults[];
extern const size_t lk_tag_default_count;

/* With all default rules. */
struct lk_tags *lk_tags_new(void);
/* NULL with every mistake appended to errors. */
struct lk_tags *lk_tags_from(const struct lk_stats_tag_rule *rules, size_t count, bool use_defaults,
                             struct lk_errors *errors) LK_MUST_CHECK;
void lk_tags_free(struct lk_tags *tags);

/* Everything in the result lies in the arena or in the rules. */
struct lk_tagged_name lk_tags_extract(struct lk_tags *tags, struct lk_str name, struct lk_arena *arena);
