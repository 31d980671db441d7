/* The account of a rehearsal: a bounded tree of notes. Any thread, one at a time. */
#include "proxy/filter/explain.h"

#include "proxy/base/mem.h"

void lk_explain_init(struct lk_explain *explain, struct lk_arena *arena)
{
    *explain = (struct lk_explain){.arena = arena};
    explain->decisions.kind = LK_NOTE_LIST;
    explain->result.kind = LK_NOTE_OBJECT;
}

static struct lk_note *add(struct lk_explain *explain, struct lk_note *in, const char *key, enum lk_note_kind kind)
{
    struct lk_note *note;

    if (explain->notes >= LK_EXPLAIN_NOTES_MAX || in == &explain->rest) {
        explain->cut = true;
        explain->rest = (struct lk_note){.kind = kind};
        return &explain->rest;
    }
    explain->notes++;
    note = lk_arena_zalloc(explain->arena, sizeof(*note));
    note->key = key;
    note->kind = kind;
    if (in->last != NULL)
        in->last->next = note;
    else
        in->first = note;
    in->last = note;
    return note;
}

static struct lk_str kept(struct lk_explain *explain, struct lk_str text)
{
    if (text.len <= LK_EXPLAIN_TEXT_MAX)
        return lk_arena_str(explain->arena, text);
    return lk_arena_printf(explain->arena, "%.*s ... (cut)", (int)LK_EXPLAIN_TEXT_MAX, text.ptr);
}

void lk_note_text(struct lk_explain *explain, struct lk_note *in, const char *key, struct lk_str text)
{
    struct lk_note *note = add(explain, in, key, LK_NOTE_TEXT);

    if (note == &explain->rest)
        return;
    note->text = kept(explain, text);
}

void lk_note_text_if(struct lk_explain *explain, struct lk_note *in, const char *key, struct lk_str text)
{
    if (text.len > 0)
        lk_note_text(explain, in, key, text);
}

static void format_into(struct lk_explain *explain, struct lk_note *in, const char *key, const char *format,
                        va_list args) LK_PRINTF(4, 0);

static void format_into(struct lk_explain *explain, struct lk_note *in, const char *key, const char *format,
                        va_list args)
{
    char text[1024];
    int len = vsnprintf(text, sizeof(text), format, args);

    LK_ASSERT(len >= 0);
    lk_note_text(explain, in, key, lk_str(text, LK_MIN((size_t)len, sizeof(text) - 1)));
}

void lk_note_format(struct lk_explain *explain, struct lk_note *in, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_into(explain, in, key, format, args);
    va_end(args);
}

struct lk_note *lk_explain_step(struct lk_explain *explain, const char *step, const char *verdict, const char *why, ...)
{
    struct lk_note *note = add(explain, &explain->decisions, NULL, LK_NOTE_OBJECT);
    va_list args;

    lk_note_text(explain, note, "step", lk_str_from(step));
    lk_note_text(explain, note, "verdict", lk_str_from(verdict));
    va_start(args, why);
    format_into(explain, note, "why", why, args);
    va_end(args);
    return note;
}

void lk_note_number(struct lk_explain *explain, struct lk_note *in, const char *key, uint64_t number)
{
    add(explain, in, key, LK_NOTE_NUMBER)->number = number;
}

void lk_note_bool(struct lk_explain *explain, struct lk_note *in, const char *key, bool value)
{
    add(explain, in, key, LK_NOTE_BOOL)->boolean = value;
}

void lk_note_addr(struct lk_explain *explain, struct lk_note *in, const char *key, const struct lk_addr *addr)
{
    char text[LK_ADDR_TEXT_MAX];

    lk_note_text(explain, in, key, addr->len > 0 ? lk_addr_text(addr, text) : LK_STR(""));
}

struct lk_note *lk_note_object(struct lk_explain *explain, struct lk_note *in, const char *key)
{
    return add(explain, in, key, LK_NOTE_OBJECT);
}

struct lk_note *lk_note_list(struct lk_explain *explain, struct lk_note *in, const char *key)
{
    return add(explain, in, key, LK_NOTE_LIST);
}

/* --- the result --------------------------------------------------------------------------------------------------- */

static struct lk_note *find(struct lk_note *object, const char *key)
{
    for (struct lk_note *note = object->first; note != NULL; note = note->next)
        if (strcmp(note->key, key) == 0)
            return note;
    return NULL;
}

const struct lk_note *lk_note_get(const struct lk_note *object, const char *key)
{
    return find((struct lk_note *)object, key);
}

/* What matters most is never cut: these few have room of their own. */
static struct lk_note *line(struct lk_explain *explain, const char *key, enum lk_note_kind kind)
{
    struct lk_note *note = find(&explain->result, key);
    size_t notes = explain->notes;

    if (note == NULL) {
        explain->notes = 0;
        note = add(explain, &explain->result, key, kind);
        explain->notes = notes;
    }
    note->kind = kind;
    return note;
}

void lk_explain_result(struct lk_explain *explain, const char *key, struct lk_str text)
{
    line(explain, key, LK_NOTE_TEXT)->text = kept(explain, text);
}

void lk_explain_result_number(struct lk_explain *explain, const char *key, uint64_t number)
{
    line(explain, key, LK_NOTE_NUMBER)->number = number;
}
