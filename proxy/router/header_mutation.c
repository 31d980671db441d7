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

static bool overwrites(const struct lk_header_mutation *mutation)
{
    return mutation->action == LK_APPEND_OVERWRITE_IF_EXISTS_OR_ADD ||
           mutation->action == LK_APPEND_OVERWRITE_IF_EXISTS;
}

/* Whether the action applies, judged before any value of this level is put in. */
static bool applies(const struct lk_header_mutation *mutation, const struct lk_headers *headers)
{
    struct lk_header_key key = {(enum lk_header_id)mutation->header_id, mutation->name};
    bool exists = lk_headers_find_key(headers, &key) != NULL;
    if (mutation->action == LK_APPEND_ADD_IF_ABSENT)
        return !exists;
    return mutation->action != LK_APPEND_OVERWRITE_IF_EXISTS || exists;
}

/* Values are made first, then those that overwrite go in, then those that are added, as in Envoy. */
static void add_all(const struct lk_header_mutations *mutations, struct lk_headers *headers,
                    const struct lk_log_event *event)
{
    struct lk_str *values = lk_arena_array(event->arena, mutations->add_count, sizeof(*values));
    for (size_t i = 0; i < mutations->add_count; i++) {
        const struct lk_header_mutation *mutation = &mutations->add[i];
        if (!applies(mutation, headers))
            continue;
        values[i] = lk_format_eval_header(mutation->value, event);
        if (values[i].len == 0)
            values[i].ptr = mutation->keep_empty_value ? "" : NULL;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < mutations->add_count; i++) {
            const struct lk_header_mutation *mutation = &mutations->add[i];
            struct lk_header_key key = {(enum lk_header_id)mutation->header_id, mutation->name};
            if (values[i].ptr == NULL || overwrites(mutation) != (pass == 0))
                continue;
            if (pass == 0 && key.id != LK_HEADER_AUTHORITY && mutation->name.ptr[0] != ':')
                lk_headers_remove_key(headers, &key); /* what is overwritten moves to the end */
            if (pass == 0)
                lk_headers_set_key(headers, &key, values[i]);
            else
                lk_headers_add_key(headers, &key, values[i]);
        }
    }
}

void lk_header_mutations_apply(const struct lk_header_mutations *mutations, struct lk_headers *headers,
                               const struct lk_log_event *event)
{
    for (size_t i = 0; i < mutations->remove_count; i++)
        remove_name(headers, mutations->remove[i]);
    if (mutations->add_count > 0)
        add_all(mutations, headers, event);
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
