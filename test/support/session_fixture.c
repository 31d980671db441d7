/* Accepted connections for tests. See session_fixture.h. */
#include "test/support/session_fixture.h"

#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct session_fixture *session_new(const struct lk_registry *registry, unsigned listeners)
{
    struct session_fixture *f = lk_calloc(1, sizeof(*f));
    LK_CHECK(listeners <= SESSION_LISTENERS_MAX);
    f->up = upstream_new(1);
    f->loop = f->up->loop;
    f->count = listeners;
    f->context = (struct lk_filter_context){
        .arena = lk_arena_new(), .stats = f->up->stats, .main_loop = f->loop, .worker_count = 1, .registry = registry};
    for (unsigned i = 0; i < listeners; i++) {
        struct lk_listener_config *config = &f->config[i];
        LK_CHECK(lk_addr_parse_ip(LK_STR("127.0.0.1"), 0, &f->address[i].addr));
        config->name = lk_arena_printf(f->context.arena, "listener-%u", i);
        config->stat_prefix = config->name;
        config->addresses = &f->address[i];
        config->address_count = 1;
        config->bind_to_port = true;
        config->filters_timeout_ms = 15000;
        config->buffer_limit = 1u << 20;
        config->chains = &f->chain[i];
        config->chain_count = 1;
        config->filters = f->filters[i];
        f->chain[i].name = LK_STR("chain");
        f->chain[i].filters = f->network[i];
    }
    return f;
}

static struct lk_any pointer_any(struct session_fixture *f, const void *pointer)
{
    const void **copy = lk_arena_alloc(f->context.arena, sizeof(*copy));
    *copy = pointer;
    return (struct lk_any){{NULL, 0}, {(const char *)copy, sizeof(*copy)}};
}

const void *session_pointer(const struct lk_any *any)
{
    const void *pointer;
    LK_CHECK_EQ_UINT(any->value.len, sizeof(pointer));
    memcpy(&pointer, any->value.ptr, sizeof(pointer));
    return pointer;
}

void session_network_filter(struct session_fixture *f, unsigned listener, const char *name, const void *pointer)
{
    struct lk_network_filter_config *config = &f->network[listener][f->chain[listener].filter_count++];
    config->name = lk_str_from(name);
    config->any = pointer_any(f, pointer);
}

void session_listener_filter(struct session_fixture *f, unsigned listener, const char *name, const void *pointer)
{
    struct lk_listener_filter_config *config = &f->filters[listener][f->config[listener].filter_count++];
    config->name = lk_str_from(name);
    config->any = pointer_any(f, pointer);
}

void session_listener_filter_typed(struct session_fixture *f, unsigned listener, const char *type, struct lk_str value)
{
    struct lk_listener_filter_config *config = &f->filters[listener][f->config[listener].filter_count++];
    config->name = LK_STR("typed");
    config->any = (struct lk_any){lk_str_from(type), value};
}

void session_network_filter_typed(struct session_fixture *f, unsigned listener, const char *type, struct lk_str value)
{
    struct lk_network_filter_config *config = &f->network[listener][f->chain[listener].filter_count++];
    config->name = LK_STR("typed");
    config->any = (struct lk_any){lk_str_from(type), value};
}

void session_start(struct session_fixture *f)
{
    struct lk_errors errors;
    struct lk_error error;
    lk_errors_init(&errors);
    upstream_start(f->up);
    f->context.clusters = f->up->clusters;
    f->listeners = lk_listeners_new(1, 0);
    for (unsigned i = 0; i < f->count; i++)
        LK_CHECK_MSG(lk_listeners_add(f->listeners, &f->config[i], &f->context, &errors), "%s: %s",
                     errors.items[0].path, errors.items[0].text);
    lk_errors_fini(&errors);
    LK_CHECK_MSG(lk_listeners_bind(f->listeners, &error), "%s", error.text);
    f->acceptor = lk_acceptor_new(f->loop, f->listeners);
    lk_acceptor_start(f->acceptor);
}

void session_free(struct session_fixture *f)
{
    if (f->acceptor != NULL) {
        lk_acceptor_stop(f->acceptor, false);
        lk_acceptor_abort(f->acceptor);
        UPSTREAM_UNTIL(f->up, f->acceptor->session_count == 0);
        upstream_turn(f->up, 3);
        for (unsigned i = 0; i < f->count; i++) {
            LK_CHECK_EQ_UINT(session_stat(f, i, LK_LISTENER_CX_ACTIVE), 0);
            LK_CHECK_EQ_UINT(session_stat(f, i, LK_LISTENER_PRE_CX_ACTIVE), 0);
            LK_CHECK_EQ_UINT(session_stat(f, i, LK_LISTENER_CX_DESTROY), session_stat(f, i, LK_LISTENER_CX_TOTAL));
            LK_CHECK_EQ_UINT(f->listeners->all[i]->connections, 0);
        }
        lk_acceptor_free(f->acceptor);
    }
    lk_listeners_free(f->listeners);
    lk_arena_free(f->context.arena);
    upstream_free(f->up);
    lk_free(f);
}

int session_connect(struct session_fixture *f, unsigned listener)
{
    const struct lk_addr *addr = &f->listeners->all[listener]->bound[0];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LK_CHECK_EQ_INT(connect(fd, &addr->sa, addr->len), 0);
    return fd;
}

const char *session_read(struct session_fixture *f, int fd, const char *until)
{
    f->got_len = 0;
    for (int turns = 0;; turns++) {
        ssize_t n = recv(fd, f->got + f->got_len, sizeof(f->got) - 1 - f->got_len, MSG_DONTWAIT);
        f->got_len += n > 0 ? (size_t)n : 0;
        f->got[f->got_len] = '\0';
        if (until != NULL ? strstr(f->got, until) != NULL : n == 0)
            return f->got;
        LK_CHECK_MSG(turns < 4000 && n != 0 && (n > 0 || errno == EAGAIN), "\"%s\" never came, only \"%s\"",
                     until != NULL ? until : "the end", f->got);
        if (n < 0)
            lk_loop_turn(f->loop, 5);
    }
}

void session_expect_end(struct session_fixture *f, int fd)
{
    char byte;
    for (int turns = 0;; turns++) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return;
        LK_CHECK_MSG(n < 0, "a byte came instead of the end: %d", byte);
        LK_CHECK_MSG(turns < 2000, "the end never came");
        lk_loop_turn(f->loop, 5);
    }
}

bool session_silent(struct session_fixture *f, int fd)
{
    char byte;
    for (int i = 0; i < 5; i++)
        lk_loop_turn(f->loop, 1);
    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

uint64_t session_stat(const struct session_fixture *f, unsigned listener, unsigned index)
{
    return lk_stats_value(f->listeners->all[listener]->stats, index);
}
