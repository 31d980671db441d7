/* google.protobuf.Struct and envoy.config.core.v3.Metadata to trees of struct lk_value. */
#pragma once

#include "proxy/config/metadata.h"
#include "xds/decode/decoder.h"

#include "envoy/config/core/v3/base.pb-c.h"
#include "google/protobuf/struct.pb-c.h"

/* Fills everything but out->name. */
void lk_decode_value(struct lk_decoder *decoder, const Google__Protobuf__Value *in, struct lk_value *out);
void lk_decode_struct(struct lk_decoder *decoder, const Google__Protobuf__Struct *in, struct lk_value *out);
/* The bytes of a google.protobuf.Value, from anyone, into the arena; false: they are none, or nested too deeply. Any
 * thread. */
bool lk_value_from_bytes(struct lk_arena *arena, struct lk_str bytes, struct lk_value *out);
/* NULL for NULL and for metadata without namespaces. Equal ones are one object within a decoder. */
const struct lk_metadata *lk_decode_metadata(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Metadata *in);
/* A Struct as metadata whose root it is (node.metadata). */
const struct lk_metadata *lk_decode_root_metadata(struct lk_decoder *decoder, const Google__Protobuf__Struct *in);
