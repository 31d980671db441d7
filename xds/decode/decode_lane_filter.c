/* The configuration of the lane filter: carriers, trust, association, membership, where the table comes from. */
#include "xds/decode/decode_lane.h"

#include "proxy/config/lane_name.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/decode_lane_parts.h"
#include "xds/decode/decode_matcher.h"

#define ALIASES_MAX 16
#define LINGER_MS 30000
#define MAX_LIFETIME_MS 600000
#define CAPACITY 65536
#define CAPACITY_MIN 64
#define CAPACITY_MAX 524288
#define PREFLIGHT_DENOMINATOR 1024

typedef Lanekeeper__Lane__V1__LaneFilter filter_proto;

static struct lk_str or_default(struct lk_decoder *decoder, const char *text, const char *fallback)
{
    return text[0] != 0 ? lk_decode_str(decoder, text) : lk_str_from(fallback);
}

static struct lk_str header_or(struct lk_decoder *decoder, const char *field, const char *name, const char *fallback)
{
    return name[0] != 0 ? lk_decode_lane_header_name(decoder, field, name) : lk_str_from(fallback);
}

static struct lk_lane_patterns patterns(struct lk_decoder *decoder, const char *field, size_t count, char *const *texts)
{
    struct lk_lane_pattern *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        if (!lk_lane_pattern_parse(lk_decode_str(decoder, texts[i]), &list[i]))
            lk_errors_add(decoder->errors, "'%s' is no pattern, expected a name with at most one '*'", texts[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    return (struct lk_lane_patterns){list, count};
}

/* A star at one end; alone it stands for anybody who has an identity. */
static bool principal(struct lk_decoder *decoder, const char *text, struct lk_string_matcher *out)
{
    struct lk_str name = lk_decode_str(decoder, text);
    bool first = lk_str_has_prefix(name, LK_STR("*"));
    bool last = !first && lk_str_has_suffix(name, LK_STR("*"));

    out->kind = first  ? (name.len > 1 ? LK_STRING_SUFFIX : LK_STRING_PREFIX)
                : last ? LK_STRING_PREFIX
                       : LK_STRING_EXACT;
    out->text = lk_str(name.ptr + first, name.len - first - last);
    return name.len > 0 && lk_str_find_byte(out->text, '*') == out->text.len;
}

static struct lk_lane_principals principals(struct lk_decoder *decoder, const char *field, size_t count,
                                            char *const *texts)
{
    struct lk_string_matcher *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, field, i);

        if (!principal(decoder, texts[i], &list[i]))
            lk_errors_add(decoder->errors, "'%s' is no identity, expected one with at most one '*', at an end",
                          texts[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    return (struct lk_lane_principals){list, count};
}

static struct lk_lane_cidrs cidrs(struct lk_decoder *decoder, const char *field, size_t count, char *const *texts)
{
    return (struct lk_lane_cidrs){lk_decode_lane_cidrs(decoder, field, count, texts), count};
}

/* --- carriers ----------------------------------------------------------------------------------------------------- */

/* Keys of baggage and sw8-correlation: a token (W3C baggage 3.2). */
static struct lk_str token(struct lk_decoder *decoder, const char *field, const char *key)
{
    struct lk_str out = lk_decode_str(decoder, key);

    for (size_t i = 0; i < out.len; i++)
        if (out.ptr[i] <= ' ' || out.ptr[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", out.ptr[i]) != NULL) {
            lk_errors_add_at(decoder->errors, field, "'%s' is no key, expected letters, digits and marks as -_.", key);
            break;
        }
    return out;
}

/* W3C trace context 3.3.1.3.1. */
static struct lk_str tracestate_key(struct lk_decoder *decoder, const char *key)
{
    struct lk_str out = lk_decode_str(decoder, key);
    bool ok = out.len == 0 || (out.ptr[0] >= 'a' && out.ptr[0] <= 'z') || (out.ptr[0] >= '0' && out.ptr[0] <= '9');

    for (size_t i = 0; i < out.len; i++)
        ok &= (out.ptr[i] >= 'a' && out.ptr[i] <= 'z') || (out.ptr[i] >= '0' && out.ptr[i] <= '9') ||
              strchr("_-*/@", out.ptr[i]) != NULL;
    if (!ok || out.len > 256)
        lk_errors_add_at(decoder->errors, "tracestate_key",
                         "'%s' is no key of tracestate, expected lower-case letters, digits and _-*/@", key);
    return out;
}

static void carriers(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__MarkCarriers *in,
                     struct lk_lane_filter_carriers *out)
{
    static const Lanekeeper__Lane__V1__MarkCarriers defaults = LANEKEEPER__LANE__V1__MARK_CARRIERS__INIT;
    size_t mark = lk_errors_push(decoder->errors, "carriers");

    in = in != NULL ? in : &defaults;
    out->header = header_or(decoder, "header", in->header, "x-lane");
    out->baggage_key = in->baggage_key[0] != 0 ? token(decoder, "baggage_key", in->baggage_key) : LK_STR("lane");
    out->tracestate_key = tracestate_key(decoder, in->tracestate_key);
    out->sw8_correlation_key = token(decoder, "sw8_correlation_key", in->sw8_correlation_key);
    out->alias_count = LK_MIN(in->n_aliases, (size_t)ALIASES_MAX);
    struct lk_str *aliases = lk_arena_array(decoder->arena, out->alias_count + 1, sizeof(*aliases));

    if (in->n_aliases > ALIASES_MAX)
        lk_errors_add_at(decoder->errors, "aliases", "%zu names, expected at most %d", in->n_aliases, ALIASES_MAX);
    for (size_t i = 0; i < out->alias_count; i++) {
        size_t inner = lk_errors_push_index(decoder->errors, "aliases", i);

        aliases[i] = lk_decode_lane_header_name(decoder, NULL, in->aliases[i]);
        if (lk_str_eq(aliases[i], out->header))
            lk_errors_add(decoder->errors, "'%s' is the carrier itself, expected another header", in->aliases[i]);
        lk_errors_pop(decoder->errors, inner);
    }
    out->aliases = aliases;
    lk_errors_pop(decoder->errors, mark);
}

/* --- trust -------------------------------------------------------------------------------------------------------- */

static void allow_lanes(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Allow *in,
                        struct lk_lane_filter_allow *out)
{
    struct lk_str *lanes = lk_arena_array(decoder->arena, in->n_lanes + 1, sizeof(*lanes));
    bool any_shadow = false;

    for (size_t i = 0; i < in->n_lanes; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "lanes", i);
        struct lk_str name = lanes[i] = lk_decode_str(decoder, in->lanes[i]);

        any_shadow |= lk_lane_name_is_shadow(name);
        if (!lk_str_eq(name, LK_STR("*")) && (!lk_lane_name_valid(name) || lk_lane_name_is_base(name)))
            lk_errors_add(decoder->errors, "'%s' is no name of a lane, expected one, or *", in->lanes[i]);
        else if (lk_lane_name_is_shadow(name) && !in->shadow)
            lk_errors_add(decoder->errors, "'%s' is a shadow lane, expected shadow: true beside it", in->lanes[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    out->lanes = lanes;
    out->lane_count = in->n_lanes;
    if (in->n_lanes == 0)
        lk_errors_add_at(decoder->errors, "lanes", "is missing, expected names of lanes, or *");
    else if (in->shadow && !any_shadow)
        lk_errors_add_at(decoder->errors, "lanes", "name no shadow lane, expected one by its name: * stands for none");
}

static void allow(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Allow *in, struct lk_lane_filter_allow *out)
{
    out->cidrs = cidrs(decoder, "cidrs", in->n_cidrs, in->cidrs);
    out->principals = principals(decoder, "principals", in->n_principals, in->principals);
    lk_decode_lane_secret(decoder, "secret_header", in->secret_header, &out->secret);
    allow_lanes(decoder, in, out);
    if (in->n_cidrs == 0 && in->n_principals == 0 && in->secret_header == NULL)
        lk_errors_add(decoder->errors, "says of nobody, expected cidrs, principals or secret_header");
}

static void trust(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Trust *in, struct lk_lane_filter_trust *out)
{
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "trust");
    struct lk_lane_filter_allow *list =
        in->n_allow > 0 ? lk_arena_array(decoder->arena, in->n_allow, sizeof(*list)) : NULL;

    out->plaintext = cidrs(decoder, "plaintext_cidrs", in->n_plaintext_cidrs, in->plaintext_cidrs);
    out->principals = principals(decoder, "principals", in->n_principals, in->principals);
    out->untrusted = principals(decoder, "untrusted_sources", in->n_untrusted_sources, in->untrusted_sources);
    for (size_t i = 0; i < in->n_allow; i++) {
        size_t inner = lk_errors_push_index(decoder->errors, "allow", i);

        allow(decoder, in->allow[i], &list[i]);
        lk_errors_pop(decoder->errors, inner);
    }
    out->allow = list;
    out->allow_count = in->n_allow;
    lk_errors_pop(decoder->errors, mark);
}

/* --- association and pod ------------------------------------------------------------------------------------------ */

static unsigned association_kinds(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Association *in,
                                  bool has_header)
{
    unsigned all = LK_LANE_ID_TRACEPARENT | LK_LANE_ID_SW8 | LK_LANE_ID_B3 | LK_LANE_ID_JAEGER | LK_LANE_ID_REQUEST_ID;
    unsigned kinds = 0;

    if (in->n_kinds == 0)
        return all | (has_header ? (unsigned)LK_LANE_ID_HEADER : 0);
    for (size_t i = 0; i < in->n_kinds; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "kinds", i);

        if (lk_decode_enum_ok(decoder, NULL, &lanekeeper__lane__v1__association__kind__descriptor, (int)in->kinds[i]))
            kinds |= 1u << in->kinds[i];
        lk_errors_pop(decoder->errors, mark);
    }
    if ((kinds & LK_LANE_ID_HEADER) != 0 && !has_header)
        lk_errors_add_at(decoder->errors, "header", "is missing, expected the name that HEADER speaks of");
    if ((kinds & LK_LANE_ID_HEADER) == 0 && has_header)
        lk_errors_add_at(decoder->errors, "kinds", "leave the header out, expected HEADER among them");
    return kinds;
}

static void association(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Association *in,
                        struct lk_lane_filter_association *out)
{
    static const Lanekeeper__Lane__V1__Association defaults = LANEKEEPER__LANE__V1__ASSOCIATION__INIT;
    size_t mark = lk_errors_push(decoder->errors, "association");

    in = in != NULL ? in : &defaults;
    out->enabled = lk_decode_bool(in->enabled, true);
    out->header = header_or(decoder, "header", in->header, "");
    out->kinds = association_kinds(decoder, in, out->header.len > 0);
    out->linger_ms = lk_decode_ms(decoder, "linger", in->linger, LINGER_MS, LK_DURATION_POSITIVE);
    out->max_lifetime_ms =
        lk_decode_ms(decoder, "max_lifetime", in->max_lifetime,
                     out->linger_ms > MAX_LIFETIME_MS ? out->linger_ms : MAX_LIFETIME_MS, LK_DURATION_POSITIVE);
    if (out->max_lifetime_ms < out->linger_ms)
        lk_errors_add_at(decoder->errors, "max_lifetime", "is less than linger, expected at least that");
    out->capacity =
        lk_decode_range(decoder, "capacity", lk_decode_u32(in->capacity, CAPACITY), CAPACITY_MIN, CAPACITY_MAX);
    out->preflight_denominator = lk_decode_u32(in->preflight_denominator, PREFLIGHT_DENOMINATOR);
    lk_errors_pop(decoder->errors, mark);
}

static void pod_lane(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__PodLane *in,
                     struct lk_lane_filter_pod *out)
{
    out->enabled = true;
    out->lane = (struct lk_str){"", 0};
    if (in == NULL)
        return;
    size_t mark = lk_errors_push(decoder->errors, "pod_lane");

    out->enabled = lk_decode_bool(in->enabled, true);
    out->lane = lk_decode_str(decoder, in->lane);
    out->recolor = in->recolor;
    out->shadow_ok = in->shadow_ok;
    if (out->lane.len > 0 && !lk_lane_name_valid(out->lane))
        lk_errors_add_at(decoder->errors, "lane", "'%s' is no name of a lane, expected one, or base", in->lane);
    lk_errors_pop(decoder->errors, mark);
}

/* --- egress and membership ---------------------------------------------------------------------------------------- */

static void egress(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Egress *in,
                   struct lk_lane_filter_egress *out)
{
    static const Lanekeeper__Lane__V1__MeshClusters defaults = LANEKEEPER__LANE__V1__MESH_CLUSTERS__INIT;
    const Lanekeeper__Lane__V1__MeshClusters *mesh = in != NULL && in->mesh != NULL ? in->mesh : &defaults;
    size_t mark;

    out->require_shadow_mark = in != NULL && in->require_shadow_mark;
    out->mirror_lane = lk_decode_str(decoder, in != NULL ? in->mirror_lane : "");
    if (out->mirror_lane.len > 0 &&
        (!lk_lane_name_valid(out->mirror_lane) || !lk_lane_name_is_shadow(out->mirror_lane)))
        lk_errors_add_at(decoder->errors, "egress.mirror_lane",
                         "'%.*s' is no name of a shadow lane, expected one, as shadow-load",
                         LK_STR_ARG(out->mirror_lane));
    mark = lk_errors_push(decoder->errors, "egress.mesh");
    out->metadata_namespace = or_default(decoder, mesh->metadata_namespace, "lanekeeper.lane");
    out->metadata_key = or_default(decoder, mesh->metadata_key, "mesh");
    out->shadow_ok_key = or_default(decoder, mesh->shadow_ok_key, "shadow_ok");
    out->namespace_is_enough = mesh->namespace_is_enough;
    out->clusters = patterns(decoder, "clusters", mesh->n_clusters, mesh->clusters);
    out->external_clusters = patterns(decoder, "external_clusters", mesh->n_external_clusters, mesh->external_clusters);
    out->shadow_ok_clusters =
        patterns(decoder, "shadow_ok_clusters", mesh->n_shadow_ok_clusters, mesh->shadow_ok_clusters);
    lk_errors_pop(decoder->errors, mark);
}

static void preset(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Membership *in,
                   struct lk_lane_filter_membership *out)
{
    static const struct lk_str lane = LK_STR_INIT("lane");
    static const struct lk_str workload = LK_STR_INIT("workload");
    bool istio = in->preset == LANEKEEPER__LANE__V1__MEMBERSHIP__PRESET__ISTIO_WORKLOAD;

    out->metadata_namespace = istio ? LK_STR("istio") : LK_STR("envoy.lb");
    out->path = istio ? &workload : &lane;
    out->path_len = 1;
    out->field = istio ? 4 : 0;
    out->separator = ';';
    out->implies_not_in_active_lane = istio;
    if (in->n_path > 0 || in->field != 0 || in->separator[0] != 0)
        lk_errors_add_at(decoder->errors, "namespace", "is missing, expected one beside path, field and separator");
}

static void own_path(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Membership *in,
                     struct lk_lane_filter_membership *out)
{
    out->metadata_namespace = lk_decode_str(decoder, in->namespace_);
    lk_decode_strs(decoder, in->n_path, in->path, &out->path);
    out->path_len = in->n_path;
    out->field = in->field;
    out->separator = in->separator[0] != 0 ? in->separator[0] : ';';
    if (in->preset != LANEKEEPER__LANE__V1__MEMBERSHIP__PRESET__ENVOY_LB)
        lk_errors_add_at(decoder->errors, "preset", "excludes a namespace, expected one of the two");
    if (in->n_path == 0)
        lk_errors_add_at(decoder->errors, "path", "is missing, expected at least one key");
    if (strlen(in->separator) > 1)
        lk_errors_add_at(decoder->errors, "separator", "'%s', expected one character", in->separator);
    if (in->separator[0] != 0 && in->field == 0)
        lk_errors_add_at(decoder->errors, "field", "is missing, expected the number of one, from 1");
}

static void membership(struct lk_decoder *decoder, const Lanekeeper__Lane__V1__Membership *in,
                       struct lk_lane_filter_membership *out)
{
    static const Lanekeeper__Lane__V1__Membership defaults = LANEKEEPER__LANE__V1__MEMBERSHIP__INIT;
    size_t mark = lk_errors_push(decoder->errors, "membership");

    in = in != NULL ? in : &defaults;
    lk_decode_enum_ok(decoder, "preset", &lanekeeper__lane__v1__membership__preset__descriptor, (int)in->preset);
    if (in->namespace_[0] != 0)
        own_path(decoder, in, out);
    else
        preset(decoder, in, out);
    out->subset_clusters = in->subset_clusters;
    lk_errors_pop(decoder->errors, mark);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void free_table(void *arg)
{
    lk_lane_table_unref(arg);
}

static void table_file(struct lk_decoder *decoder, const char *field, const char *path,
                       struct lk_lane_filter_config *out)
{
    out->table_path = lk_decode_required(decoder, field, path);
}

static void table_source(struct lk_decoder *decoder, const Envoy__Config__Core__V3__ConfigSource *in,
                         struct lk_lane_filter_config *out)
{
    const Envoy__Config__Core__V3__PathConfigSource *file = in->path_config_source;

    switch (in->config_source_specifier_case) {
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH:
        table_file(decoder, "path", in->path, out);
        break;
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH_CONFIG_SOURCE:
        table_file(decoder, "path_config_source.path", file->path, out);
        if (file->watched_directory != NULL)
            out->table_directory =
                lk_decode_required(decoder, "path_config_source.watched_directory.path", file->watched_directory->path);
        break;
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER__NOT_SET:
        lk_errors_add(decoder->errors, "no source, expected path or path_config_source");
        break;
    default:
        lk_errors_unsupported(decoder->errors, NULL,
                              "a table from a control plane is not supported yet, expected path or path_config_source");
        break;
    }
}

static void table(struct lk_decoder *decoder, const filter_proto *in, struct lk_lane_filter_config *out)
{
    size_t mark;

    out->table_name = or_default(decoder, in->table_name, "lane-table");
    out->table_path = out->table_directory = (struct lk_str){"", 0};
    if (in->table_case == LANEKEEPER__LANE__V1__LANE_FILTER__TABLE_INLINE) {
        mark = lk_errors_push(decoder->errors, "inline");
        out->inline_table = lk_decode_lane_table(in->inline_, decoder->errors);
        if (out->inline_table != NULL)
            lk_arena_on_free(decoder->arena, free_table, out->inline_table);
        lk_errors_pop(decoder->errors, mark);
    } else if (in->table_case == LANEKEEPER__LANE__V1__LANE_FILTER__TABLE_TABLE_SOURCE) {
        mark = lk_errors_push(decoder->errors, "table_source");
        table_source(decoder, in->table_source, out);
        lk_errors_pop(decoder->errors, mark);
    }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

const struct lk_lane_filter_config *lk_decode_lane_filter(struct lk_decoder *decoder, const filter_proto *in)
{
    struct lk_lane_filter_config *out = lk_arena_zalloc(decoder->arena, sizeof(*out));
    bool hidden = in->response != NULL && in->response->disabled;

    lk_decode_enum_ok(decoder, "role", &lanekeeper__lane__v1__lane_filter__role__descriptor, (int)in->role);
    out->entry = in->role == LANEKEEPER__LANE__V1__LANE_FILTER__ROLE__ENTRY;
    carriers(decoder, in->carriers, &out->carriers);
    trust(decoder, in->trust, &out->trust);
    association(decoder, in->association, &out->association);
    pod_lane(decoder, in->pod_lane, &out->pod);
    egress(decoder, in->egress, &out->egress);
    membership(decoder, in->membership, &out->membership);
    out->seed_ids = lk_decode_bool(in->seed_ids, true);
    table(decoder, in, out);
    out->stat_names =
        lk_decode_range(decoder, "stats.max_names",
                        lk_decode_u32(in->stats != NULL ? in->stats->max_names : NULL, LK_LANES_MAX), 1, LK_LANES_MAX);
    out->served_header = header_or(decoder, "response.served_header",
                                   in->response != NULL ? in->response->served_header : "", "x-lane-served");
    if (hidden)
        out->served_header = (struct lk_str){"", 0};
    return out;
}
