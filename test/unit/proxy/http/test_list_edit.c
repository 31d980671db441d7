/* Comma lists over several lines: reading, and rewriting to one line. */
#include "proxy/http/list_edit.h"
#include "test/support/header_text.h"

#include <limits.h>

static bool starts_with(struct lk_str member, const void *arg)
{
    return lk_str_has_prefix(member, lk_str_from(arg));
}

static struct lk_list_edit edit_of(unsigned members, size_t bytes)
{
    return (struct lk_list_edit){LK_HEADER_BAGGAGE, starts_with, "our", members, bytes};
}

LK_TEST(list_edit, iterates_over_all_lines_and_skips_what_is_empty)
{
    static const struct {
        const char *in;
        const char *members; /* each in brackets */
    } table[] = {
        {"via: a,b\n", ""},
        {"baggage: \n", ""},
        {"baggage: ,\t, ,\n", ""},
        {"baggage: a\n", "[a]"},
        {"baggage:  a , b\t,,c d \n", "[a][b][c d]"},
        {"baggage: a,b\nvia: x\nBaggage: ,\nbaggage: c\n", "[a][b][c]"},
        {"baggage: \"a, b\"\n", "[\"a][b\"]"},
    };
    struct lk_header_key key = {LK_HEADER_BAGGAGE, LK_STR("baggage")};
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        struct lk_list_iter iter;
        struct lk_str member;
        char text[100] = "";
        header_text_init(&t, table[i].in);
        lk_list_begin(&iter, &t.headers, &key);
        while (lk_list_next(&iter, &member))
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.*s]", LK_STR_ARG(member));
        LK_CHECK(!lk_list_next(&iter, &member));
        LK_CHECK_STR(text, table[i].members);
        header_text_fini(&t);
    }
}

LK_TEST(list_edit, names_without_an_id_are_lists_too)
{
    struct header_text t;
    struct lk_list_iter iter;
    struct lk_str member;
    header_text_init(&t, "X-Own: a\nx-other: b\nx-own: c\n");
    struct lk_header_key key = lk_header_key(&t.arena, LK_STR("x-own"));
    lk_list_begin(&iter, &t.headers, &key);
    LK_CHECK(lk_list_next(&iter, &member));
    LK_CHECK_LKSTR(member, "a");
    LK_CHECK(lk_list_next(&iter, &member));
    LK_CHECK_LKSTR(member, "c");
    LK_CHECK(!lk_list_next(&iter, &member));
    header_text_fini(&t);
}

struct row {
    const char *in;
    unsigned members;
    size_t bytes;
    const char *out;
};

LK_TEST(list_edit, puts_one_member_first_and_keeps_the_rest)
{
    static const struct row table[] = {
        {"", UINT_MAX, SIZE_MAX, "baggage: our1\n"},
        {"baggage: \n", UINT_MAX, SIZE_MAX, "baggage: our1\n"},
        {"Baggage: a , b ; c=d,ours\nvia: x\nbaggage: our2,e\n", UINT_MAX, SIZE_MAX,
         "Baggage: our1,a,b ; c=d,e\nvia: x\n"},
        {"baggage: a,b,c\n", 3, SIZE_MAX, "baggage: our1,a,b\n"},
        {"baggage: a,ours,b,c\n", 3, SIZE_MAX, "baggage: our1,a,b\n"},
        {"baggage: a,b,c\n", 1, SIZE_MAX, "baggage: our1\n"},
        {"baggage: a,bb,c\n", UINT_MAX, 8, "baggage: our1,a\n"},
        {"baggage: a,bb,c\n", UINT_MAX, 9, "baggage: our1,a,bb\n"},
        {"baggage: aa,b\n", UINT_MAX, 6, "baggage: our1\n"},
        {"baggage: aa,b\n", UINT_MAX, 4, "baggage: our1\n"},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        struct lk_list_edit edit = edit_of(table[i].members, table[i].bytes);
        header_text_init(&t, table[i].in);
        lk_list_put(&t.headers, &edit, LK_STR("our1"));
        CHECK_HEADERS(&t, table[i].out);
        header_text_fini(&t);
    }
}

LK_TEST(list_edit, takes_our_members_wherever_they_stand)
{
    static const struct row table[] = {
        {"", UINT_MAX, SIZE_MAX, NULL},
        {"baggage: a , b\nbaggage: c\n", UINT_MAX, SIZE_MAX, NULL},
        {"baggage: a,b,c\n", 2, 2, NULL},
        {"baggage: our\n", UINT_MAX, SIZE_MAX, ""},
        {"baggage: our1,,our2\nvia: x\nbaggage: ours\n", UINT_MAX, SIZE_MAX, "via: x\n"},
        {"baggage: a , our1\nbaggage: b\n", UINT_MAX, SIZE_MAX, "baggage: a,b\n"},
        {"baggage: a,b,c,our1\n", 2, SIZE_MAX, "baggage: a,b\n"},
        {"baggage: a,b,c,our1\n", UINT_MAX, 4, "baggage: a,b\n"},
        {"baggage: abcde,our1\n", UINT_MAX, 4, ""},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(table); i++) {
        struct header_text t;
        struct lk_list_edit edit = edit_of(table[i].members, table[i].bytes);
        header_text_init(&t, table[i].in);
        LK_CHECK_EQ_INT(lk_list_take(&t.headers, &edit), table[i].out != NULL);
        CHECK_HEADERS(&t, table[i].out != NULL ? table[i].out : table[i].in);
        LK_CHECK(!lk_list_take(&t.headers, &edit));
        header_text_fini(&t);
    }
}

LK_TEST(list_edit, a_copy_is_edited_apart_from_the_original)
{
    struct header_text t;
    struct lk_headers copy;
    struct lk_list_edit edit = edit_of(UINT_MAX, SIZE_MAX);
    header_text_init(&t, "baggage: a, our1\nbaggage: b\n");
    lk_headers_copy(&copy, &t.headers, &t.arena);
    LK_CHECK(lk_list_take(&copy, &edit));
    LK_CHECK_STR(header_text_of(&t, &copy), "baggage: a,b\n");
    CHECK_HEADERS(&t, "baggage: a, our1\nbaggage: b\n");
    header_text_fini(&t);
}
