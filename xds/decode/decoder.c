/* The shared ground of the decoders: strings, Anys, enums, hashes. Main thread. */
#include "xds/decode/decoder.h"

#include "xds/decode/pb_pack.h"
#include "xds/proto_registry.h"

#include "udpa/type/v1/typed_struct.pb-c.h"
#include "xds/type/v3/typed_struct.pb-c.h"

void lk_decoder_init(struct lk_decoder *decoder, struct lk_arena *arena, struct lk_errors *errors)
{
    *decoder = (struct lk_decoder){.arena = arena, .errors = errors};
    lk_arena_init(&decoder->scratch);
    lk_map_init(&decoder->metadata);
}

void lk_decoder_fini(struct lk_decoder *decoder)
{
    lk_map_fini(&decoder->metadata);
    lk_arena_reset(&decoder->scratch);
}

struct lk_str lk_decode_str(struct lk_decoder *decoder, const char *text)
{
    if (text == NULL || text[0] == 0)
        return (struct lk_str){"", 0};
    return lk_arena_str(decoder->arena, lk_str_from(text));
}

struct lk_str lk_decode_lower(struct lk_decoder *decoder, const char *text)
{
    struct lk_str in = lk_str_from(text);

    if (in.len == 0)
        return (struct lk_str){"", 0};
    char *out = lk_arena_cstr(decoder->arena, in);

    for (size_t i = 0; i < in.len; i++)
        out[i] = (char)lk_ascii_lower((unsigned char)out[i]);
    return lk_str(out, in.len);
}

struct lk_str lk_decode_required(struct lk_decoder *decoder, const char *field, const char *text)
{
    if (text == NULL || text[0] == 0)
        lk_errors_add_at(decoder->errors, field, "must not be empty");
    return lk_decode_str(decoder, text);
}

void lk_decode_strs(struct lk_decoder *decoder, size_t count, char *const *texts, const struct lk_str **out)
{
    struct lk_str *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++)
        list[i] = lk_decode_str(decoder, texts[i]);
    *out = list;
}

static struct lk_str type_name(const char *type_url)
{
    const char *slash = strrchr(type_url, '/');

    return lk_str_from(slash != NULL ? slash + 1 : type_url);
}

/* The type inside a TypedStruct, NULL when the Any holds none. */
static const char *typed_struct_type(struct lk_decoder *decoder, const Google__Protobuf__Any *any)
{
    const ProtobufCMessageDescriptor *desc = lk_proto_find_url(lk_str_from(any->type_url));
    struct lk_error error;
    const void *message;

    if (desc != &udpa__type__v1__typed_struct__descriptor && desc != &xds__type__v3__typed_struct__descriptor)
        return NULL;
    message = lk_pb_unpack(&decoder->scratch, desc, lk_str((const char *)any->value.data, any->value.len), &error);
    if (message == NULL)
        return NULL;
    if (desc == &udpa__type__v1__typed_struct__descriptor)
        return ((const Udpa__Type__V1__TypedStruct *)message)->type_url;
    return ((const Xds__Type__V3__TypedStruct *)message)->type_url;
}

/* A TypedStruct of a known type becomes that type; of an unknown one it keeps its bytes and shows the type it wraps. */
static struct lk_any from_typed_struct(struct lk_decoder *decoder, const Google__Protobuf__Any *any, const char *inner)
{
    struct lk_any out = {.type = lk_arena_str(decoder->arena, type_name(inner))};
    const ProtobufCMessage *message = NULL;

    if (lk_proto_find_url(lk_str_from(inner)) == NULL)
        out.value = lk_arena_str(decoder->arena, lk_str((const char *)any->value.data, any->value.len));
    else if ((message = lk_decode_unpack(decoder, any)) != NULL)
        out.value = lk_pb_pack(decoder->arena, message);
    return out;
}

struct lk_any lk_decode_any(struct lk_decoder *decoder, const Google__Protobuf__Any *any)
{
    struct lk_any out = {.type = {"", 0}, .value = {"", 0}};
    const char *inner;

    if (any == NULL)
        return out;
    if ((inner = typed_struct_type(decoder, any)) != NULL)
        return from_typed_struct(decoder, any, inner);
    if (any->type_url[0] == 0)
        lk_errors_add(decoder->errors, "a typed message without a type");
    out.type = lk_arena_str(decoder->arena, type_name(any->type_url));
    if (any->value.len > 0)
        out.value = lk_arena_str(decoder->arena, lk_str((const char *)any->value.data, any->value.len));
    return out;
}

const void *lk_decode_unpack(struct lk_decoder *decoder, const Google__Protobuf__Any *any)
{
    struct lk_pb_json_options options = {.allow_unknown = decoder->allow_unknown};

    return lk_pb_unpack_any(&decoder->scratch, lk_str_from(any->type_url),
                            lk_str((const char *)any->value.data, any->value.len), &options, decoder->errors);
}

bool lk_any_is(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *desc)
{
    return any != NULL && lk_str_eq(type_name(any->type_url), lk_str_from(desc->name));
}

uint64_t lk_decode_hash(struct lk_decoder *decoder, const ProtobufCMessage *message)
{
    return lk_str_hash(lk_pb_pack(&decoder->scratch, message));
}

bool lk_decode_enum_ok(struct lk_decoder *decoder, const char *field, const ProtobufCEnumDescriptor *desc, int value)
{
    if (protobuf_c_enum_descriptor_get_value(desc, value) != NULL)
        return true;
    return lk_errors_add_at(decoder->errors, field, "%d is no value of %s", value, desc->name);
}
