/*
 * The mark of a lane as a member of W3C tracestate (trace context level 2), `lk=gray`: an optional carrier, since
 * tracers forward tracestate even where baggage is switched off. Worker thread; called by carriers.c alone.
 *
 * The standard's rules hold: tracestate means nothing without exactly one valid traceparent, and one bad member or more
 * than 32 spoil the whole list. Pure pass-through (an unchanged traceparent) would also forbid to change tracestate;
 * that is why the carrier is off unless configured.
 */
#pragma once

#include "proxy/http/list_edit.h"

#define LK_TRACESTATE_MAX_MEMBERS 32u

/* Whether the block's tracestate counts: valid traceparent, valid list. True for a valid traceparent alone. */
bool lk_mark_tracestate_usable(const struct lk_headers *headers);
/* The value when the member is of that key. */
bool lk_mark_tracestate_value(struct lk_str member, struct lk_str key, struct lk_str *value);
/* Puts `key=value` to the far left, the other members behind it; of 32 others one goes: the last that is longer than
 * 128 bytes, else the last. A spoilt list is replaced. Without a valid traceparent our member is only removed. */
void lk_mark_tracestate_set(struct lk_headers *headers, struct lk_str key, struct lk_str value);
/* Removes our members, also from a spoilt list, whose rest stays as it is. */
bool lk_mark_tracestate_remove(struct lk_headers *headers, struct lk_str key);
