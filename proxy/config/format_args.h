/* Internal to the format compiler: the rules for an operator's argument. */
#pragma once

#include "proxy/config/format.h"

/* What a %OPERATOR(argument):length% says. */
struct lk_format_command {
    struct lk_str name;
    struct lk_str arg;
    bool has_length;
    uint64_t length;
};

/* Checks argument and length and fills the part's text, text_alt and max_len. part->op is set. */
bool lk_format_apply_args(struct lk_arena *arena, const struct lk_format_command *command, struct lk_format_part *part,
                          struct lk_error *error) LK_MUST_CHECK;
