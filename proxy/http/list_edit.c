/*
 * Lists of members in headers, see list_edit.h.
 */
#include "proxy/http/list_edit.h"

#include "proxy/base/mem.h"

void lk_list_begin(struct lk_list_iter *iter, const struct lk_headers *headers, const struct lk_header_key *key)
{
    const struct lk_header *line = lk_headers_find_key(headers, key);
    *iter = (struct lk_list_iter){headers, line, line != NULL ? line->value : lk_str(NULL, 0)};
}

bool lk_list_next(struct lk_list_iter *iter, struct lk_str *member)
{
    while (iter->line != NULL) {
        while (iter->rest.ptr != NULL) {
            *member = lk_str_trim(lk_str_split(&iter->rest, ','));
            if (member->len > 0)
                return true;
        }
        iter->line = lk_headers_next(iter->headers, iter->line);
        if (iter->line != NULL)
            iter->rest = iter->line->value;
    }
    return false;
}

static void begin(struct lk_list_iter *iter, const struct lk_headers *headers, const struct lk_list_edit *edit)
{
    struct lk_header_key key = {edit->header, lk_header_name(edit->header)};
    lk_list_begin(iter, headers, &key);
}

struct line {
    char *bytes;
    size_t len;
    unsigned members;
};

static size_t room_for(const struct lk_headers *headers, const struct lk_list_edit *edit, size_t first)
{
    size_t room = first;
    for (const struct lk_header *h = lk_headers_find(headers, edit->header); h != NULL; h = lk_headers_next(headers, h))
        room += h->value.len + 1;
    return LK_MIN(room, edit->max_bytes);
}

static bool append(struct line *line, const struct lk_list_edit *edit, struct lk_str member)
{
    size_t comma = line->members > 0;
    if (line->members == edit->max_members || member.len + comma > edit->max_bytes - line->len)
        return false;
    if (comma > 0)
        line->bytes[line->len++] = ',';
    memcpy(line->bytes + line->len, member.ptr, member.len);
    line->len += member.len;
    line->members++;
    return true;
}

/* `first`, when there is one, and the members of others, up to the first that does not fit. */
static struct line build(const struct lk_headers *headers, const struct lk_list_edit *edit, struct lk_str first)
{
    struct line line = {lk_arena_alloc(headers->arena, room_for(headers, edit, first.len)), 0, 0};
    if (first.len > 0)
        append(&line, edit, first);
    struct lk_list_iter iter;
    struct lk_str member;
    begin(&iter, headers, edit);
    while (lk_list_next(&iter, &member)) {
        if (!edit->ours(member, edit->arg) && !append(&line, edit, member))
            break;
    }
    return line;
}

void lk_list_put(struct lk_headers *headers, const struct lk_list_edit *edit, struct lk_str first)
{
    LK_ASSERT(first.len > 0 && first.len <= edit->max_bytes);
    struct line line = build(headers, edit, first);
    lk_headers_set(headers, edit->header, lk_str(line.bytes, line.len));
}

static bool holds_ours(const struct lk_headers *headers, const struct lk_list_edit *edit)
{
    struct lk_list_iter iter;
    struct lk_str member;
    begin(&iter, headers, edit);
    while (lk_list_next(&iter, &member)) {
        if (edit->ours(member, edit->arg))
            return true;
    }
    return false;
}

bool lk_list_take(struct lk_headers *headers, const struct lk_list_edit *edit)
{
    if (!holds_ours(headers, edit))
        return false;
    struct line line = build(headers, edit, lk_str(NULL, 0));
    if (line.members > 0)
        lk_headers_set(headers, edit->header, lk_str(line.bytes, line.len));
    else
        lk_headers_remove(headers, edit->header);
    return true;
}
