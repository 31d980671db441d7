/*
 * Entry rules as plain data: which requests without a mark enter which lane. Part of the lane table, immutable like it.
 * Source: lanekeeper.lane.v1.EntryRule; evaluated by proxy/lane/entry.
 */
#pragma once

#include "proxy/base/addr.h"
#include "proxy/base/map.h"
#include "proxy/config/matcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LK_LANE_BUCKETS 10000u /* basis points */
#define LK_ENTRY_RULES_MAX 1024u

enum lk_entry_test {
    LK_ENTRY_PRESENT,
    LK_ENTRY_ABSENT,
    LK_ENTRY_TEXT, /* exact, prefix, regex */
    LK_ENTRY_IN,
};
struct lk_entry_value {
    enum lk_entry_test test;
    struct lk_string_matcher text;
    struct lk_map in; /* value -> anything but NULL */
};
struct lk_entry_named_value {
    struct lk_str name;
    int header_id; /* of headers; filled by lk_entry_prepare */
    struct lk_entry_value value;
};
struct lk_secret_header {
    struct lk_str name; /* lower case; empty: none */
    int header_id;      /* filled by whoever prepares it */
    struct lk_str value;
};

struct lk_entry_match { /* all that is set must hold */
    struct lk_entry_named_value *headers, *cookies, *queries;
    size_t header_count, cookie_count, query_count;
    const struct lk_entry_value *path, *host, *principal; /* NULL: not asked */
    const struct lk_cidr *cidrs;
    size_t cidr_count;
    struct lk_secret_header secret;
};

enum lk_entry_key_kind { LK_ENTRY_KEY_HEADER, LK_ENTRY_KEY_COOKIE, LK_ENTRY_KEY_QUERY, LK_ENTRY_KEY_IP };
struct lk_entry_key {
    enum lk_entry_key_kind kind;
    struct lk_str name; /* headers: lower case */
    int header_id;      /* filled by lk_entry_prepare */
};
struct lk_entry_part { /* buckets [start, end) */
    uint16_t lane;     /* index in the table */
    uint16_t start, end;
};
enum lk_entry_missing_key { LK_ENTRY_MISSING_BASE, LK_ENTRY_MISSING_RANDOM, LK_ENTRY_MISSING_SET_COOKIE };
struct lk_entry_split {
    struct lk_entry_key *keys;
    size_t key_count;
    struct lk_str salt;
    uint64_t seed; /* hash of the salt, filled by lk_entry_prepare */
    const struct lk_entry_part *parts;
    size_t part_count;
    enum lk_entry_missing_key missing;
    struct lk_str cookie; /* name: the first cookie among the keys */
    struct lk_str cookie_path;
    uint32_t cookie_ttl_s; /* 0: until the browser is closed */
};

struct lk_entry_rule {
    struct lk_str name; /* may be empty */
    struct lk_entry_match match;
    bool is_split;
    uint16_t lane; /* index in the table, unless is_split */
    struct lk_entry_split split;
};
