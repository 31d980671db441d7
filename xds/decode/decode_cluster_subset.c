/* Subsets of a cluster's endpoints (lb_subset_config). Main thread. */
#include "xds/decode/decode_cluster_parts.h"

#include "proxy/base/mem.h"
#include "xds/decode/decode_metadata.h"

#include <string.h>

typedef Envoy__Config__Cluster__V3__Cluster__LbSubsetConfig config_proto;
typedef Envoy__Config__Cluster__V3__Cluster__LbSubsetConfig__LbSubsetSelector selector_proto;

#define FALLBACKS envoy__config__cluster__v3__cluster__lb_subset_config__lb_subset_fallback_policy__descriptor
#define METADATA_FALLBACKS                                                                                             \
    envoy__config__cluster__v3__cluster__lb_subset_config__lb_subset_metadata_fallback_policy__descriptor
#define SELECTOR_FALLBACKS                                                                                             \
    envoy__config__cluster__v3__cluster__lb_subset_config__lb_subset_selector__lb_subset_selector_fallback_policy__descriptor
#define LIST ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_SUBSET_CONFIG__LB_SUBSET_METADATA_FALLBACK_POLICY__FALLBACK_LIST

/* Envoy's numbers, in their order. */
static const enum lk_subset_fallback whole_fallbacks[] = {LK_SUBSET_NO_FALLBACK, LK_SUBSET_ANY_ENDPOINT,
                                                          LK_SUBSET_DEFAULT};
static const enum lk_subset_fallback selector_fallbacks[] = {LK_SUBSET_NOT_DEFINED, LK_SUBSET_NO_FALLBACK,
                                                             LK_SUBSET_ANY_ENDPOINT, LK_SUBSET_DEFAULT, LK_SUBSET_KEYS};

/* A set: sorted, each key once. */
static size_t decode_keys(struct lk_decoder *decoder, const char *field, size_t count, char *const *in,
                          const struct lk_str **out)
{
    struct lk_str *keys = lk_arena_array(decoder->arena, count + 1, sizeof(*keys));
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        struct lk_str key = lk_decode_str(decoder, in[i]);
        size_t at = used;

        while (at > 0 && lk_str_cmp(keys[at - 1], key) > 0)
            at--;
        if (at > 0 && lk_str_eq(keys[at - 1], key))
            continue;
        memmove(keys + at + 1, keys + at, (used - at) * sizeof(*keys));
        keys[at] = key;
        used++;
    }
    if (used > LK_SUBSET_KEYS_MAX)
        lk_errors_add_at(decoder->errors, field, "at most %u keys are supported, not %zu", LK_SUBSET_KEYS_MAX, used);
    *out = keys;
    return used;
}

static void check_fallback_keys(struct lk_decoder *decoder, const struct lk_subset_selector *selector)
{
    size_t found = 0;

    for (size_t i = 0; i < selector->key_count && found < selector->fallback_key_count; i++)
        found += lk_str_eq(selector->keys[i], selector->fallback_keys[found]);
    if (selector->fallback != LK_SUBSET_KEYS) {
        if (selector->fallback_key_count > 0)
            lk_errors_add_at(decoder->errors, "fallback_keys_subset", "is for fallback_policy KEYS_SUBSET only");
    } else if (selector->fallback_key_count == 0) {
        lk_errors_add_at(decoder->errors, "fallback_keys_subset", "is required with fallback_policy KEYS_SUBSET");
    } else if (found < selector->fallback_key_count) {
        lk_errors_add_at(decoder->errors, "fallback_keys_subset", "must be some of the keys");
    } else if (selector->fallback_key_count == selector->key_count) {
        lk_errors_add_at(decoder->errors, "fallback_keys_subset", "must not be all of the keys");
    }
}

static void decode_selector(struct lk_decoder *decoder, const selector_proto *in, struct lk_subset_selector *out)
{
    out->key_count = decode_keys(decoder, "keys", in->n_keys, in->keys, &out->keys);
    if (lk_decode_enum_ok(decoder, "fallback_policy", &SELECTOR_FALLBACKS, (int)in->fallback_policy))
        out->fallback = selector_fallbacks[in->fallback_policy];
    out->fallback_key_count = decode_keys(decoder, "fallback_keys_subset", in->n_fallback_keys_subset,
                                          in->fallback_keys_subset, &out->fallback_keys);
    out->single_host = in->single_host_per_subset;
    check_fallback_keys(decoder, out);
}

static void decode_default(struct lk_decoder *decoder, const Google__Protobuf__Struct *in, struct lk_subset_config *out)
{
    struct lk_value object = {.kind = LK_VALUE_OBJECT};

    if (in != NULL)
        lk_decode_struct(decoder, in, &object);
    out->default_subset = lk_match_criteria_merge(decoder->arena, NULL, &object);
    if (out->default_subset->count > LK_SUBSET_KEYS_MAX)
        lk_errors_add_at(decoder->errors, "default_subset", "at most %u keys are supported, not %zu",
                         LK_SUBSET_KEYS_MAX, out->default_subset->count);
}

static struct lk_subset_config *decode_config(struct lk_decoder *decoder, const config_proto *in)
{
    struct lk_subset_config *config = lk_arena_zalloc(decoder->arena, sizeof(*config));
    struct lk_subset_selector *selectors =
        lk_arena_array(decoder->arena, in->n_subset_selectors + 1, sizeof(*selectors));

    if (lk_decode_enum_ok(decoder, "fallback_policy", &FALLBACKS, (int)in->fallback_policy))
        config->fallback = whole_fallbacks[in->fallback_policy];
    lk_decode_enum_ok(decoder, "metadata_fallback_policy", &METADATA_FALLBACKS, (int)in->metadata_fallback_policy);
    config->fallback_list = in->metadata_fallback_policy == LIST;
    config->panic_mode_any = in->panic_mode_any;
    config->list_as_any = in->list_as_any;
    decode_default(decoder, in->default_subset, config);
    for (size_t i = 0; i < in->n_subset_selectors; i++) {
        size_t mark = lk_errors_push_index(decoder->errors, "subset_selectors", i);

        decode_selector(decoder, in->subset_selectors[i], &selectors[i]);
        lk_errors_pop(decoder->errors, mark);
    }
    config->selectors = selectors;
    config->selector_count = in->n_subset_selectors;
    return config;
}

void lk_decode_subset_config(struct lk_decoder *decoder, const config_proto *in, struct lk_cluster_config *out)
{
    const struct lk_subset_config *config = decode_config(decoder, in);

    if (config->selector_count > 0)
        out->subsets = config;
}

/* The two messages have the same fields, but types of their own. */
void lk_decode_subset_policy(struct lk_decoder *decoder,
                             const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *in,
                             struct lk_cluster_config *out)
{
    config_proto same = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_SUBSET_CONFIG__INIT;
    size_t count = in->n_subset_selectors;
    selector_proto *selectors = lk_arena_array(&decoder->scratch, count + 1, sizeof(*selectors));
    selector_proto **list = lk_arena_array(&decoder->scratch, count + 1, sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        selectors[i] = (selector_proto)ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_SUBSET_CONFIG__LB_SUBSET_SELECTOR__INIT;
        selectors[i].n_keys = in->subset_selectors[i]->n_keys;
        selectors[i].keys = in->subset_selectors[i]->keys;
        selectors[i].fallback_policy = (int)in->subset_selectors[i]->fallback_policy;
        selectors[i].n_fallback_keys_subset = in->subset_selectors[i]->n_fallback_keys_subset;
        selectors[i].fallback_keys_subset = in->subset_selectors[i]->fallback_keys_subset;
        selectors[i].single_host_per_subset = in->subset_selectors[i]->single_host_per_subset;
        list[i] = &selectors[i];
    }
    same.fallback_policy = (int)in->fallback_policy;
    same.default_subset = in->default_subset;
    same.n_subset_selectors = count;
    same.subset_selectors = list;
    same.panic_mode_any = in->panic_mode_any;
    same.list_as_any = in->list_as_any;
    same.metadata_fallback_policy = (int)in->metadata_fallback_policy;
    struct lk_subset_config *config = decode_config(decoder, &same);

    config->allow_redundant_keys = in->allow_redundant_keys;
    out->subsets = config;
}
