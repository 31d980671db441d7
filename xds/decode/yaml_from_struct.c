/* Struct messages to tree nodes; recursion is bounded by the depth check before unpacking. */
#include "xds/decode/yaml_from_struct.h"

#include "proxy/base/mem.h"

#include <math.h>

static void fill(struct lk_arena *arena, struct lk_yaml_node *node, const Google__Protobuf__Value *from);

static void attach(struct lk_arena *arena, struct lk_yaml_node *node, struct lk_yaml_item ***tail, const char *key,
                   const Google__Protobuf__Value *value)
{
    struct lk_yaml_item *item = lk_arena_zalloc(arena, sizeof(*item));

    item->key = lk_str_from(key);
    item->value = lk_arena_zalloc(arena, sizeof(*item->value));
    fill(arena, item->value, value);
    node->count++;
    node->weight += item->value->weight;
    node->height = LK_MAX(node->height, item->value->height + 1);
    **tail = item;
    *tail = &item->next;
}

static void fill_number(struct lk_arena *arena, struct lk_yaml_node *node, double number)
{
    bool small = number == floor(number) && number >= INT32_MIN && number <= INT32_MAX;

    node->kind = small ? LK_YAML_INT : LK_YAML_NUMBER;
    node->integer = small ? (int64_t)number : 0;
    node->text = lk_arena_printf(arena, "%.17g", number);
}

static void fill_map(struct lk_arena *arena, struct lk_yaml_node *node, const Google__Protobuf__Struct *from)
{
    struct lk_yaml_item **tail = &node->items;

    node->kind = LK_YAML_MAP;
    for (size_t i = 0; i < from->n_fields; i++)
        attach(arena, node, &tail, from->fields[i]->key, from->fields[i]->value);
}

static void fill(struct lk_arena *arena, struct lk_yaml_node *node, const Google__Protobuf__Value *from)
{
    struct lk_yaml_item **tail = &node->items;

    node->height = 1;
    node->weight = 1;
    node->text = LK_STR("");
    switch (from ? from->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        fill_number(arena, node, from->number_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        node->kind = LK_YAML_STRING;
        node->text = lk_str_from(from->string_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        node->kind = LK_YAML_BOOL;
        node->integer = from->bool_value != 0;
        node->text = node->integer ? LK_STR("true") : LK_STR("false");
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        fill_map(arena, node, from->struct_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        node->kind = LK_YAML_LIST;
        for (size_t i = 0; i < from->list_value->n_values; i++)
            attach(arena, node, &tail, "", from->list_value->values[i]);
        break;
    default:
        node->kind = LK_YAML_NULL;
        break;
    }
}

struct lk_yaml_node *lk_yaml_from_struct(struct lk_arena *arena, const Google__Protobuf__Struct *from)
{
    struct lk_yaml_node *node = lk_arena_zalloc(arena, sizeof(*node));

    node->height = 1;
    node->weight = 1;
    fill_map(arena, node, from);
    return node;
}
