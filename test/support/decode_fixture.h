/* For tests of the decoders: YAML text to a message, a decoder to read it with, and checks of what was appended. */
#pragma once

#include "xds/decode/decoder.h"

struct lk_decode_fixture {
    struct lk_arena *arena;
    struct lk_errors errors;
    struct lk_decoder decoder;
};

void lk_decode_fixture_init(struct lk_decode_fixture *fixture);
void lk_decode_fixture_fini(struct lk_decode_fixture *fixture);
/* The text must parse; fails the test otherwise. */
const void *lk_decode_fixture_message(struct lk_decode_fixture *fixture, const ProtobufCMessageDescriptor *desc,
                                      const char *yaml);
/* No mistake was appended. */
void lk_decode_fixture_clean(const struct lk_decode_fixture *fixture);
/* A mistake at exactly this path whose text holds the part. */
void lk_decode_fixture_mistake(const struct lk_decode_fixture *fixture, const char *path, const char *part);
void lk_decode_fixture_warning(const struct lk_decode_fixture *fixture, const char *path, const char *part);
