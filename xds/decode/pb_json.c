/*
 * Objects to messages: names to fields, repeated fields, maps, oneofs and unknown names. Scalars,
 * well-known types and Any have files of their own. Recursion is bounded by the height of the tree.
 */
#include "xds/decode/pb_json.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_json_internal.h"
#include "xds/decode/pb_known_types.h"
#include "xds/decode/pb_suggest.h"

#include <stdio.h>

#define SEEN_WORDS 4 /* the largest message has 61 fields */

bool lk_pb_json_error(struct lk_pb_json *json, int line, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return lk_errors_add_line(json->errors, line, "%s", text);
}

bool lk_pb_json_expected(struct lk_pb_json *json, const struct lk_yaml_node *node, const char *what)
{
    return lk_pb_json_error(json, node->line, "expected %s, found %s", what, lk_yaml_describe(node, json->arena));
}

ProtobufCMessage *lk_pb_json_new(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc)
{
    ProtobufCMessage *message = lk_arena_zalloc(json->arena, desc->sizeof_message);

    desc->message_init(message);
    return message;
}

/* google.protobuf.Value is the one type for which null is a value. */
static bool means_unset(const ProtobufCFieldDescriptor *field, const struct lk_yaml_node *node)
{
    return node->kind == LK_YAML_NULL &&
           !(lk_pb_is_message(field) && field->descriptor == &google__protobuf__value__descriptor);
}

static bool decode_value(struct lk_pb_json *json, const ProtobufCFieldDescriptor *field,
                         const struct lk_yaml_node *node, void *slot)
{
    if (!lk_pb_is_message(field))
        return lk_pb_json_scalar(json, field, node, slot);
    *(ProtobufCMessage **)slot = lk_pb_json_message(json, field->descriptor, node);
    return true;
}

/* Room for the elements of a repeated field. */
static char *start_array(struct lk_pb_json *json, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                         size_t count)
{
    char *array = lk_arena_array(json->arena, count, lk_pb_value_size(field));

    *(char **)lk_pb_slot(message, field) = array;
    return array;
}

static void decode_list(struct lk_pb_json *json, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        const struct lk_yaml_node *node)
{
    /* Envoy's loader takes a single value for a list of one. */
    struct lk_yaml_item single = {.value = (struct lk_yaml_node *)(uintptr_t)node};
    bool is_list = node->kind == LK_YAML_LIST;
    const struct lk_yaml_item *item = is_list ? node->items : &single;
    char *array = start_array(json, message, field, is_list ? node->count : 1);
    size_t *count = lk_pb_count(message, field);

    for (size_t i = 0; item; item = item->next, i++) {
        size_t mark = lk_errors_push_index(json->errors, field->name, i);

        if (means_unset(field, item->value))
            lk_pb_json_error(json, item->value->line, "null cannot be an element of a list");
        else if (decode_value(json, field, item->value, array + *count * lk_pb_value_size(field)))
            ++*count;
        lk_errors_pop(json->errors, mark);
    }
}

static ProtobufCMessage *decode_entry(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                                      const struct lk_yaml_item *item)
{
    ProtobufCMessage *entry = lk_pb_json_new(json, desc);
    struct lk_yaml_node key = {.kind = LK_YAML_STRING, .line = item->line, .text = item->key};

    if (means_unset(&desc->fields[1], item->value)) {
        lk_pb_json_error(json, item->value->line, "null cannot be the value of a map entry");
        return NULL;
    }
    if (!lk_pb_json_scalar(json, &desc->fields[0], &key, lk_pb_slot(entry, &desc->fields[0])))
        return NULL;
    if (!decode_value(json, &desc->fields[1], item->value, lk_pb_slot(entry, &desc->fields[1])))
        return NULL;
    return entry;
}

static void decode_map(struct lk_pb_json *json, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       const struct lk_yaml_node *node)
{
    size_t *count = lk_pb_count(message, field);
    ProtobufCMessage **array;

    if (node->kind != LK_YAML_MAP) {
        size_t mark = lk_errors_push(json->errors, field->name);

        lk_pb_json_expected(json, node, "an object (this field is a map)");
        lk_errors_pop(json->errors, mark);
        return;
    }
    array = (ProtobufCMessage **)(void *)start_array(json, message, field, node->count);
    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        size_t mark = lk_errors_push_key(json->errors, field->name, item->key);
        ProtobufCMessage *entry = decode_entry(json, field->descriptor, item);

        if (entry)
            array[(*count)++] = entry;
        lk_errors_pop(json->errors, mark);
    }
}

/* Makes the field the chosen one of its oneof; a second choice is a mistake. */
static void choose(struct lk_pb_json *json, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, int line)
{
    uint32_t *chosen = lk_pb_case(message, field);
    const ProtobufCFieldDescriptor *other = *chosen ? lk_pb_field_of(message->descriptor, *chosen) : NULL;

    if (other && other != field)
        lk_pb_json_error(json, line, "%s and %s exclude each other, only one may be set", other->name, field->name);
    memset(lk_pb_slot(message, field), 0, lk_pb_value_size(field));
    *chosen = field->id;
}

static void decode_field(struct lk_pb_json *json, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                         const struct lk_yaml_item *item)
{
    size_t mark;

    if (means_unset(field, item->value))
        return;
    if (lk_pb_is_map(field)) {
        decode_map(json, message, field, item->value);
        return;
    }
    if (lk_pb_is_repeated(field)) {
        decode_list(json, message, field, item->value);
        return;
    }
    mark = lk_errors_push(json->errors, field->name);
    if (lk_pb_is_oneof(field))
        choose(json, message, field, item->line);
    if (!decode_value(json, field, item->value, lk_pb_slot(message, field)) && lk_pb_is_oneof(field))
        *lk_pb_case(message, field) = 0;
    lk_errors_pop(json->errors, mark);
}

static void report_unknown(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                           const struct lk_yaml_item *item)
{
    size_t mark = lk_errors_push(json->errors, lk_arena_cstr(json->arena, item->key));

    if (json->options.allow_unknown) {
        lk_errors_warn(json->errors, NULL, "line %d: unknown field of %s, ignored", item->line, desc->name);
    } else {
        const char *near = lk_pb_suggest(desc, item->key);

        lk_pb_json_error(json, item->line, "unknown field of %s%s%s%s", desc->name, near ? ", did you mean \"" : "",
                         near ? near : "", near ? "\"?" : "");
    }
    lk_errors_pop(json->errors, mark);
}

/*
 * Marks the field as met. False when it was before: a mistake where both spellings of its name are
 * given; the same key twice was reported with the tree.
 */
static bool first_time(struct lk_pb_json *json, uint64_t *seen, const struct lk_yaml_node *node,
                       const struct lk_yaml_item *item, size_t index)
{
    LK_ASSERT(index < (size_t)SEEN_WORDS * 64);
    if ((seen[index / 64] >> index % 64 & 1) == 0) {
        seen[index / 64] |= (uint64_t)1 << index % 64;
        return true;
    }
    if (lk_yaml_get(node, item->key) == item)
        lk_pb_json_error(json, item->line, "%.*s is given twice, in both spellings of its name", LK_STR_ARG(item->key));
    return false;
}

static bool says_true(const struct lk_yaml_node *node, struct lk_str name)
{
    const struct lk_yaml_item *item = lk_yaml_get_field(node, name);

    return item && item->value->kind == LK_YAML_BOOL && item->value->integer;
}

void lk_pb_json_fields(struct lk_pb_json *json, const struct lk_yaml_node *node, ProtobufCMessage *message, bool in_any)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;
    bool outer = json->optional;
    uint64_t seen[SEEN_WORDS] = {0};

    if (node->kind != LK_YAML_MAP) {
        lk_pb_json_expected(json, node, lk_arena_printf(json->arena, "an object (%s)", desc->name).ptr);
        return;
    }
    json->optional = says_true(node, LK_STR("is_optional")) || says_true(node, LK_STR("disabled"));
    for (const struct lk_yaml_item *item = node->items; item; item = item->next) {
        const ProtobufCFieldDescriptor *field;

        if (in_any && lk_str_eq(item->key, LK_STR("@type")))
            continue;
        field = lk_pb_find_field(desc, item->key);
        if (!field)
            report_unknown(json, desc, item);
        else if (first_time(json, seen, node, item, (size_t)(field - desc->fields)))
            decode_field(json, message, field, item);
    }
    json->optional = outer;
}

ProtobufCMessage *lk_pb_json_message(struct lk_pb_json *json, const ProtobufCMessageDescriptor *desc,
                                     const struct lk_yaml_node *node)
{
    ProtobufCMessage *message = lk_pb_json_new(json, desc);

    if (desc == &google__protobuf__any__descriptor)
        lk_pb_json_any(json, node, message);
    else if (lk_pb_is_known_type(desc))
        lk_pb_json_own_form(json, node, message);
    else
        lk_pb_json_fields(json, node, message, false);
    return message;
}

ProtobufCMessage *lk_pb_from_tree(struct lk_arena *arena, const ProtobufCMessageDescriptor *desc,
                                  const struct lk_yaml_node *node, const struct lk_pb_json_options *options,
                                  struct lk_errors *errors)
{
    struct lk_pb_json json = {.arena = arena, .errors = errors, .options = *options};

    return lk_pb_json_message(&json, desc, node);
}
