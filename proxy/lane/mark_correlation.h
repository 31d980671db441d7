/*
 * The mark of a lane as an item of SkyWalking's sw8-correlation, `base64(key):base64(value)` between commas: an
 * optional carrier, through applications with an agent of SkyWalking. Worker thread; called by carriers.c alone.
 *
 * The protocol wants fewer than 3 keys and values under 128 bytes; agents drop what is beyond, so the mark is written
 * only where it leaves the list within that.
 */
#pragma once

#include "proxy/http/list_edit.h"

#define LK_CORRELATION_VALUE_MAX 127u

/* The decoded value when the item is of that key, with or without padding. One that cannot be decoded or is too long
 * comes back as the item itself, which is no lane's name. */
bool lk_mark_correlation_value(struct lk_str item, struct lk_str key, struct lk_arena *arena, struct lk_str *value);
/* Puts the item first, the others behind it, when there are at most one of them; otherwise our old item only goes. */
void lk_mark_correlation_set(struct lk_headers *headers, struct lk_str key, struct lk_str value);
bool lk_mark_correlation_remove(struct lk_headers *headers, struct lk_str key);
