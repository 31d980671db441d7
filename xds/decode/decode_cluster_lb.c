/* The balancing of a cluster: lb_policy, its options, and typed load_balancing_policy. Main thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_common.h"

#include "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.pb-c.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb-c.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb-c.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb-c.h"

#define PANIC_DEFAULT 50
#define CHOICES_DEFAULT 2

static void least_request(struct lk_decoder *decoder, const Google__Protobuf__UInt32Value *choices,
                          const Envoy__Config__Core__V3__RuntimeDouble *bias, struct lk_cluster_config *out)
{
    if (choices != NULL) {
        out->least_request_choices = choices->value;
        if (choices->value < 2)
            lk_errors_add_at(decoder->errors, "choice_count", "must be at least 2");
    }
    if (bias != NULL) {
        out->least_request_active_bias = bias->default_value;
        if (!(bias->default_value >= 0))
            lk_errors_add_at(decoder->errors, "active_request_bias", "must not be negative");
    }
}

static void typed_policies(struct lk_decoder *decoder, const char *field,
                           const Envoy__Config__Cluster__V3__LoadBalancingPolicy *in, struct lk_cluster_config *out);

static void subset_policy(struct lk_decoder *decoder, const Google__Protobuf__Any *any, struct lk_cluster_config *out)
{
    const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *in = lk_decode_unpack(decoder, any);

    if (out->subsets != NULL)
        lk_errors_unsupported(decoder->errors, NULL, "subsets of subsets are not supported");
    else if (in != NULL)
        lk_decode_subset_policy(decoder, in, out);
    if (in == NULL || out->subsets == NULL)
        return;
    if (in->subset_lb_policy == NULL)
        lk_errors_add_at(decoder->errors, "subset_lb_policy", "is required");
    else
        typed_policies(decoder, "subset_lb_policy", in->subset_lb_policy, out);
}

/* Whether the policy is built; then its options are taken over. */
static bool typed_policy(struct lk_decoder *decoder, const Google__Protobuf__Any *any, struct lk_cluster_config *out)
{
    if (lk_any_is(any, &envoy__extensions__load_balancing_policies__round_robin__v3__round_robin__descriptor)) {
        lk_decode_unpack(decoder, any); /* for its mistakes */
        out->lb = LK_LB_ROUND_ROBIN;
        return true;
    }
    if (lk_any_is(any, &envoy__extensions__load_balancing_policies__least_request__v3__least_request__descriptor)) {
        const Envoy__Extensions__LoadBalancingPolicies__LeastRequest__V3__LeastRequest *in =
            lk_decode_unpack(decoder, any);

        out->lb = LK_LB_LEAST_REQUEST;
        if (in != NULL)
            least_request(decoder, in->choice_count, in->active_request_bias, out);
        return true;
    }
    if (lk_any_is(any, &envoy__extensions__load_balancing_policies__random__v3__random__descriptor)) {
        lk_decode_unpack(decoder, any);
        out->lb = LK_LB_RANDOM;
        return true;
    }
    if (lk_any_is(any,
                  &envoy__extensions__load_balancing_policies__cluster_provided__v3__cluster_provided__descriptor)) {
        out->lb = LK_LB_CLUSTER_PROVIDED;
        return true;
    }
    if (lk_any_is(any, &envoy__extensions__load_balancing_policies__subset__v3__subset__descriptor)) {
        subset_policy(decoder, any, out);
        return true;
    }
    return false;
}

/* The first policy that is built wins. */
static void typed_policies(struct lk_decoder *decoder, const char *field,
                           const Envoy__Config__Cluster__V3__LoadBalancingPolicy *in, struct lk_cluster_config *out)
{
    const char *first = "";
    size_t mark = lk_errors_push(decoder->errors, field);
    bool found = false;

    for (size_t i = 0; i < in->n_policies && !found; i++) {
        const Envoy__Config__Core__V3__TypedExtensionConfig *extension = in->policies[i]->typed_extension_config;
        size_t at = lk_errors_push_index(decoder->errors, "policies", i);

        lk_errors_push(decoder->errors, "typed_extension_config");
        if (extension == NULL || extension->typed_config == NULL)
            lk_errors_add_at(decoder->errors, "typed_config", "is required");
        else
            found = typed_policy(decoder, extension->typed_config, out);
        if (extension != NULL && first[0] == 0)
            first = extension->name;
        lk_errors_pop(decoder->errors, at);
    }
    if (in->n_policies == 0)
        lk_errors_add_at(decoder->errors, "policies", "must not be empty");
    else if (!found)
        lk_errors_unsupported(decoder->errors, "policies", "no supported load balancing policy (the first is '%s')",
                              first);
    lk_errors_pop(decoder->errors, mark);
}

static void enum_policy(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                        struct lk_cluster_config *out)
{
    switch (in->lb_policy) {
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__ROUND_ROBIN:
        out->lb = LK_LB_ROUND_ROBIN;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LEAST_REQUEST:
        out->lb = LK_LB_LEAST_REQUEST;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RANDOM:
        out->lb = LK_LB_RANDOM;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__CLUSTER_PROVIDED:
        out->lb = LK_LB_CLUSTER_PROVIDED;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RING_HASH:
        lk_errors_unsupported(decoder->errors, "lb_policy", "RING_HASH is not supported");
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__MAGLEV:
        lk_errors_unsupported(decoder->errors, "lb_policy", "MAGLEV is not supported");
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LOAD_BALANCING_POLICY_CONFIG:
        lk_errors_add_at(decoder->errors, "load_balancing_policy", "is required with LOAD_BALANCING_POLICY_CONFIG");
        break;
    default:
        lk_decode_enum_ok(decoder, "lb_policy", &envoy__config__cluster__v3__cluster__lb_policy__descriptor,
                          (int)in->lb_policy);
        break;
    }
}

static void common(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster__CommonLbConfig *in,
                   struct lk_cluster_config *out)
{
    double percent = PANIC_DEFAULT;

    if (in != NULL) {
        percent = lk_decode_percent(decoder, "common_lb_config.healthy_panic_threshold", in->healthy_panic_threshold,
                                    PANIC_DEFAULT);
        out->ignore_new_hosts = in->ignore_new_hosts_until_first_hc;
    }
    out->panic_percent = percent >= 0 && percent <= 100 ? (uint32_t)(percent + 0.5) : PANIC_DEFAULT;
}

/* The host of an ORIGINAL_DST cluster is the connection's destination: nothing is balanced, and nowhere else. */
static void check_provided(struct lk_decoder *decoder, struct lk_cluster_config *out)
{
    bool provided = out->lb == LK_LB_CLUSTER_PROVIDED;

    if (out->type == LK_CLUSTER_ORIGINAL_DST && !provided)
        lk_errors_add_at(decoder->errors, "lb_policy", "an ORIGINAL_DST cluster needs CLUSTER_PROVIDED");
    if (out->type != LK_CLUSTER_ORIGINAL_DST && provided)
        lk_errors_add_at(decoder->errors, "lb_policy", "CLUSTER_PROVIDED is for ORIGINAL_DST clusters only");
}

static void legacy_subsets(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                           struct lk_cluster_config *out)
{
    if (in->lb_subset_config == NULL)
        return;
    if (in->load_balancing_policy != NULL)
        lk_errors_add_at(decoder->errors, "lb_subset_config", "cannot be combined with load_balancing_policy");
    size_t mark = lk_errors_push(decoder->errors, "lb_subset_config");

    lk_decode_subset_config(decoder, in->lb_subset_config, out);
    lk_errors_pop(decoder->errors, mark);
}

void lk_decode_cluster_lb(struct lk_decoder *decoder, const Envoy__Config__Cluster__V3__Cluster *in,
                          struct lk_cluster_config *out)
{
    size_t mark;

    out->least_request_choices = CHOICES_DEFAULT;
    out->least_request_active_bias = 1.0;
    common(decoder, in->common_lb_config, out);
    if (in->load_balancing_policy != NULL) {
        typed_policies(decoder, "load_balancing_policy", in->load_balancing_policy, out);
    } else {
        enum_policy(decoder, in, out);
        if (in->lb_config_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_LEAST_REQUEST_LB_CONFIG) {
            mark = lk_errors_push(decoder->errors, "least_request_lb_config");
            least_request(decoder, in->least_request_lb_config->choice_count,
                          in->least_request_lb_config->active_request_bias, out);
            lk_errors_pop(decoder->errors, mark);
        }
    }
    check_provided(decoder, out);
    legacy_subsets(decoder, in, out);
    if (out->subsets != NULL && out->lb == LK_LB_CLUSTER_PROVIDED)
        lk_errors_add_at(decoder->errors, "lb_policy", "CLUSTER_PROVIDED cannot be combined with subsets");
}
