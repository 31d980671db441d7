/* The table of command line flags, shared by the parser and --help. Constant. */
#pragma once

#include "proxy/server/options.h"

#include <stddef.h>

enum lk_option_kind {
    LK_OPTION_SWITCH,     /* bool: no value, true when given */
    LK_OPTION_TEXT,       /* const char *: the argument itself */
    LK_OPTION_COMPONENTS, /* the same, "name:level,..." */
    LK_OPTION_NUMBER,     /* uint32_t: min..max, multiplied by scale */
    LK_OPTION_CHOICE,     /* an enum: one of choices */
    LK_OPTION_EITHER,     /* bool: one of two choices */
    LK_OPTION_MODE,       /* no value: the mode is min */
    LK_OPTION_EPOCH,      /* a number that must be 0 */
    LK_OPTION_NOTHING,    /* no value: what it asks for is so anyway */
    LK_OPTION_REFUSED,    /* one of Envoy's that cannot be had here; help says why */
};

struct lk_option_choice {
    const char *name; /* NULL ends the list */
    unsigned value;
};

struct lk_option_flag {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    enum lk_option_kind kind;
    size_t offset; /* in struct lk_options */
    uint32_t min, max, scale;
    const struct lk_option_choice *choices;
    const char *value; /* its name in --help */
    const char *help;
};

extern const struct lk_option_flag lk_option_flags[];
extern const size_t lk_option_flag_count;

bool lk_option_takes_value(const struct lk_option_flag *flag);
