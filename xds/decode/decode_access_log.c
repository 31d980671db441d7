/* Access log entries and their filters. Main thread. */
#include "xds/decode/decode_access_log.h"

#include "proxy/base/mem.h"
#include "proxy/config/response_flags.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"

static void log_filter(struct lk_decoder *decoder, const Envoy__Config__Accesslog__V3__AccessLogFilter *in,
                       struct lk_log_filter *out);

static void comparison(struct lk_decoder *decoder, const char *field,
                       const Envoy__Config__Accesslog__V3__ComparisonFilter *in, struct lk_log_filter *out)
{
    static const enum lk_compare_op ops[] = {LK_COMPARE_EQ, LK_COMPARE_GE, LK_COMPARE_LE, LK_COMPARE_NE};
    size_t mark = lk_errors_push(decoder->errors, field);

    lk_errors_push(decoder->errors, "comparison");
    if (in == NULL) {
        lk_errors_add(decoder->errors, "is required");
    } else {
        if (lk_decode_enum_ok(decoder, "op", &envoy__config__accesslog__v3__comparison_filter__op__descriptor,
                              (int)in->op))
            out->op = ops[in->op];
        if (in->value == NULL) {
            lk_errors_add_at(decoder->errors, "value", "is required");
        } else {
            out->value = in->value->default_value;
            out->runtime_key = lk_decode_str(decoder, in->value->runtime_key);
        }
    }
    lk_errors_pop(decoder->errors, mark);
}

static void children(struct lk_decoder *decoder, const char *field, size_t count,
                     Envoy__Config__Accesslog__V3__AccessLogFilter *const *in, struct lk_log_filter *out)
{
    struct lk_log_filter *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;
    size_t mark = lk_errors_push(decoder->errors, field);

    if (count < 2)
        lk_errors_add_at(decoder->errors, "filters", "needs at least 2 filters");
    for (size_t i = 0; i < count; i++) {
        size_t at = lk_errors_push_index(decoder->errors, "filters", i);

        log_filter(decoder, in[i], &list[i]);
        lk_errors_pop(decoder->errors, at);
    }
    out->children = list;
    out->child_count = count;
    lk_errors_pop(decoder->errors, mark);
}

static uint64_t flag_bit(struct lk_str name)
{
    static const struct lk_str names[] = {
#define X(id, short_name, long_name) LK_STR_INIT(short_name),
        LK_RESPONSE_FLAGS(X)
#undef X
    };

    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        if (lk_str_eq(names[i], name))
            return (uint64_t)1 << i;
    return 0;
}

static void response_flags(struct lk_decoder *decoder, const Envoy__Config__Accesslog__V3__ResponseFlagFilter *in,
                           struct lk_log_filter *out)
{
    for (size_t i = 0; i < in->n_flags; i++) {
        uint64_t bit = flag_bit(lk_str_from(in->flags[i]));

        if (bit == 0)
            lk_errors_add_at(decoder->errors, "response_flag_filter.flags", "'%s' is no response flag", in->flags[i]);
        out->flags |= bit;
    }
}

static void runtime(struct lk_decoder *decoder, const Envoy__Config__Accesslog__V3__RuntimeFilter *in,
                    struct lk_log_filter *out)
{
    size_t mark = lk_errors_push(decoder->errors, "runtime_filter");

    out->runtime_key = lk_decode_required(decoder, "runtime_key", in->runtime_key);
    lk_decode_fractional(decoder, "percent_sampled", in->percent_sampled, &out->fraction);
    out->fraction.runtime_key = out->runtime_key;
    out->use_independent_randomness = in->use_independent_randomness;
    lk_errors_pop(decoder->errors, mark);
}

static void header(struct lk_decoder *decoder, const Envoy__Config__Accesslog__V3__HeaderFilter *in,
                   struct lk_log_filter *out)
{
    struct lk_header_match *match;

    if (in->header == NULL) {
        lk_errors_add_at(decoder->errors, "header_filter.header", "is required");
        return;
    }
    size_t mark = lk_errors_push(decoder->errors, "header_filter.header");

    match = lk_arena_zalloc(decoder->arena, sizeof(*match));
    lk_decode_header_matcher(decoder, in->header, match);
    out->header = match;
    lk_errors_pop(decoder->errors, mark);
}

static void log_filter(struct lk_decoder *decoder, const Envoy__Config__Accesslog__V3__AccessLogFilter *in,
                       struct lk_log_filter *out)
{
    switch (in->filter_specifier_case) {
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_STATUS_CODE_FILTER:
        out->kind = LK_LOG_FILTER_STATUS;
        comparison(decoder, "status_code_filter", in->status_code_filter->comparison, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_DURATION_FILTER:
        out->kind = LK_LOG_FILTER_DURATION;
        comparison(decoder, "duration_filter", in->duration_filter->comparison, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_NOT_HEALTH_CHECK_FILTER:
        out->kind = LK_LOG_FILTER_NOT_HEALTH_CHECK;
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_TRACEABLE_FILTER:
        out->kind = LK_LOG_FILTER_TRACEABLE;
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_RUNTIME_FILTER:
        out->kind = LK_LOG_FILTER_RUNTIME;
        runtime(decoder, in->runtime_filter, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_AND_FILTER:
        out->kind = LK_LOG_FILTER_AND;
        children(decoder, "and_filter", in->and_filter->n_filters, in->and_filter->filters, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_OR_FILTER:
        out->kind = LK_LOG_FILTER_OR;
        children(decoder, "or_filter", in->or_filter->n_filters, in->or_filter->filters, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_HEADER_FILTER:
        out->kind = LK_LOG_FILTER_HEADER;
        header(decoder, in->header_filter, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_RESPONSE_FLAG_FILTER:
        out->kind = LK_LOG_FILTER_RESPONSE_FLAG;
        response_flags(decoder, in->response_flag_filter, out);
        break;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER__NOT_SET:
        lk_errors_add(decoder->errors, "expected a filter such as status_code_filter");
        break;
    default:
        break; /* reported as unsupported by the table of fields */
    }
}

const struct lk_log_filter *lk_decode_log_filter(struct lk_decoder *decoder, const char *field,
                                                 const Envoy__Config__Accesslog__V3__AccessLogFilter *in)
{
    if (in == NULL)
        return NULL;
    struct lk_log_filter *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    size_t mark = lk_errors_push(decoder->errors, field);

    log_filter(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
    return out;
}

void lk_decode_access_logs(struct lk_decoder *decoder, const char *field, size_t count,
                           Envoy__Config__Accesslog__V3__AccessLog *const *in, const struct lk_access_log_config **out)
{
    struct lk_access_log_config *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        list[i].name = lk_decode_str(decoder, in[i]->name);
        list[i].any = lk_decode_any(decoder, in[i]->typed_config);
        list[i].filter = lk_decode_log_filter(decoder, "filter", in[i]->filter);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = list;
}
