/* Checks a lane table for people and for CI: opens nothing but the file. Main thread. */
#include "xds/lane_check.h"

#include "xds/decode/lane_file.h"

#include <inttypes.h>
#include <stdio.h>

static void print(const char *path, const char *kind, const struct lk_error_item *item)
{
    if (item->line > 0)
        fprintf(stderr, "%s:%d: ", path, item->line);
    else
        fprintf(stderr, "%s: ", path);
    fprintf(stderr, "%s%s%s%s\n", kind, item->path, item->path[0] != '\0' ? ": " : "", item->text);
}

bool lk_lane_check(const char *path, bool allow_unknown)
{
    struct lk_lane_file_options options = {.allow_unknown = allow_unknown};
    struct lk_errors errors;
    struct lk_lane_table *table;
    bool ok;

    lk_errors_init(&errors);
    table = lk_lane_file_load(path, &options, &errors);
    ok = table != NULL;
    for (size_t i = 0; i < errors.count; i++)
        print(path, "", &errors.items[i]);
    if (errors.dropped > 0)
        fprintf(stderr, "%s: and %zu more mistakes\n", path, errors.dropped);
    for (size_t i = 0; i < errors.warning_count; i++)
        print(path, "warning: ", &errors.warnings[i]);
    if (ok)
        printf("lane table '%s' OK: revision %" PRIu64 ", hash %016" PRIx64 ", lanes %zu, rules %zu%s\n", path,
               table->revision, table->hash, table->lane_count - 1, table->rule_count,
               table->enabled ? "" : ", not enabled");
    else
        printf("lane table '%s' is not valid\n", path);
    lk_lane_table_unref(table);
    lk_errors_fini(&errors);
    return ok;
}
