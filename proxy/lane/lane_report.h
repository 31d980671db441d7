/*
 * What /lanes tells of endpoints: for every cluster of the mesh which lanes have some, and which services lack a lane.
 * Counted in slices, since there may be thousands of clusters; when filters or tables change meanwhile, it begins anew,
 * so that a report is never a mixture of two. What it holds once complete are copies. Main thread.
 */
#pragma once

#include "proxy/lane/lane_members.h"

#define LK_LANE_REPORT_SLICE_US 2000u

struct lk_lane_report_cluster {
    struct lk_str name;
    struct lk_lane_members members; /* of the mesh, always */
};

struct lk_lane_report_lane {
    struct lk_str name;
    enum lk_lane_kind kind;
    bool active;     /* requests may be assigned to it: what lacks it counts */
    size_t services; /* clusters that have endpoints for it; for a shadow lane also endpoints with shadow_ok */
};

/* Filters that send requests and see the same endpoints: same table, mesh and membership. */
struct lk_lane_report_group {
    const struct lk_lane_settings *settings; /* while it is counted */
    const struct lk_lane_table *table;       /* the same; NULL: none */
    struct lk_str listeners;                 /* "out, out6" */
    struct lk_lane_report_lane *lanes;       /* by index in the table */
    size_t lane_count;
    struct lk_lane_report_cluster *clusters;
    size_t cluster_count;
    struct lk_str *outside; /* names of clusters that are not of the mesh */
    size_t outside_count;
};

struct lk_lane_report {
    struct lk_arena *arena;
    struct lk_lane_runtime *runtime; /* NULL: no lane filter is configured */
    struct lk_lane_report_group *groups;
    size_t group_count;
    /* while it is counted */
    uint64_t change;
    uint64_t deadline_us; /* 0: none */
    unsigned tries;
    size_t at, seen;
    bool stopped;
};

void lk_lane_report_begin(struct lk_lane_report *report, struct lk_arena *arena);
/* One slice; true when the report is complete, and filters and tables are what they were for all of it, in this turn of
 * the loop. */
bool lk_lane_report_next(struct lk_lane_report *report);

/* Whether the cluster can serve the lane: endpoints of its own, or for a shadow lane those of base with shadow_ok. */
bool lk_lane_report_covers(const struct lk_lane_report_cluster *cluster, const struct lk_lane_report_lane *lane,
                           size_t index);
/* The lane's endpoints there; zero when it has none. */
struct lk_lane_count lk_lane_report_count(const struct lk_lane_report_cluster *cluster, size_t index);
