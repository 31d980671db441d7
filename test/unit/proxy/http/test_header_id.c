/* Names to ids: the perfect hash covers the list, and nothing else. */
#include "proxy/base/mem.h"
#include "proxy/http/header_hash.h"
#include "proxy/http/headers.h"
#include "test/support/lk_test.h"

#include <ctype.h>

static const char *const names[] = {
#define X(id, name) name,
    LK_HEADER_NAMES(X)
#undef X
};

LK_TEST(header_id, every_listed_name_has_its_own_id)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        LK_CHECK_EQ_INT(lk_header_id_of(lk_str_from(names[i])), i);
        LK_CHECK_LKSTR(lk_header_name((enum lk_header_id)i), names[i]);
    }
}

LK_TEST(header_id, the_hash_is_perfect_and_holds_nothing_stale)
{
    size_t used = 0;
    for (size_t i = 0; i < LK_ARRAY_LEN(lk_header_slots); i++) {
        used += lk_header_slots[i] != 0;
        LK_CHECK(lk_header_slots[i] <= LK_HEADER_COUNT);
    }
    LK_CHECK_EQ_UINT(used, LK_ARRAY_LEN(names) + 1);
    size_t longest = 0;
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++)
        longest = LK_MAX(longest, strlen(names[i]));
    LK_CHECK_EQ_UINT(longest, LK_HEADER_NAME_MAX);
}

LK_TEST(header_id, case_does_not_matter)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        char upper[LK_HEADER_NAME_MAX];
        char mixed[LK_HEADER_NAME_MAX];
        size_t len = strlen(names[i]);
        for (size_t k = 0; k < len; k++) {
            upper[k] = (char)toupper(names[i][k]);
            mixed[k] = k % 2 ? upper[k] : names[i][k];
        }
        LK_CHECK_EQ_INT(lk_header_id_of(lk_str(upper, len)), i);
        LK_CHECK_EQ_INT(lk_header_id_of(lk_str(mixed, len)), i);
    }
}

LK_TEST(header_id, host_is_the_authority)
{
    LK_CHECK_EQ_INT(lk_header_id_of(LK_STR("host")), LK_HEADER_AUTHORITY);
    LK_CHECK_EQ_INT(lk_header_id_of(LK_STR("Host")), LK_HEADER_AUTHORITY);
    LK_CHECK_LKSTR(lk_header_name(LK_HEADER_AUTHORITY), ":authority");
}

LK_TEST(header_id, one_changed_byte_is_another_name)
{
    for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        for (size_t k = 0; k < len; k++) {
            for (int byte = 0; byte < 256; byte++) {
                char *changed = lk_malloc(len);
                memcpy(changed, names[i], len);
                changed[k] = (char)byte;
                enum lk_header_id id = lk_header_id_of(lk_str(changed, len));
                bool same = tolower(byte) == names[i][k] && byte < 128;
                LK_CHECK_MSG(same == (id == i), "%s: byte %zu as %d", names[i], k, byte);
                bool other_listed = id == LK_HEADER_OTHER || id == i || strlen(names[id]) == len;
                LK_CHECK(other_listed || id == LK_HEADER_AUTHORITY);
                lk_free(changed);
            }
        }
    }
}

LK_TEST(header_id, other_names_have_none)
{
    static const char *const others[] = {"",
                                         "x",
                                         "ab",
                                         "abc",
                                         "cookies",
                                         "x-custom",
                                         "content-lengt",
                                         "content-length-",
                                         "x-envoy-upstream-rq-timeout-alt-response-x",
                                         "hosts",
                                         "hos"};
    for (size_t i = 0; i < LK_ARRAY_LEN(others); i++)
        LK_CHECK_EQ_INT(lk_header_id_of(lk_str_from(others[i])), LK_HEADER_OTHER);
    LK_CHECK_EQ_UINT(lk_header_name(LK_HEADER_OTHER).len, 0);
}
