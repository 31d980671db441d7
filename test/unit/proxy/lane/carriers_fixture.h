/* Compiled carriers for tests: every option on, or the defaults. */
#pragma once

#include "proxy/lane/carriers.h"
#include "test/support/header_text.h"

#define TP "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"

struct carriers {
    struct lk_arena arena;
    struct lk_lane_carriers compiled;
    struct lk_header_set emit_names;
};

#define DEFAULTS .header = LK_STR("x-lane"), .baggage_key = LK_STR("lane")

static inline void carriers_compile(struct carriers *c, const struct lk_lane_filter_carriers *config)
{
    struct lk_errors errors;
    lk_errors_init(&errors);
    lk_arena_init(&c->arena);
    LK_CHECK(lk_carriers_compile(&c->compiled, &c->arena, config, &errors));
    LK_CHECK_EQ_UINT(errors.count, 0);
    lk_errors_fini(&errors);
    struct lk_header_key names[] = {
        lk_header_key(&c->arena, LK_STR("p-pradar-cluster-test")),
        lk_header_key(&c->arena, LK_STR("x-color")),
    };
    lk_header_set_init(&c->emit_names, &c->arena, names, LK_ARRAY_LEN(names));
}

static inline void carriers_default(struct carriers *c)
{
    carriers_compile(c, &(struct lk_lane_filter_carriers){DEFAULTS});
}

static inline void carriers_full(struct carriers *c)
{
    struct lk_str aliases[] = {LK_STR("x-asm-prefer-tag"), LK_STR("x-tag")};
    carriers_compile(c, &(struct lk_lane_filter_carriers){
                            DEFAULTS,
                            .tracestate_key = LK_STR("lk"),
                            .sw8_correlation_key = LK_STR("lane"),
                            .aliases = aliases,
                            .alias_count = LK_ARRAY_LEN(aliases),
                        });
}

static inline void carriers_fini(struct carriers *c)
{
    lk_arena_reset(&c->arena);
}
