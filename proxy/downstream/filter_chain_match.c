/* Chooses a filter chain: nine steps, each narrows the set to the chains that name the best value. Any worker. */
#include "proxy/base/mem.h"
#include "proxy/downstream/filter_chain.h"

#include <string.h>

#define CHAINS_INLINE 256

/* How well a chain fits at one step: 0 it cannot, 1 it does not care, more: the bigger the more specific. */
typedef unsigned (*fit_fn)(const struct lk_filter_chain_match *match, const struct lk_conn_info *info);

static unsigned fit_destination_port(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    if (!match->has_destination_port)
        return 1;
    return match->destination_port == lk_addr_port(&info->local) ? 2 : 0;
}

static unsigned fit_ranges(const struct lk_cidr *ranges, size_t count, const struct lk_addr *addr)
{
    unsigned best = count == 0 ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        if (lk_cidr_contains(&ranges[i], addr) && ranges[i].bits + 2u > best)
            best = ranges[i].bits + 2u;
    }
    return best;
}

static unsigned fit_destination_ip(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    return fit_ranges(match->prefix_ranges, match->prefix_range_count, &info->local);
}

/* "*.example.com" fits names below example.com; the longer the suffix the better; an exact name beats them all. */
static unsigned fit_server_name(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    unsigned best = match->server_name_count == 0 ? 1 : 0;
    for (size_t i = 0; i < match->server_name_count; i++) {
        struct lk_str name = match->server_names[i];
        unsigned fit = 0;
        if (name.len > 1 && name.ptr[0] == '*') {
            struct lk_str suffix = lk_str_drop(name, 1);
            fit = info->sni.len > suffix.len && lk_str_has_isuffix(info->sni, suffix) ? 2 + (unsigned)suffix.len : 0;
        } else if (lk_str_ieq(name, info->sni)) {
            fit = 100000;
        }
        best = LK_MAX(best, fit);
    }
    return best;
}

static unsigned fit_transport(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    if (match->transport_protocol.len == 0)
        return 1;
    struct lk_str detected = info->detected_transport.len > 0 ? info->detected_transport : LK_STR("raw_buffer");
    return lk_str_eq(match->transport_protocol, detected) ? 2 : 0;
}

/* The client's earlier protocols beat its later ones. */
static unsigned fit_application(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    if (match->application_protocol_count == 0)
        return 1;
    for (unsigned a = 0; a < info->alpn_count; a++) {
        for (size_t i = 0; i < match->application_protocol_count; i++) {
            if (lk_str_eq(match->application_protocols[i], info->alpn[a]))
                return 2 + (info->alpn_count - a);
        }
    }
    return 0;
}

static unsigned fit_direct_source(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    return fit_ranges(match->direct_source_ranges, match->direct_source_range_count, &info->remote);
}

static unsigned fit_source_type(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    if (match->source_type == LK_SOURCE_ANY)
        return 1;
    bool local = info->remote.family == AF_UNIX || lk_addr_is_loopback(&info->remote) ||
                 lk_addr_ip_eq(&info->remote, &info->local);
    return local == (match->source_type == LK_SOURCE_SAME_IP_OR_LOOPBACK) ? 2 : 0;
}

static unsigned fit_source_ip(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    return fit_ranges(match->source_ranges, match->source_range_count, &info->remote);
}

static unsigned fit_source_port(const struct lk_filter_chain_match *match, const struct lk_conn_info *info)
{
    if (match->source_port_count == 0)
        return 1;
    for (size_t i = 0; i < match->source_port_count; i++) {
        if (match->source_ports[i] == lk_addr_port(&info->remote))
            return 2;
    }
    return 0;
}

static const fit_fn steps[LK_CHAIN_STEP_COUNT] = {
    [LK_CHAIN_DESTINATION_PORT] = fit_destination_port, [LK_CHAIN_DESTINATION_IP] = fit_destination_ip,
    [LK_CHAIN_SERVER_NAME] = fit_server_name,           [LK_CHAIN_TRANSPORT] = fit_transport,
    [LK_CHAIN_APPLICATION] = fit_application,           [LK_CHAIN_DIRECT_SOURCE_IP] = fit_direct_source,
    [LK_CHAIN_SOURCE_TYPE] = fit_source_type,           [LK_CHAIN_SOURCE_IP] = fit_source_ip,
    [LK_CHAIN_SOURCE_PORT] = fit_source_port,
};

/* Keeps the chains that fit best; returns how many. */
static size_t narrow(enum lk_chain_step step, const struct lk_filter_chain **in, size_t count,
                     const struct lk_conn_info *info, struct lk_chain_trace *recorder)
{
    unsigned best = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        best = LK_MAX(best, steps[step](&in[i]->config->match, info));
    for (size_t i = 0; i < count; i++) {
        bool stays = best > 0 && steps[step](&in[i]->config->match, info) == best;
        if (recorder != NULL)
            recorder->on_step(recorder, step, in[i], stays);
        if (stays)
            in[kept++] = in[i];
    }
    return kept;
}

const struct lk_filter_chain *lk_filter_chain_match(const struct lk_filter_chain *chains, size_t count,
                                                    const struct lk_conn_info *info, struct lk_chain_trace *recorder)
{
    const struct lk_filter_chain *inline_set[CHAINS_INLINE];
    const struct lk_filter_chain **set = inline_set;
    const struct lk_filter_chain *result = NULL;
    size_t left = count;
    if (count > CHAINS_INLINE)
        set = lk_malloc(count * sizeof(const struct lk_filter_chain *));
    for (size_t i = 0; i < count; i++)
        set[i] = &chains[i];
    for (unsigned step = 0; step < LK_CHAIN_STEP_COUNT && left > 0; step++) {
        if (left == 1 && recorder == NULL && steps[step](&set[0]->config->match, info) == 1)
            continue;
        left = narrow((enum lk_chain_step)step, set, left, info, recorder);
    }
    if (left > 0)
        result = set[0];
    if (set != inline_set)
        lk_free((void *)set);
    return result;
}

/* --- overlap ------------------------------------------------------------------------------------------------------ */

static bool cidr_sets_meet(const struct lk_cidr *a, size_t a_count, const struct lk_cidr *b, size_t b_count)
{
    if (a_count == 0 || b_count == 0)
        return a_count == b_count;
    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            if (a[i].family == b[j].family && a[i].bits == b[j].bits && memcmp(a[i].bytes, b[j].bytes, 16) == 0)
                return true;
        }
    }
    return false;
}

static bool name_sets_meet(const struct lk_str *a, size_t a_count, const struct lk_str *b, size_t b_count)
{
    if (a_count == 0 || b_count == 0)
        return a_count == b_count;
    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            if (lk_str_ieq(a[i], b[j]))
                return true;
        }
    }
    return false;
}

static bool port_sets_meet(const uint16_t *a, size_t a_count, const uint16_t *b, size_t b_count)
{
    if (a_count == 0 || b_count == 0)
        return a_count == b_count;
    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            if (a[i] == b[j])
                return true;
        }
    }
    return false;
}

static bool overlap(const struct lk_filter_chain_match *a, const struct lk_filter_chain_match *b)
{
    return a->has_destination_port == b->has_destination_port && a->destination_port == b->destination_port &&
           lk_str_eq(a->transport_protocol, b->transport_protocol) && a->source_type == b->source_type &&
           cidr_sets_meet(a->prefix_ranges, a->prefix_range_count, b->prefix_ranges, b->prefix_range_count) &&
           name_sets_meet(a->server_names, a->server_name_count, b->server_names, b->server_name_count) &&
           name_sets_meet(a->application_protocols, a->application_protocol_count, b->application_protocols,
                          b->application_protocol_count) &&
           cidr_sets_meet(a->direct_source_ranges, a->direct_source_range_count, b->direct_source_ranges,
                          b->direct_source_range_count) &&
           cidr_sets_meet(a->source_ranges, a->source_range_count, b->source_ranges, b->source_range_count) &&
           port_sets_meet(a->source_ports, a->source_port_count, b->source_ports, b->source_port_count);
}

bool lk_filter_chains_check(const struct lk_filter_chain *chains, size_t count, struct lk_errors *errors)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!overlap(&chains[i].config->match, &chains[j].config->match))
                continue;
            size_t mark = lk_errors_push_index(errors, "filter_chains", i);
            ok = lk_errors_add_at(errors, "filter_chain_match", "overlaps the matching rules of filter_chains[%zu]", j);
            lk_errors_pop(errors, mark);
            break;
        }
    }
    return ok;
}
