/*
 * From libyaml's events to nodes in an arena: the first step of reading a configuration file, at
 * start-up or on the main loop. Recursion is bounded by LK_YAML_MAX_DEPTH.
 */
#include "xds/decode/yaml_tree.h"

#include "proxy/base/map.h"
#include "proxy/base/mem.h"
#include "xds/decode/yaml_scalar.h"

#include <yaml.h>

struct parser {
    yaml_parser_t yaml;
    struct lk_arena *arena;
    struct lk_errors *errors;
    enum lk_yaml_syntax syntax;
    struct lk_map anchors; /* name -> finished node */
};

static struct lk_yaml_node *parse_node(struct parser *p, yaml_event_t *event, int depth);

static int line_of(const yaml_event_t *event)
{
    return (int)event->start_mark.line + 1;
}

/* Fills *event; the caller deletes it. Reports syntax errors. */
static bool next_event(struct parser *p, yaml_event_t *event)
{
    if (yaml_parser_parse(&p->yaml, event))
        return true;
    switch (p->yaml.error) {
    case YAML_READER_ERROR:
        lk_errors_add(p->errors, "unreadable text at byte %zu: %s", p->yaml.problem_offset,
                      p->yaml.problem ? p->yaml.problem : "invalid encoding");
        break;
    case YAML_SCANNER_ERROR:
    case YAML_PARSER_ERROR:
        lk_errors_add_line(p->errors, (int)p->yaml.problem_mark.line + 1, "syntax error in column %zu: %s%s%s",
                           p->yaml.problem_mark.column + 1, p->yaml.context ? p->yaml.context : "",
                           p->yaml.context ? ", " : "", p->yaml.problem);
        break;
    default:
        lk_errors_add(p->errors, "the YAML parser failed");
        break;
    }
    return false;
}

static struct lk_yaml_node *new_node(struct parser *p, enum lk_yaml_kind kind, int line)
{
    struct lk_yaml_node *node = lk_arena_zalloc(p->arena, sizeof(*node));

    node->kind = kind;
    node->line = line;
    node->text = LK_STR("");
    node->height = 1;
    node->weight = 1;
    return node;
}

static void remember_anchor(struct parser *p, const yaml_char_t *anchor, struct lk_yaml_node *node)
{
    if (anchor) {
        struct lk_str name = lk_arena_str(p->arena, lk_str_from((const char *)anchor));

        lk_map_set(&p->anchors, name, node);
    }
}

static struct lk_yaml_node *parse_alias(struct parser *p, const yaml_event_t *event)
{
    struct lk_str name = lk_str_from((const char *)event->data.alias.anchor);
    struct lk_yaml_node *node = lk_map_get(&p->anchors, name);

    if (!node) {
        lk_errors_add_line(p->errors, line_of(event), "alias *%.*s has no finished anchor of that name before it",
                           LK_STR_ARG(name));
        node = new_node(p, LK_YAML_NULL, line_of(event));
    }
    return node;
}

static struct lk_yaml_node *parse_scalar(struct parser *p, const yaml_event_t *event)
{
    struct lk_yaml_node *node = new_node(p, LK_YAML_STRING, line_of(event));
    const char *tag = (const char *)event->data.scalar.tag;

    node->text = lk_arena_str(p->arena, lk_str((const char *)event->data.scalar.value, event->data.scalar.length));
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (!tag || strcmp(tag, YAML_STR_TAG) != 0))
        lk_yaml_type_plain(node, p->syntax);
    remember_anchor(p, event->data.scalar.anchor, node);
    return node;
}

/* Hangs a child below a list or map. False when a limit is passed. */
static bool attach(struct parser *p, struct lk_yaml_node *node, struct lk_yaml_item ***tail, struct lk_yaml_item item)
{
    struct lk_yaml_item *copy = lk_arena_alloc(p->arena, sizeof(*copy));

    *copy = item;
    **tail = copy;
    *tail = &copy->next;
    node->count++;
    node->weight += item.value->weight;
    node->height = LK_MAX(node->height, item.value->height + 1);
    if (node->weight > LK_YAML_MAX_NODES) {
        lk_errors_add_line(p->errors, item.line, "too many values (limit %u, aliases expanded)", LK_YAML_MAX_NODES);
        return false;
    }
    if (node->height > LK_YAML_MAX_DEPTH) {
        lk_errors_add_line(p->errors, item.line, "nested too deeply (limit %d)", LK_YAML_MAX_DEPTH);
        return false;
    }
    return true;
}

static struct lk_yaml_node *parse_list(struct parser *p, const yaml_event_t *start, int depth)
{
    struct lk_yaml_node *node = new_node(p, LK_YAML_LIST, line_of(start));
    struct lk_yaml_item **tail = &node->items;

    for (;;) {
        yaml_event_t event;
        struct lk_yaml_node *value;
        bool end;

        if (!next_event(p, &event))
            return NULL;
        end = event.type == YAML_SEQUENCE_END_EVENT;
        value = end ? NULL : parse_node(p, &event, depth + 1);
        yaml_event_delete(&event);
        if (end)
            break;
        if (!value || !attach(p, node, &tail, (struct lk_yaml_item){.value = value, .line = value->line}))
            return NULL;
    }
    remember_anchor(p, start->data.sequence_start.anchor, node);
    return node;
}

/* The key of a map entry; *ignored tells that the entry is to be dropped. */
static bool parse_key(struct parser *p, const yaml_event_t *event, struct lk_str *key, bool *ignored)
{
    const char *tag = NULL;

    if (event->type == YAML_ALIAS_EVENT) {
        const struct lk_yaml_node *node = parse_alias(p, event);

        *key = node->text;
        if (node->kind != LK_YAML_LIST && node->kind != LK_YAML_MAP)
            return true;
    } else if (event->type == YAML_SCALAR_EVENT) {
        const struct lk_yaml_node *node = parse_scalar(p, event);

        tag = (const char *)event->data.scalar.tag;
        *key = node->text;
        *ignored = tag && strcmp(tag, "!ignore") == 0;
        return true;
    }
    lk_errors_add_line(p->errors, line_of(event), "a key must be a scalar, not a list or an object");
    return false;
}

/* One entry of a map, or its end. */
static bool parse_entry(struct parser *p, struct lk_yaml_item *item, bool *end, bool *ignored, int depth)
{
    yaml_event_t event;
    bool ok;

    *ignored = false;
    if (!next_event(p, &event))
        return false;
    *end = event.type == YAML_MAPPING_END_EVENT;
    item->line = line_of(&event);
    ok = *end || parse_key(p, &event, &item->key, ignored);
    yaml_event_delete(&event);
    if (!ok || *end)
        return ok;
    if (!next_event(p, &event))
        return false;
    item->value = parse_node(p, &event, depth + 1);
    yaml_event_delete(&event);
    return item->value != NULL;
}

static void report_duplicates(struct parser *p, const struct lk_yaml_node *node)
{
    struct lk_map seen;

    if (node->count < 2)
        return;
    lk_map_init(&seen);
    for (struct lk_yaml_item *item = node->items; item; item = item->next) {
        struct lk_yaml_item *first = lk_map_set(&seen, item->key, item);

        if (first)
            lk_errors_add_line(p->errors, item->line, "key \"%.*s\" is given twice in one object, first in line %d",
                               LK_STR_ARG(item->key), first->line);
    }
    lk_map_fini(&seen);
}

static struct lk_yaml_node *parse_map(struct parser *p, const yaml_event_t *start, int depth)
{
    struct lk_yaml_node *node = new_node(p, LK_YAML_MAP, line_of(start));
    struct lk_yaml_item **tail = &node->items;

    for (;;) {
        struct lk_yaml_item item = {0};
        bool end;
        bool ignored;

        if (!parse_entry(p, &item, &end, &ignored, depth))
            return NULL;
        if (end)
            break;
        if (!ignored && !attach(p, node, &tail, item))
            return NULL;
    }
    report_duplicates(p, node);
    remember_anchor(p, start->data.mapping_start.anchor, node);
    return node;
}

static struct lk_yaml_node *parse_node(struct parser *p, yaml_event_t *event, int depth)
{
    if (depth > LK_YAML_MAX_DEPTH) {
        lk_errors_add_line(p->errors, line_of(event), "nested too deeply (limit %d)", LK_YAML_MAX_DEPTH);
        return NULL;
    }
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return parse_alias(p, event);
    case YAML_SCALAR_EVENT:
        return parse_scalar(p, event);
    case YAML_SEQUENCE_START_EVENT:
        return parse_list(p, event, depth);
    case YAML_MAPPING_START_EVENT:
        return parse_map(p, event, depth);
    default:
        lk_errors_add_line(p->errors, line_of(event), "unexpected end of the document");
        return NULL;
    }
}

static struct lk_yaml_node *parse_stream(struct parser *p)
{
    struct lk_yaml_node *root = NULL;
    bool done = false;

    while (!done) {
        yaml_event_t event;

        if (!next_event(p, &event))
            return NULL;
        done = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && root) {
            lk_errors_add_line(p->errors, line_of(&event),
                               "a second document starts here; a configuration is one document");
            root = NULL;
            done = true;
        } else if (event.type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_t first;

            if (next_event(p, &first)) {
                root = parse_node(p, &first, 1);
                yaml_event_delete(&first);
            }
            done = !root;
        } else if (done && !root) {
            root = new_node(p, LK_YAML_NULL, 1);
        }
        yaml_event_delete(&event);
    }
    return root;
}

struct lk_yaml_node *lk_yaml_parse(struct lk_arena *arena, struct lk_str text, enum lk_yaml_syntax syntax,
                                   struct lk_errors *errors)
{
    struct parser p = {.arena = arena, .errors = errors, .syntax = syntax};
    struct lk_yaml_node *root;

    if (text.len > LK_YAML_MAX_BYTES) {
        lk_errors_add(errors, "%zu bytes of configuration, the limit is %zu", text.len, LK_YAML_MAX_BYTES);
        return NULL;
    }
    if (lk_str_has_prefix(text, LK_STR("\xef\xbb\xbf")))
        text = lk_str_drop(text, 3);
    text = lk_yaml_merge_surrogates(arena, text);
    if (!yaml_parser_initialize(&p.yaml))
        lk_panic("out of memory");
    yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text.ptr, text.len);
    lk_map_init(&p.anchors);
    root = parse_stream(&p);
    lk_map_fini(&p.anchors);
    yaml_parser_delete(&p.yaml);
    return root;
}
