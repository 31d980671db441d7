/*
 * A rehearsal of one request and the account of it, for POST /explain: the code that forwards runs on a request that
 * nobody sent, with recorders in place, and notes what it decides. Nothing is sent; what is counted goes to a slab that
 * nobody reads (lk_stats_mute); state that outlives a request is only looked at. Runs on a worker, as the request
 * would.
 *
 * The account is a tree of notes in an arena of its own: it outlives the rehearsal and is written out by another
 * thread.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/filter/stream_info.h"
#include "proxy/http/headers.h"

#include <stdbool.h>
#include <stdint.h>

struct lk_loop;

enum lk_note_kind { LK_NOTE_TEXT, LK_NOTE_NUMBER, LK_NOTE_BOOL, LK_NOTE_OBJECT, LK_NOTE_LIST };

struct lk_note {
    struct lk_note *next;
    struct lk_note *first, *last; /* of an object or list */
    const char *key;              /* static; NULL: an element of a list */
    enum lk_note_kind kind;
    struct lk_str text;
    uint64_t number;
    bool boolean;
};

/* More notes than this are left out, and the account says so. */
#define LK_EXPLAIN_NOTES_MAX 20000u
/* Longer texts are cut, and say so at their end. */
#define LK_EXPLAIN_TEXT_MAX 65536u

struct lk_explain {
    struct lk_arena *arena;   /* of the notes */
    struct lk_note decisions; /* a list of objects with step, verdict, why, and more */
    struct lk_note result;    /* an object: what it came to */
    size_t notes;
    bool cut;            /* there were too many */
    struct lk_note rest; /* stands for those */

    /* The request, and where it is rehearsed. */
    struct lk_loop *loop;
    uint64_t random;                 /* stands for every number that would be drawn */
    struct lk_arena *scratch;        /* of the rehearsal, gone with it */
    struct lk_conn_info *conn;       /* the connection as it would be */
    struct lk_str wire;              /* the head of the request as a client would send it */
    const struct lk_headers *head;   /* as the codec decoded it; set by the connection manager */
    bool end;                        /* it has no body; the same */
    const struct lk_value *metadata; /* dynamic metadata to begin with: namespace -> key -> value; NULL: none */

    /* Which lane an endpoint is in, from the filter that knows; NULL: nobody does. */
    struct lk_str (*lane_of)(const void *arg, const struct lk_host *host);
    const void *lane_arg;
};

void lk_explain_init(struct lk_explain *explain, struct lk_arena *arena);

/* The next decision. step and verdict are static; why is formatted. More may be noted in it. Never NULL. */
struct lk_note *lk_explain_step(struct lk_explain *explain, const char *step, const char *verdict, const char *why, ...)
    LK_PRINTF(4, 5);

/* Adds to an object (key is static) or list (key NULL). Texts are copied. Objects and lists are returned to be filled;
 * never NULL. */
void lk_note_text(struct lk_explain *explain, struct lk_note *in, const char *key, struct lk_str text);
void lk_note_format(struct lk_explain *explain, struct lk_note *in, const char *key, const char *format, ...)
    LK_PRINTF(4, 5);
void lk_note_number(struct lk_explain *explain, struct lk_note *in, const char *key, uint64_t number);
void lk_note_bool(struct lk_explain *explain, struct lk_note *in, const char *key, bool value);
void lk_note_addr(struct lk_explain *explain, struct lk_note *in, const char *key, const struct lk_addr *addr);
struct lk_note *lk_note_object(struct lk_explain *explain, struct lk_note *in, const char *key);
struct lk_note *lk_note_list(struct lk_explain *explain, struct lk_note *in, const char *key);
/* Only where there is one. */
void lk_note_text_if(struct lk_explain *explain, struct lk_note *in, const char *key, struct lk_str text);

/* One line of the result; the last word on a key stands. */
void lk_explain_result(struct lk_explain *explain, const char *key, struct lk_str text);
void lk_explain_result_number(struct lk_explain *explain, const char *key, uint64_t number);
/* NULL when there is none of the key. */
const struct lk_note *lk_note_get(const struct lk_note *object, const char *key);
