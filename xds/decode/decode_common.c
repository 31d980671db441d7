/* Durations, numbers, percentages, data sources. Main thread. */
#include "xds/decode/decode_common.h"

#include "xds/decode/yaml_tree.h"

#define DURATION_MAX_SECONDS 315576000000LL /* of google.protobuf.Duration */
#define MILLION 1000000u

uint32_t lk_decode_ms(struct lk_decoder *decoder, const char *field, const Google__Protobuf__Duration *duration,
                      uint32_t fallback, enum lk_duration_rule rule)
{
    if (duration == NULL)
        return fallback;
    int64_t seconds = duration->seconds;
    int32_t nanos = duration->nanos;

    if (seconds < 0 || nanos < 0) {
        lk_errors_add_at(decoder->errors, field, "a duration must not be negative");
        return fallback;
    }
    if (seconds > DURATION_MAX_SECONDS || nanos > 999999999) {
        lk_errors_add_at(decoder->errors, field, "a duration out of range");
        return fallback;
    }
    if (rule == LK_DURATION_POSITIVE && seconds == 0 && nanos == 0) {
        lk_errors_add_at(decoder->errors, field, "must be more than 0s");
        return fallback;
    }
    uint64_t ms = (uint64_t)seconds * 1000 + (uint64_t)nanos / 1000000;

    if (ms == 0 && nanos > 0)
        ms = 1;
    return (uint32_t)LK_MIN(ms, (uint64_t)UINT32_MAX);
}

uint32_t lk_decode_range(struct lk_decoder *decoder, const char *field, uint32_t value, uint32_t low, uint32_t high)
{
    if (value < low || value > high)
        lk_errors_add_at(decoder->errors, field, "%u is not between %u and %u", value, low, high);
    return value;
}

double lk_decode_percent(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__Percent *percent,
                         double fallback)
{
    if (percent == NULL)
        return fallback;
    if (!(percent->value >= 0 && percent->value <= 100))
        lk_errors_add_at(decoder->errors, field, "a percentage is between 0 and 100");
    return percent->value;
}

void lk_decode_fractional(struct lk_decoder *decoder, const char *field, const Envoy__Type__V3__FractionalPercent *in,
                          struct lk_fraction *out)
{
    static const uint32_t denominators[] = {100, 10000, MILLION};

    out->denominator = 100;
    out->per_million = 0;
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, field);

    if (lk_decode_enum_ok(decoder, "denominator", &envoy__type__v3__fractional_percent__denominator_type__descriptor,
                          (int)in->denominator))
        out->denominator = denominators[in->denominator];
    out->per_million = (uint32_t)LK_MIN((uint64_t)in->numerator * (MILLION / out->denominator), (uint64_t)MILLION);
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_runtime_fraction(struct lk_decoder *decoder, const char *field,
                                const Envoy__Config__Core__V3__RuntimeFractionalPercent *in, struct lk_fraction *out)
{
    size_t mark = lk_errors_push(decoder->errors, field);

    if (in->default_value == NULL)
        lk_errors_add_at(decoder->errors, "default_value", "is required");
    lk_decode_fractional(decoder, "default_value", in->default_value, out);
    out->runtime_key = lk_decode_str(decoder, in->runtime_key);
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_keepalive(const Envoy__Config__Core__V3__TcpKeepalive *in, struct lk_keepalive_config *out)
{
    if (in == NULL)
        return;
    out->set = true;
    out->probes = lk_decode_u32(in->keepalive_probes, 0);
    out->time_s = lk_decode_u32(in->keepalive_time, 0);
    out->interval_s = lk_decode_u32(in->keepalive_interval, 0);
}

void lk_decode_locality(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Locality *in,
                        struct lk_locality *out)
{
    if (in == NULL)
        return;
    out->region = lk_decode_str(decoder, in->region);
    out->zone = lk_decode_str(decoder, in->zone);
    out->sub_zone = lk_decode_str(decoder, in->sub_zone);
}

static bool source_bytes(struct lk_decoder *decoder, const Envoy__Config__Core__V3__DataSource *in, struct lk_str *out)
{
    struct lk_error error;

    switch (in->specifier_case) {
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME:
        if (in->filename[0] == 0)
            return lk_errors_add_at(decoder->errors, "filename", "must not be empty");
        if (!lk_yaml_read_file(&decoder->scratch, in->filename, out, &error))
            return lk_errors_add_at(decoder->errors, "filename", "%s", error.text);
        return true;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES:
        *out = lk_str((const char *)in->inline_bytes.data, in->inline_bytes.len);
        return true;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING:
        *out = lk_str_from(in->inline_string);
        return true;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE: {
        const char *value = getenv(in->environment_variable);

        if (value == NULL)
            return lk_errors_add_at(decoder->errors, "environment_variable", "'%s' is not in the environment",
                                    in->environment_variable);
        *out = lk_str_from(value);
        return true;
    }
    default:
        return lk_errors_add(decoder->errors,
                             "expected one of filename, inline_bytes, inline_string, environment_variable");
    }
}

bool lk_decode_data_source(struct lk_decoder *decoder, const char *field, const Envoy__Config__Core__V3__DataSource *in,
                           size_t max, struct lk_str *out)
{
    size_t mark = lk_errors_push(decoder->errors, field);
    struct lk_str bytes = {"", 0};
    bool ok = source_bytes(decoder, in, &bytes);

    if (ok && bytes.len > max)
        ok = lk_errors_add(decoder->errors, "%zu bytes are more than the allowed %zu", bytes.len, max);
    lk_errors_pop(decoder->errors, mark);
    *out = ok && bytes.len > 0 ? lk_arena_str(decoder->arena, bytes) : (struct lk_str){"", 0};
    return ok;
}

struct lk_str lk_decode_type_of(const Google__Protobuf__Any *any)
{
    const char *slash;

    if (any == NULL)
        return (struct lk_str){"", 0};
    slash = strrchr(any->type_url, '/');
    return lk_str_from(slash != NULL ? slash + 1 : any->type_url);
}
