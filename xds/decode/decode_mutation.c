/* Headers to add and to remove, envoy.config.core.v3.HeaderValueOption. Main thread. */
#include "xds/decode/decode_format.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"

/* Pseudo-headers and Host have fields of their own in a route. */
static bool is_reserved(const char *name)
{
    return name[0] == ':' || lk_str_ieq(lk_str_from(name), LK_STR("host"));
}

static bool may_change(struct lk_decoder *decoder, const char *field, const char *name)
{
    if (is_reserved(name))
        return lk_errors_add_at(decoder->errors, field, "'%s': pseudo-headers and host cannot be changed here", name);
    return lk_decode_header_name_ok(decoder, field, name, false);
}

/* Older configurations write arguments as a JSON list: %UPSTREAM_METADATA(["a", "b"])% is %UPSTREAM_METADATA(a:b)%. */
static struct lk_str without_json_arguments(struct lk_decoder *decoder, struct lk_str text)
{
    size_t at = lk_str_find(text, LK_STR("(["));

    if (at > text.len)
        return text;
    char *out = lk_arena_cstr(decoder->arena, text);
    size_t len = at + 1;
    bool quoted = false;

    for (at += 2; at < text.len && (quoted || text.ptr[at] != ']'); at++) {
        char c = text.ptr[at];

        if (c == '"')
            quoted = !quoted;
        else if (quoted || c == ',')
            out[len++] = quoted ? c : ':';
    }
    for (at++; at < text.len; at++)
        out[len++] = text.ptr[at];
    return without_json_arguments(decoder, lk_str(out, len));
}

static bool value_ok(struct lk_decoder *decoder, struct lk_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == 0)
            return lk_errors_add_at(decoder->errors, "value", "a header value has no line breaks");
    return true;
}

static enum lk_header_append append_action(struct lk_decoder *decoder,
                                           const Envoy__Config__Core__V3__HeaderValueOption *in)
{
    lk_decode_enum_ok(decoder, "append_action",
                      &envoy__config__core__v3__header_value_option__header_append_action__descriptor,
                      (int)in->append_action);
    if (in->append == NULL)
        return (enum lk_header_append)in->append_action;
    if (in->append_action != 0)
        lk_errors_add(decoder->errors, "append and append_action exclude each other");
    return in->append->value ? LK_APPEND_IF_EXISTS_OR_ADD : LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD;
}

static void header_value(struct lk_decoder *decoder, const Envoy__Config__Core__V3__HeaderValueOption *in,
                         struct lk_header_mutation *out)
{
    out->header_id = -1;
    out->action = append_action(decoder, in);
    out->keep_empty_value = in->keep_empty_value;
    if (in->header == NULL) {
        lk_errors_add_at(decoder->errors, "header", "is required");
        return;
    }
    size_t mark = lk_errors_push(decoder->errors, "header");
    struct lk_str value = lk_decode_str(decoder, in->header->value);

    may_change(decoder, "key", in->header->key);
    out->name = lk_decode_str(decoder, in->header->key);
    if (value_ok(decoder, value))
        out->value = lk_decode_format(decoder, "value", without_json_arguments(decoder, value));
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_header_values(struct lk_decoder *decoder, const char *field, size_t count,
                             Envoy__Config__Core__V3__HeaderValueOption *const *in, struct lk_header_mutations *out)
{
    struct lk_header_mutation *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    if (count > 1000)
        lk_errors_add_at(decoder->errors, field, "more than 1000 headers");
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        header_value(decoder, in[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->add = list;
    out->add_count = count;
}

void lk_decode_mutations(struct lk_decoder *decoder, const char *side, size_t add_count,
                         Envoy__Config__Core__V3__HeaderValueOption *const *add, size_t remove_count,
                         char *const *remove, struct lk_header_mutations *out)
{
    char field[64];
    struct lk_str *names = remove_count > 0 ? lk_arena_array(decoder->arena, remove_count, sizeof(*names)) : NULL;

    snprintf(field, sizeof(field), "%s_to_add", side);
    lk_decode_header_values(decoder, field, add_count, add, out);
    snprintf(field, sizeof(field), "%s_to_remove", side);
    for (size_t i = 0; i < remove_count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        if (is_reserved(remove[i]))
            lk_errors_add(decoder->errors, "'%s': pseudo-headers and host cannot be removed", remove[i]);
        names[i] = lk_decode_lower(decoder, remove[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->remove = names;
    out->remove_count = remove_count;
}
