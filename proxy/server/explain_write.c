/* Writes notes out. See explain_write.h. */
#include "proxy/server/explain_write.h"

#include "proxy/base/mem.h"

#include <inttypes.h>

/* --- JSON --------------------------------------------------------------------------------------------------------- */

/* Bytes that are no UTF-8 are shown as Latin-1: nothing is lost, and nobody stumbles. */
static json_t *text_json(struct lk_str text)
{
    json_t *json = json_stringn(text.ptr != NULL ? text.ptr : "", text.len);
    size_t len = 0;
    char *wide;

    LK_ASSERT(text.ptr != NULL || text.len == 0);
    if (json != NULL)
        return json;
    wide = lk_malloc(text.len * 2 + 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x80) {
            wide[len++] = (char)c;
        } else {
            wide[len++] = (char)(0xc0 | c >> 6);
            wide[len++] = (char)(0x80 | (c & 0x3f));
        }
    }
    json = json_stringn(wide, len);
    lk_free(wide);
    return json;
}

json_t *lk_explain_json(const struct lk_note *note)
{
    json_t *json = NULL;

    switch (note->kind) {
    case LK_NOTE_TEXT:
        return text_json(note->text);
    case LK_NOTE_NUMBER:
        return note->number <= INT64_MAX ? json_integer((json_int_t)note->number)
                                         : json_sprintf("%" PRIu64, note->number);
    case LK_NOTE_BOOL:
        return json_boolean(note->boolean);
    case LK_NOTE_OBJECT:
        json = json_object();
        for (const struct lk_note *child = note->first; child != NULL; child = child->next)
            json_object_set_new(json, child->key, lk_explain_json(child));
        break;
    case LK_NOTE_LIST:
        json = json_array();
        for (const struct lk_note *child = note->first; child != NULL; child = child->next)
            json_array_append_new(json, lk_explain_json(child));
        break;
    }
    return json;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

struct out {
    void (*write)(void *arg, struct lk_str text);
    void *arg;
};

static void put(const struct out *out, struct lk_str text)
{
    out->write(out->arg, text);
}

/* On one line, and nothing that a terminal would act on. */
static void put_clean(const struct out *out, struct lk_str text)
{
    for (size_t i = 0, start = 0; i <= text.len; i++) {
        bool control = i < text.len && ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f);

        if (i < text.len && !control)
            continue;
        if (i > start)
            put(out, lk_str(text.ptr + start, i - start));
        if (control)
            put(out, LK_STR("?"));
        start = i + 1;
    }
}

static void put_scalar(const struct out *out, const struct lk_note *note)
{
    char number[24];

    if (note->kind == LK_NOTE_TEXT)
        put_clean(out, note->text.len > 0 ? note->text : LK_STR("-"));
    else if (note->kind == LK_NOTE_BOOL)
        put(out, note->boolean ? LK_STR("yes") : LK_STR("no"));
    else
        put(out, lk_str(number, (size_t)snprintf(number, sizeof(number), "%" PRIu64, note->number)));
}

static bool is_scalar(const struct lk_note *note)
{
    return note->kind != LK_NOTE_OBJECT && note->kind != LK_NOTE_LIST;
}

/* "key value, key value": one element of a list. */
static void put_inline(const struct out *out, const struct lk_note *note)
{
    if (is_scalar(note)) {
        put_scalar(out, note);
        return;
    }
    for (const struct lk_note *child = note->first; child != NULL; child = child->next) {
        if (child->key != NULL) {
            put(out, lk_str_from(child->key));
            put(out, LK_STR(" "));
        }
        if (is_scalar(child))
            put_scalar(out, child);
        else
            put_inline(out, child);
        if (child->next != NULL)
            put(out, child->key != NULL ? LK_STR(", ") : LK_STR(": "));
    }
}

static void put_detail(const struct out *out, const struct lk_note *note)
{
    if (is_scalar(note) ? note->kind == LK_NOTE_TEXT && note->text.len == 0 : note->first == NULL)
        return;
    put(out, LK_STR("       "));
    put(out, lk_str_from(note->key));
    if (note->kind == LK_NOTE_LIST) {
        put(out, LK_STR(":\n"));
        for (const struct lk_note *child = note->first; child != NULL; child = child->next) {
            put(out, LK_STR("         - "));
            put_inline(out, child);
            put(out, LK_STR("\n"));
        }
        return;
    }
    put(out, LK_STR(": "));
    put_inline(out, note);
    put(out, LK_STR("\n"));
}

static struct lk_str member(const struct lk_note *step, const char *key)
{
    const struct lk_note *note = lk_note_get(step, key);

    return note != NULL ? note->text : LK_STR("");
}

static bool is_heading(const struct lk_note *note)
{
    return strcmp(note->key, "step") == 0 || strcmp(note->key, "verdict") == 0 || strcmp(note->key, "why") == 0;
}

static void put_step(const struct out *out, const struct lk_note *step, unsigned number)
{
    char start[16];

    put(out, lk_str(start, (size_t)snprintf(start, sizeof(start), "%3u. ", number)));
    put(out, member(step, "step"));
    put(out, LK_STR(": "));
    put(out, member(step, "verdict"));
    put(out, LK_STR(" - "));
    put_clean(out, member(step, "why"));
    put(out, LK_STR("\n"));
    for (const struct lk_note *child = step->first; child != NULL; child = child->next)
        if (!is_heading(child))
            put_detail(out, child);
}

void lk_explain_text(const struct lk_explain *explain, void (*write)(void *arg, struct lk_str text), void *arg)
{
    const struct out out = {write, arg};
    unsigned number = 0;

    put(&out, LK_STR("result\n"));
    for (const struct lk_note *line = explain->result.first; line != NULL; line = line->next)
        put_detail(&out, line);
    put(&out, LK_STR("\ndecisions, in their order\n"));
    for (const struct lk_note *step = explain->decisions.first; step != NULL; step = step->next)
        put_step(&out, step, ++number);
    if (explain->cut)
        put(&out, LK_STR("  ... more than is told here\n"));
}
