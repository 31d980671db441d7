/*
 * Configured carriers of marks: checks and compilation, see carriers.h. Main thread.
 */
#include "proxy/lane/carriers.h"

/* Well-known names are those of HTTP, of tracing and of this proxy; of them only these may hold a bare mark. */
static bool may_hold_mark(const struct lk_header_key *key)
{
    switch (key->id) {
    case LK_HEADER_X_LANE:
    case LK_HEADER_X_ASM_PREFER_TAG:
    case LK_HEADER_X_MSE_TAG:
    case LK_HEADER_X_MSE_GRAY_TAG:
    case LK_HEADER_X_OPENSERGO_TRAFFIC:
    case LK_HEADER_X_VIRTUAL_ENV:
    case LK_HEADER_OTHER:
        return true;
    default:
        return false;
    }
}

static bool compile_name(struct lk_header_key *key, struct lk_arena *arena, struct lk_str name, const char *field,
                         struct lk_errors *errors)
{
    *key = lk_header_key(arena, name);
    if (!may_hold_mark(key))
        return lk_errors_add_at(errors, field, "header '%.*s' has another meaning, expected one of its own",
                                LK_STR_ARG(key->name));
    return true;
}

static bool compile_aliases(struct lk_lane_carriers *carriers, struct lk_arena *arena,
                            const struct lk_lane_filter_carriers *config, struct lk_errors *errors)
{
    /* names[0] is the header itself */
    struct lk_header_key *names = lk_arena_array(arena, config->alias_count + 1, sizeof(*names));
    bool good = true;
    names[0] = carriers->header;
    lk_header_set_init(&carriers->names, arena, names, 1);
    for (size_t i = 0; i < config->alias_count; i++) {
        size_t mark = lk_errors_push_index(errors, "aliases", i);
        struct lk_header_key *key = &names[i + 1];
        if (!compile_name(key, arena, config->aliases[i], NULL, errors))
            good = false;
        else if (lk_header_set_has(&carriers->names, key->id, key->name))
            good = lk_errors_add(errors, "header '%.*s' is named twice", LK_STR_ARG(key->name));
        else
            lk_header_set_init(&carriers->names, arena, names, i + 2);
        lk_errors_pop(errors, mark);
    }
    carriers->aliases = names + 1;
    carriers->alias_count = config->alias_count;
    return good;
}

/* The headers that are worth a look: the names, and the lists that are switched on. */
static void compile_set(struct lk_lane_carriers *carriers, struct lk_arena *arena)
{
    struct lk_header_key *keys = lk_arena_array(arena, carriers->alias_count + 4, sizeof(*keys));
    size_t count = 0;
    keys[count++] = carriers->header;
    for (size_t i = 0; i < carriers->alias_count; i++)
        keys[count++] = carriers->aliases[i];
    if (carriers->baggage.len > 0)
        keys[count++] = (struct lk_header_key){LK_HEADER_BAGGAGE, lk_header_name(LK_HEADER_BAGGAGE)};
    if (carriers->tracestate.len > 0)
        keys[count++] = (struct lk_header_key){LK_HEADER_TRACESTATE, lk_header_name(LK_HEADER_TRACESTATE)};
    if (carriers->sw8_correlation.len > 0)
        keys[count++] = (struct lk_header_key){LK_HEADER_SW8_CORRELATION, lk_header_name(LK_HEADER_SW8_CORRELATION)};
    lk_header_set_init(&carriers->all, arena, keys, count);
}

bool lk_carriers_compile(struct lk_lane_carriers *carriers, struct lk_arena *arena,
                         const struct lk_lane_filter_carriers *config, struct lk_errors *errors)
{
    *carriers = (struct lk_lane_carriers){
        .baggage = config->baggage_key,
        .tracestate = config->tracestate_key,
        .sw8_correlation = config->sw8_correlation_key,
    };
    bool good = compile_name(&carriers->header, arena, config->header, "header", errors);
    good &= compile_aliases(carriers, arena, config, errors);
    if (good)
        compile_set(carriers, arena);
    return good;
}

/* Lists are carriers even where they are switched off here: the next hop may read them. */
static bool is_list(enum lk_header_id id)
{
    return id == LK_HEADER_BAGGAGE || id == LK_HEADER_TRACESTATE || id == LK_HEADER_SW8_CORRELATION;
}

static bool check_emit(const struct lk_lane_carriers *carriers, struct lk_str lane, const struct lk_lane_header *emit,
                       struct lk_errors *errors)
{
    enum lk_header_id id = lk_header_id_of(emit->name);
    bool canonical = id == carriers->header.id && lk_str_ieq(emit->name, carriers->header.name);
    if (canonical || is_list(id))
        return lk_errors_add(errors, "carries the mark itself, expected another header");
    if (lk_header_set_has(&carriers->names, id, emit->name) && !lk_str_eq(emit->value, lane))
        return lk_errors_add(errors, "is an alias of the mark, expected the value '%.*s'", LK_STR_ARG(lane));
    return true;
}

bool lk_carriers_check_table(const struct lk_lane_carriers *carriers, const struct lk_lane_table *table,
                             struct lk_errors *errors)
{
    bool good = true;
    for (size_t i = 1; i < table->lane_count; i++) { /* 0 is base */
        const struct lk_lane *lane = &table->lanes[i];
        size_t mark = lk_errors_push_index(errors, "lanes", i - 1);
        for (size_t k = 0; k < lane->emit_count; k++) {
            size_t inner = lk_errors_push_key(errors, "emit_headers", lane->emit[k].name);
            good &= check_emit(carriers, lane->name, &lane->emit[k], errors);
            lk_errors_pop(errors, inner);
        }
        lk_errors_pop(errors, mark);
    }
    return good;
}

void lk_carriers_emit_names(struct lk_header_set *names, struct lk_arena *arena, const struct lk_lane_table *table)
{
    size_t count = 0;
    for (size_t i = 0; i < table->lane_count; i++)
        count += table->lanes[i].emit_count;
    struct lk_header_key *keys = lk_arena_array(arena, count, sizeof(*keys));
    count = 0;
    for (size_t i = 0; i < table->lane_count; i++) {
        const struct lk_lane *lane = &table->lanes[i];
        for (size_t k = 0; k < lane->emit_count; k++)
            keys[count++] = (struct lk_header_key){lk_header_id_of(lane->emit[k].name), lane->emit[k].name};
    }
    lk_header_set_init(names, arena, keys, count);
}
