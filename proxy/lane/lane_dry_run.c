/* A request that is only tried out. See lane_dry_run.h. */
#include "proxy/lane/lane_dry_run.h"

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/base/rand.h"

const char *lk_lane_dry_outcome_name(enum lk_lane_dry_outcome outcome)
{
    static const char *const names[] = {
        [LK_LANE_DRY_NONE] = "none",       [LK_LANE_DRY_KEPT] = "kept",       [LK_LANE_DRY_STRIPPED] = "stripped",
        [LK_LANE_DRY_DROPPED] = "dropped", [LK_LANE_DRY_REFUSED] = "refused", [LK_LANE_DRY_OPEN] = "open",
    };

    return names[outcome];
}

/* --- a world of its own ------------------------------------------------------------------------------------------- */

struct world {
    struct lk_lane_dry_run *run;
    const struct lk_lane_dry_input *input;
    const struct lk_lane_settings *real;
    struct lk_lane_settings settings; /* the real ones, on the dry runtime */
    struct lk_lane_worker *worker;
    struct lk_lane_attachment *attachment; /* that of the table, with scopes of its own; NULL: no table */
    struct lk_transport_info secure;
    struct lk_conn_info conn;
    struct lk_stream_info info;
    struct lk_lane_stream *stream;
    struct lk_headers headers;
};

static void copy_attachment(struct world *world)
{
    struct lk_lane_stream *stream = world->stream;
    const struct lk_lane_table *table = stream->table;
    struct lk_arena *arena = &world->run->arena;
    struct lk_str *names;
    size_t size;

    if (table == NULL || stream->attachment == NULL)
        return;
    size = sizeof(*world->attachment) + table->lane_count * sizeof(world->attachment->lanes[0]);
    world->attachment = lk_arena_alloc(arena, size);
    memcpy(world->attachment, stream->attachment, size);
    names = lk_arena_array(arena, table->lane_count, sizeof(*names));
    for (size_t i = 0; i < table->lane_count; i++)
        names[i] = table->lanes[i].name;
    world->attachment->scopes = lk_lane_scopes_new(world->settings.runtime->names, names, (unsigned)table->lane_count);
    stream->attachment = world->attachment;
}

static void make_world(struct world *world, struct lk_loop *loop)
{
    struct lk_arena *arena = &world->run->arena;

    world->settings = *world->real;
    world->settings.runtime = lk_lane_runtime_new_dry(world->real->runtime);
    world->worker = lk_lane_worker_new(&world->settings);
    world->conn.remote = world->input->peer;
    if (world->input->identity.len > 0) {
        world->secure = (struct lk_transport_info){.secure = true, .peer_uri_san = world->input->identity};
        world->conn.secure = &world->secure;
    }
    world->info.conn = &world->conn;
    world->info.start_wall_us = lk_clock_wall_us();
    lk_headers_clone(&world->headers, world->input->headers, arena);
    world->stream = lk_lane_stream_new(world->worker, loop, arena, &world->info);
    lk_lane_stream_stays(world->stream);
    copy_attachment(world);
}

/* The run itself lives on: what it shows lies in its arena or in the table, which the arena holds. */
static void free_world(struct world *world)
{
    if (world->attachment != NULL)
        lk_lane_scopes_free(world->attachment->scopes);
    lk_lane_worker_free(world->worker);
    lk_lane_runtime_free_dry(world->settings.runtime);
}

/* --- why ---------------------------------------------------------------------------------------------------------- */

struct trust_notes {
    struct lk_arena *arena;
    struct lk_lane_dry_candidates *list;
    size_t cap;
};

static void note_trust(void *arg, const char *rule, size_t index, const char *why)
{
    struct trust_notes *notes = arg;
    struct lk_lane_dry_candidates *list = notes->list;

    if (list->count == notes->cap) {
        struct lk_lane_dry_candidate *grown;

        notes->cap = notes->cap != 0 ? 2 * notes->cap : 16;
        grown = lk_arena_array(notes->arena, notes->cap, sizeof(*grown));
        if (list->count > 0)
            memcpy(grown, list->items, list->count * sizeof(*grown));
        list->items = grown;
    }
    list->items[list->count++] = (struct lk_lane_dry_candidate){rule, index, why};
}

static void explain_trust(struct world *world)
{
    const struct lk_lane_settings *real = world->real;
    struct lk_lane_dry_run *run = world->run;
    struct lk_trust_peer peer = lk_lane_stream_peer(world->stream);
    struct trust_notes notes = {&run->arena, &run->trust_candidates, 0};
    const struct lk_trust_recorder recorder = {note_trust, &notes};

    run->trust = lk_trust_classify(&real->trust, real->role, real->direction, &peer, &recorder);
    run->mark = lk_carriers_read(real->carriers, &world->headers);
    run->asked_allow = real->inbound && run->mark.found && !run->mark.invalid_shadow && !run->trust.trusted;
    if (!run->asked_allow)
        return;
    notes = (struct trust_notes){&run->arena, &run->allow_candidates, 0};
    run->allow = lk_trust_allows(&real->trust, &peer, &world->headers, run->mark.name, &recorder);
}

/* The first alias that holds the name. */
static struct lk_str alias_with(const struct lk_lane_carriers *carriers, const struct lk_headers *headers,
                                struct lk_str name)
{
    for (size_t i = 0; i < carriers->alias_count; i++) {
        struct lk_str value = lk_headers_get_joined(headers, &carriers->aliases[i]);

        if (value.len > 0 && lk_str_find(value, name) <= value.len)
            return carriers->aliases[i].name;
    }
    return LK_STR("alias");
}

static struct lk_str header_of_mark(const struct lk_lane_carriers *carriers, const struct lk_headers *headers,
                                    const struct lk_mark *mark)
{
    if (!mark->found)
        return lk_str(NULL, 0);
    switch (mark->carrier) {
    case LK_MARK_BAGGAGE:
        return LK_STR("baggage");
    case LK_MARK_TRACESTATE:
        return LK_STR("tracestate");
    case LK_MARK_SW8_CORRELATION:
        return LK_STR("sw8-correlation");
    case LK_MARK_ALIAS:
        return alias_with(carriers, headers, mark->name);
    case LK_MARK_HEADER:
        break;
    }
    return carriers->header.name;
}

/* --- entry rules -------------------------------------------------------------------------------------------------- */

struct entry_notes {
    struct lk_entry_recorder recorder;
    struct lk_lane_dry_run *run;
};

static void note_rule(struct lk_entry_recorder *recorder, size_t rule, enum lk_entry_verdict verdict, size_t detail)
{
    struct lk_lane_dry_run *run = LK_CONTAINER_OF(recorder, struct entry_notes, recorder)->run;

    run->rules[run->rule_count++] = (struct lk_lane_dry_rule){rule, verdict, detail};
}

/* Once more, on the request as the rules saw it: without the marks of a stranger. */
static void explain_entry(struct world *world)
{
    const struct lk_lane_table *table = world->stream->table;
    struct lk_lane_dry_run *run = world->run;
    struct entry_notes notes = {{note_rule}, run};
    struct lk_headers headers;
    const struct lk_entry_request request = {
        .headers = &headers,
        .source = world->conn.remote.len > 0 ? &world->conn.remote : NULL,
        .principal = world->input->identity,
        .now_us = world->stream->wall_us,
    };

    if (!world->stream->entered)
        return;
    lk_headers_clone(&headers, world->input->headers, &run->arena);
    if (!run->trust.trusted && !(run->asked_allow && run->allow == LK_TRUST_ALLOW))
        (void)lk_carriers_strip(world->real->carriers, &world->attachment->emit_names, &headers);
    run->rules = lk_arena_array(&run->arena, table->rule_count + 1, sizeof(*run->rules));
    (void)lk_entry_assign(table, &request, lk_rand_u64(), &notes.recorder);
    run->entered = true;
    run->entry = world->stream->entry;
    if (run->entry.rule >= 0)
        run->entry_rule = table->rules[run->entry.rule].name;
}

/* --- who would serve ---------------------------------------------------------------------------------------------- */

struct pick_notes {
    struct lk_lane_pick_recorder recorder;
    struct lk_lane_dry_run *run;
    size_t cap;
};

static void note_lane(struct lk_lane_pick_recorder *recorder, struct lk_str lane, uint32_t hosts, uint32_t healthy,
                      enum lk_lane_reason reason)
{
    struct pick_notes *notes = LK_CONTAINER_OF(recorder, struct pick_notes, recorder);
    struct lk_lane_dry_run *run = notes->run;

    if (run->step_count < notes->cap)
        run->steps[run->step_count++] =
            (struct lk_lane_dry_step){lk_arena_str(&run->arena, lane), hosts, healthy, reason};
}

static void explain_choice(struct world *world)
{
    struct lk_lane_dry_run *run = world->run;
    struct pick_notes notes = {{note_lane}, run, (size_t)2 * LK_LANE_CHAIN_MAX};
    struct lk_lane_ask ask;

    if (world->stream->selector == NULL || run->details != NULL)
        return;
    ask = world->stream->selector->ask;
    ask.budgets = NULL;
    ask.now_ms = lk_loop_now_ms(world->stream->loop);
    ask.overloaded = lk_lane_overloaded(&ask, world->input->cluster);
    run->steps = lk_arena_array(&run->arena, notes.cap, sizeof(*run->steps));
    run->choice = lk_lane_pick(&ask, world->input->cluster, &notes.recorder);
    run->chosen = true;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static bool forward(struct world *world)
{
    const struct lk_lane_settings *settings = &world->settings;

    if (settings->inbound && !lk_lane_inbound(world->stream, &world->headers))
        return false;
    return !settings->outbound || world->input->cluster == NULL ||
           lk_lane_outbound(world->stream, &world->headers, world->input->cluster);
}

static enum lk_lane_dry_outcome outcome_of(const struct world *world)
{
    const struct lk_lane_dry_run *run = world->run;

    if (run->details != NULL)
        return LK_LANE_DRY_REFUSED;
    if (run->flags & LK_FLAG_BIT(LANE_STRIPPED))
        return LK_LANE_DRY_STRIPPED;
    if (!run->mark.found)
        return run->mark.conflict || run->mark.invalid > 0 ? LK_LANE_DRY_DROPPED : LK_LANE_DRY_NONE;
    return world->settings.inbound || world->input->cluster != NULL ? LK_LANE_DRY_KEPT : LK_LANE_DRY_OPEN;
}

/* Where a secret is still there, as on the way out, it is not shown. */
static void hide_secrets(const struct world *world, struct lk_headers *headers)
{
    const struct lk_header_set *sets[] = {&world->real->trust.secrets,
                                          world->attachment != NULL ? &world->attachment->secrets : NULL};

    LK_HEADERS_FOREACH(h, headers)
    {
        for (size_t i = 0; i < LK_ARRAY_LEN(sets); i++)
            if (sets[i] != NULL && lk_header_set_has(sets[i], h->id, h->name))
                h->value = LK_STR("(secret)");
    }
}

static void tell(struct world *world, bool goes_on)
{
    const struct lk_lane_stream *stream = world->stream;
    struct lk_lane_dry_run *run = world->run;
    struct lk_arena *arena = &run->arena;

    run->requested = lk_arena_str(arena, stream->requested);
    run->origin = stream->origin;
    run->standing = lk_lane_table_resolve(stream->table, stream->requested, stream->wall_us).standing;
    run->flags = world->info.flags;
    run->details = stream->details;
    run->outcome = outcome_of(world);
    if (!goes_on)
        return;
    run->forwarded = lk_arena_zalloc(arena, sizeof(*run->forwarded));
    lk_headers_clone(run->forwarded, &world->headers, arena);
    hide_secrets(world, run->forwarded);
}

struct lk_lane_dry_run *lk_lane_dry_run_new(const struct lk_lane_settings *settings, struct lk_loop *loop,
                                            const struct lk_lane_dry_input *input)
{
    struct lk_lane_dry_run *run = lk_calloc(1, sizeof(*run));
    struct world world = {.run = run, .input = input, .real = settings};

    lk_arena_init(&run->arena);
    make_world(&world, loop);
    explain_trust(&world);
    run->mark_header = header_of_mark(settings->carriers, &world.headers, &run->mark);
    run->mark.name = lk_arena_str(&run->arena, run->mark.name);
    tell(&world, forward(&world));
    explain_entry(&world);
    explain_choice(&world);
    free_world(&world);
    return run;
}

void lk_lane_dry_run_free(struct lk_lane_dry_run *run)
{
    lk_arena_reset(&run->arena);
    lk_free(run);
}
