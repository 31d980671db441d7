/* Matchers to their compiled form. Main thread. */
#include "xds/decode/decode_matcher.h"

#include "proxy/base/mem.h"

bool lk_decode_header_name_ok(struct lk_decoder *decoder, const char *field, const char *name, bool pseudo)
{
    static const char extra[] = "!#$%&'*+-.^_`|~";

    if (name[0] == 0)
        return lk_errors_add_at(decoder->errors, field, "must not be empty");
    for (const char *at = name; *at != 0; at++) {
        unsigned char c = lk_ascii_lower((unsigned char)*at);

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(extra, c) != NULL ||
            (pseudo && c == ':' && at == name))
            continue;
        return lk_errors_add_at(decoder->errors, field, "'%s' is no header name", name);
    }
    return true;
}

struct lk_str lk_decode_header_text(struct lk_decoder *decoder, const char *field, const char *text)
{
    if (strpbrk(text, "\r\n") != NULL)
        lk_errors_add_at(decoder->errors, field, "must not hold line breaks");
    return lk_decode_str(decoder, text);
}

const struct lk_regex *lk_decode_regex(struct lk_decoder *decoder, const char *field,
                                       const Envoy__Type__Matcher__V3__RegexMatcher *in)
{
    struct lk_error error;
    const struct lk_regex *regex = NULL;

    if (in == NULL) {
        lk_errors_add_at(decoder->errors, field, "is required");
        return NULL;
    }
    size_t mark = lk_errors_push(decoder->errors, field);

    if (in->regex[0] == 0)
        lk_errors_add_at(decoder->errors, "regex", "must not be empty");
    else if ((regex = lk_regex_compile(decoder->arena, lk_str_from(in->regex), &error)) == NULL)
        lk_errors_add_at(decoder->errors, "regex", "%s", error.text);
    lk_errors_pop(decoder->errors, mark);
    return regex;
}

void lk_decode_regex_rewrite(struct lk_decoder *decoder, const char *field,
                             const Envoy__Type__Matcher__V3__RegexMatchAndSubstitute *in, struct lk_regex_rewrite *out)
{
    struct lk_error error;

    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, field);

    out->regex = lk_decode_regex(decoder, "pattern", in->pattern);
    out->substitution = lk_decode_header_text(decoder, "substitution", in->substitution);
    if (out->regex != NULL && !lk_regex_check_substitution(out->regex, out->substitution, &error))
        lk_errors_add_at(decoder->errors, "substitution", "%s", error.text);
    lk_errors_pop(decoder->errors, mark);
}

static void set_text(struct lk_decoder *decoder, struct lk_string_matcher *out, enum lk_string_match_kind kind,
                     const char *field, const char *text)
{
    out->kind = kind;
    out->text = out->ignore_case ? lk_decode_lower(decoder, text) : lk_decode_str(decoder, text);
    if (kind != LK_STRING_EXACT && text[0] == 0)
        lk_errors_add_at(decoder->errors, field, "must not be empty");
}

static void set_regex(struct lk_decoder *decoder, struct lk_string_matcher *out, const char *field,
                      const Envoy__Type__Matcher__V3__RegexMatcher *in)
{
    out->kind = LK_STRING_REGEX;
    out->regex = lk_decode_regex(decoder, field, in);
    if (in != NULL)
        out->text = lk_decode_str(decoder, in->regex);
}

static void string_matcher(struct lk_decoder *decoder, const Envoy__Type__Matcher__V3__StringMatcher *in,
                           struct lk_string_matcher *out)
{
    out->ignore_case = in->ignore_case;
    switch (in->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT:
        set_text(decoder, out, LK_STRING_EXACT, "exact", in->exact);
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX:
        set_text(decoder, out, LK_STRING_PREFIX, "prefix", in->prefix);
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SUFFIX:
        set_text(decoder, out, LK_STRING_SUFFIX, "suffix", in->suffix);
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_CONTAINS:
        set_text(decoder, out, LK_STRING_CONTAINS, "contains", in->contains);
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX:
        if (in->ignore_case)
            lk_errors_add_at(decoder->errors, "ignore_case", "has no effect on a regex: write (?i) into it");
        set_regex(decoder, out, "safe_regex", in->safe_regex);
        break;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_CUSTOM:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add(decoder->errors, "expected one of exact, prefix, suffix, safe_regex, contains");
        break;
    }
}

void lk_decode_string_matcher(struct lk_decoder *decoder, const char *field,
                              const Envoy__Type__Matcher__V3__StringMatcher *in, struct lk_string_matcher *out)
{
    *out = (struct lk_string_matcher){.text = {"", 0}};
    if (in == NULL) {
        lk_errors_add_at(decoder->errors, field, "is required");
        return;
    }
    size_t mark = lk_errors_push(decoder->errors, field);

    string_matcher(decoder, in, out);
    lk_errors_pop(decoder->errors, mark);
}

/* The deprecated forms on the matcher itself; an empty exact_match accepts any value that is there. */
static void set_value(struct lk_decoder *decoder, struct lk_value_matcher *out, enum lk_string_match_kind kind,
                      const char *field, const char *text)
{
    out->kind = LK_VALUE_STRING;
    if (kind == LK_STRING_EXACT && text[0] == 0)
        out->string = (struct lk_string_matcher){.kind = LK_STRING_PREFIX, .text = {"", 0}};
    else
        set_text(decoder, &out->string, kind, field, text);
}

static void set_range(struct lk_decoder *decoder, struct lk_value_matcher *out,
                      const Envoy__Type__V3__Int64Range *range)
{
    out->kind = LK_VALUE_RANGE;
    out->range_start = range->start;
    out->range_end = range->end;
    if (range->start >= range->end)
        lk_errors_warn(decoder->errors, "range_match", "an empty range never matches");
}

static void header_value(struct lk_decoder *decoder, const Envoy__Config__Route__V3__HeaderMatcher *in,
                         struct lk_value_matcher *out)
{
    switch (in->header_match_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_EXACT_MATCH:
        set_value(decoder, out, LK_STRING_EXACT, "exact_match", in->exact_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PREFIX_MATCH:
        set_value(decoder, out, LK_STRING_PREFIX, "prefix_match", in->prefix_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_SUFFIX_MATCH:
        set_value(decoder, out, LK_STRING_SUFFIX, "suffix_match", in->suffix_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_CONTAINS_MATCH:
        set_value(decoder, out, LK_STRING_CONTAINS, "contains_match", in->contains_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_SAFE_REGEX_MATCH:
        out->kind = LK_VALUE_STRING;
        set_regex(decoder, &out->string, "safe_regex_match", in->safe_regex_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH:
        out->kind = LK_VALUE_STRING;
        lk_decode_string_matcher(decoder, "string_match", in->string_match, &out->string);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_RANGE_MATCH:
        set_range(decoder, out, in->range_match);
        break;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PRESENT_MATCH:
        out->kind = in->present_match ? LK_VALUE_PRESENT : LK_VALUE_ABSENT;
        break;
    default:
        out->kind = LK_VALUE_PRESENT;
        break;
    }
}

void lk_decode_header_matcher(struct lk_decoder *decoder, const Envoy__Config__Route__V3__HeaderMatcher *in,
                              struct lk_header_match *out)
{
    *out = (struct lk_header_match){.header_id = -1};
    lk_decode_header_name_ok(decoder, "name", in->name, true);
    out->name = lk_decode_lower(decoder, in->name);
    out->value.invert = in->invert_match;
    out->value.treat_missing_as_empty = in->treat_missing_header_as_empty;
    header_value(decoder, in, &out->value);
}

void lk_decode_header_matchers(struct lk_decoder *decoder, const char *field, size_t count,
                               Envoy__Config__Route__V3__HeaderMatcher *const *in, const struct lk_header_match **out)
{
    struct lk_header_match *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        lk_decode_header_matcher(decoder, in[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = list;
}

static void query_matcher(struct lk_decoder *decoder, const Envoy__Config__Route__V3__QueryParameterMatcher *in,
                          struct lk_query_match *out)
{
    out->name = lk_decode_required(decoder, "name", in->name);
    if (out->name.len > 1024)
        lk_errors_add_at(decoder->errors, "name", "is longer than 1024 bytes");
    switch (in->query_parameter_match_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_STRING_MATCH:
        out->value.kind = LK_VALUE_STRING;
        lk_decode_string_matcher(decoder, "string_match", in->string_match, &out->value.string);
        break;
    case ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_PRESENT_MATCH:
        out->value.kind = in->present_match ? LK_VALUE_PRESENT : LK_VALUE_ABSENT;
        break;
    default:
        out->value.kind = LK_VALUE_PRESENT;
        break;
    }
}

void lk_decode_query_matchers(struct lk_decoder *decoder, const char *field, size_t count,
                              Envoy__Config__Route__V3__QueryParameterMatcher *const *in,
                              const struct lk_query_match **out)
{
    struct lk_query_match *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        query_matcher(decoder, in[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    *out = list;
}
