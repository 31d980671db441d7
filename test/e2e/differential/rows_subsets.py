"""Subsets of endpoints, the same requests on both proxies: policies, requests, and rows of both."""

import dataclasses

from config import endpoint, route, to
from subsets import FALLBACK_LIST, header_to_metadata, labels, packed, rule, selector, subset_policy
from subsets import subsets

# Endpoints by name: labels, health, priority.
ENDPOINTS = {
    "base-1": (labels(lane="base", stage="prod"), "HEALTHY", 0),
    "base-2": (labels(lane="base"), "HEALTHY", 0),
    "gray-1": (labels(lane="gray"), "HEALTHY", 0),
    "gray-2": (labels(lane="gray", stage="canary"), "HEALTHY", 0),
    "dead-1": (labels(lane="dead"), "UNHEALTHY", 0),
    "dead-2": (labels(lane="dead", stage="canary"), "UNHEALTHY", 0),
    "half-1": (labels(lane="half"), "HEALTHY", 0),
    "half-2": (labels(lane="half"), "UNHEALTHY", 0),
    "half-3": (labels(lane="half"), "UNHEALTHY", 0),
    "weak-1": (labels(lane="weak"), "DEGRADED", 0),
    "weak-2": (labels(lane="weak"), "UNHEALTHY", 0),
    "two-1": (labels(lane="two"), "UNHEALTHY", 0),
    "two-2": (labels(lane="two"), "HEALTHY", 1),
    "list-1": (labels(lane=["gray", "red"]), "HEALTHY", 0),
    "number": (labels(lane=1), "HEALTHY", 0),
    "none-1": (None, "HEALTHY", 0),
}

LANE = selector("lane")
POLICIES = {
    "no": subsets(LANE),
    "any": subsets(LANE, fallback="ANY_ENDPOINT"),
    "default": subsets(LANE, fallback="DEFAULT_SUBSET", default={"lane": "base"}),
    "default-none": subsets(LANE, fallback="DEFAULT_SUBSET", default={"lane": "nobody"}),
    "default-dead": subsets(LANE, fallback="DEFAULT_SUBSET", default={"lane": "dead"}),
    "default-all": subsets(LANE, fallback="DEFAULT_SUBSET"),
    "default-number": subsets(LANE, fallback="DEFAULT_SUBSET", default={"lane": 1}),
    "default-list": subsets(
        LANE, fallback="DEFAULT_SUBSET", default={"lane": "red"}, list_as_any=True),
    "panic-any": subsets(
        LANE, fallback="DEFAULT_SUBSET", default={"lane": "nobody"}, panic_mode_any=True),
    "panic-any-dead": subsets(
        LANE, fallback="DEFAULT_SUBSET", default={"lane": "dead"}, panic_mode_any=True),
    "panic-no": subsets(LANE, panic_mode_any=True),
    "no-selectors": subsets(fallback="DEFAULT_SUBSET", default={"lane": "gray"}),
    "keys": subsets(
        LANE, selector("lane", "stage", fallback="KEYS_SUBSET", fewer=["lane"]),
        fallback="ANY_ENDPOINT"),
    "keys-no": subsets(
        selector("lane", fallback="NO_FALLBACK"),
        selector("lane", "stage", fallback="KEYS_SUBSET", fewer=["lane"]),
        fallback="ANY_ENDPOINT"),
    "keys-first": subsets(
        selector("lane", "stage", fallback="KEYS_SUBSET", fewer=["lane"]),
        selector("lane", fallback="NO_FALLBACK"), fallback="ANY_ENDPOINT"),
    "keys-nobody": subsets(
        selector("stage", "lane", fallback="KEYS_SUBSET", fewer=["stage"]),
        fallback="DEFAULT_SUBSET", default={"lane": "base"}),
    "own": subsets(
        selector("lane", fallback="DEFAULT_SUBSET"),
        selector("stage", fallback="ANY_ENDPOINT"),
        selector("lane", "stage", fallback="NO_FALLBACK"), default={"lane": "base"}),
    "twice": subsets(
        selector("lane", fallback="NO_FALLBACK"), selector("lane", fallback="ANY_ENDPOINT"),
        fallback="ANY_ENDPOINT"),
    "single": subsets(selector("lane", single_host_per_subset=True), fallback="ANY_ENDPOINT"),
    "list": subsets(LANE, **FALLBACK_LIST),
    "list-any": subsets(LANE, fallback="ANY_ENDPOINT", **FALLBACK_LIST),
    "list-default": subsets(
        LANE, fallback="DEFAULT_SUBSET", default={"lane": "base"}, **FALLBACK_LIST),
    "list-keys": subsets(
        LANE, selector("lane", "stage", fallback="KEYS_SUBSET", fewer=["lane"]), **FALLBACK_LIST),
    "redundant": subset_policy(
        selector("lane", "stage", fallback="NO_FALLBACK"), LANE, fallback="ANY_ENDPOINT",
        allow_redundant_keys=True),
    "extension": subset_policy(LANE, fallback="ANY_ENDPOINT"),
    "extension-bare": subset_policy(fallback="DEFAULT_SUBSET", default_subset={"lane": "base"}),
}
PANIC = (0, 50)


@dataclasses.dataclass
class Ask:
    """headers of the request; path of the route below that of the cluster."""

    headers: dict
    path: str = ""


GRAY_BASE = [{"lane": "gray"}, {"lane": "base"}]
ASKS = {
    "nothing": Ask({}),
    **{lane: Ask({"x-lane": lane})
       for lane in ("base", "gray", "dead", "half", "weak", "two", "red", "blue", "1")},
    "empty": Ask({"x-lane": ""}),
    "number": Ask({"x-number": "1.0"}),
    "lane-stage": Ask({"x-lane": "gray", "x-stage": "canary"}),
    "lane-stage-dead": Ask({"x-lane": "dead", "x-stage": "canary"}),
    "lane-other-stage": Ask({"x-lane": "gray", "x-stage": "nowhere"}),
    "other-lane-stage": Ask({"x-lane": "blue", "x-stage": "canary"}),
    "stage": Ask({"x-stage": "canary"}),
    "other-key": Ask({"x-lane": "gray", "x-other": "1"}),
    "route": Ask({}, "/base"),
    "route-and-header": Ask({"x-lane": "gray"}, "/base"),
    "route-and-stage": Ask({"x-stage": "prod"}, "/base"),
    "weighted": Ask({}, "/weighted"),
    "weighted-and-header": Ask({"x-lane": "dead"}, "/weighted"),
    "route-list": Ask({}, "/list"),
    "route-list-and-header": Ask({"x-lane": "gray"}, "/list"),
    "list": Ask({"x-list": packed(GRAY_BASE)}),
    "list-dead-first": Ask({"x-list": packed([{"lane": "dead"}, {"lane": "base"}])}),
    "list-half-first": Ask({"x-list": packed([{"lane": "half"}, {"lane": "base"}])}),
    "list-absent-first": Ask({"x-list": packed([{"lane": "blue"}, {"lane": "base"}])}),
    "list-absent": Ask({"x-list": packed([{"lane": "blue"}])}),
    "list-over-lane": Ask({"x-lane": "gray", "x-list": packed([{"lane": "blue"}])}),
    "list-over-stage": Ask({"x-stage": "canary", "x-list": packed(GRAY_BASE)}),
    "list-empty": Ask({"x-lane": "gray", "x-list": packed([])}),
    "list-of-texts": Ask({"x-lane": "gray", "x-list": packed(["blue", "base"])}),
    "list-none": Ask({"x-lane": "gray", "x-list": packed("blue")}),
    "list-garbage": Ask({"x-lane": "gray", "x-list": "AAAA"}),
    "list-no-base64": Ask({"x-lane": "gray", "x-list": "***"}),
    "cookie": Ask({"cookie": 'a=b; lane="gray"; lane=base'}),
    "rewritten": Ask({"x-path": "/gray/x"}),
}


# What the panic threshold has a say in.
ABOUT_HEALTH = (
    "nothing", "gray", "dead", "half", "weak", "two", "blue", "lane-stage-dead", "other-lane-stage",
    "weighted-and-header", "list-dead-first", "list-half-first", "list-absent")


def asked(policy, percent):
    """The names of the requests of a policy: lists mean something to few."""
    lists = policy.startswith("list") or policy == "no"
    names = ASKS if percent == 0 else ABOUT_HEALTH
    return [name for name in names if lists or not name.startswith("list")]


def cluster_name(policy, percent):
    return f"{policy}-{percent}"


def members(addresses):
    """lb_endpoints by priority, out of the address of each endpoint's backend."""
    groups = {}
    for name, (metadata, health, priority) in ENDPOINTS.items():
        made = endpoint(addresses[name], health_status=health)
        if metadata:
            made["metadata"] = metadata
        groups.setdefault(priority, []).append(made)
    return [{"priority": p, "lb_endpoints": group} for p, group in groups.items()]


def routes(policies=POLICIES):
    for policy in policies:
        for percent in PANIC:
            name = cluster_name(policy, percent)
            inner = {"clusters": [
                {"name": name, "weight": 1, "metadata_match": labels(lane="gray")}]}
            listed = labels(fallback_list=GRAY_BASE)
            base = labels(lane="base")
            yield route({"path": f"/{name}/base"}, to(name, metadata_match=base))
            yield route({"path": f"/{name}/list"}, to(name, metadata_match=listed))
            weighted = {"weighted_clusters": inner,
                        "metadata_match": labels(lane="base", stage="canary")}
            yield route({"path": f"/{name}/weighted"}, {"route": weighted})
            yield route({"path": f"/{name}"}, to(name))


def filters():
    return header_to_metadata(
        rule("x-path", "lane", regex_value_rewrite={
            "pattern": {"regex": "^/([a-z]+)/.*$"}, "substitution": "\\1"}),
        {"cookie": "lane", "on_header_present": {
            "metadata_namespace": "envoy.lb", "key": "lane"}},
        rule("x-lane", "lane"),
        rule("x-number", "lane", type="NUMBER"),
        rule("x-stage", "stage"),
        rule("x-other", "other"),
        rule("x-list", "fallback_list", type="PROTOBUF_VALUE", encode="BASE64"),
        stat_prefix="subsets",
    )
