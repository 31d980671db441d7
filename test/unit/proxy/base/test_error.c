/* Error values and lists of mistakes with their paths. */
#include "proxy/base/error.h"
#include "test/support/lk_test.h"

#include <errno.h>

LK_TEST(error, set_fills_and_is_false)
{
    struct lk_error error;

    LK_CHECK(!lk_error_set(&error, LK_ERROR_LIMIT, "more than %d", 5));
    LK_CHECK_EQ_INT(error.code, LK_ERROR_LIMIT);
    LK_CHECK_STR(error.text, "more than 5");
    LK_CHECK(!lk_error_set(NULL, LK_ERROR_LIMIT, "nobody listens"));
}

LK_TEST(error, errno_is_spelled_out)
{
    struct lk_error error;

    errno = ENOENT;
    LK_CHECK(!lk_error_errno(&error, "cannot open '%s'", "x"));
    LK_CHECK_EQ_INT(error.code, LK_ERROR_IO);
    LK_CHECK_STR(error.text, "cannot open 'x': No such file or directory");
}

LK_TEST(error, long_text_is_cut_not_overrun)
{
    struct lk_error error;

    errno = ENOENT;
    lk_error_errno(&error, "%*d", 2000, 1);
    LK_CHECK_EQ_UINT(strlen(error.text), sizeof(error.text) - 1);
}

LK_TEST(errors, paths_grow_and_shrink_with_the_descent)
{
    struct lk_errors errors;
    size_t top;
    size_t inner;
    size_t key;

    lk_errors_init(&errors);
    top = lk_errors_push(&errors, "static_resources");
    inner = lk_errors_push_index(&errors, "listeners", 3);
    lk_errors_add_at(&errors, "address", "is missing");
    key = lk_errors_push_key(&errors, "metadata", LK_STR("envoy.lb"));
    lk_errors_add(&errors, "expected a struct, got %s", "a list");
    lk_errors_pop(&errors, key);
    lk_errors_add(&errors, "is odd");
    lk_errors_pop(&errors, inner);
    lk_errors_pop(&errors, top);
    lk_errors_add_line(&errors, 12, "bad indentation");
    lk_errors_unsupported(&errors, "hds_config", "is not built");

    LK_CHECK(lk_errors_any(&errors));
    LK_CHECK_EQ_UINT(errors.count, 5);
    LK_CHECK_STR(errors.items[0].path, "static_resources.listeners[3].address");
    LK_CHECK_STR(errors.items[0].text, "is missing");
    LK_CHECK_STR(errors.items[1].path, "static_resources.listeners[3].metadata[\"envoy.lb\"]");
    LK_CHECK_STR(errors.items[1].text, "expected a struct, got a list");
    LK_CHECK_STR(errors.items[2].path, "static_resources.listeners[3]");
    LK_CHECK_STR(errors.items[3].path, "");
    LK_CHECK_EQ_INT(errors.items[3].line, 12);
    LK_CHECK_EQ_INT(errors.items[4].code, LK_ERROR_UNSUPPORTED);
    LK_CHECK_STR(errors.items[4].path, "hds_config");
    lk_errors_fini(&errors);
}

LK_TEST(errors, index_without_a_field_follows_directly)
{
    struct lk_errors errors;
    size_t mark;

    lk_errors_init(&errors);
    lk_errors_push(&errors, "rows");
    mark = lk_errors_push_index(&errors, NULL, 1);
    LK_CHECK_STR(errors.path, "rows[1]");
    lk_errors_pop(&errors, mark);
    LK_CHECK_STR(errors.path, "rows");
    lk_errors_fini(&errors);
}

LK_TEST(errors, warnings_are_no_mistakes)
{
    struct lk_errors errors;

    lk_errors_init(&errors);
    lk_errors_push(&errors, "node");
    lk_errors_warn(&errors, "locality", "has no effect: %s", "one zone");
    LK_CHECK(!lk_errors_any(&errors));
    LK_CHECK_EQ_UINT(errors.warning_count, 1);
    LK_CHECK_STR(errors.warnings[0].path, "node.locality");
    LK_CHECK_STR(errors.warnings[0].text, "has no effect: one zone");
    LK_CHECK_STR(errors.path, "node");
    lk_errors_fini(&errors);
}

LK_TEST(errors, a_flood_is_counted_not_kept)
{
    struct lk_errors errors;

    lk_errors_init(&errors);
    for (int i = 0; i < LK_ERRORS_MAX + 50; i++) {
        lk_errors_add(&errors, "mistake %d", i);
        lk_errors_warn(&errors, NULL, "warning %d", i);
    }
    LK_CHECK_EQ_UINT(errors.count, LK_ERRORS_MAX);
    LK_CHECK_EQ_UINT(errors.dropped, 50);
    LK_CHECK_EQ_UINT(errors.warning_count, LK_ERRORS_MAX);
    LK_CHECK_EQ_UINT(errors.warnings_dropped, 50);
    lk_errors_fini(&errors);
}

LK_TEST(errors, endless_path_is_cut_and_pops_back)
{
    struct lk_errors errors;
    size_t marks[200];

    lk_errors_init(&errors);
    for (size_t i = 0; i < 200; i++)
        marks[i] = lk_errors_push_index(&errors, "a_rather_long_field_name", i);
    LK_CHECK_EQ_UINT(strlen(errors.path), sizeof(errors.path) - 1);
    lk_errors_add(&errors, "deep");
    for (size_t i = 200; i-- > 0;)
        lk_errors_pop(&errors, marks[i]);
    LK_CHECK_STR(errors.path, "");
    lk_errors_fini(&errors);
}
