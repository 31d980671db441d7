/*
 * From a request and a destination to the listener, the filter chain and its terminal filter, as the acceptor and the
 * session go (proxy/downstream/session.c), by the functions that they use. Runs on a worker. See explain_run.h.
 */
#include "proxy/server/explain_run.h"

#include "proxy/base/mem.h"

#include <inttypes.h>

struct run {
    struct lk_worker *worker;
    const struct lk_explain_request *request;
    struct lk_explain *explain;
    struct lk_listener *listener;
    struct lk_conn_info conn;
    struct lk_transport_info secure;
    struct lk_str http_alpn;
};

/* --- the listener ------------------------------------------------------------------------------------------------- */

static const struct lk_addr *address_of(const struct lk_listener *listener)
{
    const struct lk_addr *configured = &listener->config->addresses[0].addr;
    bool known = configured->family != AF_UNIX && listener->bound != NULL && listener->bound[0].len > 0;

    return known ? &listener->bound[0] : configured;
}

static struct lk_str name_of(const struct lk_listener *listener, char text[LK_ADDR_TEXT_MAX])
{
    return listener->config->name.len > 0 ? listener->config->name : lk_addr_text(address_of(listener), text);
}

struct owner_account {
    struct lk_owner_trace base;
    struct lk_explain *explain;
    struct lk_note *list;
};

static void on_listener(struct lk_owner_trace *base, const struct lk_listener *listener, const char *why)
{
    struct owner_account *account = LK_CONTAINER_OF(base, struct owner_account, base);
    struct lk_explain *explain = account->explain;
    struct lk_note *note = lk_note_object(explain, account->list, NULL);
    char text[LK_ADDR_TEXT_MAX];

    if (listener != NULL)
        lk_note_text(explain, note, "listener", name_of(listener, text));
    lk_note_text(explain, note, "verdict", why == NULL ? LK_STR("owns it") : LK_STR("fell"));
    if (why != NULL)
        lk_note_text(explain, note, "why", lk_str_from(why));
}

static struct lk_listener *ask_owner(struct run *run)
{
    struct lk_explain *explain = run->explain;
    struct lk_note *step = lk_explain_step(explain, "original_destination", "looked up",
                                           "the listener with exactly this address, then a wildcard with its port");
    struct owner_account account = {.base = {on_listener}, .explain = explain};

    lk_note_addr(explain, step, "destination", &run->conn.local);
    account.list = lk_note_list(explain, step, "tried");
    return lk_listeners_owner(run->worker->server->listeners, &run->conn.local, &account.base);
}

static struct lk_listener *find_named(const struct run *run)
{
    const struct lk_listeners *all = run->worker->server->listeners;
    char text[LK_ADDR_TEXT_MAX];

    for (size_t i = 0; i < all->count; i++)
        if (lk_str_eq(name_of(all->all[i], text), run->request->listener))
            return all->all[i];
    return NULL;
}

/* Where a redirected connection comes in whose destination nobody owns: there is one such listener for each direction
 * at most in what control planes make; the outbound one is what a destination elsewhere means. */
static struct lk_listener *find_redirected(const struct run *run)
{
    const struct lk_listeners *all = run->worker->server->listeners;

    for (size_t i = 0; i < all->count; i++)
        if (all->all[i]->config->use_original_dst && all->all[i]->config->direction != LK_DIRECTION_INBOUND)
            return all->all[i];
    return NULL;
}

static bool restores_destination(const struct lk_listener *listener)
{
    for (unsigned i = 0; i < listener->filter_count; i++)
        if (strcmp(listener->filters[i].filter->name, "envoy.filters.listener.original_dst") == 0)
            return true;
    return false;
}

static bool is_own_address(const struct lk_listener *listener, const struct lk_addr *addr)
{
    for (size_t i = 0; i < listener->config->address_count; i++)
        if (lk_addr_eq(&listener->config->addresses[i].addr, addr) ||
            (listener->bound != NULL && lk_addr_eq(&listener->bound[i], addr)))
            return true;
    return false;
}

/* By name: the connection is accepted there, and handed over as a session would be. */
static void choose_named(struct run *run)
{
    struct lk_listener *accepted = find_named(run), *owner = NULL;
    const char *why = "it was named in the request to explain";

    if (accepted == NULL) {
        lk_explain_step(run->explain, "listener", "none", "there is no listener \"%.*s\"",
                        LK_STR_ARG(run->request->listener));
        return;
    }
    run->conn.direct_local = *address_of(accepted);
    if (run->conn.local.len == 0)
        run->conn.local = run->conn.direct_local;
    run->conn.local_restored = restores_destination(accepted) && !is_own_address(accepted, &run->conn.local);
    if (accepted->config->use_original_dst && run->conn.local_restored)
        owner = ask_owner(run);
    if (owner != NULL && owner != accepted)
        why = "the one that was named hands the connection over to the owner of its original destination";
    run->listener = owner != NULL ? owner : accepted;
    lk_explain_step(run->explain, "listener", "chosen", "%s", why);
}

static void choose_by_destination(struct run *run)
{
    struct lk_listener *owner = ask_owner(run);
    const char *why = "it owns the destination";

    if (owner == NULL) {
        owner = find_redirected(run);
        why = "nobody owns the destination: the listener that redirected connections come in at keeps it";
    }
    if (owner == NULL) {
        lk_explain_step(run->explain, "listener", "none",
                        "no listener owns the destination, and none takes redirected connections; name one");
        return;
    }
    run->listener = owner;
    run->conn.direct_local = *address_of(owner);
    run->conn.local_restored = !owner->config->bind_to_port || !is_own_address(owner, &run->conn.local);
    lk_explain_step(run->explain, "listener", "chosen", "%s", why);
}

static void tell_listener(struct run *run)
{
    const struct lk_listener *listener = run->listener;
    struct lk_explain *explain = run->explain;
    struct lk_note *step = explain->decisions.last, *list;
    char text[LK_ADDR_TEXT_MAX];

    lk_note_text(explain, step, "name", name_of(listener, text));
    lk_note_addr(explain, step, "address", address_of(listener));
    lk_note_addr(explain, step, "destination", &run->conn.local);
    lk_note_addr(explain, step, "source", &run->conn.remote);
    lk_note_bool(explain, step, "destination_restored", run->conn.local_restored);
    lk_note_bool(explain, step, "draining", atomic_load_explicit(&listener->draining, memory_order_relaxed));
    lk_note_format(explain, step, "config_hash", "%016" PRIx64, listener->config->hash);
    list = lk_note_list(explain, step, "listener_filters");
    for (unsigned i = 0; i < listener->filter_count; i++)
        lk_note_text(explain, list, NULL, lk_str_from(listener->filters[i].filter->name));
    lk_explain_result(explain, "listener", name_of(listener, text));
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static bool inspects_http(const struct lk_listener *listener)
{
    for (unsigned i = 0; i < listener->filter_count; i++)
        if (strcmp(listener->filters[i].filter->name, "envoy.filters.listener.http_inspector") == 0)
            return true;
    return false;
}

/* A client on this machine, as the acceptor sees it. */
static void set_default_source(struct lk_conn_info *conn)
{
    switch (conn->local.family) {
    case AF_UNIX:
        conn->remote = (struct lk_addr){.family = AF_UNIX};
        break;
    case AF_INET6:
        lk_addr_parse_ip(LK_STR("::1"), 0, &conn->remote);
        break;
    default:
        lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &conn->remote);
    }
}

/* Facts that inspectors would find are given; the protocol of plaintext is that of the request. */
static void describe_connection(struct run *run)
{
    const struct lk_explain_request *request = run->request;
    struct lk_conn_info *conn = &run->conn;

    if (request->source.len == 0)
        set_default_source(conn);
    conn->detected_transport = request->transport;
    conn->sni = request->sni;
    conn->alpn = request->alpn;
    conn->alpn_count = request->alpn_count;
    if (!request->has_alpn && lk_str_eq(request->transport, LK_STR("raw_buffer")) && inspects_http(run->listener)) {
        run->http_alpn = request->http10 ? LK_STR("http/1.0") : LK_STR("http/1.1");
        conn->alpn = &run->http_alpn;
        conn->alpn_count = 1;
    }
    if (request->identity.len > 0) {
        run->secure =
            (struct lk_transport_info){.secure = true, .sni = request->sni, .peer_uri_san = request->identity};
        conn->secure = &run->secure;
    }
}

static void begin_connection(struct run *run)
{
    const struct lk_explain_request *request = run->request;

    run->conn.start_us = lk_loop_now_us(run->worker->loop);
    run->conn.local = request->destination;
    run->conn.remote = request->source;
    lk_addr_unmap(&run->conn.local);
    lk_addr_unmap(&run->conn.remote);
}

/* --- the chain ---------------------------------------------------------------------------------------------------- */

struct chain_account {
    struct lk_chain_trace base;
    struct run *run;
    struct lk_note *list;
};

static void on_step(struct lk_chain_trace *base, enum lk_chain_step step, const struct lk_filter_chain *chain,
                    bool stays)
{
    static const char *const names[LK_CHAIN_STEP_COUNT] = {
        [LK_CHAIN_DESTINATION_PORT] = "destination_port", [LK_CHAIN_DESTINATION_IP] = "prefix_ranges",
        [LK_CHAIN_SERVER_NAME] = "server_names",          [LK_CHAIN_TRANSPORT] = "transport_protocol",
        [LK_CHAIN_APPLICATION] = "application_protocols", [LK_CHAIN_DIRECT_SOURCE_IP] = "direct_source_prefix_ranges",
        [LK_CHAIN_SOURCE_TYPE] = "source_type",           [LK_CHAIN_SOURCE_IP] = "source_prefix_ranges",
        [LK_CHAIN_SOURCE_PORT] = "source_ports",
    };
    struct chain_account *account = LK_CONTAINER_OF(base, struct chain_account, base);
    struct lk_explain *explain = account->run->explain;
    struct lk_note *note;

    if (stays) /* a chain is told where it falls; the one that never does is the choice */
        return;
    note = lk_note_object(explain, account->list, NULL);
    lk_note_text(explain, note, "chain", chain->name);
    lk_note_number(explain, note, "index", (uint64_t)(chain - account->run->listener->chains));
    lk_note_text(explain, note, "verdict", LK_STR("fell"));
    lk_note_format(explain, note, "why", "%s: it does not fit, or another chain fits better", names[step]);
}

static const struct lk_filter_chain *choose_chain(struct run *run)
{
    struct lk_listener *listener = run->listener;
    struct lk_explain *explain = run->explain;
    struct lk_note *step =
        lk_explain_step(explain, "filter_chains", "tried", "criterion by criterion, the best fit of each stays");
    struct chain_account account = {.base = {on_step}, .run = run, .list = lk_note_list(explain, step, "fell")};
    const struct lk_filter_chain *chain =
        lk_filter_chain_match(listener->chains, listener->chain_count, &run->conn, &account.base);

    if (chain != NULL) {
        step = lk_explain_step(explain, "filter_chain", "chosen", "every criterion of it holds");
        lk_note_number(explain, step, "index", (uint64_t)(chain - listener->chains));
    } else if (listener->default_chain != NULL) {
        chain = listener->default_chain;
        step = lk_explain_step(explain, "filter_chain", "default", "no other chain fits");
    } else {
        lk_explain_step(explain, "filter_chain", "none", "no chain fits: the connection is closed");
        return NULL;
    }
    lk_note_text(explain, step, "name", chain->name);
    lk_explain_result(explain, "filter_chain", chain->name);
    run->conn.filter_chain_name = chain->name;
    return chain;
}

static void run_chain(struct run *run, const struct lk_filter_chain *chain)
{
    struct lk_listener_worker *lw = &run->worker->acceptor->workers[run->listener->index];
    struct lk_explain *explain = run->explain;
    struct lk_note *step, *list;

    if (chain->filter_count == 0) {
        lk_explain_step(explain, "network_filters", "none", "the chain has no filters: the connection is closed");
        return;
    }
    step = lk_explain_step(explain, "network_filters", "in this order", "the last one takes the connection over");
    list = lk_note_list(explain, step, "filters");
    for (unsigned i = 0; i < chain->filter_count; i++) {
        const struct lk_network_filter_entry *entry = &chain->filters[i];
        struct lk_note *note = lk_note_object(explain, list, NULL);

        lk_note_text(explain, note, "name", lk_str_from(entry->filter->name));
        lk_note_bool(explain, note, "asked", entry->filter->explain != NULL);
    }
    for (unsigned i = 0; i < chain->filter_count; i++) {
        const struct lk_network_filter_entry *entry = &chain->filters[i];

        if (entry->filter->explain != NULL)
            entry->filter->explain(entry->config, lk_listener_worker_state(lw, entry), explain);
    }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void walk(struct run *run)
{
    const struct lk_filter_chain *chain;

    begin_connection(run);
    if (run->request->listener.len > 0)
        choose_named(run);
    else
        choose_by_destination(run);
    if (run->listener == NULL)
        return;
    describe_connection(run);
    tell_listener(run);
    chain = choose_chain(run);
    if (chain != NULL)
        run_chain(run, chain);
}

void lk_explain_run(struct lk_worker *worker, const struct lk_explain_request *request, struct lk_explain *explain)
{
    struct run run = {.worker = worker, .request = request, .explain = explain};
    unsigned thread = lk_stats_mute(worker->server->stats);
    struct lk_arena scratch;

    lk_arena_init(&scratch);
    explain->scratch = &scratch;
    explain->loop = worker->loop;
    explain->random = request->random;
    explain->conn = &run.conn;
    explain->wire = request->wire;
    explain->metadata = request->metadata;
    lk_loop_set_activity(worker->loop, "/explain");
    walk(&run);
    lk_loop_set_activity(worker->loop, NULL);
    explain->conn = NULL;
    explain->scratch = NULL;
    lk_arena_reset(&scratch);
    lk_stats_thread = thread;
}
