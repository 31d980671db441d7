/*
 * The router in a rehearsal: what the route does to the request, which cluster and host would serve, what holds for the
 * tries. The functions are those that forward; where they answer, the rehearsal's sink keeps the answer. Runs on a
 * worker. See proxy/filter/explain.h.
 */
#include "proxy/base/mem.h"
#include "proxy/filter/http_stream.h"
#include "proxy/http/path.h"
#include "proxy/router/cluster_explain.h"
#include "proxy/router/mirror.h"
#include "proxy/router/router_internal.h"
#include "proxy/router/router_request.h"

#include <inttypes.h>

/* --- the action --------------------------------------------------------------------------------------------------- */

static const char *kind_name(const struct lk_route *route)
{
    static const char *const names[] = {
        [LK_ROUTE_CLUSTER] = "forward",
        [LK_ROUTE_REDIRECT] = "redirect",
        [LK_ROUTE_DIRECT] = "direct_response",
        [LK_ROUTE_NON_FORWARDING] = "non_forwarding",
    };

    return route != NULL ? names[route->kind] : "none";
}

static void tell_weights(struct lk_explain *explain, struct lk_note *step, const struct lk_router *router)
{
    const struct lk_route_action *action = &router->route->action;
    struct lk_note *list = lk_note_list(explain, step, "weighted_clusters");

    for (size_t i = 0; i < action->weighted_count; i++) {
        const struct lk_weighted_cluster *weighted = &action->weighted[i];
        struct lk_note *note = lk_note_object(explain, list, NULL);

        lk_note_text(explain, note, "cluster",
                     weighted->cluster.len > 0 ? weighted->cluster : weighted->cluster_header);
        lk_note_number(explain, note, "weight", weighted->weight);
        lk_note_bool(explain, note, "chosen", weighted == router->info->weighted);
    }
    lk_note_number(explain, step, "draw", explain->random);
}

static void tell_action(struct lk_explain *explain, const struct lk_router *router)
{
    const struct lk_route *route = router->route;
    struct lk_str cluster = router->info->route_cluster;
    struct lk_note *step;

    if (route == NULL) {
        lk_explain_step(explain, "action", "none", "there is no route: 404");
        return;
    }
    if (route->kind != LK_ROUTE_CLUSTER) {
        lk_explain_step(explain, "action", kind_name(route), "the route answers by itself");
        return;
    }
    step = lk_explain_step(explain, "action", kind_name(route), "to cluster \"%.*s\"", LK_STR_ARG(cluster));
    switch (route->action.specifier) {
    case LK_CLUSTER_BY_NAME:
        lk_note_text(explain, step, "by", LK_STR("cluster"));
        break;
    case LK_CLUSTER_BY_HEADER:
        lk_note_format(explain, step, "by", "cluster_header \"%.*s\"", LK_STR_ARG(route->action.cluster));
        break;
    case LK_CLUSTER_WEIGHTED:
        lk_note_text(explain, step, "by", LK_STR("weighted_clusters"));
        tell_weights(explain, step, router);
        break;
    }
    if (cluster.len > 0)
        lk_explain_result(explain, "cluster", cluster);
}

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static bool has_pair(const struct lk_headers *headers, const struct lk_header *pair)
{
    LK_HEADERS_FOREACH(header, headers)
    {
        if (lk_str_ieq(header->name, pair->name) && lk_str_eq(header->value, pair->value))
            return true;
    }
    return false;
}

/* Each pair of `of` that `than` has not. */
static void tell_difference(struct lk_explain *explain, struct lk_note *step, const char *key,
                            const struct lk_headers *of, const struct lk_headers *than)
{
    struct lk_note *list = lk_note_list(explain, step, key);

    LK_HEADERS_FOREACH(header, of)
    {
        struct lk_note *pair;

        if (header->name.ptr[0] == ':' || has_pair(than, header))
            continue;
        pair = lk_note_list(explain, list, NULL);
        lk_note_text(explain, pair, NULL, header->name);
        lk_note_text(explain, pair, NULL, header->value);
    }
}

static void tell_request(struct lk_explain *explain, const struct lk_router *router)
{
    const struct lk_headers *sent = router->request;
    struct lk_note *step =
        lk_explain_step(explain, "upstream_request", "prepared",
                        "as it would be sent; ids that were generated are examples, trace headers are left out");

    lk_note_text(explain, step, "method", lk_headers_get(sent, LK_HEADER_METHOD));
    lk_note_text(explain, step, "path", lk_headers_get(sent, LK_HEADER_PATH));
    lk_note_text(explain, step, "authority", lk_headers_get(sent, LK_HEADER_AUTHORITY));
    tell_difference(explain, step, "headers_added", sent, explain->head);
    tell_difference(explain, step, "headers_removed", explain->head, sent);
    lk_explain_result(explain, "upstream_path", lk_headers_get(sent, LK_HEADER_PATH));
    lk_explain_result(explain, "upstream_authority", lk_headers_get(sent, LK_HEADER_AUTHORITY));
}

static void tell_timeouts(struct lk_explain *explain, const struct lk_router *router)
{
    struct lk_note *step =
        lk_explain_step(explain, "timeouts", "in force", "route, retry policy and headers; ms, 0: none");

    lk_note_number(explain, step, "request_ms", router->timeout_ms);
    lk_note_number(explain, step, "per_try_ms", router->per_try_timeout_ms);
    lk_note_number(explain, step, "per_try_idle_ms",
                   router->retry.policy != NULL ? router->retry.policy->per_try_idle_timeout_ms : 0);
    lk_note_number(explain, step, "connect_ms", router->view->config->connect_timeout_ms);
}

static void tell_retries(struct lk_explain *explain, const struct lk_router *router)
{
    const struct lk_retry_state *retry = &router->retry;
    const struct lk_retry_policy *policy = retry->policy;
    struct lk_note *step, *list;

    if (!lk_retry_enabled(retry)) {
        lk_explain_step(explain, "retries", "off", "no retry policy holds");
        return;
    }
    step = lk_explain_step(explain, "retries", "in force", "up to %u", retry->remaining);
    list = lk_note_list(explain, step, "retry_on");
    for (uint32_t bit = 1; bit != 0; bit <<= 1)
        if ((retry->retry_on & bit) != 0)
            lk_note_text_if(explain, list, NULL, lk_retry_on_name(bit));
    lk_note_number(explain, step, "num_retries", retry->remaining);
    if (policy == NULL)
        return;
    lk_note_number(explain, step, "backoff_base_ms", policy->backoff_base_ms);
    lk_note_number(explain, step, "backoff_max_ms", policy->backoff_max_ms);
    list = lk_note_list(explain, step, "status_codes");
    for (size_t i = 0; i < policy->status_code_count; i++)
        lk_note_number(explain, list, NULL, policy->status_codes[i]);
    lk_note_bool(explain, step, "other_hosts", policy->previous_hosts);
}

static void tell_mirrors(struct lk_explain *explain, const struct lk_router *router)
{
    const struct lk_mirror_policies *policies = &router->route->action.mirrors;
    struct lk_note *list;

    if (policies->count == 0)
        return;
    list = lk_note_list(explain,
                        lk_explain_step(explain, "mirrors", "in force",
                                        "copies that go beside the request; their hosts are not asked for"),
                        "copies");
    for (size_t i = 0; i < policies->count; i++) {
        const struct lk_cluster_view *view = lk_mirror_cluster(router, &policies->items[i], explain->random);
        struct lk_note *note = lk_note_object(explain, list, NULL);

        lk_note_text(explain, note, "cluster", view != NULL ? view->config->name : policies->items[i].cluster);
        lk_note_bool(explain, note, "sent", view != NULL);
        lk_note_number(explain, note, "draw", explain->random);
    }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void tell_choice(struct lk_explain *explain, struct lk_router *router)
{
    struct lk_pick_account account;
    struct lk_worker_host *wh;

    lk_pick_account_init(&account, explain);
    wh = lk_router_choose_host(router, &account.base);
    if (wh == NULL)
        return;
    router->attempt.wh = wh;
    lk_router_adapt_to_host(router);
    router->attempt.wh = NULL;
    lk_worker_host_unref(wh);
}

void lk_router_explain(void *self, struct lk_headers *headers, bool end, struct lk_explain *explain)
{
    struct lk_router *router = self;
    bool forwards;

    router->request = headers;
    router->bodyless = end;
    router->route = lk_http_slot_stream(router->slot)->sink->route(lk_http_slot_stream(router->slot));
    tell_action(explain, router);
    forwards = lk_router_choose_cluster(router);
    if (!forwards)
        return;
    lk_router_prepare_request(router);
    lk_explain_cluster(explain, router->view, router->priority);
    tell_timeouts(explain, router);
    tell_retries(explain, router);
    tell_mirrors(explain, router);
    tell_choice(explain, router);
    tell_request(explain, router);
}
