/* Unpacks typed configurations. Main thread. */
#include "filters/common/typed_config.h"

#include "proxy/filter/format_eval.h"

const void *lk_typed_begin(struct lk_decoder *decoder, struct lk_filter_context *context, const struct lk_any *any,
                           const ProtobufCMessageDescriptor *desc, struct lk_errors *errors)
{
    lk_decoder_init(decoder, context->arena, errors);
    decoder->errors_before = errors->count + errors->dropped;
    decoder->format_extensions = lk_format_extension_names();
    decoder->allow_unknown = context->allow_unknown;
    Google__Protobuf__Any wire = GOOGLE__PROTOBUF__ANY__INIT;
    wire.type_url = (char *)desc->name;
    wire.value.data = (uint8_t *)any->value.ptr;
    wire.value.len = any->value.len;
    const void *message = lk_decode_unpack(decoder, &wire);
    if (message == NULL)
        lk_decoder_fini(decoder);
    return message;
}

bool lk_typed_end(struct lk_decoder *decoder)
{
    bool ok = decoder->errors->count + decoder->errors->dropped == decoder->errors_before;
    lk_decoder_fini(decoder);
    return ok;
}
