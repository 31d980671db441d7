/* Choosing a filter chain: Envoy's order of criteria, the most specific value at each, no turning back, overlaps. */
#include "test/support/lk_test.h"

#include "proxy/base/mem.h"
#include "proxy/downstream/filter_chain.h"

#define CHAINS_MAX 8
#define LIST_MAX 4

/* A chain's criteria as text; NULL or 0: not given. */
struct rule {
    const char *name;
    unsigned port;
    const char *prefix[LIST_MAX]; /* "10.0.0.0/8" */
    const char *sni[LIST_MAX];
    const char *transport;
    const char *alpn[LIST_MAX];
    const char *direct_source[LIST_MAX];
    enum lk_source_type source_type;
    const char *source[LIST_MAX];
    unsigned source_port[LIST_MAX];
};

/* A connection. */
struct call {
    const char *to, *from; /* "10.0.0.1:80", default 127.0.0.1:1 */
    const char *sni;
    const char *transport;
    const char *alpn[LIST_MAX];
    const char *chain; /* expected; NULL: none */
};

struct compiled {
    struct lk_filter_chain_config config;
    struct lk_cidr prefix[LIST_MAX], direct[LIST_MAX], source[LIST_MAX];
    struct lk_str sni[LIST_MAX], alpn[LIST_MAX];
    uint16_t ports[LIST_MAX];
};

static size_t cidrs(const char *const *texts, struct lk_cidr *out)
{
    size_t count = 0;
    for (; count < LIST_MAX && texts[count] != NULL; count++) {
        struct lk_str rest = lk_str_from(texts[count]);
        struct lk_str ip = lk_str_split(&rest, '/');
        uint64_t bits;
        LK_CHECK(lk_str_to_u64(rest, &bits) && lk_cidr_parse(ip, (unsigned)bits, &out[count]));
    }
    return count;
}

static size_t names(const char *const *texts, struct lk_str *out)
{
    size_t count = 0;
    for (; count < LIST_MAX && texts[count] != NULL; count++)
        out[count] = lk_str_from(texts[count]);
    return count;
}

static void compile(const struct rule *rule, struct compiled *c)
{
    struct lk_filter_chain_match *match = &c->config.match;
    memset(c, 0, sizeof(*c));
    c->config.name = lk_str_from(rule->name);
    match->has_destination_port = rule->port != 0;
    match->destination_port = (uint16_t)rule->port;
    match->prefix_range_count = cidrs(rule->prefix, c->prefix);
    match->prefix_ranges = c->prefix;
    match->server_name_count = names(rule->sni, c->sni);
    match->server_names = c->sni;
    match->transport_protocol = lk_str_from(rule->transport);
    match->application_protocol_count = names(rule->alpn, c->alpn);
    match->application_protocols = c->alpn;
    match->direct_source_range_count = cidrs(rule->direct_source, c->direct);
    match->direct_source_ranges = c->direct;
    match->source_type = rule->source_type;
    match->source_range_count = cidrs(rule->source, c->source);
    match->source_ranges = c->source;
    for (; match->source_port_count < LIST_MAX && rule->source_port[match->source_port_count] != 0;
         match->source_port_count++)
        c->ports[match->source_port_count] = (uint16_t)rule->source_port[match->source_port_count];
    match->source_ports = c->ports;
}

static void set_addr(struct lk_addr *addr, const char *text)
{
    const char *colon = strrchr(text, ':');
    struct lk_str ip = lk_str(text, (size_t)(colon - text));
    if (ip.ptr[0] == '[')
        ip = lk_str(ip.ptr + 1, ip.len - 2);
    LK_CHECK(lk_addr_parse_ip(ip, (uint16_t)atoi(colon + 1), addr));
}

static size_t compile_all(const struct rule *rules, struct compiled *compiled, struct lk_filter_chain *chains)
{
    size_t count = 0;
    for (; count < CHAINS_MAX && rules[count].name != NULL; count++) {
        compile(&rules[count], &compiled[count]);
        chains[count] =
            (struct lk_filter_chain){.config = &compiled[count].config, .name = compiled[count].config.name};
    }
    return count;
}

static void check_calls(const struct rule *rules, const struct call *calls, size_t call_count)
{
    struct compiled compiled[CHAINS_MAX];
    struct lk_filter_chain chains[CHAINS_MAX];
    size_t count = compile_all(rules, compiled, chains);
    for (size_t i = 0; i < call_count; i++) {
        const struct call *call = &calls[i];
        struct lk_conn_info info = {.sni = lk_str_from(call->sni), .detected_transport = lk_str_from(call->transport)};
        struct lk_str alpn[LIST_MAX];
        set_addr(&info.local, call->to != NULL ? call->to : "127.0.0.1:1");
        set_addr(&info.remote, call->from != NULL ? call->from : "127.0.0.1:1");
        info.alpn_count = (unsigned)names(call->alpn, alpn);
        info.alpn = alpn;
        const struct lk_filter_chain *chain = lk_filter_chain_match(chains, count, &info, NULL);
        LK_CHECK_MSG((chain == NULL) == (call->chain == NULL) &&
                         (chain == NULL || strcmp(chain->name.ptr, call->chain) == 0),
                     "call %zu: %s instead of %s", i, chain != NULL ? chain->name.ptr : "none",
                     call->chain != NULL ? call->chain : "none");
    }
}
#define CHECK_CALLS(rules, calls) check_calls(rules, calls, LK_ARRAY_LEN(calls))

LK_TEST(filter_chain_match, without_chains_there_is_none)
{
    const struct call call = {.chain = NULL};
    check_calls((const struct rule[]){{.name = NULL}}, &call, 1);
}

LK_TEST(filter_chain_match, chain_without_criteria_takes_everything)
{
    const struct rule rules[CHAINS_MAX] = {{.name = "all"}};
    const struct call calls[] = {{.chain = "all"}, {.to = "[::1]:443", .sni = "x", .transport = "tls", .chain = "all"}};
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, destination_port_comes_first_and_is_never_taken_back)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "port", .port = 80, .sni = {"only.test"}},
        {.name = "prefix", .prefix = {"10.0.0.0/8"}},
    };
    const struct call calls[] = {
        {.to = "10.0.0.1:80", .sni = "only.test", .chain = "port"},
        {.to = "10.0.0.1:80", .sni = "other.test", .chain = NULL}, /* though "prefix" would do */
        {.to = "10.0.0.1:81", .chain = "prefix"},
        {.to = "11.0.0.1:81", .chain = NULL},
    };
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, longest_destination_prefix_wins)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "any"},
        {.name = "eight", .prefix = {"10.0.0.0/8"}},
        {.name = "host", .prefix = {"10.1.2.3/32", "fd00::1/128"}},
        {.name = "sixteen", .prefix = {"10.1.0.0/16", "fd00::/64"}},
        {.name = "zero", .prefix = {"::/0"}},
    };
    const struct call calls[] = {
        {.to = "10.1.2.3:1", .chain = "host"},  {.to = "10.1.2.4:1", .chain = "sixteen"},
        {.to = "10.2.0.1:1", .chain = "eight"}, {.to = "11.0.0.1:1", .chain = "any"},
        {.to = "[fd00::1]:1", .chain = "host"}, {.to = "[fd00::2]:1", .chain = "sixteen"},
        {.to = "[2001::2]:1", .chain = "zero"},
    };
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, server_names_go_from_exact_to_the_shortest_wildcard)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "none"},
        {.name = "com", .sni = {"*.com"}},
        {.name = "example", .sni = {"*.example.com", "example.org"}},
        {.name = "exact", .sni = {"www.example.com"}},
    };
    const struct call calls[] = {
        {.sni = "www.example.com", .chain = "exact"},
        {.sni = "WWW.Example.COM", .chain = "exact"},
        {.sni = "a.b.example.com", .chain = "example"},
        {.sni = "example.com", .chain = "com"},
        {.sni = "com", .chain = "none"},
        {.sni = "example.org", .chain = "example"},
        {.sni = "a.example.org", .chain = "none"},
        {.sni = "", .chain = "none"},
        {.sni = "notexample.com", .chain = "com"},
    };
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, server_name_beats_transport_and_alpn)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "name", .sni = {"a.test"}, .alpn = {"h2"}},
        {.name = "tls", .transport = "tls", .alpn = {"http/1.1"}},
    };
    const struct call calls[] = {
        {.sni = "a.test", .transport = "tls", .alpn = {"h2"}, .chain = "name"},
        {.sni = "a.test", .transport = "tls", .alpn = {"http/1.1"}, .chain = NULL},
        {.sni = "b.test", .transport = "tls", .alpn = {"http/1.1"}, .chain = "tls"},
    };
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, transport_is_raw_buffer_when_nothing_was_detected)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "any"}, {.name = "tls", .transport = "tls"}, {.name = "raw", .transport = "raw_buffer"}};
    const struct call calls[] = {
        {.chain = "raw"}, {.transport = "raw_buffer", .chain = "raw"}, {.transport = "tls", .chain = "tls"}};
    const struct rule only_tls[CHAINS_MAX] = {{.name = "tls", .transport = "tls"}};
    const struct call raw[] = {{.chain = NULL}};
    CHECK_CALLS(rules, calls);
    CHECK_CALLS(only_tls, raw);
}

LK_TEST(filter_chain_match, clients_first_application_protocol_wins)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "any"}, {.name = "one", .alpn = {"http/1.0", "http/1.1"}}, {.name = "two", .alpn = {"h2c", "h2"}}};
    const struct call calls[] = {
        {.alpn = {"h2", "http/1.1"}, .chain = "two"},
        {.alpn = {"http/1.1", "h2"}, .chain = "one"},
        {.alpn = {"spdy", "http/1.1"}, .chain = "one"},
        {.alpn = {"spdy"}, .chain = "any"},
        {.chain = "any"},
    };
    CHECK_CALLS(rules, calls);
}

LK_TEST(filter_chain_match, direct_source_then_source_type_then_source_then_port)
{
    const struct rule rules[CHAINS_MAX] = {
        {.name = "any"},
        {.name = "direct", .direct_source = {"10.0.0.0/8"}},
        {.name = "local", .source_type = LK_SOURCE_SAME_IP_OR_LOOPBACK},
        {.name = "external", .source_type = LK_SOURCE_EXTERNAL, .source = {"192.168.0.0/16"}},
        {.name = "port", .source_type = LK_SOURCE_EXTERNAL, .source_port = {99, 98}},
    };
    const struct call calls[] = {
        {.from = "10.0.0.9:5", .to = "10.0.0.1:1", .chain = "direct"},
        {.from = "127.0.0.1:5", .to = "10.0.0.1:1", .chain = "local"},
        {.from = "11.0.0.1:5", .to = "11.0.0.1:1", .chain = "local"}, /* the same address */
        {.from = "192.168.1.1:5", .to = "11.0.0.1:1", .chain = "external"},
        {.from = "192.168.1.1:99", .to = "11.0.0.1:1", .chain = "external"},
        {.from = "193.168.1.1:98", .to = "11.0.0.1:1", .chain = "port"},
        {.from = "193.168.1.1:97", .to = "11.0.0.1:1", .chain = NULL}, /* EXTERNAL was chosen: no way back to "any" */
        {.from = "[fd00::5]:99", .to = "[fd00::6]:1", .chain = "port"},
    };
    CHECK_CALLS(rules, calls);
}

struct seen {
    struct lk_chain_trace trace;
    unsigned told[LK_CHAIN_STEP_COUNT];
    unsigned stayed[LK_CHAIN_STEP_COUNT];
};

static void on_step(struct lk_chain_trace *trace, enum lk_chain_step step, const struct lk_filter_chain *chain,
                    bool stays)
{
    struct seen *seen = LK_CONTAINER_OF(trace, struct seen, trace);
    LK_CHECK_NOT_NULL(chain);
    seen->told[step]++;
    seen->stayed[step] += stays;
}

LK_TEST(filter_chain_match, recorder_hears_of_every_step_and_changes_nothing)
{
    const struct rule rules[CHAINS_MAX] = {{.name = "a", .port = 1}, {.name = "b", .port = 2}, {.name = "c"}};
    struct compiled compiled[CHAINS_MAX];
    struct lk_filter_chain chains[CHAINS_MAX];
    struct seen seen = {.trace = {on_step}};
    struct lk_conn_info info = {.sni = {NULL, 0}};
    size_t count = compile_all(rules, compiled, chains);
    set_addr(&info.local, "1.1.1.1:2");
    set_addr(&info.remote, "1.1.1.2:2");
    LK_CHECK_EQ_PTR(lk_filter_chain_match(chains, count, &info, &seen.trace), &chains[1]);
    LK_CHECK_EQ_UINT(seen.told[LK_CHAIN_DESTINATION_PORT], 3);
    LK_CHECK_EQ_UINT(seen.stayed[LK_CHAIN_DESTINATION_PORT], 1);
    LK_CHECK_EQ_UINT(seen.told[LK_CHAIN_SOURCE_PORT], 1);
}

/* --- overlap
 * ------------------------------------------------------------------------------------------------------------ */

static bool overlaps(const struct rule *a, const struct rule *b)
{
    const struct rule rules[CHAINS_MAX] = {*a, *b};
    struct compiled compiled[CHAINS_MAX];
    struct lk_filter_chain chains[CHAINS_MAX];
    struct lk_errors errors;
    size_t count = compile_all(rules, compiled, chains);
    lk_errors_init(&errors);
    bool fine = lk_filter_chains_check(chains, count, &errors);
    LK_CHECK_EQ_INT(fine, errors.count == 0);
    if (!fine) {
        LK_CHECK_STR(errors.items[0].path, "filter_chains[1].filter_chain_match");
        LK_CHECK_CONTAINS(errors.items[0].text, "filter_chains[0]");
    }
    lk_errors_fini(&errors);
    return !fine;
}

LK_TEST(filter_chain_match, chains_that_could_never_be_told_apart_are_refused)
{
    struct rule a = {.name = "a"}, b = {.name = "b"};
    LK_CHECK(overlaps(&a, &b));
    b.port = 80;
    LK_CHECK(!overlaps(&a, &b));
    a.port = 80;
    LK_CHECK(overlaps(&a, &b));
    a.sni[0] = "a.test";
    LK_CHECK(!overlaps(&a, &b));
    b.sni[0] = "b.test";
    LK_CHECK(!overlaps(&a, &b));
    b.sni[1] = "A.test";
    LK_CHECK(overlaps(&a, &b));
    b.transport = "tls";
    LK_CHECK(!overlaps(&a, &b));
    a.transport = "tls";
    b.prefix[0] = "10.0.0.0/8";
    a.prefix[0] = "10.0.0.0/16"; /* one inside the other can be told apart */
    LK_CHECK(!overlaps(&a, &b));
    a.prefix[1] = "10.0.0.0/8";
    LK_CHECK(overlaps(&a, &b));
    a.source_port[0] = 1;
    b.source_port[0] = 2;
    LK_CHECK(!overlaps(&a, &b));
    b.source_port[1] = 1;
    LK_CHECK(overlaps(&a, &b));
    a.source_type = LK_SOURCE_EXTERNAL;
    LK_CHECK(!overlaps(&a, &b));
}
