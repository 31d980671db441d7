/* Tracing of routes, and the tags of spans. Main thread; environment variables are read here, once. */
#include "xds/decode/decode_tracing.h"

#include "xds/decode/decode_common.h"
#include "xds/decode/decode_format.h"

#include <stdlib.h>

#define TAG(name) ENVOY__TYPE__TRACING__V3__CUSTOM_TAG__TYPE_##name
#define KIND(name) ENVOY__TYPE__METADATA__V3__METADATA_KIND__KIND_##name

static void environment(struct lk_decoder *decoder, const Envoy__Type__Tracing__V3__CustomTag__Environment *in,
                        struct lk_trace_tag_config *out)
{
    struct lk_str name = lk_decode_required(decoder, "environment.name", in->name);
    const char *value = name.len > 0 ? getenv(in->name) : NULL;
    out->source = LK_TRACE_TAG_LITERAL;
    out->text = lk_decode_str(decoder, value != NULL ? value : in->default_value);
}

static void metadata_kind(struct lk_decoder *decoder, const Envoy__Type__Metadata__V3__MetadataKind *in,
                          struct lk_trace_tag_config *out)
{
    switch (in != NULL ? (int)in->kind_case : (int)KIND(_NOT_SET)) {
    case KIND(REQUEST):
        out->metadata = LK_TRACE_METADATA_REQUEST;
        break;
    case KIND(ROUTE):
        out->metadata = LK_TRACE_METADATA_ROUTE;
        break;
    case KIND(CLUSTER):
        out->metadata = LK_TRACE_METADATA_CLUSTER;
        break;
    case KIND(HOST):
        out->metadata = LK_TRACE_METADATA_HOST;
        break;
    default:
        lk_errors_add_at(decoder->errors, "kind", "expected one of request, route, cluster, host");
    }
}

static void metadata(struct lk_decoder *decoder, const Envoy__Type__Tracing__V3__CustomTag__Metadata *in,
                     struct lk_trace_tag_config *out)
{
    size_t mark = lk_errors_push(decoder->errors, "metadata");
    const Envoy__Type__Metadata__V3__MetadataKey *key = in->metadata_key;
    out->source = LK_TRACE_TAG_METADATA;
    out->fallback = lk_decode_str(decoder, in->default_value);
    metadata_kind(decoder, in->kind, out);
    if (key == NULL || key->key[0] == '\0' || key->n_path == 0) {
        lk_errors_add_at(decoder->errors, "metadata_key", "needs a key and a path");
    } else if (key->n_path > LK_TRACE_TAG_PATH_MAX) {
        lk_errors_add_at(decoder->errors, "metadata_key.path", "has more than %d segments", LK_TRACE_TAG_PATH_MAX);
    } else {
        struct lk_str *path = lk_arena_array(decoder->arena, key->n_path, sizeof(*path));
        out->text = lk_decode_str(decoder, key->key);
        for (size_t i = 0; i < key->n_path; i++)
            path[i] = lk_decode_str(decoder, key->path[i]->key);
        out->path = path;
        out->path_len = key->n_path;
    }
    lk_errors_pop(decoder->errors, mark);
}

static void tag(struct lk_decoder *decoder, const Envoy__Type__Tracing__V3__CustomTag *in,
                struct lk_trace_tag_config *out)
{
    out->tag = lk_decode_required(decoder, "tag", in->tag);
    switch ((int)in->type_case) {
    case TAG(LITERAL):
        out->source = LK_TRACE_TAG_LITERAL;
        out->text = lk_decode_required(decoder, "literal.value", in->literal->value);
        break;
    case TAG(ENVIRONMENT):
        environment(decoder, in->environment, out);
        break;
    case TAG(REQUEST_HEADER):
        out->source = LK_TRACE_TAG_HEADER;
        lk_decode_required(decoder, "request_header.name", in->request_header->name);
        out->text = lk_decode_lower(decoder, in->request_header->name);
        out->fallback = lk_decode_str(decoder, in->request_header->default_value);
        break;
    case TAG(METADATA):
        metadata(decoder, in->metadata, out);
        break;
    case TAG(VALUE):
        out->source = LK_TRACE_TAG_FORMAT;
        out->format = lk_decode_format(decoder, "value", lk_decode_str(decoder, in->value));
        break;
    default:
        lk_errors_add(decoder->errors, "expected one of literal, environment, request_header, metadata, value");
    }
}

void lk_decode_trace_tags(struct lk_decoder *decoder, size_t count, Envoy__Type__Tracing__V3__CustomTag *const *in,
                          struct lk_trace_tags_config *out)
{
    struct lk_trace_tag_config *tags = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*tags)) : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "custom_tags", i);
        tag(decoder, in[i], &tags[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = (struct lk_trace_tags_config){tags, count};
}

const struct lk_format *lk_decode_operation(struct lk_decoder *decoder, const char *field, const char *text)
{
    return text[0] != '\0' ? lk_decode_format(decoder, field, lk_decode_str(decoder, text)) : NULL;
}

void lk_trace_sampling_keys(struct lk_trace_sampling *sampling)
{
    sampling->client.runtime_key = LK_STR("tracing.client_enabled");
    sampling->random.runtime_key = LK_STR("tracing.random_sampling");
    sampling->overall.runtime_key = LK_STR("tracing.global_enabled");
}

static void fraction(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__FractionalPercent *in,
                     struct lk_fraction *out)
{
    lk_decode_fractional(decoder, field, in, out);
    if (in == NULL)
        out->per_million = 1000000;
}

const struct lk_route_tracing *lk_decode_route_tracing(struct lk_decoder *decoder,
                                                       const Envoy__Config__Route__V3__Tracing *in)
{
    if (in == NULL)
        return NULL;
    size_t mark = lk_errors_push(decoder->errors, "tracing");
    struct lk_route_tracing *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    fraction(decoder, "client_sampling", in->client_sampling, &out->sampling.client);
    fraction(decoder, "random_sampling", in->random_sampling, &out->sampling.random);
    fraction(decoder, "overall_sampling", in->overall_sampling, &out->sampling.overall);
    lk_trace_sampling_keys(&out->sampling);
    lk_decode_trace_tags(decoder, in->n_custom_tags, in->custom_tags, &out->tags);
    out->operation = lk_decode_operation(decoder, "operation", in->operation);
    out->upstream_operation = lk_decode_operation(decoder, "upstream_operation", in->upstream_operation);
    lk_errors_pop(decoder->errors, mark);
    return out;
}
