/* Base64: the vectors of RFC 4648 section 10, both alphabets, padding or none. */
#include "proxy/base/base64.h"
#include "test/support/lk_test.h"

static void check_pair(const char *plain, const char *encoded)
{
    struct lk_arena arena;
    struct lk_str out;

    lk_arena_init(&arena);
    LK_CHECK_LKSTR(lk_base64_encode(&arena, lk_str_from(plain)), encoded);
    LK_CHECK(lk_base64_decode(&arena, lk_str_from(encoded), &out));
    LK_CHECK_LKSTR(out, plain);
    lk_arena_reset(&arena);
}

LK_TEST(base64, vectors_of_the_rfc)
{
    check_pair("", "");
    check_pair("f", "Zg==");
    check_pair("fo", "Zm8=");
    check_pair("foo", "Zm9v");
    check_pair("foob", "Zm9vYg==");
    check_pair("fooba", "Zm9vYmE=");
    check_pair("foobar", "Zm9vYmFy");
}

static bool decodes(const char *text)
{
    struct lk_arena arena;
    struct lk_str out;
    bool ok;

    lk_arena_init(&arena);
    ok = lk_base64_decode(&arena, lk_str_from(text), &out);
    lk_arena_reset(&arena);
    return ok;
}

LK_TEST(base64, padding_is_optional_but_must_fit)
{
    LK_CHECK(decodes("Zg"));
    LK_CHECK(decodes("Zm8"));
    LK_CHECK(!decodes("Z"));
    LK_CHECK(!decodes("Zg="));
    LK_CHECK(!decodes("Zg==="));
    LK_CHECK(!decodes("===="));
    LK_CHECK(!decodes("Zg==Zg=="));
}

LK_TEST(base64, other_characters_are_refused)
{
    LK_CHECK(!decodes("Zm9 "));
    LK_CHECK(!decodes("Zm\n8"));
    LK_CHECK(!decodes("Zm9\xff"));
}
