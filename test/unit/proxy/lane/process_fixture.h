/*
 * What the tests of lane filters' shared state work on: a process with a main loop, contexts that filters are built in
 * (each with an arena of its own, as each version of a listener has one), tables made by hand, and files of them.
 */
#pragma once

#include "proxy/base/arena.h"
#include "proxy/lane/lane_settings.h"
#include "test/unit/proxy/io/loop_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct process {
    struct lk_stats *stats;
    struct lk_loop *loop;
    struct lk_filter_context context; /* of the filter being built */
    struct lk_errors errors;
    char folder[64];
    char path[80]; /* of the table */
};

static inline void process_init(struct process *p)
{
    memset(p, 0, sizeof(*p));
    lk_stats_thread = 0;
    p->stats = lk_stats_new(1);
    p->loop = test_loop_new();
    lk_errors_init(&p->errors);
    snprintf(p->folder, sizeof(p->folder), "/tmp/lk_lane_XXXXXX");
    LK_CHECK_NOT_NULL(mkdtemp(p->folder));
    snprintf(p->path, sizeof(p->path), "%s/t", p->folder);
}

/* Contexts were ended before. */
static inline void process_fini(struct process *p)
{
    unlink(p->path);
    LK_CHECK_EQ_INT(rmdir(p->folder), 0);
    lk_errors_fini(&p->errors);
    lk_loop_free(p->loop);
    lk_stats_free(p->stats);
}

static inline struct lk_filter_context *context_begin(struct process *p)
{
    p->context = (struct lk_filter_context){.arena = lk_arena_new(),
                                            .stats = p->stats,
                                            .main_loop = p->loop,
                                            .worker_count = 1,
                                            .listener_name = LK_STR("out"),
                                            .direction = LK_DIRECTION_OUTBOUND};
    return &p->context;
}

/* The configuration version that the arena belongs to goes. */
static inline void context_end(struct lk_arena *arena)
{
    lk_arena_free(arena);
}

static inline struct lk_lane_filter_config default_config(void)
{
    return (struct lk_lane_filter_config){
        .carriers = {.header = LK_STR("x-lane"), .baggage_key = LK_STR("lane")},
        .association = {.enabled = true, .capacity = 1024, .linger_ms = 1000, .max_lifetime_ms = 60000},
        .pod = {.enabled = true},
        .membership = {.metadata_namespace = LK_STR("envoy.lb"), .separator = ';'},
        .served_header = LK_STR("x-lane-served"),
        .stat_names = 256,
        .table_name = LK_STR("lane-table"),
    };
}

/* The newest mistake but `index`, by its path and a part of its text. */
static inline void expect_error(struct process *p, size_t index, const char *path, const char *part)
{
    LK_CHECK_MSG(p->errors.count > index, "%zu mistakes, wanted: %s", p->errors.count, part);
    LK_CHECK_STR(p->errors.items[index].path, path);
    LK_CHECK_CONTAINS(p->errors.items[index].text, part);
}

static inline void forget_errors(struct process *p)
{
    lk_errors_fini(&p->errors);
    lk_errors_init(&p->errors);
}

static inline uint64_t stat_of(const struct process *p, const char *name)
{
    uint64_t value = 0;

    lk_stats_find(p->stats, lk_str_from(name), &value);
    return value;
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

#define LATER 4102444800000000LL /* the year 2100 */

/* g guards itself and emits a header; old has expired; shadow-s is for pressure tests. */
static inline struct lk_lane_table *make_table(uint64_t revision, const char *emit)
{
    struct lk_lane_table *table = lk_lane_table_new();
    struct lk_lane *lanes = lk_arena_array(table->arena, 4, sizeof(*lanes));
    struct lk_lane_header *headers = lk_arena_array(table->arena, 1, sizeof(*headers));
    struct lk_entry_rule *rules = lk_arena_zalloc(table->arena, sizeof(*rules));

    headers[0] = (struct lk_lane_header){lk_arena_str(table->arena, lk_str_from(emit)), LK_STR("v")};
    lanes[0] = table->lanes[0];
    lanes[1] = (struct lk_lane){.name = LK_STR("g"), .kind = LK_LANE_GRAY, .emit = headers, .emit_count = 1};
    lanes[1].guard = (struct lk_lane_guard){true, 0.1, 0, 2, 1000};
    lanes[2] = (struct lk_lane){.name = LK_STR("old"), .kind = LK_LANE_GRAY, .expires_us = 1};
    lanes[3] = (struct lk_lane){.name = LK_STR("shadow-s"), .kind = LK_LANE_SHADOW, .mode = LK_LANE_STRICT};
    for (uint16_t i = 1; i < 4; i++) {
        lanes[i].index = i;
        lk_map_set(&table->by_name, lanes[i].name, &lanes[i]);
    }
    rules[0].match.secret.name = LK_STR("x-let-me");
    rules[0].lane = 1;
    table->lanes = lanes;
    table->lane_count = 4;
    table->rules = rules;
    table->rule_count = 1;
    table->revision = revision;
    table->hash = revision * 31;
    return table;
}

/* "7": revision 7; "7off": with the kill switch; "7 name": lane g emits the header of that name; else a mistake. */
static inline struct lk_lane_table *load_table(const char *path, struct lk_str resource, struct lk_errors *errors)
{
    char text[64] = "", name[32] = "x-version";
    unsigned long long revision = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct lk_lane_table *table;

    LK_CHECK_LKSTR(resource, "lane-table");
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0) {
        lk_errors_add(errors, "cannot open");
        return NULL;
    }
    close(fd);
    if (sscanf(text, "%llu %31s", &revision, name) < 1) {
        lk_errors_add(errors, "no number");
        return NULL;
    }
    table = make_table(revision, name);
    if (strstr(text, "off") != NULL) {
        table->enabled = false;
        table->hash++;
    }
    return table;
}

/* Moves a file with that text to the path. */
static inline void put_table(const struct process *p, const char *text)
{
    char new[96];
    int fd;

    snprintf(new, sizeof(new), "%s/new", p->folder);
    fd = open(new, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    LK_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    LK_CHECK_EQ_INT(rename(new, p->path), 0);
}
