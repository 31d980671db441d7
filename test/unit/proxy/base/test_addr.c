/* Socket addresses and network ranges. */
#include "proxy/base/addr.h"
#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <arpa/inet.h>

static struct lk_addr ip(const char *text, uint16_t port)
{
    struct lk_addr addr;
    LK_CHECK_MSG(lk_addr_parse_ip(lk_str_from(text), port, &addr), "cannot parse %s", text);
    return addr;
}

LK_TEST(addr, text_and_parse_are_inverse)
{
    static const struct {
        const char *ip;
        const char *text;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1:80"},
        {"0.0.0.0", "0.0.0.0:80"},
        {"255.255.255.255", "255.255.255.255:80"},
        {"::1", "[::1]:80"},
        {"::", "[::]:80"},
        {"2001:db8::8:800:200c:417a", "[2001:db8::8:800:200c:417a]:80"},
        {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80"},
    };
    char buf[LK_ADDR_TEXT_MAX];
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_addr addr = ip(rows[i].ip, 80);
        LK_CHECK_LKSTR(lk_addr_text(&addr, buf), rows[i].text);
        LK_CHECK_STR(buf, rows[i].text);
        LK_CHECK_LKSTR(lk_addr_ip_text(&addr, buf), rows[i].ip);
    }
}

LK_TEST(addr, longest_texts_fit)
{
    char buf[LK_ADDR_TEXT_MAX];
    struct lk_addr addr = ip("1111:2222:3333:4444:5555:6666:7777:8888", 65535);
    LK_CHECK_LKSTR(lk_addr_text(&addr, buf), "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

LK_TEST(addr, what_is_no_ip_address_is_refused)
{
    static const char *const bad[] = {
        "",           "1.2.3",    "1.2.3.4.5", "256.1.1.1",
        "localhost",  "1.2.3.4 ", " ::1",      "[::1]",
        "1.2.3.4:80", ":::",      "1::2::3",   "12345::",
        "01.2.3.4x",  "fe80::1%", "::1/128",   "::ffff:1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19"};
    struct lk_addr addr;
    for (size_t i = 0; i < LK_ARRAY_LEN(bad); i++) {
        LK_CHECK_MSG(!lk_addr_parse_ip(lk_str_from(bad[i]), 1, &addr), "%s was taken", bad[i]);
        LK_CHECK_EQ_UINT(addr.len, 0);
    }
    LK_CHECK(!lk_addr_parse_ip(lk_str("1.2.3.4\0", 8), 1, &addr));
}

LK_TEST(addr, pipes_have_a_path_or_an_abstract_name)
{
    char buf[LK_ADDR_TEXT_MAX];
    struct lk_arena arena;
    struct lk_error error = {0};
    struct lk_addr path, name, other;
    socklen_t len;
    lk_arena_init(&arena);
    LK_CHECK(lk_addr_set_pipe(&path, &arena, LK_STR("/run/app.sock"), &error));
    LK_CHECK(lk_addr_set_pipe(&name, &arena, LK_STR("@app"), &error));
    LK_CHECK(lk_addr_set_pipe(&other, &arena, LK_STR("@app"), &error));
    LK_CHECK_LKSTR(lk_addr_text(&path, buf), "/run/app.sock");
    LK_CHECK_LKSTR(lk_addr_text(&name, buf), "@app");
    LK_CHECK(lk_addr_eq(&name, &other));
    LK_CHECK(!lk_addr_eq(&name, &path));
    LK_CHECK_EQ_UINT(lk_addr_hash(&name), lk_addr_hash(&other));
    LK_CHECK_EQ_UINT(lk_addr_port(&path), 0);
    const struct sockaddr_un *un = (const struct sockaddr_un *)lk_addr_sockaddr(&name, &len);
    LK_CHECK_EQ_INT(un->sun_path[0], 0);
    LK_CHECK_EQ_UINT(len, offsetof(struct sockaddr_un, sun_path) + 4);
    lk_arena_reset(&arena);
}

LK_TEST(addr, a_pipe_path_must_fit_the_socket_address)
{
    char buf[LK_ADDR_TEXT_MAX];
    char text[110];
    struct lk_arena arena;
    struct lk_error error = {0};
    struct lk_addr addr;
    memset(text, 'p', sizeof(text));
    lk_arena_init(&arena);
    LK_CHECK(lk_addr_set_pipe(&addr, &arena, lk_str(text, 107), &error));
    LK_CHECK_EQ_UINT(lk_addr_text(&addr, buf).len, 107);
    LK_CHECK(!lk_addr_set_pipe(&addr, &arena, lk_str(text, 108), &error));
    LK_CHECK_CONTAINS(error.text, "longer than 107");
    LK_CHECK(!lk_addr_set_pipe(&addr, &arena, lk_str("", 0), &error));
    LK_CHECK_CONTAINS(error.text, "empty");
    LK_CHECK(!lk_addr_set_pipe(&addr, &arena, lk_str("a\0b", 3), &error));
    LK_CHECK_CONTAINS(error.text, "null byte");
    text[0] = '@';
    LK_CHECK(lk_addr_set_pipe(&addr, &arena, lk_str(text, 108), &error));
    lk_arena_reset(&arena);
}

LK_TEST(addr, equality_regards_family_address_and_port)
{
    struct lk_addr a = ip("10.0.0.1", 80), same = ip("10.0.0.1", 80), port = ip("10.0.0.1", 81);
    struct lk_addr other = ip("10.0.0.2", 80), v6 = ip("::1", 80), none = {0};
    LK_CHECK(lk_addr_eq(&a, &same));
    LK_CHECK_EQ_UINT(lk_addr_hash(&a), lk_addr_hash(&same));
    LK_CHECK(!lk_addr_eq(&a, &port));
    LK_CHECK(lk_addr_hash(&a) != lk_addr_hash(&port));
    LK_CHECK(!lk_addr_eq(&a, &other));
    LK_CHECK(!lk_addr_eq(&a, &v6));
    LK_CHECK(!lk_addr_eq(&a, &none));
    LK_CHECK(lk_addr_eq(&none, &none));
    LK_CHECK(lk_addr_ip_eq(&a, &port));
    LK_CHECK(!lk_addr_ip_eq(&a, &other));
    LK_CHECK(!lk_addr_ip_eq(&none, &none));
}

LK_TEST(addr, ports_can_be_set)
{
    struct lk_addr v4 = ip("10.0.0.1", 0), v6 = ip("::1", 0);
    lk_addr_set_port(&v4, 8080);
    lk_addr_set_port(&v6, 65535);
    LK_CHECK_EQ_UINT(lk_addr_port(&v4), 8080);
    LK_CHECK_EQ_UINT(ntohs(v4.in.sin_port), 8080);
    LK_CHECK_EQ_UINT(lk_addr_port(&v6), 65535);
}

LK_TEST(addr, wildcards_and_loopback_are_recognised)
{
    static const struct {
        const char *ip;
        bool any, loopback;
    } rows[] = {
        {"0.0.0.0", true, false},          {"::", true, false},           {"127.0.0.1", false, true},
        {"127.255.1.2", false, true},      {"::1", false, true},          {"10.0.0.1", false, false},
        {"::ffff:127.0.0.1", false, true}, {"2001:db8::1", false, false}, {"128.0.0.1", false, false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_addr addr = ip(rows[i].ip, 1);
        LK_CHECK_MSG(lk_addr_is_any(&addr) == rows[i].any, "%s", rows[i].ip);
        LK_CHECK_MSG(lk_addr_is_loopback(&addr) == rows[i].loopback, "%s", rows[i].ip);
    }
    const struct lk_addr none = {0};
    LK_CHECK(!lk_addr_is_any(&none));
    LK_CHECK(!lk_addr_is_loopback(&none));
}

LK_TEST(addr, mapped_addresses_become_ipv4)
{
    struct lk_addr mapped = ip("::ffff:10.1.2.3", 443), plain = ip("10.1.2.3", 443), v6 = ip("2001:db8::1", 443);
    struct lk_addr before = v6;
    lk_addr_unmap(&mapped);
    LK_CHECK(lk_addr_eq(&mapped, &plain));
    lk_addr_unmap(&plain);
    LK_CHECK(lk_addr_eq(&mapped, &plain));
    lk_addr_unmap(&v6);
    LK_CHECK(lk_addr_eq(&v6, &before));
}

LK_TEST(addr, short_or_foreign_socket_addresses_give_none)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr foreign = {.sa_family = AF_PACKET};
    struct lk_addr addr;
    lk_addr_from_sockaddr(&addr, (const struct sockaddr *)&in, sizeof(in) - 1);
    LK_CHECK_EQ_UINT(addr.len, 0);
    lk_addr_from_sockaddr(&addr, (const struct sockaddr *)&in, 0);
    LK_CHECK_EQ_UINT(addr.len, 0);
    lk_addr_from_sockaddr(&addr, &foreign, sizeof(foreign));
    LK_CHECK_EQ_UINT(addr.len, 0);
    lk_addr_from_sockaddr(&addr, (const struct sockaddr *)&in, sizeof(in));
    LK_CHECK_EQ_UINT(addr.len, sizeof(in));
}

LK_TEST(addr, an_unnamed_pipe_peer_has_an_empty_text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char buf[LK_ADDR_TEXT_MAX];
    struct lk_addr addr;
    lk_addr_from_sockaddr(&addr, (const struct sockaddr *)&un, sizeof(sa_family_t));
    LK_CHECK_EQ_INT(addr.family, AF_UNIX);
    LK_CHECK_LKSTR(lk_addr_text(&addr, buf), "");
    LK_CHECK_EQ_UINT(lk_addr_hash(&addr), lk_addr_hash(&addr));
    LK_CHECK(!lk_addr_eq(&addr, &(struct lk_addr){0}));
}

LK_TEST(cidr, ranges_contain_exactly_their_addresses)
{
    static const struct {
        const char *range;
        unsigned bits;
        const char *ip;
        bool inside;
    } rows[] = {
        {"10.0.0.0", 8, "10.255.1.2", true},
        {"10.0.0.0", 8, "11.0.0.0", false},
        {"10.1.2.3", 8, "10.9.9.9", true},
        {"192.168.1.0", 25, "192.168.1.127", true},
        {"192.168.1.0", 25, "192.168.1.128", false},
        {"0.0.0.0", 0, "8.8.8.8", true},
        {"0.0.0.0", 0, "::1", false},
        {"1.2.3.4", 32, "1.2.3.4", true},
        {"1.2.3.4", 32, "1.2.3.5", false},
        {"2001:db8::", 33, "2001:db8:7fff::1", true},
        {"2001:db8::", 33, "2001:db8:8000::1", false},
        {"::", 0, "::1", true},
        {"::1", 128, "::1", true},
        {"::1", 128, "::2", false},
        {"::", 0, "1.2.3.4", false},
    };
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        struct lk_cidr cidr;
        struct lk_addr addr = ip(rows[i].ip, 0);
        LK_CHECK(lk_cidr_parse(lk_str_from(rows[i].range), rows[i].bits, &cidr));
        LK_CHECK_MSG(lk_cidr_contains(&cidr, &addr) == rows[i].inside, "%s in %s/%u", rows[i].ip, rows[i].range,
                     rows[i].bits);
    }
}

LK_TEST(cidr, impossible_ranges_are_refused)
{
    struct lk_cidr cidr;
    LK_CHECK(!lk_cidr_parse(LK_STR("10.0.0.0"), 33, &cidr));
    LK_CHECK(!lk_cidr_parse(LK_STR("::"), 129, &cidr));
    LK_CHECK(!lk_cidr_parse(LK_STR("10.0.0"), 8, &cidr));
    LK_CHECK(!lk_cidr_parse(LK_STR(""), 0, &cidr));
}

LK_TEST(cidr, pipes_and_missing_addresses_are_in_no_range)
{
    struct lk_cidr cidr;
    struct lk_addr none = {0}, pipe = {.len = sizeof(sa_family_t), .family = AF_UNIX};
    LK_CHECK(lk_cidr_parse(LK_STR("0.0.0.0"), 0, &cidr));
    LK_CHECK(!lk_cidr_contains(&cidr, &none));
    LK_CHECK(!lk_cidr_contains(&cidr, &pipe));
}
