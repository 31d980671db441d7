/*
 * The header block: lookups and changes. See headers.h. Owner: the worker of the message; nothing here is shared. Ids
 * and the perfect hash are in header_id.c.
 */
#include "proxy/http/headers.h"

#include "proxy/base/mem.h"

#define FIRST_CAPACITY 16u

void lk_headers_init(struct lk_headers *headers, struct lk_arena *arena)
{
    *headers = (struct lk_headers){.arena = arena};
}

static void note_present(struct lk_headers *headers, enum lk_header_id id)
{
    if (id < LK_HEADER_COUNT)
        headers->present[id / 64] |= UINT64_C(1) << (id % 64);
}

static void note_absent(struct lk_headers *headers, enum lk_header_id id)
{
    if (id < LK_HEADER_COUNT)
        headers->present[id / 64] &= ~(UINT64_C(1) << (id % 64));
}

struct lk_header_key lk_header_key(struct lk_arena *arena, struct lk_str name)
{
    enum lk_header_id id = lk_header_id_of(name);
    if (id != LK_HEADER_OTHER)
        return (struct lk_header_key){id, lk_header_name(id)};
    char *lower = lk_arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)lk_ascii_lower((unsigned char)name.ptr[i]);
    lower[name.len] = '\0';
    return (struct lk_header_key){LK_HEADER_OTHER, lk_str(lower, name.len)};
}

/* The first live entry of the name at `from` or later. */
static struct lk_header *find_from(const struct lk_headers *headers, size_t from, enum lk_header_id id,
                                   struct lk_str name)
{
    struct lk_header *end = headers->items + headers->count;
    for (struct lk_header *h = headers->items + from; h < end; h++) {
        if (h->id != id || h->removed)
            continue;
        if (id != LK_HEADER_OTHER || lk_str_ieq(h->name, name))
            return h;
    }
    return NULL;
}

struct lk_header *lk_headers_find(const struct lk_headers *headers, enum lk_header_id id)
{
    if (id >= LK_HEADER_COUNT || !lk_headers_maybe(headers, id))
        return NULL;
    return find_from(headers, 0, id, LK_STR(""));
}

struct lk_header *lk_headers_find_key(const struct lk_headers *headers, const struct lk_header_key *key)
{
    if (key->id != LK_HEADER_OTHER)
        return lk_headers_find(headers, key->id);
    return headers->count == 0 ? NULL : find_from(headers, 0, LK_HEADER_OTHER, key->name);
}

struct lk_header *lk_headers_find_name(const struct lk_headers *headers, struct lk_str name)
{
    struct lk_header_key key = {lk_header_id_of(name), name};
    return lk_headers_find_key(headers, &key);
}

struct lk_header *lk_headers_next(const struct lk_headers *headers, const struct lk_header *after)
{
    return find_from(headers, (size_t)(after - headers->items) + 1, (enum lk_header_id)after->id, after->name);
}

struct lk_str lk_headers_get(const struct lk_headers *headers, enum lk_header_id id)
{
    const struct lk_header *h = lk_headers_find(headers, id);
    return h != NULL ? h->value : lk_str(NULL, 0);
}

struct lk_str lk_headers_get_joined(const struct lk_headers *headers, const struct lk_header_key *key)
{
    const struct lk_header *first = lk_headers_find_key(headers, key);
    if (first == NULL)
        return lk_str(NULL, 0);
    size_t len = 0;
    for (const struct lk_header *h = first; h != NULL; h = lk_headers_next(headers, h))
        len += h->value.len + 1;
    if (len == first->value.len + 1)
        return first->value;
    char *out = lk_arena_alloc(headers->arena, len);
    char *to = out;
    for (const struct lk_header *h = first; h != NULL; h = lk_headers_next(headers, h)) {
        if (to != out)
            *to++ = ',';
        if (h->value.len > 0)
            memcpy(to, h->value.ptr, h->value.len);
        to += h->value.len;
    }
    return lk_str(out, (size_t)(to - out));
}

static void make_room(struct lk_headers *headers)
{
    LK_ASSERT(headers->count < UINT16_MAX);
    size_t cap = headers->cap == 0 ? FIRST_CAPACITY : LK_MIN((size_t)headers->cap * 2, UINT16_MAX);
    struct lk_header *items = lk_arena_alloc(headers->arena, cap * sizeof(*items));
    if (headers->count > 0)
        memcpy(items, headers->items, headers->count * sizeof(*items));
    headers->items = items;
    headers->cap = (uint16_t)cap;
}

struct lk_header *lk_headers_add_raw(struct lk_headers *headers, enum lk_header_id id, struct lk_str name,
                                     struct lk_str value)
{
    if (headers->count == headers->cap)
        make_room(headers);
    struct lk_header *h = &headers->items[headers->count++];
    *h = (struct lk_header){.name = name, .value = value, .id = (uint16_t)id};
    headers->bytes += (uint32_t)(name.len + value.len);
    note_present(headers, id);
    return h;
}

struct lk_header *lk_headers_add(struct lk_headers *headers, enum lk_header_id id, struct lk_str value)
{
    return lk_headers_add_raw(headers, id, lk_header_name(id), value);
}

struct lk_header *lk_headers_add_key(struct lk_headers *headers, const struct lk_header_key *key, struct lk_str value)
{
    return lk_headers_add_raw(headers, key->id, key->name, value);
}

static void drop(struct lk_headers *headers, struct lk_header *h)
{
    h->removed = true;
    headers->bytes -= (uint32_t)(h->name.len + h->value.len);
}

/* Removes the entries of the name behind `h`. */
static unsigned drop_after(struct lk_headers *headers, const struct lk_header *h)
{
    unsigned removed = 0;
    for (struct lk_header *next = lk_headers_next(headers, h); next != NULL; next = lk_headers_next(headers, next)) {
        drop(headers, next);
        removed++;
    }
    return removed;
}

void lk_headers_set_key(struct lk_headers *headers, const struct lk_header_key *key, struct lk_str value)
{
    struct lk_header *h = lk_headers_find_key(headers, key);
    if (h == NULL) {
        lk_headers_add_key(headers, key, value);
        return;
    }
    drop_after(headers, h);
    headers->bytes += (uint32_t)value.len - (uint32_t)h->value.len;
    h->value = value;
}

void lk_headers_set(struct lk_headers *headers, enum lk_header_id id, struct lk_str value)
{
    struct lk_header_key key = {id, lk_header_name(id)};
    lk_headers_set_key(headers, &key, value);
}

unsigned lk_headers_remove_key(struct lk_headers *headers, const struct lk_header_key *key)
{
    struct lk_header *h = lk_headers_find_key(headers, key);
    if (h == NULL)
        return 0;
    unsigned removed = 1 + drop_after(headers, h);
    drop(headers, h);
    note_absent(headers, key->id);
    return removed;
}

unsigned lk_headers_remove(struct lk_headers *headers, enum lk_header_id id)
{
    struct lk_header_key key = {id, lk_header_name(id)};
    return lk_headers_remove_key(headers, &key);
}

void lk_headers_remove_entry(struct lk_headers *headers, struct lk_header *header)
{
    if (!header->removed)
        drop(headers, header);
}

void lk_headers_copy(struct lk_headers *to, const struct lk_headers *from, struct lk_arena *arena)
{
    lk_headers_init(to, arena);
    size_t live = 0;
    LK_HEADERS_FOREACH(h, from)
    live++;
    if (live == 0)
        return;
    size_t cap = LK_MIN(live + FIRST_CAPACITY / 2, UINT16_MAX);
    to->items = lk_arena_alloc(arena, cap * sizeof(*to->items));
    to->cap = (uint16_t)cap;
    LK_HEADERS_FOREACH(h, from)
    to->items[to->count++] = *h;
    to->bytes = from->bytes;
    memcpy(to->present, from->present, sizeof(to->present));
}

void lk_headers_clone(struct lk_headers *to, const struct lk_headers *from, struct lk_arena *arena)
{
    lk_headers_copy(to, from, arena);
    char *bytes = lk_arena_alloc(arena, (size_t)to->bytes + 1);
    LK_HEADERS_FOREACH(h, to)
    {
        struct lk_str *parts[] = {&h->name, &h->value};
        for (size_t i = 0; i < LK_ARRAY_LEN(parts); i++) {
            if (parts[i]->len > 0)
                memcpy(bytes, parts[i]->ptr, parts[i]->len);
            parts[i]->ptr = bytes;
            bytes += parts[i]->len;
        }
    }
}

bool lk_header_has_token(struct lk_str value, struct lk_str token)
{
    while (value.ptr != NULL)
        if (lk_str_ieq(lk_str_trim(lk_str_split(&value, ',')), token))
            return true;
    return false;
}

unsigned lk_headers_status(const struct lk_headers *headers)
{
    struct lk_str value = lk_headers_get(headers, LK_HEADER_STATUS);
    if (value.len != 3)
        return 0;
    unsigned status = 0;
    for (size_t i = 0; i < 3; i++) {
        unsigned digit = (unsigned)(unsigned char)value.ptr[i] - '0';
        if (digit > 9)
            return 0;
        status = status * 10 + digit;
    }
    return status;
}

void lk_headers_set_status(struct lk_headers *headers, unsigned status)
{
    LK_ASSERT(status >= 100 && status <= 999);
    char *text = lk_arena_alloc(headers->arena, 3);
    text[0] = (char)('0' + status / 100);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    lk_headers_set(headers, LK_HEADER_STATUS, lk_str(text, 3));
}
