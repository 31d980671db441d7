/* Reading a filter's typed configuration: a decoder over the context's arena and the unpacked message. Main thread. */
#pragma once

#include "proxy/filter/filter_context.h"
#include "xds/decode/decoder.h"

/* Must be ended by lk_typed_end. NULL after appending to errors (the decoder is then ended already). The message lives
 * until lk_typed_end; an empty value gives a message of defaults. */
const void *lk_typed_begin(struct lk_decoder *decoder, struct lk_filter_context *context, const struct lk_any *any,
                           const ProtobufCMessageDescriptor *desc, struct lk_errors *errors);
/* True when no mistake was appended since lk_typed_begin. */
bool lk_typed_end(struct lk_decoder *decoder);
