/*
 * Messages as JSON for people and tools (/config_dump): snake_case names as in the .proto files,
 * fields at their default left out, Any with "@type" where the type is known. Main thread.
 *
 * Secrets are never shown: where Envoy's API marks a field as sensitive (private keys, passwords,
 * ticket keys, generic secrets), each string below it reads "[redacted]".
 */
#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* A new reference, never NULL. An Any of unknown type is {"@type", "value": base64}; one whose bytes
 * are no such message carries "error" instead. */
json_t *lk_pb_to_json(const ProtobufCMessage *message);

/* The same as text with two spaces of indentation; free with free(). */
char *lk_pb_to_json_text(const ProtobufCMessage *message);
