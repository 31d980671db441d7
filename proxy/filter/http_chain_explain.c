/* The HTTP filters of a rehearsed request: which are on, and what those say that can be asked. Runs on a worker. */
#include "proxy/filter/explain.h"
#include "proxy/filter/http_stream.h"

static const char *by_route(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                            const struct lk_http_filter_entry *entry)
{
    if (!config->route_switches || entry->filter->terminal)
        return NULL;
    switch (stream->sink->filter_switch(stream, entry->name)) {
    case LK_FILTER_AS_CONFIGURED:
        return NULL;
    case LK_FILTER_ON:
        return "switched on by the route";
    case LK_FILTER_OFF:
        break;
    }
    return "switched off by the route";
}

/* As in forwarding, what the route says of filters is settled before any of them runs. Returns which of them are asked.
 */
static bool *make_slots(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                        struct lk_explain *explain)
{
    bool *asked = lk_arena_array(&stream->arena, config->count + 1, sizeof(*asked));
    struct lk_note *step = lk_explain_step(explain, "http_filters", config->count > 0 ? "in this order" : "none",
                                           "the filters of the connection manager");
    struct lk_note *list = lk_note_list(explain, step, "filters");

    stream->slots = lk_arena_zalloc(&stream->arena, (config->count + 1) * sizeof(struct lk_http_slot));
    stream->slot_count = config->count;
    for (unsigned i = 0; i < config->count; i++) {
        struct lk_http_slot *slot = &stream->slots[i];
        const struct lk_http_filter_entry *entry = &config->entries[i];
        bool on = lk_http_chain_is_on(stream, config, entry);
        const char *route = by_route(stream, config, entry);
        struct lk_note *note = lk_note_object(explain, list, NULL);

        slot->stream = stream;
        slot->entry = entry;
        asked[i] = on && entry->filter->explain != NULL;
        lk_note_text(explain, note, "name", entry->name);
        lk_note_bool(explain, note, "on", on);
        lk_note_bool(explain, note, "asked", asked[i]);
        if (on && !asked[i])
            lk_note_text(explain, note, "why",
                         LK_STR("this filter cannot be asked: what it would do is not told here"));
        if (route != NULL)
            lk_note_text(explain, note, "switch", lk_str_from(route));
    }
    return asked;
}

/* Once the filters have run: asking earlier could look the route up before one of them changes what it is matched on.
 */
static void tell_overrides(struct lk_http_stream *stream, struct lk_explain *explain)
{
    struct lk_note *list = NULL;

    for (unsigned i = 0; i < stream->slot_count && stream->info.route != NULL; i++) {
        if (lk_http_route_config(&stream->slots[i]) == NULL)
            continue;
        if (list == NULL)
            list = lk_note_list(explain,
                                lk_explain_step(explain, "filter_overrides", "in force",
                                                "the route, its virtual host or table configures these filters"),
                                "filters");
        lk_note_text(explain, list, NULL, stream->slots[i].entry->name);
    }
}

void lk_http_chain_explain(struct lk_http_stream *stream, const struct lk_http_chain_config *config,
                           void *const *workers, struct lk_explain *explain)
{
    const bool *asked = make_slots(stream, config, explain);

    for (unsigned i = 0; i < stream->slot_count && !stream->request_stopped; i++) {
        struct lk_http_slot *slot = &stream->slots[i];
        const struct lk_http_filter_entry *entry = slot->entry;

        if (asked[i])
            slot->self = entry->filter->stream_new(slot, entry->config, workers[i]);
        if (slot->self == NULL)
            continue;
        slot->dir[LK_HTTP_REQUEST].saw_headers = true;
        entry->filter->explain(slot->self, stream->request, explain->end, explain);
    }
    tell_overrides(stream, explain);
}
