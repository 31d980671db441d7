/*
 * A page for people, written once and shown as HTML or as plain text: headings, lines, facts, tables. Whatever is
 * handed in is plain text; escaping is done here. A table is kept until it ends, so that text columns can be lined up.
 * Main thread.
 */
#pragma once

#include "proxy/filter/admin_page.h"

enum lk_sheet_tone { LK_TONE_PLAIN, LK_TONE_GOOD, LK_TONE_BAD, LK_TONE_DIM };

struct lk_sheet_cell {
    struct lk_str text;
    enum lk_sheet_tone tone;
};

struct lk_sheet {
    struct lk_admin_call *call;
    bool html;
    struct lk_arena arena;       /* of the table that is being written */
    struct lk_sheet_cell *cells; /* the head first, row by row */
    size_t count, cap;
    size_t columns; /* 0: no table is open */
    uint64_t right; /* bits of columns of numbers; those above 63 are text */
};

/* title: of the page, and its first heading. */
void lk_sheet_begin(struct lk_sheet *sheet, struct lk_admin_call *call, bool html, const char *title);
void lk_sheet_end(struct lk_sheet *sheet);

void lk_sheet_heading(struct lk_sheet *sheet, const char *fmt, ...) LK_PRINTF(2, 3);
void lk_sheet_line(struct lk_sheet *sheet, enum lk_sheet_tone tone, const char *fmt, ...) LK_PRINTF(3, 4);

/* Names and values side by side. Only facts between begin and end. */
void lk_sheet_facts_begin(struct lk_sheet *sheet);
void lk_sheet_fact(struct lk_sheet *sheet, const char *name, enum lk_sheet_tone tone, const char *fmt, ...)
    LK_PRINTF(4, 5);
void lk_sheet_facts_end(struct lk_sheet *sheet);

/* names ends with NULL; a name that begins with '#' (not shown) is a column of numbers. */
void lk_sheet_table(struct lk_sheet *sheet, const char *const *names);
/* One more column, before the first cell. */
void lk_sheet_column(struct lk_sheet *sheet, struct lk_str name, bool number);
/* The cells of all rows in order; a row is full when it has one for each column. */
void lk_sheet_cell(struct lk_sheet *sheet, enum lk_sheet_tone tone, const char *fmt, ...) LK_PRINTF(3, 4);
void lk_sheet_cell_text(struct lk_sheet *sheet, enum lk_sheet_tone tone, struct lk_str text);
void lk_sheet_table_end(struct lk_sheet *sheet);
