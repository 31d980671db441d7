/* Pages for people, as HTML and as text. See page_sheet.h. */
#include "proxy/filter/page_sheet.h"

#include "proxy/base/mem.h"

/* A text column is no wider than this; the last is as wide as it is. */
#define WIDTH_MAX 72u

static void put(struct lk_sheet *sheet, const char *text)
{
    lk_admin_call_put(sheet->call, lk_str_from(text));
}

static void put_data(struct lk_sheet *sheet, struct lk_str text)
{
    if (sheet->html)
        lk_admin_call_escaped(sheet->call, text);
    else
        lk_admin_call_put(sheet->call, text);
}

static void put_format(struct lk_sheet *sheet, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void put_format(struct lk_sheet *sheet, const char *fmt, va_list args)
{
    struct lk_arena scratch;

    lk_arena_init(&scratch);
    put_data(sheet, lk_arena_vprintf(&scratch, fmt, args));
    lk_arena_reset(&scratch);
}

static const char *class_of(enum lk_sheet_tone tone)
{
    static const char *const names[] = {
        [LK_TONE_PLAIN] = "", [LK_TONE_GOOD] = "good", [LK_TONE_BAD] = "bad", [LK_TONE_DIM] = "dim"};

    return names[tone];
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

void lk_sheet_begin(struct lk_sheet *sheet, struct lk_admin_call *call, bool html, const char *title)
{
    *sheet = (struct lk_sheet){.call = call, .html = html};
    lk_arena_init(&sheet->arena);
    if (html) {
        lk_admin_call_html(call, title);
        put(sheet, "<h1>");
    }
    put_data(sheet, lk_str_from(title));
    put(sheet, html ? "</h1>\n" : "\n");
}

void lk_sheet_end(struct lk_sheet *sheet)
{
    LK_ASSERT(sheet->columns == 0);
    if (sheet->html)
        put(sheet, "</body></html>\n");
    lk_arena_reset(&sheet->arena);
}

void lk_sheet_heading(struct lk_sheet *sheet, const char *fmt, ...)
{
    va_list args;

    put(sheet, sheet->html ? "<h2>" : "\n== ");
    va_start(args, fmt);
    put_format(sheet, fmt, args);
    va_end(args);
    put(sheet, sheet->html ? "</h2>\n" : "\n");
}

void lk_sheet_line(struct lk_sheet *sheet, enum lk_sheet_tone tone, const char *fmt, ...)
{
    va_list args;

    if (sheet->html)
        lk_admin_call_printf(sheet->call, "<p class='%s'>", class_of(tone));
    va_start(args, fmt);
    put_format(sheet, fmt, args);
    va_end(args);
    put(sheet, sheet->html ? "</p>\n" : "\n");
}

/* --- facts -------------------------------------------------------------------------------------------------------- */

void lk_sheet_facts_begin(struct lk_sheet *sheet)
{
    if (sheet->html)
        put(sheet, "<div class='facts'>\n");
}

void lk_sheet_fact(struct lk_sheet *sheet, const char *name, enum lk_sheet_tone tone, const char *fmt, ...)
{
    va_list args;

    put(sheet, sheet->html ? "<span>" : "");
    put_data(sheet, lk_str_from(name));
    if (sheet->html)
        lk_admin_call_printf(sheet->call, " <b class='%s'>", class_of(tone));
    else
        put(sheet, ": ");
    va_start(args, fmt);
    put_format(sheet, fmt, args);
    va_end(args);
    put(sheet, sheet->html ? "</b></span>\n" : "\n");
}

void lk_sheet_facts_end(struct lk_sheet *sheet)
{
    if (sheet->html)
        put(sheet, "</div>\n");
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void add_cell(struct lk_sheet *sheet, enum lk_sheet_tone tone, struct lk_str text)
{
    sheet->cells = lk_grow(sheet->cells, &sheet->cap, sheet->count + 1, sizeof(*sheet->cells));
    sheet->cells[sheet->count++] = (struct lk_sheet_cell){text, tone};
}

void lk_sheet_column(struct lk_sheet *sheet, struct lk_str name, bool number)
{
    LK_ASSERT(sheet->count == sheet->columns);
    if (number && sheet->columns < 64)
        sheet->right |= (uint64_t)1 << sheet->columns;
    add_cell(sheet, LK_TONE_PLAIN, lk_arena_str(&sheet->arena, name));
    sheet->columns++;
}

void lk_sheet_table(struct lk_sheet *sheet, const char *const *names)
{
    LK_ASSERT(sheet->columns == 0);
    sheet->right = 0;
    for (; *names != NULL; names++)
        lk_sheet_column(sheet, lk_str_from(*names + (**names == '#')), **names == '#');
}

void lk_sheet_cell_text(struct lk_sheet *sheet, enum lk_sheet_tone tone, struct lk_str text)
{
    LK_ASSERT(sheet->columns > 0);
    add_cell(sheet, tone, lk_arena_str(&sheet->arena, text));
}

void lk_sheet_cell(struct lk_sheet *sheet, enum lk_sheet_tone tone, const char *fmt, ...)
{
    va_list args;

    LK_ASSERT(sheet->columns > 0);
    va_start(args, fmt);
    add_cell(sheet, tone, lk_arena_vprintf(&sheet->arena, fmt, args));
    va_end(args);
}

static bool is_right(const struct lk_sheet *sheet, size_t column)
{
    return column < 64 && (sheet->right >> column & 1) != 0;
}

static void put_html_cell(struct lk_sheet *sheet, size_t index)
{
    const struct lk_sheet_cell *cell = &sheet->cells[index];
    const char *element = index < sheet->columns ? "th" : "td";

    lk_admin_call_printf(sheet->call, "<%s class='%s%s'>", element, is_right(sheet, index % sheet->columns) ? "n " : "",
                         class_of(cell->tone));
    lk_admin_call_escaped(sheet->call, cell->text);
    lk_admin_call_printf(sheet->call, "</%s>", element);
}

static void put_html_table(struct lk_sheet *sheet)
{
    put(sheet, "<table>\n");
    for (size_t i = 0; i < sheet->count; i++) {
        if (i % sheet->columns == 0)
            put(sheet, "<tr>");
        put_html_cell(sheet, i);
        if ((i + 1) % sheet->columns == 0)
            put(sheet, "</tr>\n");
    }
    put(sheet, "</table>\n");
}

static size_t width_of(const struct lk_sheet *sheet, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < sheet->count; i += sheet->columns)
        width = LK_MAX(width, sheet->cells[i].text.len);
    return LK_MIN(width, (size_t)WIDTH_MAX);
}

static void put_text_table(struct lk_sheet *sheet)
{
    size_t *widths = lk_arena_array(&sheet->arena, sheet->columns, sizeof(*widths));
    size_t column = 0;

    for (size_t i = 0; i < sheet->columns; i++)
        widths[i] = width_of(sheet, i);
    for (size_t i = 0; i < sheet->count; i++) {
        struct lk_str text = sheet->cells[i].text;
        int pad = (int)(widths[column] > text.len ? widths[column] - text.len : 0);

        put(sheet, "  ");
        if (is_right(sheet, column))
            lk_admin_call_printf(sheet->call, "%*s", pad, "");
        lk_admin_call_put(sheet->call, text);
        if (column + 1 == sheet->columns)
            put(sheet, "\n");
        else if (!is_right(sheet, column))
            lk_admin_call_printf(sheet->call, "%*s", pad, "");
        column = column + 1 == sheet->columns ? 0 : column + 1;
    }
}

void lk_sheet_table_end(struct lk_sheet *sheet)
{
    LK_ASSERT(sheet->columns > 0 && sheet->count % sheet->columns == 0);
    if (sheet->html)
        put_html_table(sheet);
    else
        put_text_table(sheet);
    lk_free(sheet->cells);
    sheet->cells = NULL;
    sheet->count = sheet->cap = sheet->columns = 0;
    lk_arena_reset(&sheet->arena);
}
