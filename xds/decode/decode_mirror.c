/* request_mirror_policies of routes, virtual hosts and route tables. Main thread, pure. */
#include "xds/decode/decode_route_parts.h"

#include "xds/decode/decode_common.h"
#include "xds/decode/decode_matcher.h"

typedef Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy policy_proto;

static void where_to(struct lk_decoder *decoder, const policy_proto *in, struct lk_mirror_policy *out)
{
    bool named = in->cluster[0] != '\0', by_header = in->cluster_header[0] != '\0';

    if (named == by_header)
        lk_errors_add(decoder->errors, "%s of cluster and cluster_header, expected one", named ? "both" : "none");
    if (by_header)
        lk_decode_header_name_ok(decoder, "cluster_header", in->cluster_header, true);
    out->cluster = lk_decode_str(decoder, in->cluster);
    out->cluster_header = lk_decode_lower(decoder, in->cluster_header);
}

static void policy(struct lk_decoder *decoder, const policy_proto *in, struct lk_mirror_policy *out)
{
    where_to(decoder, in, out);
    out->fraction = (struct lk_fraction){.per_million = 1000000, .denominator = 100};
    if (in->runtime_fraction != NULL)
        lk_decode_runtime_fraction(decoder, "runtime_fraction", in->runtime_fraction, &out->fraction);
    if (in->trace_sampled != NULL)
        out->sampled = in->trace_sampled->value ? LK_MIRROR_SAMPLED : LK_MIRROR_NOT_SAMPLED;
    out->keep_host = in->disable_shadow_host_suffix_append;
}

struct lk_mirror_policies lk_decode_mirrors(struct lk_decoder *decoder, size_t count, policy_proto *const *in)
{
    struct lk_mirror_policy *list = count > 0 ? lk_arena_array(decoder->arena, count, sizeof(*list)) : NULL;

    for (size_t i = 0; i < count; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "request_mirror_policies", i);

        policy(decoder, in[i], &list[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    return (struct lk_mirror_policies){list, count};
}
