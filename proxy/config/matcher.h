/*
 * Compiled matchers: strings, headers, query parameters, fractions. Immutable after compilation, used by all workers at
 * once. Sources: envoy.type.matcher.v3.StringMatcher, RegexMatcher, envoy.config.route.v3.HeaderMatcher,
 * QueryParameterMatcher, envoy.config.core.v3.RuntimeFractionalPercent.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_regex; /* PCRE2 with JIT; match memory is per thread */

/* RE2's language: look-around, back-references and possessive quantifiers are refused, see DESIGN "Regex". The arena
 * frees it. Wanted: the whole subject must match (as Envoy's safe_regex) or any part of it. */
struct lk_regex *lk_regex_compile(struct lk_arena *arena, struct lk_str pattern, struct lk_error *error);
/* Like compile, but look-ahead is allowed (stats tags). */
struct lk_regex *lk_regex_compile_lenient(struct lk_arena *arena, struct lk_str pattern, struct lk_error *error);
bool lk_regex_full_match(const struct lk_regex *regex, struct lk_str subject);
bool lk_regex_search(const struct lk_regex *regex, struct lk_str subject);
/* Replaces every match; \1..\9 and \0 in the substitution (envoy RegexMatchAndSubstitute). A run that hits the match
 * limits returns the subject unchanged. */
struct lk_str lk_regex_replace(const struct lk_regex *regex, struct lk_arena *arena, struct lk_str subject,
                               struct lk_str substitution);
/* First match: spans of up to max groups (0 = whole); returns how many, 0 = no match. */
unsigned lk_regex_groups(const struct lk_regex *regex, struct lk_str subject, struct lk_str *groups, unsigned max);
/* Checks a substitution against the pattern's number of groups. */
bool lk_regex_check_substitution(const struct lk_regex *regex, struct lk_str substitution, struct lk_error *error);
/* Runs that ended at a match limit, process-wide (a stat). */
uint64_t lk_regex_limit_hits(void);

enum lk_string_match_kind {
    LK_STRING_EXACT,
    LK_STRING_PREFIX,
    LK_STRING_SUFFIX,
    LK_STRING_CONTAINS,
    LK_STRING_REGEX,
};

struct lk_string_matcher {
    enum lk_string_match_kind kind;
    bool ignore_case;
    struct lk_str text; /* lower case when ignore_case */
    const struct lk_regex *regex;
};
bool lk_string_matcher_match(const struct lk_string_matcher *matcher, struct lk_str value);
/* "exact: foo", for /explain and logs. */
struct lk_str lk_string_matcher_describe(const struct lk_string_matcher *matcher, struct lk_arena *arena);

enum lk_value_match_kind {
    LK_VALUE_PRESENT, /* present_match true, or no specifier */
    LK_VALUE_ABSENT,  /* present_match false */
    LK_VALUE_STRING,
    LK_VALUE_RANGE, /* range_match: a whole decimal number in [start, end) */
};

/* Works on a resolved header key or a query parameter name; the values come from the caller. */
struct lk_value_matcher {
    enum lk_value_match_kind kind;
    bool invert;
    bool treat_missing_as_empty;
    struct lk_string_matcher string;
    int64_t range_start, range_end;
};
/* present: whether the header or parameter exists; value: joined with "," when it occurs several times. */
bool lk_value_matcher_match(const struct lk_value_matcher *matcher, bool present, struct lk_str value);

/* numerator / denominator in millionths; runtime overrides come from lk_runtime. */
struct lk_fraction {
    uint32_t per_million;
    struct lk_str runtime_key; /* empty: none */
    uint32_t denominator;      /* 100, 10000, 1000000: unit of a runtime integer */
};
