/* Entry rules of the lane table: what a rule does, and the split by a sticky hash. Main thread, pure. */
#include "xds/decode/decode_lane_parts.h"

#include "xds/decode/decode_common.h"

typedef Lanekeeper__Lane__V1__EntryRule rule_proto;
typedef Lanekeeper__Lane__V1__Split split_proto;

/* Whether the match lets only known callers through, as a SHADOW lane demands. */
static bool is_restricted(const struct lk_entry_match *match)
{
    bool narrow = match->cidr_count > 0;

    for (size_t i = 0; i < match->cidr_count; i++)
        narrow &= match->cidrs[i].bits > 0;
    return narrow || match->secret.name.len > 0 ||
           (match->principal != NULL &&
            (match->principal->test == LK_ENTRY_TEXT || match->principal->test == LK_ENTRY_IN));
}

/* --- splits ------------------------------------------------------------------------------------------------------- */

static void split_key(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Key *in, struct lk_entry_key *out)
{
    out->header_id = -1;
    switch (in->source_case) {
    case LANEKEEPER__LANE__V1__KEY__SOURCE_HEADER:
        out->kind = LK_ENTRY_KEY_HEADER;
        out->name = lk_decode_lane_header_name(decoder, "header", in->header);
        break;
    case LANEKEEPER__LANE__V1__KEY__SOURCE_COOKIE:
        out->kind = LK_ENTRY_KEY_COOKIE;
        out->name = lk_decode_lane_cookie_name(decoder, "cookie", in->cookie);
        break;
    case LANEKEEPER__LANE__V1__KEY__SOURCE_QUERY:
        out->kind = LK_ENTRY_KEY_QUERY;
        out->name = lk_decode_required(decoder, "query", in->query);
        break;
    case LANEKEEPER__LANE__V1__KEY__SOURCE_IP:
        out->kind = LK_ENTRY_KEY_IP;
        if (!in->ip)
            lk_errors_add_at(decoder->errors, "ip", "false says nothing, expected true");
        break;
    case LANEKEEPER__LANE__V1__KEY__SOURCE_CLAIM:
        lk_errors_unsupported(decoder->errors, "claim",
                              "claims of tokens are not supported, expected header, cookie, query or ip");
        break;
    default:
        lk_errors_add(decoder->errors, "no source, expected one of header, cookie, query, ip");
        break;
    }
}

static void split_keys(struct lk_decoder *decoder, const split_proto *in, struct lk_entry_split *out)
{
    out->keys = in->n_key > 0 ? lk_arena_array(decoder->arena, in->n_key, sizeof(*out->keys)) : NULL;
    out->key_count = in->n_key;
    for (size_t i = 0; i < in->n_key; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "key", i);

        if (i > 0 && out->keys[i - 1].kind == LK_ENTRY_KEY_IP)
            lk_errors_add(decoder->errors, "is never asked since each request has an address, expected ip to be last");
        split_key(decoder, in->key[i], &out->keys[i]);
        if (out->cookie.len == 0 && out->keys[i].kind == LK_ENTRY_KEY_COOKIE)
            out->cookie = out->keys[i].name;
        lk_errors_pop(decoder->errors, mark);
    }
    if (in->n_key == 0 && out->missing != LK_ENTRY_MISSING_RANDOM)
        lk_errors_add_at(decoder->errors, "key", "is missing, expected header, cookie, query or ip");
}

static void split_cookie(struct lk_decoder *decoder, const split_proto *in, struct lk_entry_split *out)
{
    bool sets = out->missing == LK_ENTRY_MISSING_SET_COOKIE;
    const char *path = in->cookie_path[0] != 0 ? in->cookie_path : "/";

    if (sets && out->cookie.len == 0)
        lk_errors_add_at(decoder->errors, "on_missing_key",
                         "SET_COOKIE has no name to set, expected a cookie among the "
                         "keys");
    if (!sets && in->cookie_ttl != NULL)
        lk_errors_add_at(decoder->errors, "cookie_ttl", "has no effect here, expected on_missing_key: SET_COOKIE");
    if (!sets && in->cookie_path[0] != 0)
        lk_errors_add_at(decoder->errors, "cookie_path", "has no effect here, expected on_missing_key: SET_COOKIE");
    out->cookie_ttl_s = (lk_decode_ms(decoder, "cookie_ttl", in->cookie_ttl, 0, LK_DURATION_POSITIVE) + 999) / 1000;
    if (path[0] != '/' || strpbrk(path, ";\"\\ ") != NULL)
        lk_errors_add_at(decoder->errors, "cookie_path", "'%s' is no path of a cookie, expected one as /shop", path);
    else
        lk_decode_lane_header_value_ok(decoder, "cookie_path", path);
    out->cookie_path = lk_decode_str(decoder, path);
}

static void check_overlap(struct lk_decoder *decoder, const struct lk_entry_part *parts, size_t index)
{
    const struct lk_entry_part *part = &parts[index];

    for (size_t i = 0; i < index; i++) {
        const struct lk_entry_part *other = &parts[i];

        if (part->start < other->end && other->start < part->end) {
            lk_errors_add(decoder->errors, "buckets %u to %u overlap those of parts[%zu], %u to %u, expected free ones",
                          part->start, part->end - 1u, i, other->start, other->end - 1u);
            return;
        }
    }
}

static bool part_fits(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Part *in, uint32_t start)
{
    if (in->basis_points > LK_LANE_BUCKETS)
        return lk_errors_add_at(decoder->errors, "basis_points", "%u, expected at most %u", in->basis_points,
                                LK_LANE_BUCKETS);
    if (in->start_bp != NULL && start >= LK_LANE_BUCKETS)
        return lk_errors_add_at(decoder->errors, "start_bp", "%u, expected at most %u", start, LK_LANE_BUCKETS - 1);
    if (start + in->basis_points > LK_LANE_BUCKETS)
        return lk_errors_add_at(decoder->errors, "basis_points",
                                "%u from bucket %u on pass the end, expected at most %u in all", in->basis_points,
                                start, LK_LANE_BUCKETS);
    return true;
}

/* A range that does not fit becomes empty. */
static void part_range(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Part *in, uint16_t next,
                       struct lk_entry_part *out)
{
    uint32_t start = lk_decode_u32(in->start_bp, next);
    bool fits = part_fits(decoder, in, start);

    out->start = fits ? (uint16_t)start : next;
    out->end = fits ? (uint16_t)(start + in->basis_points) : next;
}

static void split_parts(struct lk_decoder *decoder, const split_proto *in, const struct lk_lane_table *table,
                        struct lk_entry_split *out)
{
    struct lk_entry_part *parts = in->n_parts > 0 ? lk_arena_array(decoder->arena, in->n_parts, sizeof(*parts)) : NULL;

    if (in->n_parts == 0)
        lk_errors_add_at(decoder->errors, "parts", "is missing, expected at least one lane");
    if (in->n_parts > LK_LANES_MAX) {
        lk_errors_add_at(decoder->errors, "parts", "%zu parts, expected at most %u", in->n_parts, LK_LANES_MAX);
        return;
    }
    for (size_t i = 0; i < in->n_parts; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "parts", i);
        const struct lk_lane *lane = lk_decode_lane_ref(decoder, table, "lane", in->parts[i]->lane);

        if (lane != NULL && lane->kind == LK_LANE_SHADOW)
            lk_errors_add_at(decoder->errors, "lane",
                             "'%s' is a SHADOW lane, expected a GRAY one: shadow is never "
                             "assigned by percentage",
                             in->parts[i]->lane);
        parts[i].lane = lane != NULL ? lane->index : LK_LANE_INDEX_BASE;
        part_range(decoder, in->parts[i], i > 0 ? parts[i - 1].end : 0, &parts[i]);
        check_overlap(decoder, parts, i);
        lk_errors_pop(decoder->errors, mark);
    }
    out->parts = parts;
    out->part_count = in->n_parts;
}

static void split(struct lk_decoder *decoder, const split_proto *in, const struct lk_lane_table *table,
                  struct lk_entry_split *out)
{
    size_t mark = lk_errors_push(decoder->errors, "split");

    lk_decode_enum_ok(decoder, "on_missing_key", &lanekeeper__lane__v1__split__on_missing_key__descriptor,
                      (int)in->on_missing_key);
    out->missing = (enum lk_entry_missing_key)in->on_missing_key;
    out->cookie = (struct lk_str){"", 0};
    out->salt = lk_decode_str(decoder, in->salt);
    split_keys(decoder, in, out);
    split_cookie(decoder, in, out);
    split_parts(decoder, in, table, out);
    lk_errors_pop(decoder->errors, mark);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static void rule_lane(struct lk_decoder *decoder, const rule_proto *in, const struct lk_lane_table *table,
                      struct lk_entry_rule *out)
{
    const struct lk_lane *lane = lk_decode_lane_ref(decoder, table, "lane", in->lane);

    if (lane == NULL)
        return;
    out->lane = lane->index;
    if (lane->kind == LK_LANE_SHADOW && !is_restricted(&out->match))
        lk_errors_add_at(decoder->errors, "match",
                         "anybody could enter the SHADOW lane '%s', expected a source_principal, a cidr other than "
                         "everybody, or a secret_header",
                         in->lane);
}

static void one_rule(struct lk_decoder *decoder, const rule_proto *in, const struct lk_lane_table *table,
                     struct lk_entry_rule *out)
{
    out->name = lk_decode_str(decoder, in->name);
    lk_decode_lane_match(decoder, in->match, &out->match);
    switch (in->act_case) {
    case LANEKEEPER__LANE__V1__ENTRY_RULE__ACT_LANE:
        rule_lane(decoder, in, table, out);
        break;
    case LANEKEEPER__LANE__V1__ENTRY_RULE__ACT_SPLIT:
        out->is_split = true;
        split(decoder, in->split, table, &out->split);
        break;
    default:
        lk_errors_add(decoder->errors, "does nothing, expected lane or split");
        break;
    }
}

void lk_decode_lane_rules(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__LaneTable *in,
                          struct lk_lane_table *table)
{
    size_t count = LK_MIN(in->n_entry, (size_t)LK_ENTRY_RULES_MAX);

    if (in->n_entry > count)
        lk_errors_add_at(decoder->errors, "entry", "%zu rules, expected at most %u", in->n_entry, LK_ENTRY_RULES_MAX);
    table->rules = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*table->rules)) : NULL;
    table->rule_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "entry", i);

        one_rule(decoder, in->entry[i], table, &table->rules[i]);
        lk_errors_pop(decoder->errors, mark);
    }
}
