/*
 * /config_dump: the accepted configuration as JSON of envoy.admin.v3.ConfigDump, made on demand from the packed
 * bootstrap. Secrets are never shown. Main thread.
 */
#pragma once

#include "proxy/base/error.h"
#include "proxy/base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What is dumped; the bytes must outlive it. */
struct lk_config_dump_source {
    struct lk_str bootstrap; /* envoy.config.bootstrap.v3.Bootstrap, packed */
    int64_t updated_us;      /* wall time at which it was accepted */
};

/*
 * JSON text; free with free(). resource: only this repeated field ("static_clusters"), each element by itself. mask: a
 * FieldMask ("cluster.name,last_updated"), of each element with resource, else of each section; unlike Envoy's it also
 * passes through repeated fields. name_regex: only resources whose whole name matches. All of them may be empty.
 * NULL with *error: NOT_FOUND for an unknown resource, INVALID for the rest. source is a struct lk_config_dump_source.
 */
char *lk_config_dump(void *source, struct lk_str resource, struct lk_str mask, struct lk_str name_regex,
                     bool include_eds, struct lk_error *error);
