/* The walk behind "a field we do not support is named". Recursion is bounded by message depth. */
#include "xds/decode/pb_known.h"

#include "google/protobuf/any.pb-c.h"
#include "proxy/base/arena.h"
#include "proxy/base/mem.h"
#include "xds/decode/pb_fields.h"
#include "xds/decode/pb_pack.h"
#include "xds/proto_registry.h"

#include <stdint.h>

/* Bit i is the field at place i of the descriptor. */
struct policy {
    const ProtobufCMessageDescriptor *message;
    uint64_t acted_on;
    uint64_t rejected; /* the rest is warned about */
};

#include "xds/decode/supported_fields_table.h"

struct walk {
    struct lk_arena *arena; /* of unpacked Anys */
    struct lk_errors *errors;
    bool reject_unknown;
    unsigned depth;
};

static void walk_message(struct walk *walk, const ProtobufCMessage *message);

static const struct policy *find_policy(const ProtobufCMessageDescriptor *desc)
{
    size_t low = 0;
    size_t high = LK_ARRAY_LEN(policies);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct policy *policy = &policies[middle];

        if (policy->message == desc)
            return policy;
        if (strcmp(desc->name, policy->message->name) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Content that is no such message is reported by whoever reads it. */
static void walk_any(struct walk *walk, const Google__Protobuf__Any *any)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find_url(lk_str_from(any->type_url));
    const ProtobufCMessage *message;
    struct lk_error error;

    if (!desc || !find_policy(desc) || walk->depth >= LK_PB_MAX_DEPTH)
        return;
    message = lk_pb_unpack(walk->arena, desc, lk_str((const char *)any->value.data, any->value.len), &error);
    if (message)
        walk_message(walk, message);
}

static void walk_child(struct walk *walk, const ProtobufCMessage *child)
{
    if (!child)
        return;
    if (child->descriptor == &google__protobuf__any__descriptor)
        walk_any(walk, (const Google__Protobuf__Any *)child);
    else
        walk_message(walk, child);
}

static void walk_map(struct walk *walk, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *desc = field->descriptor;
    const ProtobufCFieldDescriptor *key = &desc->fields[0];
    const ProtobufCFieldDescriptor *value = &desc->fields[1];

    if (!lk_pb_is_message(value))
        return;
    for (size_t i = 0; i < *lk_pb_count(message, field); i++) {
        const ProtobufCMessage *entry = *(ProtobufCMessage *const *)lk_pb_element(message, field, i);
        size_t mark =
            key->type == PROTOBUF_C_TYPE_STRING
                ? lk_errors_push_key(walk->errors, field->name, lk_str_from(*(char *const *)lk_pb_slot(entry, key)))
                : lk_errors_push_index(walk->errors, field->name, i);

        walk_child(walk, *(ProtobufCMessage *const *)lk_pb_slot(entry, value));
        lk_errors_pop(walk->errors, mark);
    }
}

static void walk_field(struct walk *walk, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    size_t mark;

    if (!lk_pb_is_message(field))
        return;
    if (lk_pb_is_map(field)) {
        walk_map(walk, message, field);
        return;
    }
    if (!lk_pb_is_repeated(field)) {
        mark = lk_errors_push(walk->errors, field->name);
        walk_child(walk, *(ProtobufCMessage *const *)lk_pb_slot(message, field));
        lk_errors_pop(walk->errors, mark);
        return;
    }
    for (size_t i = 0; i < *lk_pb_count(message, field); i++) {
        mark = lk_errors_push_index(walk->errors, field->name, i);
        walk_child(walk, *(ProtobufCMessage *const *)lk_pb_element(message, field, i));
        lk_errors_pop(walk->errors, mark);
    }
}

static void report_unknown(struct walk *walk, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        unsigned tag = message->unknown_fields[i].tag;

        if (walk->reject_unknown)
            lk_errors_add(walk->errors, "unknown field number %u of %s", tag, message->descriptor->name);
        else
            lk_errors_warn(walk->errors, NULL, "unknown field number %u of %s, ignored", tag,
                           message->descriptor->name);
    }
}

static void walk_message(struct walk *walk, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *desc = message->descriptor;
    const struct policy *policy = find_policy(desc);

    if (!policy)
        return;
    walk->depth++;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &desc->fields[i];
        uint64_t bit = (uint64_t)1 << i;

        if (!lk_pb_is_set(message, field))
            continue;
        if (policy->acted_on & bit)
            walk_field(walk, message, field);
        else if (policy->rejected & bit)
            lk_errors_unsupported(walk->errors, field->name, "not supported by this build");
        else
            lk_errors_warn(walk->errors, field->name, "not supported by this build, has no effect");
    }
    report_unknown(walk, message);
    walk->depth--;
}

void lk_pb_report_unsupported(const ProtobufCMessage *message, bool reject_unknown, struct lk_errors *errors)
{
    struct lk_arena arena;
    struct walk walk = {.arena = &arena, .errors = errors, .reject_unknown = reject_unknown};

    lk_arena_init(&arena);
    walk_message(&walk, message);
    lk_arena_reset(&arena);
}
