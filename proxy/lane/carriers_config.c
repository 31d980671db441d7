/*
 * Configured carriers of marks: checks and compilation, see carriers.h. Main thread.
 */
#include "proxy/http/validate.h"
#include "proxy/lane/carriers.h"
#include "proxy/lane/mark_correlation.h"
#include "proxy/lane/mark_tracestate.h"

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
    if (!lk_header_name_valid(name))
        return lk_errors_add_at(errors, field, "\"%.*s\" is not a header name", LK_STR_ARG(name));
    *key = lk_header_key(arena, name);
    if (!may_hold_mark(key))
        return lk_errors_add_at(errors, field, "header %.*s has another meaning", LK_STR_ARG(key->name));
    return true;
}

static bool compile_aliases(struct lk_lane_carriers *carriers, struct lk_arena *arena,
                            const struct lk_carriers_config *config, struct lk_errors *errors)
{
    if (config->alias_count > LK_LANE_ALIASES_MAX)
        return lk_errors_add_at(errors, "aliases", "%zu aliases, at most %u are allowed", config->alias_count,
                                LK_LANE_ALIASES_MAX);
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
            good = lk_errors_add(errors, "header %.*s is named twice", LK_STR_ARG(key->name));
        else
            lk_header_set_init(&carriers->names, arena, names, i + 2);
        lk_errors_pop(errors, mark);
    }
    carriers->aliases = names + 1;
    carriers->alias_count = config->alias_count;
    return good;
}

static bool compile_keys(struct lk_lane_carriers *carriers, struct lk_arena *arena,
                         const struct lk_carriers_config *config, struct lk_errors *errors)
{
    struct lk_str baggage = config->baggage.len > 0 ? config->baggage : LK_STR("lane");
    bool good = true;
    if (config->no_baggage)
        baggage = lk_str(NULL, 0);
    else if (!lk_header_name_valid(baggage) || baggage.len > LK_LANE_KEY_MAX)
        good = lk_errors_add_at(errors, "baggage", "the key must be a token of at most %u bytes", LK_LANE_KEY_MAX);
    if (config->tracestate.len > 0 && !lk_mark_tracestate_key_valid(config->tracestate))
        good = lk_errors_add_at(errors, "tracestate", "\"%.*s\" is not a key of tracestate",
                                LK_STR_ARG(config->tracestate));
    if (config->sw8_correlation.len > LK_CORRELATION_KEY_MAX)
        good = lk_errors_add_at(errors, "sw8_correlation", "the key is longer than %u bytes", LK_CORRELATION_KEY_MAX);
    carriers->baggage = lk_arena_str(arena, baggage);
    carriers->tracestate = lk_arena_str(arena, config->tracestate);
    carriers->sw8_correlation = lk_arena_str(arena, config->sw8_correlation);
    return good;
}

/* The headers that are worth a look: the names, and the lists that are switched on. */
static void compile_set(struct lk_lane_carriers *carriers, struct lk_arena *arena)
{
    struct lk_header_key keys[LK_LANE_ALIASES_MAX + 4];
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
                         const struct lk_carriers_config *config, struct lk_errors *errors)
{
    *carriers = (struct lk_lane_carriers){0};
    struct lk_str header = config->header.len > 0 ? config->header : LK_STR("x-lane");
    bool good = compile_name(&carriers->header, arena, header, "header", errors);
    good &= compile_aliases(carriers, arena, config, errors);
    good &= compile_keys(carriers, arena, config, errors);
    if (good)
        compile_set(carriers, arena);
    return good;
}

static bool is_alias(const struct lk_lane_carriers *carriers, const struct lk_header_key *key)
{
    bool canonical = key->id == carriers->header.id && lk_str_ieq(key->name, carriers->header.name);
    return !canonical && lk_header_set_has(&carriers->names, key->id, key->name);
}

/* Lists are carriers even where they are switched off here: the next hop may read them. */
static bool is_list(enum lk_header_id id)
{
    return id == LK_HEADER_BAGGAGE || id == LK_HEADER_TRACESTATE || id == LK_HEADER_SW8_CORRELATION;
}

bool lk_carriers_check_emit(const struct lk_lane_carriers *carriers, struct lk_str lane,
                            const struct lk_lane_emit *emit, struct lk_error *error)
{
    struct lk_str name = emit->key.name;
    if (!lk_header_name_valid(name) || !lk_trailer_allowed(emit->key.id))
        return lk_error_set(error, LK_ERROR_INVALID, "header \"%.*s\" cannot be emitted", LK_STR_ARG(name));
    if (!lk_header_value_valid(emit->value))
        return lk_error_set(error, LK_ERROR_INVALID, "the value of %.*s holds control bytes", LK_STR_ARG(name));
    if (is_alias(carriers, &emit->key)) {
        if (lk_str_eq(emit->value, lane))
            return true;
        return lk_error_set(error, LK_ERROR_INVALID, "%.*s is an alias of the mark: its value must be %.*s",
                            LK_STR_ARG(name), LK_STR_ARG(lane));
    }
    if (lk_header_set_has(&carriers->names, emit->key.id, name) || is_list(emit->key.id))
        return lk_error_set(error, LK_ERROR_INVALID, "%.*s carries the mark itself", LK_STR_ARG(name));
    return true;
}
