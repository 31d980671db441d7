/* Compiled tag rules and their use on one name. */
#include "proxy/stats/tags.h"

#include "proxy/base/mem.h"
#include "proxy/stats/pattern.h"

struct rule {
    struct lk_str tag;
    struct lk_str fixed;        /* the value, where there is no pattern */
    struct lk_str start;        /* what every match starts with: most names are told apart by it */
    struct lk_str needle;       /* what every match holds */
    struct lk_pattern *pattern; /* NULL: fixed */
};

struct lk_tags {
    struct lk_arena arena;
    struct rule *rules;
    size_t count;
    size_t cap;
};

/* A stretch that is cut out of a name. */
struct cut {
    size_t from;
    size_t to;
};

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_repeat(char c)
{
    return c == '?' || c == '*' || c == '{';
}

/* Whether '|' stands outside of all groups, so that a match may start with something else. */
static bool has_top_level_choice(struct lk_str regex)
{
    unsigned depth = 0;
    bool in_class = false;

    for (size_t i = 0; i < regex.len; i++) {
        char c = regex.ptr[i];

        if (c == '\\')
            i++;
        else if (in_class)
            in_class = c != ']';
        else if (c == '[')
            in_class = true;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (c == '|' && depth == 0)
            return true;
    }
    return false;
}

/* The literal text behind '^', as far as it goes: "cluster" for ^cluster\.(...). */
static struct lk_str literal_start(struct lk_str regex)
{
    size_t end = 1;

    if (regex.len == 0 || regex.ptr[0] != '^' || has_top_level_choice(regex))
        return lk_str(NULL, 0);
    while (end < regex.len && is_plain(regex.ptr[end]))
        end++;
    if (end < regex.len && is_repeat(regex.ptr[end]))
        end = end > 1 ? end - 1 : end;
    return lk_str(regex.ptr + 1, end - 1);
}

static struct rule *add_rule(struct lk_tags *tags, struct lk_str tag)
{
    struct rule *rule;

    tags->rules = lk_grow(tags->rules, &tags->cap, tags->count + 1, sizeof(*tags->rules));
    rule = &tags->rules[tags->count++];
    *rule = (struct rule){.tag = lk_arena_str(&tags->arena, tag)};
    return rule;
}

static bool add_regex(struct lk_tags *tags, struct lk_str tag, struct lk_str regex, const char *needle,
                      struct lk_error *error)
{
    struct lk_pattern *pattern = lk_pattern_new(regex, error);
    struct rule *rule;

    if (pattern == NULL)
        return false;
    rule = add_rule(tags, tag);
    rule->pattern = pattern;
    rule->start = lk_arena_str(&tags->arena, literal_start(regex));
    rule->needle = lk_str_from(needle);
    return true;
}

/* The default rules of one tag, or all of them. Returns how many there were. */
static size_t add_defaults(struct lk_tags *tags, struct lk_str only)
{
    size_t added = 0;

    for (size_t i = 0; i < lk_tag_default_count; i++) {
        struct lk_str tag = lk_str_from(lk_tag_defaults[i].tag);
        struct lk_error error;

        if (only.len > 0 && !lk_str_eq(tag, only))
            continue;
        if (!add_regex(tags, tag, lk_str_from(lk_tag_defaults[i].regex), lk_tag_defaults[i].needle, &error))
            lk_panic("default tag rule: %s", error.text);
        added++;
    }
    return added;
}

static struct lk_tags *new_empty(void)
{
    struct lk_tags *tags = lk_calloc(1, sizeof(*tags));

    lk_arena_init(&tags->arena);
    return tags;
}

struct lk_tags *lk_tags_new(void)
{
    struct lk_tags *tags = new_empty();

    add_defaults(tags, lk_str(NULL, 0));
    return tags;
}

static bool add_configured(struct lk_tags *tags, const struct lk_stats_tag_rule *rule, struct lk_errors *errors)
{
    struct lk_error error;

    if (rule->tag.len == 0)
        return lk_errors_add_at(errors, "tag_name", "is empty");
    if (rule->regex.len > 0 && rule->fixed_value.len > 0)
        return lk_errors_add(errors, "has both a regex and a fixed_value");
    if (rule->fixed_value.len > 0) {
        add_rule(tags, rule->tag)->fixed = lk_arena_str(&tags->arena, rule->fixed_value);
        return true;
    }
    if (rule->regex.len > 0) {
        if (!add_regex(tags, rule->tag, rule->regex, "", &error))
            return lk_errors_add_at(errors, "regex", "%s", error.text);
        return true;
    }
    if (add_defaults(tags, rule->tag) == 0)
        return lk_errors_add_at(errors, "tag_name",
                                "'%.*s' has no regex here and there is no default rule of this name",
                                LK_STR_ARG(rule->tag));
    return true;
}

struct lk_tags *lk_tags_from(const struct lk_stats_tag_rule *rules, size_t count, bool use_defaults,
                             struct lk_errors *errors)
{
    struct lk_tags *tags = new_empty();
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(errors, "stats_tags", i);

        good = add_configured(tags, &rules[i], errors) && good;
        lk_errors_pop(errors, mark);
    }
    if (!good) {
        lk_tags_free(tags);
        return NULL;
    }
    if (use_defaults)
        add_defaults(tags, lk_str(NULL, 0));
    return tags;
}

void lk_tags_free(struct lk_tags *tags)
{
    if (tags == NULL)
        return;
    for (size_t i = 0; i < tags->count; i++)
        lk_pattern_free(tags->rules[i].pattern);
    lk_free(tags->rules);
    lk_arena_reset(&tags->arena);
    lk_free(tags);
}

static bool has_tag(const struct lk_tagged_name *out, struct lk_str tag)
{
    for (size_t i = 0; i < out->tag_count; i++) {
        if (lk_str_eq(out->tags[i].name, tag))
            return true;
    }
    return false;
}

/* Whether a text occurs in the name; neighbouring rules mostly look for the same one. */
struct needle_memo {
    struct lk_str needle;
    bool found;
};

static bool can_match(const struct rule *rule, struct lk_str name, struct needle_memo *memo)
{
    if (!lk_str_has_prefix(name, rule->start))
        return false;
    if (rule->needle.len == 0)
        return true;
    if (!lk_str_eq(rule->needle, memo->needle)) {
        memo->needle = rule->needle;
        memo->found = lk_str_find(name, rule->needle) <= name.len;
    }
    return memo->found;
}

/* Applies one rule; a tag has one value, that of the first rule that finds one. */
static bool apply(const struct rule *rule, struct lk_str name, struct lk_tagged_name *out, struct cut *cut)
{
    struct lk_str removed;
    struct lk_str value;

    if (has_tag(out, rule->tag))
        return false;
    if (rule->pattern == NULL) {
        out->tags[out->tag_count++] = (struct lk_tag){rule->tag, rule->fixed};
        return false;
    }
    if (!lk_pattern_groups(rule->pattern, name, &removed, &value) || removed.ptr == NULL)
        return false;
    if (value.ptr == NULL)
        value = removed;
    out->tags[out->tag_count++] = (struct lk_tag){rule->tag, value};
    cut->from = (size_t)(removed.ptr - name.ptr);
    cut->to = cut->from + removed.len;
    return true;
}

/* Keeps the stretches in the order of their places. */
static void insert_cut(struct cut *cuts, size_t count, struct cut cut)
{
    while (count > 0 && cuts[count - 1].from > cut.from) {
        cuts[count] = cuts[count - 1];
        count--;
    }
    cuts[count] = cut;
}

/* The name without the stretches, which may overlap. */
static struct lk_str without(struct lk_str name, const struct cut *cuts, size_t count, struct lk_arena *arena)
{
    char *out = lk_arena_alloc(arena, name.len);
    size_t len = 0;
    size_t at = 0;

    for (size_t i = 0; i <= count; i++) {
        size_t until = i < count ? cuts[i].from : name.len;

        if (until > at) {
            memcpy(out + len, name.ptr + at, until - at);
            len += until - at;
        }
        if (i < count)
            at = LK_MAX(at, cuts[i].to);
    }
    return lk_str(out, len);
}

struct lk_tagged_name lk_tags_extract(struct lk_tags *tags, struct lk_str name, struct lk_arena *arena)
{
    struct lk_str own = lk_arena_str(arena, name);
    struct lk_tagged_name out = {own, lk_arena_alloc(arena, tags->count * sizeof(struct lk_tag)), 0};
    struct cut *cuts = lk_arena_alloc(arena, tags->count * sizeof(*cuts));
    struct needle_memo memo = {0};
    size_t cut_count = 0;

    for (size_t i = 0; i < tags->count; i++) {
        struct cut cut;

        if (!can_match(&tags->rules[i], own, &memo))
            continue;
        if (apply(&tags->rules[i], own, &out, &cut))
            insert_cut(cuts, cut_count++, cut);
    }
    if (cut_count > 0)
        out.name = without(own, cuts, cut_count, arena);
    return out;
}
