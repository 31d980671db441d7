/* envoy.filters.http.header_to_metadata: rules that write dynamic metadata from headers and cookies, for subsets,
 * logs and later filters. Rules are read on the main thread and applied on the stream's worker. */
#include "filters/common/typed_config.h"
#include "filters/filter_table.h"
#include "proxy/base/base64.h"
#include "proxy/base/mem.h"
#include "proxy/filter/http_stream.h"
#include "xds/decode/decode_matcher.h"
#include "xds/decode/decode_metadata.h"

#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb-c.h"

#include <stdlib.h>

#define OWN_NAMESPACE "envoy.filters.http.header_to_metadata"
/* Longer values are ignored, as Envoy does. */
#define VALUE_MAX 8192u

typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config config_proto;
typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config__Rule rule_proto;
typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config__KeyValuePair pair_proto;
#define CONST(name) ENVOY__EXTENSIONS__FILTERS__HTTP__HEADER_TO_METADATA__V3__CONFIG__##name

enum value_type { TYPE_STRING, TYPE_NUMBER, TYPE_PROTOBUF };

struct pair {
    struct lk_str ns, key, value; /* value empty: the header's */
    enum value_type type;
    bool base64;
    struct lk_regex_rewrite rewrite;
};

struct rule {
    struct lk_header_key header; /* or cookie */
    struct lk_str cookie;
    bool remove;
    const struct pair *present, *missing; /* NULL: nothing is written then */
};

struct rules {
    const struct rule *items;
    size_t count;
};

struct config {
    struct rules sides[2]; /* LK_HTTP_REQUEST, LK_HTTP_RESPONSE */
    struct lk_stats_scope *stats;
};

/* Prefix "http_filter_name.<stat_prefix>."; the first three are counted by side. */
enum { PROCESSED, ADDED = 2, NOT_FOUND = 4, BAD_BASE64 = 6, TOO_LONG, BAD_REGEX };
static const struct lk_stat_def stat_defs[] = {
    {"request_rules_processed", LK_STAT_COUNTER},  {"response_rules_processed", LK_STAT_COUNTER},
    {"request_metadata_added", LK_STAT_COUNTER},   {"response_metadata_added", LK_STAT_COUNTER},
    {"request_header_not_found", LK_STAT_COUNTER}, {"response_header_not_found", LK_STAT_COUNTER},
    {"base64_decode_failed", LK_STAT_COUNTER},     {"header_value_too_long", LK_STAT_COUNTER},
    {"regex_substitution_failed", LK_STAT_COUNTER}};
static const struct lk_stat_block stat_block = {stat_defs, LK_ARRAY_LEN(stat_defs)};

/* --- configuration ------------------------------------------------------------------------------------------------ */

static const struct pair *decode_pair(struct lk_decoder *decoder, const char *field, const pair_proto *in)
{
    if (in == NULL)
        return NULL;
    struct pair *pair = lk_arena_zalloc(decoder->arena, sizeof(*pair));
    size_t mark = lk_errors_push(decoder->errors, field);
    pair->ns = in->metadata_namespace[0] != 0 ? lk_decode_str(decoder, in->metadata_namespace) : LK_STR(OWN_NAMESPACE);
    pair->key = lk_decode_required(decoder, "key", in->key);
    pair->value = lk_decode_str(decoder, in->value);
    if (lk_decode_enum_ok(decoder, "type",
                          &envoy__extensions__filters__http__header_to_metadata__v3__config__value_type__descriptor,
                          (int)in->type))
        pair->type = (enum value_type)in->type;
    lk_decode_enum_ok(decoder, "encode",
                      &envoy__extensions__filters__http__header_to_metadata__v3__config__value_encode__descriptor,
                      (int)in->encode);
    pair->base64 = in->encode == CONST(VALUE_ENCODE__BASE64);
    lk_decode_regex_rewrite(decoder, "regex_value_rewrite", in->regex_value_rewrite, &pair->rewrite);
    lk_errors_pop(decoder->errors, mark);
    return pair;
}

static void check_rule(struct lk_decoder *decoder, const rule_proto *in, const struct rule *rule)
{
    struct lk_errors *errors = decoder->errors;
    if ((in->header[0] != 0) == (in->cookie[0] != 0))
        lk_errors_add(errors, "expected exactly one of header, cookie");
    if (rule->present == NULL && rule->missing == NULL)
        lk_errors_add(errors, "expected at least one of on_header_present, on_header_missing");
    if (in->cookie[0] != 0 && in->remove)
        lk_errors_add_at(errors, "remove", "is not for cookies");
    if (rule->present != NULL && rule->present->value.len > 0 && rule->present->rewrite.regex != NULL)
        lk_errors_add_at(errors, "on_header_present.regex_value_rewrite", "excludes value");
    if (rule->missing != NULL && rule->missing->value.len == 0)
        lk_errors_add_at(errors, "on_header_missing.value", "is required");
}

static void decode_rules(struct lk_decoder *decoder, const char *field, size_t count, rule_proto *const *in,
                         struct rules *out)
{
    struct rule *rules = lk_arena_array(decoder->arena, count + 1, sizeof(*rules));
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);
        if (in[i]->header[0] != 0)
            lk_decode_header_name_ok(decoder, "header", in[i]->header, true);
        rules[i].header = lk_header_key(decoder->arena, lk_str_from(in[i]->header));
        rules[i].cookie = lk_decode_str(decoder, in[i]->cookie);
        rules[i].remove = in[i]->remove;
        rules[i].present = decode_pair(decoder, "on_header_present", in[i]->on_header_present);
        rules[i].missing = decode_pair(decoder, "on_header_missing", in[i]->on_header_missing);
        check_rule(decoder, in[i], &rules[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = (struct rules){rules, count};
}

static void unref_stats(void *stats)
{
    lk_stats_scope_unref(stats);
}

static const void *make(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors,
                        bool by_route)
{
    struct lk_decoder decoder;
    const config_proto *in = lk_typed_begin(
        &decoder, context, any, &envoy__extensions__filters__http__header_to_metadata__v3__config__descriptor, errors);
    if (in == NULL)
        return NULL;
    struct config *config = lk_arena_zalloc(context->arena, sizeof(*config));
    decode_rules(&decoder, "request_rules", in->n_request_rules, in->request_rules, &config->sides[LK_HTTP_REQUEST]);
    decode_rules(&decoder, "response_rules", in->n_response_rules, in->response_rules,
                 &config->sides[LK_HTTP_RESPONSE]);
    if (by_route && in->n_request_rules + in->n_response_rules == 0)
        lk_errors_add(errors, "a route's own configuration needs request_rules or response_rules");
    if (in->stat_prefix[0] != 0) {
        struct lk_str prefix = lk_arena_printf(context->arena, "http_filter_name.%s.", in->stat_prefix);
        config->stats = lk_stats_scope_ref(context->stats, &stat_block, prefix);
        lk_arena_on_free(context->arena, unref_stats, config->stats);
    }
    return lk_typed_end(&decoder) ? config : NULL;
}

static const void *config_new(struct lk_filter_context *context, const struct lk_any *any, struct lk_errors *errors)
{
    return make(context, any, errors, false);
}

static const void *route_config_new(struct lk_filter_context *context, const struct lk_any *any,
                                    struct lk_errors *errors)
{
    return make(context, any, errors, true);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

struct instance {
    struct lk_http_slot *slot;
    const struct config *config;
};

/* The rules of one message at work. */
struct work {
    struct lk_http_slot *slot;
    struct lk_arena *arena;
    struct lk_stats_scope *stats; /* NULL: not counted */
    enum lk_http_direction side;
};

static void count(const struct work *work, unsigned index)
{
    if (work->stats != NULL)
        lk_stats_inc(work->stats, index);
}

/* What strtod reads, as Envoy does: hexadecimal and infinity too. */
static bool to_number(const struct work *work, struct lk_str text, double *out)
{
    char *copy = lk_arena_cstr(work->arena, lk_str_trim(text));
    char *end;
    *out = strtod(copy, &end);
    return end > copy && end == copy + lk_str_trim(text).len;
}

static bool to_value(const struct work *work, const struct pair *pair, struct lk_str text, struct lk_value *out)
{
    switch (pair->type) {
    case TYPE_STRING:
        *out = (struct lk_value){.kind = LK_VALUE_TEXT, .text = text};
        return true;
    case TYPE_NUMBER:
        out->kind = LK_VALUE_NUMBER;
        return to_number(work, text, &out->number);
    case TYPE_PROTOBUF:
        break;
    }
    return lk_value_from_bytes(work->arena, text, out);
}

/* Standard alphabet; as much of the padding as there is; no bits beyond the last byte. */
static bool from_base64(struct lk_arena *arena, struct lk_str text, struct lk_str *out)
{
    if (text.ptr == NULL)
        return false;
    for (unsigned i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    return lk_base64_decode(arena, text, out) && out->len > 0 && lk_str_has_prefix(lk_base64_encode(arena, *out), text);
}

static void put(const struct work *work, const struct pair *pair, struct lk_str text)
{
    if (pair->value.len > 0) {
        text = pair->value;
    } else if (pair->rewrite.regex != NULL) {
        bool was_empty = text.len == 0;
        text = lk_regex_replace(pair->rewrite.regex, work->arena, text, pair->rewrite.substitution);
        if (text.len == 0 && !was_empty)
            count(work, BAD_REGEX);
    }
    if (text.len == 0)
        return;
    if (text.len >= VALUE_MAX) {
        count(work, TOO_LONG);
        return;
    }
    if (pair->base64 && !from_base64(work->arena, text, &text)) {
        count(work, BAD_BASE64);
        return;
    }
    struct lk_value *value = lk_arena_zalloc(work->arena, sizeof(*value));
    if (!to_value(work, pair, text, value))
        return;
    lk_stream_info_set_metadata(lk_http_info(work->slot), work->arena, pair->ns, pair->key, value);
    count(work, ADDED + work->side);
}

/* The first cookie of the name, without the quotes around it; ptr NULL: none, or empty. */
static struct lk_str cookie_value(const struct lk_headers *headers, struct lk_str name)
{
    const struct lk_header *header = lk_headers_find(headers, LK_HEADER_COOKIE);
    for (; header != NULL; header = lk_headers_next(headers, header)) {
        struct lk_str rest = header->value;
        while (rest.ptr != NULL) {
            struct lk_str value = lk_str_trim(lk_str_split(&rest, ';'));
            if (!lk_str_eq(lk_str_split(&value, '='), name) || value.ptr == NULL)
                continue;
            if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                value = lk_str(value.ptr + 1, value.len - 2);
            return value.len > 0 ? value : lk_str(NULL, 0);
        }
    }
    return lk_str(NULL, 0);
}

static void apply(const struct work *work, const struct rule *rule, struct lk_headers *headers)
{
    struct lk_str text =
        rule->cookie.len > 0 ? cookie_value(headers, rule->cookie) : lk_headers_get_joined(headers, &rule->header);
    if (text.ptr != NULL && rule->remove)
        lk_headers_remove_key(headers, &rule->header);
    count(work, PROCESSED + work->side);
    if (text.ptr != NULL && rule->present != NULL)
        put(work, rule->present, text);
    if (text.ptr == NULL && rule->missing != NULL) {
        count(work, NOT_FOUND + work->side);
        put(work, rule->missing, text);
    }
}

static enum lk_filter_status run(const struct instance *self, enum lk_http_direction side, struct lk_headers *headers)
{
    const struct config *own = lk_http_route_config(self->slot);
    const struct config *config = own != NULL ? own : self->config;
    struct work work = {self->slot, lk_http_arena(self->slot), config->stats, side};
    for (size_t i = 0; i < config->sides[side].count; i++)
        apply(&work, &config->sides[side].items[i], headers);
    return LK_FILTER_CONTINUE;
}

static void *stream_new(struct lk_http_slot *slot, const void *config, void *worker)
{
    struct instance *self = lk_arena_alloc(lk_http_arena(slot), sizeof(*self));
    (void)worker;
    *self = (struct instance){slot, config};
    return self;
}

static enum lk_filter_status on_request_headers(void *self, struct lk_headers *headers, bool end)
{
    (void)end;
    return run(self, LK_HTTP_REQUEST, headers);
}

static void explain(void *self, struct lk_headers *headers, bool end, struct lk_explain *account)
{
    (void)end;
    (void)account; /* the metadata itself is told when all filters have run */
    run(self, LK_HTTP_REQUEST, headers);
}

static enum lk_filter_status on_response_headers(void *self, struct lk_headers *headers, bool end)
{
    (void)end;
    return run(self, LK_HTTP_RESPONSE, headers);
}

const struct lk_http_filter lk_header_to_metadata_filter = {
    .name = OWN_NAMESPACE,
    .type = "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    .config_new = config_new,
    .route_config_new = route_config_new,
    .stream_new = stream_new,
    .on_request_headers = on_request_headers,
    .on_response_headers = on_response_headers,
    .explain = explain,
};
