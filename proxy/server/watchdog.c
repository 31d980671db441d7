/* Looks at every loop from a thread of its own: one that has been in the same turn for too long is counted and named.
 */
#include "proxy/base/clock.h"
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/server/server_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct seen {
    uint64_t turn; /* busy_since that was reported */
    bool mega;
};

static void check(struct lk_server *server, unsigned index, struct seen *seen)
{
    struct lk_loop *loop = server->loops[index];
    bool is_main = index == server->worker_count;
    const struct lk_watchdog_config *limits =
        is_main ? &server->bootstrap->main_watchdog : &server->bootstrap->worker_watchdog;
    uint64_t since = lk_loop_busy_since(loop);
    uint64_t now = lk_clock_us();
    if (since == 0 || now < since)
        return;
    uint64_t busy_ms = (now - since) / 1000;
    const char *activity = lk_loop_activity(loop);
    if (limits->miss_ms > 0 && busy_ms >= limits->miss_ms && seen->turn != since) {
        seen->turn = since;
        seen->mega = false;
        lk_stats_inc(server->server_stats, LK_SERVER_STAT_WATCHDOG_MISS);
        LK_LOG(MAIN, WARN, "%s has been busy for %llu ms%s%s", lk_loop_name(loop), (unsigned long long)busy_ms,
               activity != NULL ? " in " : "", activity != NULL ? activity : "");
    }
    if (limits->megamiss_ms > 0 && busy_ms >= limits->megamiss_ms && seen->turn == since && !seen->mega) {
        seen->mega = true;
        lk_stats_inc(server->server_stats, LK_SERVER_STAT_WATCHDOG_MEGA_MISS);
        LK_LOG(MAIN, ERROR, "%s has been stuck for %llu ms%s%s", lk_loop_name(loop), (unsigned long long)busy_ms,
               activity != NULL ? " in " : "", activity != NULL ? activity : "");
    }
    if (limits->kill_ms > 0 && busy_ms >= limits->kill_ms) {
        LK_LOG(MAIN, CRITICAL, "%s has been stuck for %llu ms: giving up", lk_loop_name(loop),
               (unsigned long long)busy_ms);
        abort();
    }
}

static uint32_t interval_ms(const struct lk_server *server)
{
    uint32_t shortest = 1000;
    const struct lk_watchdog_config *all[] = {&server->bootstrap->main_watchdog, &server->bootstrap->worker_watchdog};
    for (size_t i = 0; i < LK_ARRAY_LEN(all); i++) {
        if (all[i]->miss_ms > 0 && all[i]->miss_ms / 2 < shortest)
            shortest = all[i]->miss_ms / 2;
    }
    return LK_MAX(shortest, 10u);
}

static void *watchdog_main(void *arg)
{
    struct lk_server *server = arg;
    uint32_t ms = interval_ms(server);
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    struct seen *seen = lk_calloc(server->worker_count + 1, sizeof(*seen));
    lk_stats_thread = server->worker_count + 1;
    while (!atomic_load_explicit(&server->watchdog_stop, memory_order_relaxed)) {
        for (unsigned i = 0; i <= server->worker_count; i++)
            check(server, i, &seen[i]);
        nanosleep(&pause, NULL);
    }
    lk_free(seen);
    return NULL;
}

bool lk_watchdog_start(struct lk_server *server, struct lk_error *error)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&server->watchdog, NULL, watchdog_main, server);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0)
        return lk_error_set(error, LK_ERROR_IO, "cannot start the watchdog thread");
    pthread_setname_np(server->watchdog, "watchdog");
    return true;
}

void lk_watchdog_stop(struct lk_server *server)
{
    if (server->watchdog == 0)
        return;
    atomic_store(&server->watchdog_stop, true);
    pthread_join(server->watchdog, NULL);
    server->watchdog = 0;
}
