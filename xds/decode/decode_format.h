/* Decoders of format strings and of header mutations, whose values are format strings. */
#pragma once

#include "proxy/config/format.h"
#include "proxy/config/route_config.h"
#include "xds/decode/decoder.h"

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/core/v3/substitution_format_string.pb-c.h"
#include "google/protobuf/struct.pb-c.h"

/* NULL with a mistake at the field when the text does not compile. */
const struct lk_format *lk_decode_format(struct lk_decoder *decoder, const char *field, struct lk_str text);
/* A JSON template: strings are formats, everything else is literal. */
const struct lk_json_format *lk_decode_json_format(struct lk_decoder *decoder, const char *field,
                                                   const Google__Protobuf__Struct *in);
/* NULL gives NULL. */
const struct lk_log_format *lk_decode_log_format(struct lk_decoder *decoder, const char *field,
                                                 const Envoy__Config__Core__V3__SubstitutionFormatString *in);

/* request_ or response_headers_to_add and _to_remove; `side` is "request_headers" or "response_headers". */
void lk_decode_mutations(struct lk_decoder *decoder, const char *side, size_t add_count,
                         Envoy__Config__Core__V3__HeaderValueOption *const *add, size_t remove_count,
                         char *const *remove, struct lk_header_mutations *out);
/* A list of HeaderValueOption alone. */
void lk_decode_header_values(struct lk_decoder *decoder, const char *field, size_t count,
                             Envoy__Config__Core__V3__HeaderValueOption *const *in, struct lk_header_mutations *out);
