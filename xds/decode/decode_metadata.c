/* Metadata trees. The depth was bounded when the bytes were unpacked. Main thread, but for lk_value_from_bytes. */
#include "xds/decode/decode_metadata.h"

#include "xds/decode/pb_pack.h"

static void decode_list(struct lk_decoder *decoder, const Google__Protobuf__ListValue *in, struct lk_value *out)
{
    struct lk_value *children =
        in->n_values > 0 ? lk_arena_array(decoder->arena, in->n_values, sizeof(*children)) : NULL;

    out->kind = LK_VALUE_LIST;
    for (size_t i = 0; i < in->n_values; i++)
        lk_decode_value(decoder, in->values[i], &children[i]);
    out->children = children;
    out->child_count = in->n_values;
}

void lk_decode_struct(struct lk_decoder *decoder, const Google__Protobuf__Struct *in, struct lk_value *out)
{
    struct lk_value *children =
        in->n_fields > 0 ? lk_arena_array(decoder->arena, in->n_fields, sizeof(*children)) : NULL;

    out->kind = LK_VALUE_OBJECT;
    for (size_t i = 0; i < in->n_fields; i++) {
        children[i].name = lk_decode_str(decoder, in->fields[i]->key);
        if (in->fields[i]->value != NULL)
            lk_decode_value(decoder, in->fields[i]->value, &children[i]);
    }
    out->children = children;
    out->child_count = in->n_fields;
}

void lk_decode_value(struct lk_decoder *decoder, const Google__Protobuf__Value *in, struct lk_value *out)
{
    switch (in->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        out->kind = LK_VALUE_NUMBER;
        out->number = in->number_value;
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        out->kind = LK_VALUE_TEXT;
        out->text = lk_decode_str(decoder, in->string_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        out->kind = LK_VALUE_BOOL;
        out->boolean = in->bool_value;
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        lk_decode_struct(decoder, in->struct_value, out);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        decode_list(decoder, in->list_value, out);
        break;
    default:
        out->kind = LK_VALUE_NULL;
        break;
    }
}

bool lk_value_from_bytes(struct lk_arena *arena, struct lk_str bytes, struct lk_value *out)
{
    struct lk_decoder decoder;
    struct lk_errors errors;
    struct lk_error error;

    lk_errors_init(&errors);
    lk_decoder_init(&decoder, arena, &errors);
    const ProtobufCMessage *value = lk_pb_unpack(&decoder.scratch, &google__protobuf__value__descriptor, bytes, &error);

    *out = (struct lk_value){.kind = LK_VALUE_NULL};
    if (value != NULL)
        lk_decode_value(&decoder, (const Google__Protobuf__Value *)value, out);
    lk_decoder_fini(&decoder);
    lk_errors_fini(&errors);
    return value != NULL;
}

const struct lk_metadata *lk_decode_metadata(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Metadata *in)
{
    if (in == NULL || in->n_filter_metadata == 0)
        return NULL;
    struct lk_str bytes = lk_pb_pack(&decoder->scratch, &in->base);
    struct lk_metadata *metadata = lk_map_get(&decoder->metadata, bytes);

    if (metadata != NULL)
        return metadata;
    metadata = lk_arena_zalloc(decoder->arena, sizeof(*metadata));
    struct lk_value *namespaces = lk_arena_array(decoder->arena, in->n_filter_metadata, sizeof(*namespaces));

    for (size_t i = 0; i < in->n_filter_metadata; i++) {
        namespaces[i].kind = LK_VALUE_OBJECT;
        if (in->filter_metadata[i]->value != NULL)
            lk_decode_struct(decoder, in->filter_metadata[i]->value, &namespaces[i]);
        namespaces[i].name = lk_decode_str(decoder, in->filter_metadata[i]->key);
    }
    metadata->root =
        (struct lk_value){.kind = LK_VALUE_OBJECT, .children = namespaces, .child_count = in->n_filter_metadata};
    lk_map_set(&decoder->metadata, bytes, metadata);
    return metadata;
}

const struct lk_metadata *lk_decode_root_metadata(struct lk_decoder *decoder, const Google__Protobuf__Struct *in)
{
    if (in == NULL)
        return NULL;
    struct lk_metadata *metadata = lk_arena_zalloc(decoder->arena, sizeof(*metadata));

    lk_decode_struct(decoder, in, &metadata->root);
    return metadata;
}
