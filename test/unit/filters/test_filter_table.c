/* The list of filters: complete descriptors, found by type and by name, no two alike. */
#include "filters/filter_table.h"
#include "proxy/base/mem.h"
#include "test/support/lk_test.h"

#define TABLE (&lk_filter_table)

struct seen {
    const char *names[256];
    size_t count;
};

static void check_identity(struct seen *seen, const char *name, const char *type)
{
    LK_CHECK(name != NULL && name[0] != '\0');
    LK_CHECK_MSG(type != NULL && strchr(type, '/') == NULL && strrchr(type, '.') != NULL, "type of %s is %s", name,
                 type != NULL ? type : "NULL");
    LK_CHECK(seen->count + 2 <= LK_ARRAY_LEN(seen->names));
    for (size_t i = 0; i < seen->count; i++)
        LK_CHECK_MSG(strcmp(seen->names[i], name) != 0 && strcmp(seen->names[i], type) != 0, "%s stands twice", name);
    seen->names[seen->count++] = name;
    seen->names[seen->count++] = type;
}

LK_TEST(filter_table, listener_filters_are_complete_and_found)
{
    struct seen seen = {0};

    for (size_t i = 0; TABLE->listener_filters[i] != NULL; i++) {
        const struct lk_listener_filter *filter = TABLE->listener_filters[i];

        check_identity(&seen, filter->name, filter->type);
        LK_CHECK_NOT_NULL(filter->config_new);
        LK_CHECK(filter->on_accept != NULL || filter->on_data != NULL);
        LK_CHECK_MSG(!filter->needs_data || (filter->on_data != NULL && filter->max_read != NULL),
                     "%s waits for bytes it cannot take", filter->name);
        LK_CHECK_EQ_PTR(lk_registry_listener(TABLE, LK_STR(""), lk_str_from(filter->type)), filter);
        LK_CHECK_EQ_PTR(lk_registry_listener(TABLE, lk_str_from(filter->name), LK_STR("")), filter);
    }
    LK_CHECK(seen.count > 0);
    LK_CHECK_NULL(lk_registry_listener(TABLE, LK_STR("unheard.of"), LK_STR("")));
}

LK_TEST(filter_table, network_filters_are_complete_and_found)
{
    struct seen seen = {0};

    for (size_t i = 0; TABLE->network_filters[i] != NULL; i++) {
        const struct lk_network_filter *filter = TABLE->network_filters[i];

        check_identity(&seen, filter->name, filter->type);
        LK_CHECK_NOT_NULL(filter->config_new);
        LK_CHECK_MSG(filter->terminal == (filter->start != NULL), "%s: only a terminal filter starts", filter->name);
        LK_CHECK_MSG(filter->terminal || filter->session_new != NULL, "%s can do nothing", filter->name);
        LK_CHECK_EQ_PTR(lk_registry_network(TABLE, LK_STR(""), lk_str_from(filter->type)), filter);
        LK_CHECK_EQ_PTR(lk_registry_network(TABLE, lk_str_from(filter->name), LK_STR("")), filter);
    }
    LK_CHECK(seen.count > 0);
    LK_CHECK_NULL(lk_registry_network(TABLE, LK_STR(""), LK_STR("unheard.of")));
}

LK_TEST(filter_table, http_filters_are_complete_and_found)
{
    struct seen seen = {0};
    size_t terminals = 0;

    for (size_t i = 0; TABLE->http_filters[i] != NULL; i++) {
        const struct lk_http_filter *filter = TABLE->http_filters[i];

        check_identity(&seen, filter->name, filter->type);
        LK_CHECK_NOT_NULL(filter->config_new);
        LK_CHECK_NOT_NULL(filter->stream_new);
        LK_CHECK((filter->worker_new == NULL) == (filter->worker_free == NULL));
        terminals += filter->terminal;
        LK_CHECK_EQ_PTR(lk_registry_http(TABLE, LK_STR(""), lk_str_from(filter->type)), filter);
        LK_CHECK_EQ_PTR(lk_registry_http(TABLE, lk_str_from(filter->name), LK_STR("")), filter);
    }
    LK_CHECK_EQ_UINT(terminals, 1);
    LK_CHECK_NULL(lk_registry_http(TABLE, LK_STR(""), LK_STR("unheard.of")));
}

LK_TEST(filter_table, access_loggers_are_complete_and_found)
{
    struct seen seen = {0};

    for (size_t i = 0; TABLE->access_loggers[i] != NULL; i++) {
        const struct lk_access_logger *logger = TABLE->access_loggers[i];

        check_identity(&seen, logger->name, logger->type);
        LK_CHECK_NOT_NULL(logger->config_new);
        LK_CHECK_NOT_NULL(logger->log);
        LK_CHECK_EQ_PTR(lk_registry_access_logger(TABLE, LK_STR(""), lk_str_from(logger->type)), logger);
        LK_CHECK_EQ_PTR(lk_registry_access_logger(TABLE, lk_str_from(logger->name), LK_STR("")), logger);
    }
    LK_CHECK(seen.count > 0);
    LK_CHECK_NULL(lk_registry_access_logger(TABLE, LK_STR("unheard.of"), LK_STR("")));
}

LK_TEST(filter_table, tracers_are_complete_and_found)
{
    struct seen seen = {0};

    for (size_t i = 0; TABLE->tracers[i] != NULL; i++) {
        const struct lk_tracer *tracer = TABLE->tracers[i];

        check_identity(&seen, tracer->name, tracer->type);
        LK_CHECK_NOT_NULL(tracer->config_new);
        LK_CHECK_EQ_PTR(lk_registry_tracer(TABLE, LK_STR(""), lk_str_from(tracer->type)), tracer);
        LK_CHECK_EQ_PTR(lk_registry_tracer(TABLE, lk_str_from(tracer->name), LK_STR("")), tracer);
    }
    LK_CHECK(seen.count > 0);
    LK_CHECK_NULL(lk_registry_tracer(TABLE, LK_STR("unheard.of"), LK_STR("")));
}
