/* Domain look-up: a hash for exact names, radix trees for the wildcards; the longest wildcard wins, suffixes before
 * prefixes. */
#include "proxy/router/domain_index.h"

#include "proxy/base/mem.h"

#define HOST_ON_STACK 256

void lk_domain_index_init(struct lk_domain_index *index)
{
    *index = (struct lk_domain_index){0};
    lk_map_init(&index->exact);
}

void lk_domain_index_fini(struct lk_domain_index *index)
{
    lk_map_fini(&index->exact);
}

static void lower_into(char *out, struct lk_str s)
{
    for (size_t i = 0; i < s.len; i++)
        out[i] = (char)lk_ascii_lower((unsigned char)s.ptr[i]);
}

static void reverse_into(char *out, struct lk_str s)
{
    for (size_t i = 0; i < s.len; i++)
        out[i] = s.ptr[s.len - 1 - i];
}

/* Where the value of a domain goes; kind tells a look-up apart only by the tree it is in. */
static void **slot_of(struct lk_domain_index *index, struct lk_arena *arena, struct lk_str domain)
{
    if (domain.ptr[0] == '*') {
        struct lk_str suffix = lk_str_drop(domain, 1);
        char *reversed = lk_arena_alloc(arena, suffix.len);

        reverse_into(reversed, suffix);
        index->has_suffixes = true;
        return lk_radix_slot(&index->suffixes, arena, lk_str(reversed, suffix.len));
    }
    index->has_prefixes = true;
    return lk_radix_slot(&index->prefixes, arena, lk_str(domain.ptr, domain.len - 1));
}

static bool duplicate(struct lk_str domain, struct lk_error *error)
{
    return lk_error_set(error, LK_ERROR_INVALID, "domain '%.*s' occurs twice in the route configuration",
                        LK_STR_ARG(domain));
}

bool lk_domain_index_add(struct lk_domain_index *index, struct lk_arena *arena, struct lk_str domain, void *value,
                         struct lk_error *error)
{
    char *name = lk_arena_cstr(arena, domain);
    struct lk_str lower = lk_str(name, domain.len);
    void **slot = &index->any;

    lower_into(name, domain);
    if (domain.len == 0 || (lower.ptr[0] != '*' && lower.ptr[lower.len - 1] != '*')) {
        if (lk_map_get(&index->exact, lower) != NULL)
            return duplicate(domain, error);
        lk_map_set(&index->exact, lower, value);
        return true;
    }
    if (domain.len > 1)
        slot = slot_of(index, arena, lower);
    if (*slot != NULL)
        return duplicate(domain, error);
    *slot = value;
    return true;
}

bool lk_domain_index_only_any(const struct lk_domain_index *index)
{
    return index->exact.count == 0 && !index->has_suffixes && !index->has_prefixes;
}

static void tell(struct lk_domain_trace *recorder, enum lk_domain_kind kind, struct lk_str domain, void *value)
{
    if (LK_UNLIKELY(recorder != NULL))
        recorder->on_domain(recorder, kind, domain, value);
}

static void tell_wildcard(struct lk_domain_trace *recorder, enum lk_domain_kind kind, struct lk_str fits, void *value)
{
    char plain[HOST_ON_STACK];

    if (kind == LK_DOMAIN_SUFFIX && fits.len <= sizeof(plain)) { /* its tree is of names read backwards */
        reverse_into(plain, fits);
        fits.ptr = plain;
    }
    tell(recorder, kind, fits, value);
}

/* A wildcard stands for at least one byte. */
static void *longest(const struct lk_radix_node *root, struct lk_str key, enum lk_domain_kind kind,
                     struct lk_domain_trace *recorder)
{
    struct lk_radix_walk walk;
    struct lk_str rest;
    void *best = NULL;
    void *value;

    lk_radix_walk_init(&walk, root, key);
    while ((value = lk_radix_walk_next(&walk, &rest)) != NULL) {
        if (rest.len == 0)
            continue;
        best = value;
        if (LK_UNLIKELY(recorder != NULL))
            tell_wildcard(recorder, kind, lk_str(key.ptr, key.len - rest.len), value);
    }
    if (best == NULL)
        tell(recorder, kind, lk_str(NULL, 0), NULL);
    return best;
}

static bool has_upper(struct lk_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)(s.ptr[i] - 'A') < 26)
            return true;
    return false;
}

static void *any(const struct lk_domain_index *index, struct lk_domain_trace *recorder)
{
    tell(recorder, LK_DOMAIN_ANY, lk_str(NULL, 0), index->any);
    return index->any;
}

void *lk_domain_index_find(const struct lk_domain_index *index, struct lk_arena *scratch, struct lk_str host,
                           struct lk_domain_trace *recorder)
{
    char stack[2][HOST_ON_STACK];
    void *value;

    if (lk_domain_index_only_any(index))
        return any(index, recorder);
    if (has_upper(host)) {
        char *lower = host.len <= HOST_ON_STACK ? stack[0] : lk_arena_alloc(scratch, host.len);

        lower_into(lower, host);
        host.ptr = lower;
    }
    value = lk_map_get(&index->exact, host);
    tell(recorder, LK_DOMAIN_EXACT, value != NULL ? host : lk_str(NULL, 0), value);
    if (value != NULL)
        return value;
    if (index->has_suffixes) {
        char *reversed = host.len <= HOST_ON_STACK ? stack[1] : lk_arena_alloc(scratch, host.len);

        reverse_into(reversed, host);
        if ((value = longest(&index->suffixes, lk_str(reversed, host.len), LK_DOMAIN_SUFFIX, recorder)) != NULL)
            return value;
    }
    if (index->has_prefixes && (value = longest(&index->prefixes, host, LK_DOMAIN_PREFIX, recorder)) != NULL)
        return value;
    return any(index, recorder);
}
