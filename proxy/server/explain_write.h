/* The account of a rehearsal as JSON and as text for a person. Main loop. */
#pragma once

#include "proxy/filter/explain.h"

#include <jansson.h>

/* A new reference. */
json_t *lk_explain_json(const struct lk_note *note);

/* One line for each decision, what it rests on below it. */
void lk_explain_text(const struct lk_explain *explain, void (*write)(void *arg, struct lk_str text), void *arg);
