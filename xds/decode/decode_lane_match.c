/* Conditions of entry rules on requests, compiled. Main thread, pure. */
#include "xds/decode/decode_lane_parts.h"

#include "xds/decode/decode_matcher.h"

#define EXPECTED_TEST "expected one of in, exact, prefix, regex, present"

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Value and NamedValue say the same in messages of different types. */
struct test {
    size_t in_count;
    char *const *in;
    enum { NONE, EXACT, PREFIX, REGEX, PRESENT } kind; /* of the oneof */
    const char *text;
    bool present;
    bool lower; /* the values looked at are in lower case */
};

/* The oneofs of both messages hold the same in the same order; they differ in where their numbers begin. */
#define VALUE(name) LANEKEEPER__LANE__V1__VALUE__TEST_##name
#define NAMED(name) LANEKEEPER__LANE__V1__NAMED_VALUE__TEST_##name
#define SAME_DISTANCE(name)                                                                                            \
    (VALUE(name) - VALUE(EXACT) == name - EXACT && (int)NAMED(name) - (int)NAMED(EXACT) == name - EXACT)
_Static_assert(SAME_DISTANCE(PREFIX) && SAME_DISTANCE(REGEX) && SAME_DISTANCE(PRESENT), "order of the fields");

/* number: of what the oneof holds, from EXACT on; below: nothing. */
static struct test test_of(size_t in_count, char *const *in, int number, char *const *text,
                           const protobuf_c_boolean *present)
{
    struct test test = {.in_count = in_count, .in = in, .kind = number < EXACT ? NONE : number};

    if (test.kind == PRESENT)
        test.present = *present;
    else if (test.kind != NONE)
        test.text = *text;
    return test;
}
#define TEST_OF(in_, case_)                                                                                            \
    test_of((in_)->n_in, (in_)->in, (int)(in_)->test_case - (int)case_(EXACT) + EXACT, &(in_)->exact, &(in_)->present)

static void free_set(void *arg)
{
    lk_map_fini(arg);
}

static void value_set(struct lk_decoder *decoder, const struct test *test, struct lk_entry_value *out)
{
    out->test = LK_ENTRY_IN;
    lk_arena_on_free(decoder->arena, free_set, &out->in);
    for (size_t i = 0; i < test->in_count; i++) {
        struct lk_str item = test->lower ? lk_decode_lower(decoder, test->in[i]) : lk_decode_str(decoder, test->in[i]);

        lk_map_set(&out->in, item, &out->in);
    }
}

static void value_text(struct lk_decoder *decoder, const struct test *test, struct lk_entry_value *out)
{
    static const enum lk_string_match_kind kinds[] = {
        [EXACT] = LK_STRING_EXACT, [PREFIX] = LK_STRING_PREFIX, [REGEX] = LK_STRING_REGEX};
    struct lk_error error;
    bool lower = test->lower && test->kind != REGEX;

    out->test = LK_ENTRY_TEXT;
    out->text.kind = kinds[test->kind];
    out->text.text = lower ? lk_decode_lower(decoder, test->text) : lk_decode_str(decoder, test->text);
    if (test->kind != EXACT && test->text[0] == 0) {
        lk_errors_add_at(decoder->errors, test->kind == REGEX ? "regex" : "prefix",
                         "must not be empty, expected some text");
    } else if (test->kind == REGEX) {
        out->text.regex = lk_regex_compile(decoder->arena, out->text.text, &error);
        if (out->text.regex == NULL)
            lk_errors_add_at(decoder->errors, "regex", "%s, expected an RE2 expression", error.text);
    }
}

/* *out lies where it stays: the arena frees its set. */
static void one_value(struct lk_decoder *decoder, const struct test *test, struct lk_entry_value *out)
{
    lk_map_init(&out->in);
    if (test->kind == NONE && test->in_count == 0)
        lk_errors_add(decoder->errors, "no condition, " EXPECTED_TEST);
    else if (test->kind != NONE && test->in_count > 0)
        lk_errors_add(decoder->errors, "two conditions, " EXPECTED_TEST);
    else if (test->in_count > 0)
        value_set(decoder, test, out);
    else if (test->kind == PRESENT)
        out->test = test->present ? LK_ENTRY_PRESENT : LK_ENTRY_ABSENT;
    else
        value_text(decoder, test, out);
}

static const struct lk_entry_value *plain_value(struct lk_decoder *decoder, const char *field,
                                                const Lanekeeper__Lane__V1__Value *in, bool lower)
{
    if (in == NULL)
        return NULL;
    struct lk_entry_value *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    struct test test = TEST_OF(in, VALUE);
    size_t mark = lk_errors_push(decoder->errors, field);

    test.lower = lower;
    one_value(decoder, &test, out);
    lk_errors_pop(decoder->errors, mark);
    return out;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

/* A cookie's name is a token (RFC 6265 4.1.1). */
struct lk_str lk_decode_lane_cookie_name(struct lk_decoder *decoder, const char *field, const char *name)
{
    bool ok = strpbrk(name, " \t\"(),/:;<=>?@[\\]{}") == NULL;

    for (const char *at = name; *at != 0; at++)
        ok &= *at > 0x20 && *at < 0x7f;
    if (name[0] == 0)
        lk_errors_add_at(decoder->errors, field, "must not be empty, expected the name of a cookie");
    else if (!ok)
        lk_errors_add_at(decoder->errors, field,
                         "'%s' is no name of a cookie, expected letters, digits and marks as -_.", name);
    return lk_decode_str(decoder, name);
}

typedef struct lk_str name_fn(struct lk_decoder *decoder, const char *field, const char *name);

static struct lk_entry_named_value *named_values(struct lk_decoder *decoder, const char *field, name_fn *decode_name,
                                                 size_t count, Lanekeeper__Lane__V1__NamedValue *const *in)
{
    struct lk_entry_named_value *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);
        struct test test = TEST_OF(in[i], NAMED);

        list[i].name = decode_name(decoder, "name", in[i]->name);
        list[i].header_id = -1;
        one_value(decoder, &test, &list[i].value);
        lk_errors_pop(decoder->errors, mark);
    }
    return list;
}

void lk_decode_lane_match(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Match *in, struct lk_entry_match *out)
{
    out->secret.name = (struct lk_str){"", 0};
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "match");

    out->headers = named_values(decoder, "header", lk_decode_lane_header_name, in->n_header, in->header);
    out->header_count = in->n_header;
    out->cookies = named_values(decoder, "cookie", lk_decode_lane_cookie_name, in->n_cookie, in->cookie);
    out->cookie_count = in->n_cookie;
    out->queries = named_values(decoder, "query", lk_decode_required, in->n_query, in->query);
    out->query_count = in->n_query;
    out->path = plain_value(decoder, "path", in->path, false);
    out->host = plain_value(decoder, "host", in->host, true);
    out->principal = plain_value(decoder, "source_principal", in->source_principal, false);
    out->cidrs = lk_decode_lane_cidrs(decoder, "cidr", in->n_cidr, in->cidr);
    out->cidr_count = in->n_cidr;
    lk_decode_lane_secret(decoder, "secret_header", in->secret_header, &out->secret);
    lk_errors_pop(decoder->errors, mark);
}
