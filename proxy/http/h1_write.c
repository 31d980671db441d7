/*
 * Field lines into reserved memory, in the letter case that the options ask for. A head that is passed on lies in the
 * arena as it was received, so that most of its lines leave together in one copy. See h1_internal.h.
 */
#include "proxy/http/h1_internal.h"

static bool alphanumeric(unsigned char c)
{
    return (unsigned char)(c - '0') < 10 || (unsigned char)((c | 0x20) - 'a') < 26;
}

/* header_key_format.proper_case_words: the first letter, and each one behind something that is neither letter nor
 * digit. */
static char *put_proper_case(char *to, struct lk_str name)
{
    bool word_begins = true;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = lk_ascii_lower((unsigned char)name.ptr[i]);
        bool letter = (unsigned char)(c - 'a') < 26;
        *to++ = (char)(letter && word_begins ? c - 'a' + 'A' : c);
        word_begins = !alphanumeric(c);
    }
    return to;
}

static char *put_lower_case(char *to, struct lk_str name)
{
    for (size_t i = 0; i < name.len; i++)
        *to++ = (char)lk_ascii_lower((unsigned char)name.ptr[i]);
    return to;
}

static void put_line(struct lk_h1_writer *w, struct lk_str name, struct lk_str value)
{
    char *to = w->to;
    if (w->options->proper_case_words)
        to = put_proper_case(to, name);
    else if (w->options->lowercase_names)
        to = put_lower_case(to, name);
    else
        to = lk_h1_put(to, name);
    *to++ = ':';
    *to++ = ' ';
    if (value.len > 0)
        to = lk_h1_put(to, value);
    *to++ = '\r';
    *to++ = '\n';
    w->to = to;
}

static void put_run(struct lk_h1_writer *w)
{
    if (w->run == NULL)
        return;
    w->to = lk_h1_put(w->to, lk_str(w->run, (size_t)(w->run_end - w->run)));
    w->to = lk_h1_put(w->to, LK_STR("\r\n"));
    w->run = NULL;
}

/* Whether exactly these two bytes lie between the slices, which then are of one piece. */
static inline bool joined_by(const char *end, const char *begin, const char *two)
{
    return begin == end + 2 && end[0] == two[0] && end[1] == two[1];
}

void lk_h1_write_line(struct lk_h1_writer *w, struct lk_str name, struct lk_str value)
{
    bool changes_case = w->options->proper_case_words || w->options->lowercase_names;
    if (changes_case || !joined_by(name.ptr + name.len, value.ptr, ": ")) {
        put_run(w);
        put_line(w, name, value);
        return;
    }
    if (w->run == NULL || !joined_by(w->run_end, name.ptr, "\r\n")) {
        put_run(w);
        w->run = name.ptr;
    }
    w->run_end = value.ptr + value.len;
}

void lk_h1_write_end(struct lk_h1_writer *w)
{
    put_run(w);
    w->to = lk_h1_put(w->to, LK_STR("\r\n"));
}
