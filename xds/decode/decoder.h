/*
 * What all decoders share. A decoder turns messages into the plain structs of proxy/config: pure, no I/O but files that
 * a DataSource names, main thread. Mistakes are appended to `errors` below its current path; after one the result is
 * good only for finding more mistakes.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/base/error.h"
#include "proxy/base/map.h"
#include "proxy/base/mem.h"
#include "proxy/config/any.h"

#include "google/protobuf/any.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct lk_dns_defaults;

struct lk_decoder {
    struct lk_arena *arena;  /* of the result; all strings are copied into it */
    struct lk_arena scratch; /* messages inside Anys; gone with the decoder */
    struct lk_errors *errors;
    size_t errors_before;                 /* of lk_typed_begin: mistakes found before it */
    const char *const *format_extensions; /* operators of filters, see lk_format_compile; NULL: none */
    bool allow_unknown;                   /* unknown fields of a TypedStruct are warnings */
    struct lk_map metadata;               /* packed bytes -> struct lk_metadata: equal ones are shared */
    const struct lk_dns_defaults *dns;    /* of the bootstrap; NULL: none */
};

void lk_decoder_init(struct lk_decoder *decoder, struct lk_arena *arena, struct lk_errors *errors);
void lk_decoder_fini(struct lk_decoder *decoder);

/* A copy in the result's arena; the empty string is {"", 0}. */
struct lk_str lk_decode_str(struct lk_decoder *decoder, const char *text);
/* The same, lower case. */
struct lk_str lk_decode_lower(struct lk_decoder *decoder, const char *text);
/* A string that must not be empty. */
struct lk_str lk_decode_required(struct lk_decoder *decoder, const char *field, const char *text);
/* A list of strings; *out points into the arena. */
void lk_decode_strs(struct lk_decoder *decoder, size_t count, char *const *texts, const struct lk_str **out);

/* Type without its prefix, value copied; a TypedStruct is turned into what it wraps. NULL gives the empty one. */
struct lk_any lk_decode_any(struct lk_decoder *decoder, const Google__Protobuf__Any *any);
/* The message in an Any, in scratch memory; NULL with mistakes appended at the current path. */
const void *lk_decode_unpack(struct lk_decoder *decoder, const Google__Protobuf__Any *any);
/* Whether an Any holds the type. */
bool lk_any_is(const Google__Protobuf__Any *any, const ProtobufCMessageDescriptor *desc);

/* A hash of the message's bytes: what in-place updates compare. */
uint64_t lk_decode_hash(struct lk_decoder *decoder, const ProtobufCMessage *message);

/* Whether an enum has the value; appends a mistake at the field if not. */
bool lk_decode_enum_ok(struct lk_decoder *decoder, const char *field, const ProtobufCEnumDescriptor *desc, int value);
