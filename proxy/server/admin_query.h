/*
 * The query string of an admin request, as Envoy reads it: "a=1&b" is a with value "1" and b with the empty one.
 * Percent signs are decoded, '+' is itself (it is part of many regular expressions). Pure functions.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/str.h"
#include "proxy/filter/admin_page.h"

#include <stdbool.h>
#include <stddef.h>

struct lk_admin_query {
    struct lk_str path; /* before the '?', not decoded */
    struct lk_admin_param *params;
    size_t count;
};

/* target: "/stats?filter=x", or the same behind "http://host"; a fragment is cut off. Slices lie in the arena. */
void lk_admin_query_parse(struct lk_admin_query *query, struct lk_arena *arena, struct lk_str target);
/* Adds the fields of a form (application/x-www-form-urlencoded), where '+' is a space. */
void lk_admin_query_add_form(struct lk_admin_query *query, struct lk_arena *arena, struct lk_str form);
/* The first parameter of the name; NULL when absent. */
const struct lk_admin_param *lk_admin_query_find(const struct lk_admin_query *query, struct lk_str name);
/* With "%41" as "A"; a '%' that no two hex digits follow stays. Lies in the arena, or is text itself. */
struct lk_str lk_admin_decode(struct lk_arena *arena, struct lk_str text);
