/* The bootstrap: node, admin, static resources, stats, watchdogs. Main thread, at start-up. */
#include "xds/decode/decode_bootstrap.h"

#include "proxy/base/mem.h"
#include "proxy/config/matcher.h"
#include "xds/decode/decode_access_log.h"
#include "xds/decode/decode_bootstrap_parts.h"
#include "xds/decode/decode_cluster.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_listener.h"
#include "xds/decode/decode_metadata.h"
#include "xds/decode/pb_known.h"

#include "envoy/extensions/regex_engines/v3/google_re2.pb-c.h"

#define MISS_DEFAULT_MS 200
#define MEGAMISS_DEFAULT_MS 1000
#define STATS_FLUSH_DEFAULT_MS 5000
#define STATS_FLUSH_MAX_MS 300000

static void node(struct lk_decoder *decoder, const Envoy__Config__Core__V3__Node *in, struct lk_node_config *out)
{
    if (in == NULL)
        return;
    out->id = lk_decode_str(decoder, in->id);
    out->cluster = lk_decode_str(decoder, in->cluster);
    lk_decode_locality(decoder, in->locality, &out->locality);
    out->metadata = lk_decode_root_metadata(decoder, in->metadata);
}

static void admin(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__Admin *in,
                  struct lk_admin_config *out)
{
    struct lk_decoded_address address;

    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "admin");

    if (in->address != NULL && lk_decode_address(decoder, "address", in->address, LK_ADDRESS_IP, &address)) {
        out->set = true;
        out->addr = address.addr;
    }
    lk_decode_access_logs(decoder, "access_log", in->n_access_log, in->access_log, &out->access_logs);
    out->access_log_count = in->n_access_log;
    out->access_log_path = lk_decode_str(decoder, in->access_log_path);
    lk_errors_pop(decoder->errors, mark);
}

static void clusters(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *in,
                     struct lk_bootstrap_config *out)
{
    struct lk_map names;

    lk_map_init(&names);
    out->clusters = lk_arena_array(decoder->arena, in->n_clusters, sizeof(*out->clusters));
    out->cluster_count = in->n_clusters;
    for (size_t i = 0; i < in->n_clusters; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "static_resources.clusters", i);

        out->clusters[i] = lk_decode_cluster(decoder, in->clusters[i]);
        if (lk_map_set(&names, out->clusters[i]->name, out->clusters[i]) != NULL && out->clusters[i]->name.len > 0)
            lk_errors_add_at(decoder->errors, "name", "the cluster '%.*s' occurs twice",
                             LK_STR_ARG(out->clusters[i]->name));
        lk_errors_pop(decoder->errors, mark);
    }
    lk_map_fini(&names);
}

static void connection_limit(struct lk_decoder *decoder, const struct lk_bootstrap_config *config,
                             struct lk_listener_config *listener)
{
    struct lk_str key = lk_arena_printf(&decoder->scratch, "envoy.resource_limits.listener.%.*s.connection_limit",
                                        LK_STR_ARG(listener->name));
    uint64_t limit;

    if (lk_bootstrap_runtime_u64(config, key, &limit))
        listener->max_connections = (uint32_t)LK_MIN(limit, (uint64_t)UINT32_MAX);
}

/* A listener whose name comes again is replaced by the later one, as an update would. */
static size_t place_of(struct lk_decoder *decoder, struct lk_map *names, const struct lk_listener_config *listener,
                       size_t next)
{
    size_t place = (size_t)(uintptr_t)lk_map_get(names, listener->name);

    if (listener->name.len == 0)
        return next;
    if (place == 0) {
        lk_map_set(names, listener->name, (void *)(uintptr_t)(next + 1));
        return next;
    }
    lk_errors_warn(decoder->errors, "name", "the listener '%.*s' occurs twice, this one replaces the earlier",
                   LK_STR_ARG(listener->name));
    return place - 1;
}

static void listeners(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *in,
                      struct lk_bootstrap_config *out)
{
    struct lk_map names;

    lk_map_init(&names);
    out->listeners = lk_arena_array(decoder->arena, in->n_listeners, sizeof(*out->listeners));
    for (size_t i = 0; i < in->n_listeners; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "static_resources.listeners", i);
        struct lk_listener_config *listener = lk_decode_listener(decoder, in->listeners[i]);
        size_t place = place_of(decoder, &names, listener, out->listener_count);

        connection_limit(decoder, out, listener);
        out->listeners[place] = listener;
        out->listener_count += place == out->listener_count;
        lk_errors_pop(decoder->errors, mark);
    }
    lk_map_fini(&names);
}

static void stats_tags(struct lk_decoder *decoder, const Envoy__Config__Metrics__V3__StatsConfig *in,
                       struct lk_bootstrap_config *out)
{
    struct lk_stats_tag_config *list =
        in->n_stats_tags > 0 ? lk_arena_array(decoder->arena, in->n_stats_tags, sizeof(*list)) : NULL;

    for (size_t i = 0; i < in->n_stats_tags; i++) {
        const Envoy__Config__Metrics__V3__TagSpecifier *tag = in->stats_tags[i];
        size_t mark = lk_errors_push_index(decoder->errors, "stats_config.stats_tags", i);
        struct lk_error error;

        list[i].name = lk_decode_str(decoder, tag->tag_name);
        if (tag->tag_value_case == ENVOY__CONFIG__METRICS__V3__TAG_SPECIFIER__TAG_VALUE_FIXED_VALUE) {
            list[i].fixed_value = lk_decode_str(decoder, tag->fixed_value);
        } else if (tag->tag_value_case == ENVOY__CONFIG__METRICS__V3__TAG_SPECIFIER__TAG_VALUE_REGEX) {
            list[i].regex = lk_decode_str(decoder, tag->regex);
            if (tag->regex[0] != 0 && lk_regex_compile_lenient(&decoder->scratch, list[i].regex, &error) == NULL)
                lk_errors_add_at(decoder->errors, "regex", "%s", error.text);
        }
        lk_errors_pop(decoder->errors, mark);
    }
    out->stats_tags = list;
    out->stats_tag_count = in->n_stats_tags;
}

static void stats(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__Bootstrap *in,
                  struct lk_bootstrap_config *out)
{
    out->use_all_default_tags = true;
    if (in->stats_config != NULL) {
        out->use_all_default_tags = lk_decode_bool(in->stats_config->use_all_default_tags, true);
        stats_tags(decoder, in->stats_config, out);
    }
    out->stats_flush_interval_ms = lk_decode_ms(decoder, "stats_flush_interval", in->stats_flush_interval,
                                                STATS_FLUSH_DEFAULT_MS, LK_DURATION_POSITIVE);
    if (out->stats_flush_interval_ms >= STATS_FLUSH_MAX_MS)
        lk_errors_add_at(decoder->errors, "stats_flush_interval", "must be less than 300s");
}

static void watchdog(struct lk_decoder *decoder, const char *field, const Envoy__Config__Bootstrap__V3__Watchdog *in,
                     struct lk_watchdog_config *out)
{
    out->miss_ms = MISS_DEFAULT_MS;
    out->megamiss_ms = MEGAMISS_DEFAULT_MS;
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, field);

    out->miss_ms = lk_decode_ms(decoder, "miss_timeout", in->miss_timeout, MISS_DEFAULT_MS, LK_DURATION_ANY);
    out->megamiss_ms =
        lk_decode_ms(decoder, "megamiss_timeout", in->megamiss_timeout, MEGAMISS_DEFAULT_MS, LK_DURATION_ANY);
    out->kill_ms = lk_decode_ms(decoder, "kill_timeout", in->kill_timeout, 0, LK_DURATION_ANY);
    lk_errors_pop(decoder->errors, mark);
}

static void application_log(struct lk_decoder *decoder,
                            const Envoy__Config__Bootstrap__V3__Bootstrap__ApplicationLogConfig *in,
                            struct lk_bootstrap_config *out)
{
    if (in == NULL || in->log_format == NULL)
        return;
    switch (in->log_format->log_format_case) {
    case ENVOY__CONFIG__BOOTSTRAP__V3__BOOTSTRAP__APPLICATION_LOG_CONFIG__LOG_FORMAT__LOG_FORMAT_TEXT_FORMAT:
        out->log_format = lk_decode_str(decoder, in->log_format->text_format);
        break;
    case ENVOY__CONFIG__BOOTSTRAP__V3__BOOTSTRAP__APPLICATION_LOG_CONFIG__LOG_FORMAT__LOG_FORMAT_JSON_FORMAT:
        break; /* reported as unsupported by the table of fields */
    default:
        lk_errors_add_at(decoder->errors, "application_log_config.log_format", "expected text_format");
        break;
    }
}

static void engines(struct lk_decoder *decoder, const Envoy__Config__Bootstrap__V3__Bootstrap *in)
{
    const Envoy__Config__Core__V3__TypedExtensionConfig *regex = in->default_regex_engine;

    if (regex != NULL && !lk_any_is(regex->typed_config, &envoy__extensions__regex_engines__v3__google_re2__descriptor))
        lk_errors_unsupported(decoder->errors, "default_regex_engine", "the engine '%s' is not supported", regex->name);
}

struct lk_bootstrap_config *lk_decode_bootstrap(struct lk_decoder *decoder,
                                                const Envoy__Config__Bootstrap__V3__Bootstrap *in)
{
    struct lk_bootstrap_config *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    struct lk_dns_defaults dns = {0};

    out->arena = decoder->arena;
    node(decoder, in->node, &out->node);
    admin(decoder, in->admin, &out->admin);
    lk_decode_runtime(decoder, in->layered_runtime, out);
    stats(decoder, in, out);
    watchdog(decoder, "watchdogs.main_thread_watchdog",
             in->watchdogs != NULL ? in->watchdogs->main_thread_watchdog : NULL, &out->main_watchdog);
    watchdog(decoder, "watchdogs.worker_watchdog", in->watchdogs != NULL ? in->watchdogs->worker_watchdog : NULL,
             &out->worker_watchdog);
    lk_decode_overload(decoder, in->overload_manager, out);
    if (in->header_prefix[0] != 0 && strcmp(in->header_prefix, "x-envoy") != 0)
        lk_errors_add_at(decoder->errors, "header_prefix", "only \"x-envoy\" is supported");
    application_log(decoder, in->application_log_config, out);
    engines(decoder, in);
    lk_decode_dns_resolver(decoder, "typed_dns_resolver_config", in->typed_dns_resolver_config, &dns);
    decoder->dns = &dns;
    if (in->static_resources != NULL) {
        clusters(decoder, in->static_resources, out);
        listeners(decoder, in->static_resources, out);
    }
    decoder->dns = NULL;
    lk_pb_report_unsupported(&in->base, !decoder->allow_unknown, decoder->errors);
    return out;
}
