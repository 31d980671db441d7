/* Applies configured header changes. Any worker. */
#include "proxy/router/header_mutation.h"

#include "proxy/filter/format_eval.h"

static void remove_name(struct lk_headers *headers, struct lk_str name)
{
    if (name.len > 0 && name.ptr[0] == ':')
        return; /* pseudo-headers cannot be removed */
    struct lk_header_key key = {lk_header_id_of(name), name};
    if (key.id == LK_HEADER_AUTHORITY)
        return;
    lk_headers_remove_key(headers, &key);
}

static void add_one(const struct lk_header_mutation *mutation, struct lk_headers *headers, struct lk_str value)
{
    struct lk_header_key key = {(enum lk_header_id)mutation->header_id, mutation->name};
    bool exists = lk_headers_find_key(headers, &key) != NULL;
    switch (mutation->action) {
    case LK_APPEND_IF_EXISTS_OR_ADD:
        lk_headers_add_key(headers, &key, value);
        break;
    case LK_APPEND_ADD_IF_ABSENT:
        if (!exists)
            lk_headers_add_key(headers, &key, value);
        break;
    case LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD:
        lk_headers_set_key(headers, &key, value);
        break;
    case LK_APPEND_OVERWRITE_IF_EXISTS:
        if (exists)
            lk_headers_set_key(headers, &key, value);
        break;
    }
}

void lk_header_mutations_apply(const struct lk_header_mutations *mutations, struct lk_headers *headers,
                               const struct lk_log_event *event)
{
    for (size_t i = 0; i < mutations->remove_count; i++)
        remove_name(headers, mutations->remove[i]);
    for (size_t i = 0; i < mutations->add_count; i++) {
        const struct lk_header_mutation *mutation = &mutations->add[i];
        struct lk_str value = lk_format_eval_header(mutation->value, event);
        if (value.len > 0 || mutation->keep_empty_value)
            add_one(mutation, headers, value);
    }
}

void lk_route_mutate_headers(const struct lk_route *route, const struct lk_weighted_cluster *weighted,
                             enum lk_mutation_side side, struct lk_headers *headers, const struct lk_log_event *event)
{
    const struct lk_virtual_host *vhost = route->virtual_host;
    const struct lk_route_config *table = event->info->route_config;
    bool request = side == LK_MUTATE_REQUEST;
    const struct lk_header_mutations *levels[3] = {
        request ? &route->request_headers : &route->response_headers,
        request ? &vhost->request_headers : &vhost->response_headers,
        request ? &table->request_headers : &table->response_headers,
    };
    if (weighted != NULL)
        lk_header_mutations_apply(request ? &weighted->request_headers : &weighted->response_headers, headers, event);
    for (int i = 0; i < 3; i++)
        lk_header_mutations_apply(levels[table->most_specific_mutations_wins ? 2 - i : i], headers, event);
}
