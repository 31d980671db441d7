/* The check of validate_clusters: every cluster a route names exists. Main thread. */
#include "proxy/config/route_config.h"

struct check {
    bool (*known)(void *arg, struct lk_str cluster);
    void *arg;
    struct lk_errors *errors;
};

static void check_name(const struct check *check, const char *field, struct lk_str cluster)
{
    if (cluster.len > 0 && !check->known(check->arg, cluster))
        lk_errors_add_at(check->errors, field, "unknown cluster '%.*s'", LK_STR_ARG(cluster));
}

static void check_action(const struct check *check, const struct lk_route_action *action)
{
    if (action->specifier == LK_CLUSTER_BY_NAME)
        check_name(check, "cluster", action->cluster);
    for (size_t i = 0; i < action->weighted_count; i++) {
        size_t mark = lk_errors_push_index(check->errors, "weighted_clusters.clusters", i);

        check_name(check, "name", action->weighted[i].cluster);
        lk_errors_pop(check->errors, mark);
    }
}

static void check_host(const struct check *check, const struct lk_virtual_host *host)
{
    for (size_t i = 0; i < host->route_count; i++) {
        size_t mark;

        if (host->routes[i].kind != LK_ROUTE_CLUSTER)
            continue;
        mark = lk_errors_push_index(check->errors, "routes", i);
        lk_errors_push(check->errors, "route");
        check_action(check, &host->routes[i].action);
        lk_errors_pop(check->errors, mark);
    }
}

void lk_route_config_check_clusters(const struct lk_route_config *config,
                                    bool (*known)(void *arg, struct lk_str cluster), void *arg,
                                    struct lk_errors *errors)
{
    struct check check = {.known = known, .arg = arg, .errors = errors};

    for (size_t i = 0; i < config->virtual_host_count; i++) {
        size_t mark = lk_errors_push_index(errors, "virtual_hosts", i);

        check_host(&check, &config->virtual_hosts[i]);
        lk_errors_pop(errors, mark);
    }
}
