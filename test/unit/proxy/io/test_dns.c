/* The resolver against a name server of the test's own, on the same loop. */
#include "proxy/io/dns.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

struct record {
    const char *name;
    int type;
    const char *ip; /* NULL: rcode instead of an address */
    uint32_t ttl;
    int rcode;
};

static const struct record zone[] = {
    {"both.test", TYPE_A, "10.1.1.1", 30, 0},       {"both.test", TYPE_A, "10.1.1.2", 20, 0},
    {"both.test", TYPE_AAAA, "fd00::1", 60, 0},     {"four.test", TYPE_A, "10.4.4.4", 77, 0},
    {"six.test", TYPE_AAAA, "fd00::6", 66, 0},      {"zero.test", TYPE_A, "10.0.0.9", 0, 0},
    {"fail.test", TYPE_A, NULL, 0, RCODE_SERVFAIL}, {"fail.test", TYPE_AAAA, NULL, 0, RCODE_SERVFAIL},
};

struct server {
    struct lk_loop *loop;
    struct lk_addr addr;
    int fd;
    struct event event;
    int queries;
    int last_type;
    uint16_t ports[32]; /* of the askers */
};

struct message {
    unsigned char bytes[1024];
    size_t len;
};

static void put16(struct message *m, unsigned value)
{
    m->bytes[m->len++] = (unsigned char)(value >> 8);
    m->bytes[m->len++] = (unsigned char)value;
}

/* The asked name in dotted form; returns the end of the question. */
static size_t read_question(const unsigned char *query, size_t len, char *name, int *type)
{
    size_t at = 12, out = 0;
    while (at < len && query[at] != 0) {
        size_t label = query[at++];
        if (out > 0)
            name[out++] = '.';
        memcpy(name + out, query + at, label);
        out += label;
        at += label;
    }
    name[out] = '\0';
    *type = query[at + 1] << 8 | query[at + 2];
    return at + 5;
}

static void put_answer(struct message *m, const struct record *record)
{
    unsigned char ip[16];
    int family = record->type == TYPE_A ? AF_INET : AF_INET6;
    LK_CHECK_EQ_INT(inet_pton(family, record->ip, ip), 1);
    put16(m, 0xc00c); /* the name of the question */
    put16(m, (unsigned)record->type);
    put16(m, 1);
    put16(m, record->ttl >> 16);
    put16(m, record->ttl & 0xffff);
    size_t size = family == AF_INET ? 4 : 16;
    put16(m, (unsigned)size);
    memcpy(m->bytes + m->len, ip, size);
    m->len += size;
}

static void answer(struct message *m, const unsigned char *query, size_t question_end, const char *name, int type)
{
    bool known = false;
    int answers = 0, rcode = 0;
    memcpy(m->bytes, query, question_end);
    m->len = question_end;
    for (size_t i = 0; i < LK_ARRAY_LEN(zone); i++) {
        if (strcmp(zone[i].name, name) != 0)
            continue;
        known = true;
        if (zone[i].type != type)
            continue;
        if (zone[i].ip == NULL) {
            rcode = zone[i].rcode;
            continue;
        }
        put_answer(m, &zone[i]);
        answers++;
    }
    m->bytes[2] = 0x81;
    m->bytes[3] = (unsigned char)(0x80 | (known ? rcode : RCODE_NXDOMAIN));
    m->bytes[7] = (unsigned char)answers;
    m->bytes[9] = m->bytes[11] = 0;
}

static void on_query(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    unsigned char query[600];
    char name[300];
    (void)what;
    ssize_t len = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
    if (len < 17)
        return;
    size_t end = read_question(query, (size_t)len, name, &server->last_type);
    server->ports[server->queries % 32] = ntohs(from.sin_port);
    server->queries++;
    if (strcmp(name, "silent.test") == 0)
        return;
    struct message m = {.len = 0};
    answer(&m, query, end, name, server->last_type);
    sendto(fd, m.bytes, m.len, 0, (struct sockaddr *)&from, from_len);
}

struct fixture {
    struct server server;
    struct lk_dns *dns;
    int calls;
    enum lk_dns_status status;
    char addrs[512]; /* "ip ip ..." */
    uint32_t ttl_s;
    int fds_before;
};

static struct fixture *fixture_new(uint32_t udp_max_queries)
{
    struct fixture *f = lk_calloc(1, sizeof(*f));
    struct server *server = &f->server;
    struct lk_error error = {0};
    f->fds_before = test_open_fds();
    server->loop = test_loop_new();
    LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &server->addr));
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    LK_CHECK_EQ_INT(bind(server->fd, &server->addr.sa, server->addr.len), 0);
    socklen_t len = sizeof(server->addr.in);
    getsockname(server->fd, &server->addr.sa, &len);
    event_assign(&server->event, lk_loop_base(server->loop), server->fd, EV_READ | EV_PERSIST, on_query, server);
    event_add(&server->event, NULL);
    const struct lk_dns_options options = {
        .resolvers = &server->addr,
        .resolver_count = 1,
        .no_default_search = true,
        .udp_max_queries = udp_max_queries,
        .query_timeout_ms = 100,
        .query_tries = 2,
    };
    f->dns = lk_dns_new(server->loop, &options, &error);
    LK_CHECK_MSG(f->dns != NULL, "%s", error.text);
    return f;
}

static void fixture_free(struct fixture *f)
{
    lk_dns_free(f->dns);
    test_turn_some(f->server.loop, 2);
    event_del(&f->server.event);
    close(f->server.fd);
    lk_loop_free(f->server.loop);
    LK_CHECK_EQ_INT(test_open_fds(), f->fds_before);
    lk_free(f);
}

static void on_done(void *arg, enum lk_dns_status status, const struct lk_addr *addrs, size_t count, uint32_t ttl_s)
{
    struct fixture *f = arg;
    char text[LK_ADDR_TEXT_MAX];
    f->calls++;
    f->status = status;
    f->ttl_s = ttl_s;
    f->addrs[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(f->addrs);
        LK_CHECK_EQ_UINT(lk_addr_port(&addrs[i]), 0);
        struct lk_str ip = lk_addr_ip_text(&addrs[i], text);
        snprintf(f->addrs + used, sizeof(f->addrs) - used, "%s%.*s", i > 0 ? " " : "", LK_STR_ARG(ip));
    }
}

static void resolve(struct fixture *f, const char *name, enum lk_dns_family family)
{
    f->calls = 0;
    LK_CHECK_NOT_NULL(lk_dns_resolve(f->dns, name, family, on_done, f));
    LK_CHECK_EQ_INT(f->calls, 0);
    TURN_UNTIL(f->server.loop, f->calls > 0);
    LK_CHECK_EQ_INT(f->calls, 1);
}

LK_TEST(dns, each_family_setting_gives_its_addresses)
{
    static const struct {
        const char *name;
        enum lk_dns_family family;
        const char *addrs;
    } rows[] = {
        {"both.test", LK_DNS_AUTO, "fd00::1"},
        {"both.test", LK_DNS_V4_PREFERRED, "10.1.1.1 10.1.1.2"},
        {"both.test", LK_DNS_V4_ONLY, "10.1.1.1 10.1.1.2"},
        {"both.test", LK_DNS_V6_ONLY, "fd00::1"},
        {"four.test", LK_DNS_AUTO, "10.4.4.4"},
        {"six.test", LK_DNS_V4_PREFERRED, "fd00::6"},
        {"four.test", LK_DNS_V6_ONLY, ""},
        {"six.test", LK_DNS_V4_ONLY, ""},
        {"four.test", LK_DNS_ALL, "10.4.4.4"},
        {"six.test", LK_DNS_ALL, "fd00::6"},
    };
    struct fixture *f = fixture_new(0);
    for (size_t i = 0; i < LK_ARRAY_LEN(rows); i++) {
        resolve(f, rows[i].name, rows[i].family);
        LK_CHECK_MSG(strcmp(f->addrs, rows[i].addrs) == 0, "row %zu: got \"%s\"", i, f->addrs);
        LK_CHECK_EQ_INT(f->status, rows[i].addrs[0] != '\0' ? LK_DNS_SUCCESS : LK_DNS_EMPTY);
    }
    fixture_free(f);
}

LK_TEST(dns, all_gives_the_addresses_of_both_families)
{
    struct fixture *f = fixture_new(0);
    resolve(f, "both.test", LK_DNS_ALL);
    LK_CHECK_CONTAINS(f->addrs, "10.1.1.1");
    LK_CHECK_CONTAINS(f->addrs, "10.1.1.2");
    LK_CHECK_CONTAINS(f->addrs, "fd00::1");
    fixture_free(f);
}

LK_TEST(dns, the_smallest_ttl_counts_and_zero_is_none)
{
    struct fixture *f = fixture_new(0);
    resolve(f, "both.test", LK_DNS_V4_ONLY);
    LK_CHECK_EQ_UINT(f->ttl_s, 20);
    resolve(f, "zero.test", LK_DNS_V4_ONLY);
    LK_CHECK_EQ_UINT(f->ttl_s, UINT32_MAX);
    LK_CHECK_EQ_INT(f->status, LK_DNS_SUCCESS);
    fixture_free(f);
}

LK_TEST(dns, a_name_that_does_not_exist_is_empty)
{
    struct fixture *f = fixture_new(0);
    resolve(f, "none.test", LK_DNS_AUTO);
    LK_CHECK_EQ_INT(f->status, LK_DNS_EMPTY);
    LK_CHECK_EQ_INT(f->server.queries, 2);
    LK_CHECK_EQ_INT(f->server.last_type, TYPE_A);
    fixture_free(f);
}

LK_TEST(dns, server_errors_silence_and_bad_names_are_told_apart)
{
    struct fixture *f = fixture_new(0);
    resolve(f, "fail.test", LK_DNS_V4_ONLY);
    LK_CHECK_EQ_INT(f->status, LK_DNS_FAILURE);
    resolve(f, "silent.test", LK_DNS_V4_ONLY);
    LK_CHECK_EQ_INT(f->status, LK_DNS_TIMEOUT);
    int before = f->server.queries;
    resolve(f, "a..b.test", LK_DNS_V4_ONLY);
    LK_CHECK_EQ_INT(f->status, LK_DNS_FAILURE);
    LK_CHECK_EQ_INT(f->server.queries, before);
    fixture_free(f);
}

LK_TEST(dns, the_hosts_file_comes_first)
{
    struct fixture *f = fixture_new(0);
    resolve(f, "localhost", LK_DNS_V4_ONLY);
    LK_CHECK_STR(f->addrs, "127.0.0.1");
    LK_CHECK_EQ_UINT(f->ttl_s, UINT32_MAX);
    resolve(f, "localhost", LK_DNS_AUTO); /* whichever family the file has */
    LK_CHECK_EQ_INT(f->status, LK_DNS_SUCCESS);
    LK_CHECK_EQ_INT(f->server.queries, 0);
    fixture_free(f);
}

LK_TEST(dns, a_cancelled_query_never_reports)
{
    struct fixture *f = fixture_new(0);
    const char *const names[] = {"both.test", "silent.test", "localhost", "a..b.test"};
    for (int turns = 0; turns < 3; turns++) {
        for (size_t i = 0; i < LK_ARRAY_LEN(names); i++) {
            struct lk_dns_query *query = lk_dns_resolve(f->dns, names[i], LK_DNS_AUTO, on_done, f);
            if (turns > 0 && i == 1)
                test_turn_some(f->server.loop, turns - 1);
            if (f->calls == 0)
                lk_dns_cancel(query);
            test_turn_some(f->server.loop, 3);
        }
    }
    for (int i = 0; i < 30; i++)
        lk_loop_turn(f->server.loop, 20);
    LK_CHECK_EQ_INT(f->calls, 0);
    fixture_free(f);
}

LK_TEST(dns, freeing_the_resolver_drops_what_is_under_way)
{
    struct fixture *f = fixture_new(0);
    lk_dns_resolve(f->dns, "silent.test", LK_DNS_AUTO, on_done, f);
    test_turn_some(f->server.loop, 2);
    lk_dns_resolve(f->dns, "both.test", LK_DNS_ALL, on_done, f);
    lk_dns_resolve(f->dns, "localhost", LK_DNS_V4_ONLY, on_done, f); /* known, not yet delivered */
    fixture_free(f);
}

LK_TEST(dns, many_queries_at_once_all_report)
{
    enum { COUNT = 200 };
    struct fixture *f = fixture_new(0);
    for (int i = 0; i < COUNT; i++)
        lk_dns_resolve(f->dns, i % 2 == 0 ? "both.test" : "four.test", LK_DNS_V4_ONLY, on_done, f);
    TURN_UNTIL(f->server.loop, f->calls == COUNT);
    LK_CHECK_EQ_INT(f->status, LK_DNS_SUCCESS);
    fixture_free(f);
}

LK_TEST(dns, after_so_many_queries_new_sockets_are_used)
{
    struct fixture *f = fixture_new(2);
    for (int i = 0; i < 8; i++)
        lk_dns_resolve(f->dns, "four.test", LK_DNS_V4_ONLY, on_done, f);
    TURN_UNTIL(f->server.loop, f->calls == 8);
    LK_CHECK_EQ_INT(f->server.queries, 8);
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++)
            LK_CHECK_EQ_INT(f->server.ports[i] == f->server.ports[j], i / 2 == j / 2);
    fixture_free(f);
}

LK_TEST(dns, a_resolver_that_is_no_ip_address_is_refused)
{
    struct lk_loop *loop = test_loop_new();
    struct lk_error error = {0};
    const struct lk_addr pipe = {.len = sizeof(sa_family_t), .family = AF_UNIX};
    const struct lk_dns_options options = {.resolvers = &pipe, .resolver_count = 1};
    LK_CHECK_NULL(lk_dns_new(loop, &options, &error));
    LK_CHECK_CONTAINS(error.text, "must be an IP address");
    lk_loop_free(loop);
}

LK_TEST(dns, the_system_settings_are_used_without_resolvers)
{
    struct lk_loop *loop = test_loop_new();
    struct lk_error error = {0};
    struct lk_dns *dns = lk_dns_new(loop, &(struct lk_dns_options){0}, &error);
    LK_CHECK_MSG(dns != NULL, "%s", error.text);
    lk_dns_free(dns);
    lk_loop_free(loop);
}
