/* Field paths to lines, by walking the trees the configuration was read from. Start-up only. */
#include "xds/decode/source_map.h"

#include "proxy/base/mem.h"

/* One step of a path. */
struct step {
    enum { STEP_NONE, STEP_FIELD, STEP_INDEX, STEP_KEY } kind;
    struct lk_str text;
    uint64_t index;
};

/* Where the walk is in one text. */
struct place {
    const struct lk_yaml_node *node; /* NULL: not in this text */
    int line;
    unsigned depth; /* steps taken */
};

void lk_source_map_add(struct lk_source_map *map, const char *name, const struct lk_yaml_node *root)
{
    LK_ASSERT(map->count < LK_SOURCE_MAP_MAX);
    map->texts[map->count++] = (struct lk_source_text){.name = name, .root = root};
}

static struct step take_bracket(struct lk_str *path)
{
    struct step step = {.kind = STEP_INDEX};
    struct lk_str body = lk_str_drop(*path, 1);
    bool quoted = body.len > 0 && body.ptr[0] == '"';
    size_t end = quoted ? lk_str_find(body, LK_STR("\"]")) : lk_str_find_byte(body, ']');

    step.text = lk_str(body.ptr + quoted, LK_MIN(end, body.len) - quoted);
    *path = lk_str_drop(body, LK_MIN(end, body.len) + 1 + quoted);
    if (quoted || !lk_str_to_u64(step.text, &step.index))
        step.kind = STEP_KEY;
    return step;
}

static struct step take_step(struct lk_str *path)
{
    struct step step = {.kind = STEP_NONE};
    size_t len = 0;

    if (path->len > 0 && path->ptr[0] == '.')
        *path = lk_str_drop(*path, 1);
    if (path->len == 0)
        return step;
    if (path->ptr[0] == '[')
        return take_bracket(path);
    while (len < path->len && path->ptr[len] != '.' && path->ptr[len] != '[')
        len++;
    step.kind = STEP_FIELD;
    step.text = lk_str(path->ptr, len);
    *path = lk_str_drop(*path, len);
    return step;
}

/* A TypedStruct holds the fields of its message one level below. */
static const struct lk_yaml_node *inside_typed_struct(const struct lk_yaml_node *node)
{
    const struct lk_yaml_item *type = lk_yaml_get(node, LK_STR("@type"));
    const struct lk_yaml_item *value = lk_yaml_get(node, LK_STR("value"));

    if (type && value && lk_str_has_suffix(type->value->text, LK_STR(".TypedStruct")))
        return value->value;
    return NULL;
}

static const struct lk_yaml_item *enter_field(const struct lk_yaml_node *node, struct lk_str name)
{
    const struct lk_yaml_item *item = lk_yaml_get_field(node, name);
    const struct lk_yaml_node *inner = item ? NULL : inside_typed_struct(node);

    return inner ? lk_yaml_get_field(inner, name) : item;
}

/* Elements that a text gives to a list: a single value counts for one. */
static size_t list_count(const struct lk_yaml_node *node)
{
    if (!node || node->kind == LK_YAML_NULL)
        return 0;
    return node->kind == LK_YAML_LIST ? node->count : 1;
}

/* Element *index of the appended lists; becomes UINT64_MAX in the text that has it. */
static const struct lk_yaml_node *enter_index(const struct lk_yaml_node *node, uint64_t *index)
{
    size_t elements = list_count(node);
    const struct lk_yaml_node *element;

    if (*index == UINT64_MAX)
        return NULL;
    if (*index >= elements) {
        *index -= elements;
        return NULL;
    }
    element = node->kind == LK_YAML_LIST ? lk_yaml_at(node, *index) : node;
    *index = UINT64_MAX;
    return element;
}

/* One step in one text; false when it has no such place. */
static bool walk_text(struct place *place, const struct step *step, uint64_t *index)
{
    const struct lk_yaml_item *item = NULL;
    const struct lk_yaml_node *next = NULL;

    if (step->kind == STEP_INDEX)
        next = enter_index(place->node, index);
    else if (step->kind == STEP_KEY)
        item = lk_yaml_get(place->node, step->text);
    else
        item = enter_field(place->node, step->text);
    if (item)
        next = item->value;
    place->node = next;
    if (next) {
        place->line = item ? item->line : next->line;
        place->depth++;
    }
    return next != NULL;
}

/* One step in every text; false when none has it. */
static bool walk(struct place *places, size_t count, const struct step *step)
{
    uint64_t index = step->index;
    bool found = false;

    for (size_t i = 0; i < count; i++)
        found = walk_text(&places[i], step, &index) || found;
    return found;
}

int lk_source_map_find(const struct lk_source_map *map, const char *path, const char **name)
{
    struct place places[LK_SOURCE_MAP_MAX];
    struct lk_str rest = lk_str_from(path);
    const struct place *best = NULL;
    struct step step;

    *name = NULL;
    for (size_t i = 0; i < map->count; i++)
        places[i] = (struct place){.node = map->texts[i].root};
    while ((step = take_step(&rest)).kind != STEP_NONE) {
        if (!walk(places, map->count, &step))
            break;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (places[i].depth > 0 && (!best || places[i].depth >= best->depth)) {
            best = &places[i];
            *name = map->texts[i].name;
        }
    }
    return best ? best->line : 0;
}
