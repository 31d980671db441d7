/* A thin layer over PCRE2, since the library of matchers is not below this one. */
#include "proxy/stats/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 100000

struct lk_pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

struct lk_pattern *lk_pattern_new(struct lk_str regex, struct lk_error *error)
{
    struct lk_pattern *pattern;
    int number;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(regex.ptr != NULL ? regex.ptr : ""), regex.len, PCRE2_DOTALL, &number,
                                     &offset, NULL);

    if (code == NULL) {
        PCRE2_UCHAR text[128] = "";

        pcre2_get_error_message(number, text, sizeof(text));
        lk_error_set(error, LK_ERROR_INVALID, "invalid regex '%.*s': %s at offset %zu", LK_STR_ARG(regex),
                     (const char *)text, offset);
        return NULL;
    }
    /* Where there is no JIT the interpreter does. */
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    pattern = lk_malloc(sizeof(*pattern));
    pattern->code = code;
    pattern->data = pcre2_match_data_create(3, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (pattern->data == NULL || pattern->context == NULL)
        lk_panic("out of memory for a regex");
    pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
    return pattern;
}

void lk_pattern_free(struct lk_pattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_match_context_free(pattern->context);
    pcre2_match_data_free(pattern->data);
    pcre2_code_free(pattern->code);
    lk_free(pattern);
}

static int match(struct lk_pattern *pattern, struct lk_str text)
{
    return pcre2_match(pattern->code, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len, 0, 0, pattern->data,
                       pattern->context);
}

bool lk_pattern_search(struct lk_pattern *pattern, struct lk_str text)
{
    return match(pattern, text) >= 0;
}

static struct lk_str group(struct lk_pattern *pattern, struct lk_str text, int found, size_t number)
{
    const size_t *ends = pcre2_get_ovector_pointer(pattern->data);

    /* 0 says that there are more groups than places, all of which are then filled. */
    if ((found != 0 && number >= (size_t)found) || ends[2 * number] == PCRE2_UNSET)
        return lk_str(NULL, 0);
    return lk_str(text.ptr + ends[2 * number], ends[2 * number + 1] - ends[2 * number]);
}

bool lk_pattern_groups(struct lk_pattern *pattern, struct lk_str text, struct lk_str *first, struct lk_str *second)
{
    int found = match(pattern, text);

    if (found < 0)
        return false;
    *first = group(pattern, text, found, 1);
    *second = group(pattern, text, found, 2);
    return true;
}
