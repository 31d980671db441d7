/* What may stand in the parts of a message. */
#include "proxy/base/mem.h"
#include "proxy/http/headers.h"
#include "proxy/http/validate.h"
#include "test/support/lk_test.h"

/* Each byte on its own, against the set the specification lists. */
static void check_class(enum lk_char_class class, const char *punctuation, bool alphanumeric, const char *what)
{
    for (int c = 1; c < 128; c++) {
        bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool expected = (alphanumeric && letter) || strchr(punctuation, c) != NULL;
        LK_CHECK_MSG(lk_char_is((char)c, class) == expected, "%s: byte %d", what, c);
    }
    LK_CHECK(!lk_char_is('\0', class));
}

LK_TEST(validate, the_classes_are_those_of_the_specifications)
{
    check_class(LK_CHAR_TOKEN, "!#$%&'*+-.^_`|~", true, "token");
    check_class(LK_CHAR_HOST, "-.", true, "host");
    check_class(LK_CHAR_HEX, "0123456789abcdefABCDEF", false, "hex");
    check_class(LK_CHAR_DIGIT, "0123456789", false, "digit");
    check_class(LK_CHAR_AUTHORITY, "!$%&'()*+,-.:;=@[]_~", true, "authority");
    check_class(LK_CHAR_TARGET, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true, "target");
    check_class(LK_CHAR_VALUE, "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true, "value");
    for (int c = 128; c < 256; c++)
        LK_CHECK_EQ_INT(lk_char_classes[c], LK_CHAR_VALUE);
}

LK_TEST(validate, header_names_are_tokens)
{
    LK_CHECK(lk_header_name_valid(LK_STR("X-Name_1")));
    LK_CHECK(!lk_header_name_valid(LK_STR("")));
    LK_CHECK(!lk_header_name_valid(LK_STR("a b")));
    LK_CHECK(!lk_header_name_valid(LK_STR(":path")));
    LK_CHECK(!lk_header_name_valid(LK_STR("a\xe9")));
}

LK_TEST(validate, header_values_have_no_control_bytes)
{
    LK_CHECK(lk_header_value_valid(LK_STR("")));
    LK_CHECK(lk_header_value_valid(LK_STR("a\tb \xff")));
    LK_CHECK(!lk_header_value_valid(lk_str("a\0b", 3)));
    LK_CHECK(!lk_header_value_valid(LK_STR("a\rb")));
    LK_CHECK(!lk_header_value_valid(LK_STR("a\nb")));
    LK_CHECK(!lk_header_value_valid(LK_STR("a\x7f")));
}

LK_TEST(validate, host_and_port_of_an_absolute_target)
{
    static const char *const good[] = {"a",     "a.b-c",    "1.2.3.4:80",      "a:0", "a:65535", "a:080",
                                       "[::1]", "[::1]:80", "[fe80::1.2.3.4]", "-",   "."};
    static const char *const bad[] = {"",        ":80",  "a:",     "a:65536", "a:x",  "a:-1", "a:+1",
                                      "a:80:80", "a b",  "a_b",    "a,b",     "a@b",  "[",    "[]",
                                      "[a]",     "[::1", "[::1]a", "[::1]:",  "a%41", "a/b",  "[::g]"};
    for (size_t i = 0; i < LK_ARRAY_LEN(good); i++)
        LK_CHECK_MSG(lk_host_port_valid(lk_str_from(good[i])), "%s", good[i]);
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++)
        LK_CHECK_MSG(!lk_host_port_valid(lk_str_from(bad[i])), "%s", bad[i]);
}

LK_TEST(validate, content_length_is_one_number)
{
    uint64_t n;
    LK_CHECK(lk_content_length_parse(LK_STR("0"), &n) && n == 0);
    LK_CHECK(lk_content_length_parse(LK_STR("0042"), &n) && n == 42);
    LK_CHECK(lk_content_length_parse(LK_STR("9223372036854775807"), &n) && n == INT64_MAX);
    static const char *const bad[] = {"",
                                      " ",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      "1,1",
                                      "1, 1",
                                      "0x1",
                                      "1e3",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++)
        LK_CHECK_MSG(!lk_content_length_parse(lk_str_from(bad[i]), &n), "%s", bad[i]);
}

LK_TEST(validate, methods_are_known_and_case_counts)
{
    static const char *const good[] = {"GET",      "HEAD",    "POST",  "PUT",         "DELETE",
                                       "CONNECT",  "OPTIONS", "TRACE", "PATCH",       "PURGE",
                                       "PROPFIND", "MSEARCH", "QUERY", "UNSUBSCRIBE", "LINK"};
    static const char *const bad[] = {"", "get", "FOO", "M-SEARCH", "GETS", "GE", "PRI", "Post"};
    for (size_t i = 0; i < LK_ARRAY_LEN(good); i++)
        LK_CHECK_MSG(lk_method_known(lk_str_from(good[i])), "%s", good[i]);
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++)
        LK_CHECK_MSG(!lk_method_known(lk_str_from(bad[i])), "%s", bad[i]);
}

LK_TEST(validate, trailers_neither_frame_nor_route)
{
    LK_CHECK(lk_trailer_allowed(LK_HEADER_OTHER));
    LK_CHECK(lk_trailer_allowed(LK_HEADER_GRPC_STATUS));
    LK_CHECK(!lk_trailer_allowed(LK_HEADER_CONTENT_LENGTH));
    LK_CHECK(!lk_trailer_allowed(LK_HEADER_TRANSFER_ENCODING));
    LK_CHECK(!lk_trailer_allowed(LK_HEADER_AUTHORITY));
    LK_CHECK(!lk_trailer_allowed(LK_HEADER_CONNECTION));
    LK_CHECK(!lk_trailer_allowed(LK_HEADER_PATH));
}
