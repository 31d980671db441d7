/*
 * The hosts file, read anew for each query. We read it ourselves because it must win for all families at once (a name
 * that it gives an IPv4 address must not get its IPv6 address from a server), and c-ares 1.18 leaks in its own lookup.
 */
#include "proxy/base/mem.h"
#include "proxy/io/dns_private.h"

#include <stdio.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Cuts the next word off the line; empty at its end or at a comment. */
static struct lk_str next_word(struct lk_str *line)
{
    while (line->len > 0 && is_space(line->ptr[0]))
        *line = lk_str_drop(*line, 1);
    size_t len = 0;
    while (len < line->len && !is_space(line->ptr[len]) && line->ptr[len] != '#')
        len++;
    struct lk_str word = lk_str(line->ptr, len);
    *line = lk_str_drop(*line, len);
    return word;
}

static bool line_names(struct lk_str line, struct lk_str name)
{
    for (struct lk_str word = next_word(&line); word.len > 0; word = next_word(&line))
        if (lk_str_ieq(word, name))
            return true;
    return false;
}

static void add(struct lk_dns_addrs *out, const struct lk_addr *addr)
{
    out->list = lk_grow(out->list, &out->cap, out->count + 1, sizeof(*out->list));
    out->list[out->count++] = *addr;
}

static void read_file(FILE *file, struct lk_str name, struct lk_dns_addrs *out)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, file)) >= 0) {
        struct lk_str rest = lk_str(line, (size_t)len);
        struct lk_addr addr;
        if (lk_addr_parse_ip(next_word(&rest), 0, &addr) && line_names(rest, name))
            add(out, &addr);
    }
    free(line);
}

/* RFC 6761 6.3: such names are loopback and never asked of a server. */
static bool is_localhost(struct lk_str name)
{
    return lk_str_ieq(name, LK_STR("localhost")) || lk_str_has_isuffix(name, LK_STR(".localhost"));
}

void lk_dns_hosts_lookup(const char *path, struct lk_str name, struct lk_dns_addrs *out)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        read_file(file, name, out);
        fclose(file);
    }
    if (out->count > 0 || !is_localhost(name))
        return;
    struct lk_addr addr;
    if (lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &addr))
        add(out, &addr);
    if (lk_addr_parse_ip(LK_STR("::1"), 0, &addr))
        add(out, &addr);
}
