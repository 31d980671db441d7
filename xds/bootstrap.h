/*
 * The bootstrap: one or two texts (-c FILE, --config-yaml) to a checked configuration. Main thread, at start.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/config/bootstrap_config.h"

#include <stdbool.h>

struct lk_bootstrap;

struct lk_bootstrap_options {
    const char *path; /* NULL: none */
    const char *yaml; /* NULL: none; merged over the file */
    bool allow_unknown;
    const char *const *format_extensions;                      /* operators of filters, see lk_format_compile */
    const char *service_cluster, *service_node, *service_zone; /* NULL: from the node of the bootstrap */
};

/* NULL when it cannot be used at all; every mistake has then been printed to stderr as `file:line: path: what`.
 * Otherwise mistakes found later (filters, listeners) are appended to the same errors by whoever builds from it, and
 * printed by lk_bootstrap_report. */
struct lk_bootstrap *lk_bootstrap_load(const struct lk_bootstrap_options *options, struct lk_errors *errors);
/* Gives the texts back once everything is reported: lines are no longer known then. */
void lk_bootstrap_trim(struct lk_bootstrap *bootstrap);
void lk_bootstrap_free(struct lk_bootstrap *bootstrap);
const struct lk_bootstrap_config *lk_bootstrap_config(const struct lk_bootstrap *bootstrap);
/* Name of the text for messages. */
const char *lk_bootstrap_name(const struct lk_bootstrap *bootstrap);
/* Prints mistakes (stderr) and warnings (log) with file and line. */
void lk_bootstrap_report(const struct lk_bootstrap *bootstrap, const struct lk_errors *errors);
/* Fields that the API does not know and that allow_unknown let pass. */
size_t lk_bootstrap_unknown_fields(const struct lk_bootstrap *bootstrap);
/* The merged message, packed: for /config_dump. */
struct lk_str lk_bootstrap_packed(const struct lk_bootstrap *bootstrap);
