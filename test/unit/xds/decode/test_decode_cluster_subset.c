/* Subsets of a cluster's endpoints: as lb_subset_config and as a load balancing policy. */
#include "test/support/decode_fixture.h"
#include "test/support/lk_test.h"

#include "xds/decode/decode_cluster.h"

#define SUBSET "'@type': type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset"
#define RANDOM "'@type': type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random"

static struct lk_decode_fixture fixture;

static const struct lk_cluster_config *decode(const char *fields)
{
    static char yaml[4096];

    snprintf(yaml, sizeof(yaml), "{name: c, %s}", fields);
    lk_decode_fixture_init(&fixture);
    return lk_decode_cluster(
        &fixture.decoder, lk_decode_fixture_message(&fixture, &envoy__config__cluster__v3__cluster__descriptor, yaml));
}

static void end(void)
{
    lk_decode_fixture_fini(&fixture);
}

static void mistake(const char *fields, const char *path, const char *part)
{
    decode(fields);
    lk_decode_fixture_mistake(&fixture, path, part);
    end();
}

LK_TEST(decode_subset, reads_every_field)
{
    const struct lk_subset_config *subsets =
        decode("lb_subset_config: {fallback_policy: DEFAULT_SUBSET, default_subset: {stage: prod, lane: base}, "
               "panic_mode_any: true, list_as_any: true, metadata_fallback_policy: FALLBACK_LIST, subset_selectors: "
               "[{keys: [stage, lane, stage], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [stage]}, {keys: "
               "[lane], fallback_policy: NO_FALLBACK, single_host_per_subset: true}, {keys: [x], fallback_policy: "
               "ANY_ENDPOINT}, {keys: [w], fallback_policy: DEFAULT_SUBSET}, {keys: [z]}]}")
            ->subsets;

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(subsets->fallback, LK_SUBSET_DEFAULT);
    LK_CHECK_EQ_UINT(subsets->default_subset->count, 2);
    LK_CHECK_LKSTR(subsets->default_subset->items[0].name, "lane");
    LK_CHECK(subsets->panic_mode_any && subsets->list_as_any && subsets->fallback_list);
    LK_CHECK(!subsets->allow_redundant_keys);
    LK_CHECK_EQ_UINT(subsets->selector_count, 5);
    LK_CHECK_EQ_UINT(subsets->selectors[0].key_count, 2);
    LK_CHECK_LKSTR(subsets->selectors[0].keys[0], "lane");
    LK_CHECK_LKSTR(subsets->selectors[0].keys[1], "stage");
    LK_CHECK_LKSTR(subsets->selectors[0].fallback_keys[0], "stage");
    LK_CHECK_EQ_INT(subsets->selectors[0].fallback, LK_SUBSET_KEYS);
    LK_CHECK(subsets->selectors[1].single_host);
    LK_CHECK_EQ_INT(subsets->selectors[1].fallback, LK_SUBSET_NO_FALLBACK);
    LK_CHECK_EQ_INT(subsets->selectors[2].fallback, LK_SUBSET_ANY_ENDPOINT);
    LK_CHECK_EQ_INT(subsets->selectors[3].fallback, LK_SUBSET_DEFAULT);
    LK_CHECK_EQ_INT(subsets->selectors[4].fallback, LK_SUBSET_NOT_DEFINED);
    end();
}

LK_TEST(decode_subset, without_selectors_it_means_nothing)
{
    LK_CHECK_NULL(decode("lb_subset_config: {fallback_policy: ANY_ENDPOINT}")->subsets);
    lk_decode_fixture_clean(&fixture);
    end();
    LK_CHECK_NULL(decode("lb_policy: RANDOM")->subsets);
    end();
}

LK_TEST(decode_subset, reads_the_policy_as_an_extension)
{
    const struct lk_cluster_config *config =
        decode("load_balancing_policy: {policies: [{typed_extension_config: {name: s, typed_config: {" SUBSET
               ", fallback_policy: ANY_ENDPOINT, allow_redundant_keys: true, subset_selectors: [{keys: [b, a], "
               "fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}], subset_lb_policy: {policies: "
               "[{typed_extension_config: {name: r, typed_config: {" RANDOM "}}}]}}}}]}");

    lk_decode_fixture_clean(&fixture);
    LK_CHECK_EQ_INT(config->lb, LK_LB_RANDOM);
    LK_CHECK_EQ_INT(config->subsets->fallback, LK_SUBSET_ANY_ENDPOINT);
    LK_CHECK(config->subsets->allow_redundant_keys);
    LK_CHECK_LKSTR(config->subsets->selectors[0].keys[0], "a");
    LK_CHECK_LKSTR(config->subsets->selectors[0].fallback_keys[0], "a");
    end();
}

LK_TEST(decode_subset, names_mistakes)
{
    const char *path = "lb_subset_config.subset_selectors[0].fallback_keys_subset";

    mistake("lb_subset_config: {subset_selectors: [{keys: [a], fallback_keys_subset: [a]}]}", path, "KEYS_SUBSET only");
    mistake("lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET}]}", path, "is required");
    mistake("lb_subset_config: {subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: "
            "[c]}]}",
            path, "some of the keys");
    mistake("lb_subset_config: {subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: "
            "[b, a]}]}",
            path, "all of the keys");
    mistake("lb_subset_config: {subset_selectors: [{keys: [a, b, c, d, e, f, g, h, i, j, k, l, m, n0, o, p, q]}]}",
            "lb_subset_config.subset_selectors[0].keys", "at most 16");
    mistake("type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, lb_subset_config: {subset_selectors: [{keys: [a]}]}",
            "lb_policy", "cannot be combined with subsets");
    mistake("lb_subset_config: {subset_selectors: [{keys: [a]}]}, load_balancing_policy: {policies: "
            "[{typed_extension_config: {name: r, typed_config: {" RANDOM "}}}]}",
            "lb_subset_config", "cannot be combined with load_balancing_policy");
    mistake("load_balancing_policy: {policies: [{typed_extension_config: {name: s, typed_config: {" SUBSET "}}}]}",
            "load_balancing_policy.policies[0].typed_extension_config.subset_lb_policy", "is required");
    mistake("load_balancing_policy: {policies: [{typed_extension_config: {name: s, typed_config: {" SUBSET
            ", subset_lb_policy: {policies: [{typed_extension_config: {name: t, typed_config: {" SUBSET "}}}]}}}}]}",
            "load_balancing_policy.policies[0].typed_extension_config.subset_lb_policy.policies[0]."
            "typed_extension_config",
            "subsets of subsets");
}
