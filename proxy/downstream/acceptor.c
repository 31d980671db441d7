/* Accepts connections on a worker. Sockets are shared with the other workers and level-triggered, so that nothing in a
 * backlog is ever forgotten. */
#include "proxy/downstream/acceptor.h"

#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/watch.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections taken per wake-up, so that a connect storm does not starve what is in progress. */
#define ACCEPTS_PER_EVENT 32
/* How long to look away from a backlog for which there is no descriptor or memory. */
#define EXHAUSTED_PAUSE_MS 100

struct lk_accept_source {
    struct lk_watch *watch; /* NULL: looking away */
    struct lk_timer pause;
    struct lk_listener_worker *lw;
    int fd;
    unsigned address;
};

static bool over_limits(struct lk_listener *listener)
{
    uint32_t own = listener->config->max_connections;
    uint32_t all = listener->set->max_connections;
    if (own > 0 && atomic_load_explicit(&listener->connections, memory_order_relaxed) >= own) {
        lk_stats_inc(listener->stats, LK_LISTENER_CX_OVERFLOW);
        return true;
    }
    if (all > 0 && !listener->config->ignore_global_limit &&
        atomic_load_explicit(&listener->set->connections, memory_order_relaxed) >= all) {
        lk_stats_inc(listener->stats, LK_LISTENER_GLOBAL_CX_OVERFLOW);
        return true;
    }
    return false;
}

/* The socket stays readable: without a pause the loop would spin until somebody hangs up. */
static void look_away(struct lk_accept_source *source)
{
    lk_watch_free(source->watch);
    source->watch = NULL;
    lk_timer_set(source->lw->acceptor->loop, &source->pause, EXHAUSTED_PAUSE_MS);
}

/* False: nothing to accept, or no descriptor for it. */
static bool accept_one(struct lk_accept_source *source)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(storage);
    struct lk_addr remote;
    int fd = accept4(source->fd, (struct sockaddr *)&storage, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == ECONNABORTED || errno == EINTR)
            return true;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        LK_LOG_LIMITED(LISTENER, ERROR, "accept on listener %.*s failed: %m",
                       LK_STR_ARG(source->lw->listener->config->name));
        look_away(source);
        return false;
    }
    if (over_limits(source->lw->listener)) {
        close(fd);
        return true;
    }
    if (storage.ss_family == AF_UNIX) {
        remote.len = 0;
        remote.family = AF_UNIX;
        remote.un = NULL;
    } else {
        lk_addr_from_sockaddr(&remote, (struct sockaddr *)&storage, len);
        lk_addr_unmap(&remote);
    }
    lk_session_accept(source->lw, fd, &remote, source->address);
    return true;
}

static void on_readable(void *arg, int fd)
{
    struct lk_accept_source *source = arg;
    uint32_t limit = source->lw->listener->config->accepts_per_event;
    (void)fd;
    limit = limit > 0 && limit < ACCEPTS_PER_EVENT ? limit : ACCEPTS_PER_EVENT;
    for (uint32_t i = 0; i < limit && accept_one(source); i++) {
    }
}

static void look_again(struct lk_timer *timer)
{
    struct lk_accept_source *source = LK_CONTAINER_OF(timer, struct lk_accept_source, pause);
    source->watch = lk_watch_readable(source->lw->acceptor->loop, source->fd, on_readable, source);
}

static void listen_on(struct lk_listener_worker *lw)
{
    struct lk_listener *listener = lw->listener;
    unsigned per_address = listener->config->reuse_port ? listener->set->worker_count : 1;
    unsigned mine = listener->config->reuse_port ? lk_loop_index(lw->acceptor->loop) : 0;
    lw->sources = lk_calloc(listener->config->address_count + 1, sizeof(*lw->sources));
    for (unsigned a = 0; a < listener->config->address_count; a++) {
        int fd = listener->fds[(size_t)a * per_address + mine];
        if (fd < 0)
            fd = listener->fds[(size_t)a * per_address];
        struct lk_accept_source *source = &lw->sources[lw->source_count++];
        source->lw = lw;
        source->fd = fd;
        source->address = a;
        lk_timer_init(&source->pause, look_again);
        source->watch = lk_watch_readable(lw->acceptor->loop, fd, on_readable, source);
    }
}

struct lk_acceptor *lk_acceptor_new(struct lk_loop *loop, struct lk_listeners *listeners)
{
    struct lk_acceptor *acceptor = lk_calloc(1, sizeof(*acceptor));
    acceptor->loop = loop;
    acceptor->listeners = listeners;
    acceptor->workers = lk_calloc(listeners->count + 1, sizeof(*acceptor->workers));
    for (size_t i = 0; i < listeners->count; i++) {
        struct lk_listener_worker *lw = &acceptor->workers[i];
        lw->acceptor = acceptor;
        lw->listener = listeners->all[i];
        lw->filter_states = lk_calloc(lw->listener->worker_slots + 1, sizeof(void *));
        lk_list_init(&lw->sessions);
    }
    return acceptor;
}

static void free_states(struct lk_listener_worker *lw)
{
    struct lk_listener *listener = lw->listener;
    for (size_t c = 0; c <= listener->chain_count; c++) {
        const struct lk_filter_chain *chain =
            c < listener->chain_count ? &listener->chains[c] : listener->default_chain;
        for (unsigned i = 0; chain != NULL && i < chain->filter_count; i++) {
            void *state = lw->filter_states[chain->filters[i].worker_slot];
            if (state != NULL && chain->filters[i].filter->worker_free != NULL)
                chain->filters[i].filter->worker_free(state);
        }
    }
    lk_free(lw->filter_states);
}

/* What is left in the backlog is taken: a close would reset it. Then further clients are refused at once. */
static void close_source(struct lk_accept_source *source)
{
    struct lk_listener *listener = source->lw->listener;
    while (accept_one(source)) {
    }
    for (unsigned i = 0; i < listener->fd_count; i++) {
        if (listener->fds[i] != source->fd)
            continue;
        close(source->fd);
        listener->fds[i] = -1;
    }
}

/* take_rest: an established connection in the backlog must not be reset by the close that follows. */
static void stop_listener(struct lk_listener_worker *lw, bool take_rest)
{
    struct lk_listener *listener = lw->listener;
    if (lw->sources == NULL)
        return;
    for (unsigned i = 0; i < lw->source_count; i++) {
        struct lk_accept_source *source = &lw->sources[i];
        while (take_rest && accept_one(source)) {
        }
        lk_timer_clear(&source->pause);
        lk_watch_free(source->watch);
        source->watch = NULL;
    }
    /* a socket that workers share is closed by the last one that lets go of it: nobody watches it any more */
    bool last = atomic_fetch_add(&listener->stopped, 1) + 1 == listener->set->worker_count;
    for (unsigned i = 0; take_rest && i < lw->source_count; i++) {
        if (last || listener->config->reuse_port)
            close_source(&lw->sources[i]);
    }
    lk_free(lw->sources);
    lw->sources = NULL;
    lw->source_count = 0;
}

void lk_acceptor_free(struct lk_acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->listeners->count; i++) {
        stop_listener(&acceptor->workers[i], false);
        free_states(&acceptor->workers[i]);
    }
    lk_free(acceptor->workers);
    lk_free(acceptor);
}

void lk_acceptor_start(struct lk_acceptor *acceptor)
{
    acceptor->accepting = true;
    for (size_t i = 0; i < acceptor->listeners->count; i++) {
        if (acceptor->workers[i].listener->fd_count > 0)
            listen_on(&acceptor->workers[i]);
    }
}

static bool concerned(const struct lk_listener_worker *lw, bool inbound_only)
{
    return !inbound_only || lw->listener->config->direction == LK_DIRECTION_INBOUND;
}

void lk_acceptor_stop(struct lk_acceptor *acceptor, bool inbound_only)
{
    for (size_t i = 0; i < acceptor->listeners->count; i++) {
        if (concerned(&acceptor->workers[i], inbound_only))
            stop_listener(&acceptor->workers[i], true);
    }
}

void lk_acceptor_drain(struct lk_acceptor *acceptor, bool inbound_only)
{
    for (size_t i = 0; i < acceptor->listeners->count; i++) {
        struct lk_listener_worker *lw = &acceptor->workers[i];
        if (!concerned(lw, inbound_only))
            continue;
        LK_LIST_FOREACH_SAFE(node, &lw->sessions)
        {
            lk_session_drain(lk_session_of_node(node));
        }
    }
}

void lk_acceptor_abort(struct lk_acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->listeners->count; i++) {
        LK_LIST_FOREACH_SAFE(node, &acceptor->workers[i].sessions)
        {
            lk_session_abort(lk_session_of_node(node));
        }
    }
}

void *lk_listener_worker_state(struct lk_listener_worker *lw, const struct lk_network_filter_entry *entry)
{
    void **state = &lw->filter_states[entry->worker_slot];
    if (*state == NULL && entry->filter->worker_new != NULL)
        *state = entry->filter->worker_new(entry->config, lw->acceptor->loop);
    return *state;
}
