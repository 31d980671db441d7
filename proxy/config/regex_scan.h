/* Internal to the regex translator: the scanner's state and what its two halves (outside and inside brackets) share. */
#pragma once

#include "proxy/config/regex_syntax.h"

#include <stdint.h>

#define LK_REGEX_DEPTH_MAX 200
#define LK_REGEX_REPEAT_MAX 1000

enum lk_regex_last { LK_REGEX_LAST_NONE, LK_REGEX_LAST_ATOM, LK_REGEX_LAST_REPEAT };

struct lk_regex_scan {
    struct lk_str in;
    size_t pos;
    struct lk_regex_pattern *out;
    struct lk_error *error;
    bool look_ahead;
    enum lk_regex_last last;
    unsigned depth;
    unsigned atom_repeat;                          /* how often the innermost part of the last atom repeats */
    unsigned group_repeat[LK_REGEX_DEPTH_MAX + 1]; /* the same for the atoms of each open group */
};

bool lk_regex_fail(struct lk_regex_scan *scan, const char *what);
void lk_regex_emit(struct lk_regex_scan *scan, const char *text, size_t len);
/* A literal code point, in or out of brackets. */
void lk_regex_emit_char(struct lk_regex_scan *scan, uint32_t c);

static inline bool lk_regex_more(const struct lk_regex_scan *scan)
{
    return scan->pos < scan->in.len;
}

/* The byte at pos + ahead, or 0 past the end. */
static inline unsigned char lk_regex_peek(const struct lk_regex_scan *scan, size_t ahead)
{
    return scan->pos + ahead < scan->in.len ? (unsigned char)scan->in.ptr[scan->pos + ahead] : 0;
}

/* One code point at pos; malformed UTF-8 is an error. */
bool lk_regex_next_char(struct lk_regex_scan *scan, uint32_t *c);
/* The character of an escape such as \n, \x{61}, \141 or \.; pos is behind the backslash. */
bool lk_regex_escaped_char(struct lk_regex_scan *scan, uint32_t *c);
/* Whether pos (behind a backslash) opens a class escape: d D s S w W p P. */
bool lk_regex_at_class_escape(const struct lk_regex_scan *scan);
/* Emits it; in_brackets says where. */
bool lk_regex_class_escape(struct lk_regex_scan *scan, bool in_brackets);
/* A bracket expression; pos is behind its opening bracket. */
bool lk_regex_brackets(struct lk_regex_scan *scan);
