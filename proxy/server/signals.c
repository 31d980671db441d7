/* Signals as events of the main loop. SIGTERM drains and stops, once more: stops; SIGINT stops; SIGHUP and SIGUSR1
 * reopen logs. */
#include "proxy/base/log.h"
#include "proxy/base/mem.h"
#include "proxy/io/watch.h"
#include "proxy/server/server_internal.h"

#include <signal.h>

static struct lk_watch *watches[4];

static void on_signal(void *arg, int number)
{
    struct lk_server *server = arg;
    switch (number) {
    case SIGTERM:
        LK_LOG(MAIN, WARN, "caught SIGTERM");
        lk_server_drain_and_stop(server);
        break;
    case SIGINT:
        LK_LOG(MAIN, WARN, "caught SIGINT");
        lk_server_stop(server);
        break;
    default:
        LK_LOG(MAIN, INFO, "reopening log files");
        lk_log_reopen();
        lk_file_sinks_reopen(server->sinks);
    }
}

void lk_signals_install(struct lk_server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < LK_ARRAY_LEN(numbers); i++)
        watches[i] = lk_watch_signal(server->main_loop, numbers[i], on_signal, server);
}

void lk_signals_remove(struct lk_server *server)
{
    (void)server;
    for (size_t i = 0; i < LK_ARRAY_LEN(watches); i++) {
        lk_watch_free(watches[i]);
        watches[i] = NULL;
    }
}
