/* Format strings: text and JSON templates. Main thread. */
#include "xds/decode/decode_format.h"

#include "proxy/base/mem.h"
#include "proxy/config/metadata.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_metadata.h"

#include "envoy/extensions/formatter/metadata/v3/metadata.pb-c.h"
#include "envoy/extensions/formatter/req_without_query/v3/req_without_query.pb-c.h"

#define FORMAT_MAX ((size_t)1 << 20)

static struct lk_format *compile(struct lk_decoder *decoder, const char *field, struct lk_str text)
{
    struct lk_error error;
    struct lk_format *format = lk_format_compile(decoder->arena, text, decoder->format_extensions, &error);

    if (format == NULL && error.code == LK_ERROR_UNSUPPORTED)
        lk_errors_unsupported(decoder->errors, field, "%s", error.text);
    else if (format == NULL)
        lk_errors_add_at(decoder->errors, field, "%s", error.text);
    return format;
}

const struct lk_format *lk_decode_format(struct lk_decoder *decoder, const char *field, struct lk_str text)
{
    return compile(decoder, field, text);
}

static void json_node(struct lk_decoder *decoder, const Google__Protobuf__Value *in, struct lk_json_format *out);

static int by_name(const void *a, const void *b)
{
    return lk_str_cmp(((const struct lk_json_format *)a)->name, ((const struct lk_json_format *)b)->name);
}

/* Members are sorted by name, as Envoy prints them. */
static void json_object(struct lk_decoder *decoder, const Google__Protobuf__Struct *in, struct lk_json_format *out)
{
    out->kind = LK_JSON_FORMAT_OBJECT;
    out->child_count = (unsigned)in->n_fields;
    out->children = lk_arena_array(decoder->arena, in->n_fields, sizeof(*out->children));
    for (size_t i = 0; i < in->n_fields; i++) {
        size_t mark = lk_errors_push(decoder->errors, in->fields[i]->key);

        json_node(decoder, in->fields[i]->value, &out->children[i]);
        out->children[i].name = lk_decode_str(decoder, in->fields[i]->key);
        lk_errors_pop(decoder->errors, mark);
    }
    qsort(out->children, in->n_fields, sizeof(*out->children), by_name);
}

static void json_list(struct lk_decoder *decoder, const Google__Protobuf__ListValue *in, struct lk_json_format *out)
{
    out->kind = LK_JSON_FORMAT_LIST;
    out->child_count = (unsigned)in->n_values;
    out->children = lk_arena_array(decoder->arena, in->n_values, sizeof(*out->children));
    for (size_t i = 0; i < in->n_values; i++)
        json_node(decoder, in->values[i], &out->children[i]);
}

static void json_literal(struct lk_decoder *decoder, const Google__Protobuf__Value *in, struct lk_json_format *out)
{
    struct lk_value value = {0};

    if (in != NULL)
        lk_decode_value(decoder, in, &value);
    out->kind = LK_JSON_FORMAT_LITERAL;
    out->literal = lk_value_text(&value, decoder->arena);
}

static void json_node(struct lk_decoder *decoder, const Google__Protobuf__Value *in, struct lk_json_format *out)
{
    switch (in != NULL ? in->kind_case : GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        json_object(decoder, in->struct_value, out);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        json_list(decoder, in->list_value, out);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        out->kind = LK_JSON_FORMAT_VALUE;
        out->format = compile(decoder, NULL, lk_decode_str(decoder, in->string_value));
        break;
    default:
        json_literal(decoder, in, out);
        break;
    }
}

const struct lk_json_format *lk_decode_json_format(struct lk_decoder *decoder, const char *field,
                                                   const Google__Protobuf__Struct *in)
{
    struct lk_json_format *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    size_t mark = lk_errors_push(decoder->errors, field);

    json_object(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
    return out;
}

static void text_source(struct lk_decoder *decoder, const Envoy__Config__Core__V3__DataSource *in,
                        struct lk_log_format *out)
{
    struct lk_str text;

    if (lk_decode_data_source(decoder, "text_format_source", in, FORMAT_MAX, &text))
        out->text = lk_decode_format(decoder, "text_format_source", text);
}

/* What these add is built in. */
static void formatters(struct lk_decoder *decoder, const Envoy__Config__Core__V3__SubstitutionFormatString *in)
{
    for (size_t i = 0; i < in->n_formatters; i++) {
        const Google__Protobuf__Any *any = in->formatters[i]->typed_config;

        if (!lk_any_is(any, &envoy__extensions__formatter__metadata__v3__metadata__descriptor) &&
            !lk_any_is(any, &envoy__extensions__formatter__req_without_query__v3__req_without_query__descriptor))
            lk_errors_warn(decoder->errors, "formatters", "the formatter '%s' is not supported, has no effect",
                           in->formatters[i]->name);
    }
}

const struct lk_log_format *lk_decode_log_format(struct lk_decoder *decoder, const char *field,
                                                 const Envoy__Config__Core__V3__SubstitutionFormatString *in)
{
    if (in == NULL)
        return NULL;
    struct lk_log_format *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    size_t mark = lk_errors_push(decoder->errors, field);

    out->omit_empty_values = in->omit_empty_values;
    out->content_type = lk_decode_str(decoder, in->content_type);
    formatters(decoder, in);
    switch (in->format_case) {
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT:
        out->text = lk_decode_format(decoder, "text_format", lk_decode_str(decoder, in->text_format));
        break;
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_JSON_FORMAT:
        out->json = lk_decode_json_format(decoder, "json_format", in->json_format);
        break;
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT_SOURCE:
        text_source(decoder, in->text_format_source, out);
        break;
    default:
        lk_errors_add(decoder->errors, "expected one of text_format, json_format, text_format_source");
        break;
    }
    lk_errors_pop(decoder->errors, mark);
    return out;
}
