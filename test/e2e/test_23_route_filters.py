"""Filters by route: which configuration of a filter holds, and whether the filter runs at all."""

import pytest
from client import Client
from config import ROUTER, bootstrap, cluster, hcm, listener, route, to, vhost
from subsets import HEADER_TO_METADATA, rule

FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"


def writes(value, key="who"):
    """Configuration that notes a value for every request."""
    return {"@type": HEADER_TO_METADATA,
            "request_rules": [rule("x-never", key, missing=value, namespace="seen", value="-")]}


def switched(**fields):
    return {"@type": FILTER_CONFIG, **fields}


def weighted(**per_filter):
    clusters = [{"name": "web", "weight": 1, "typed_per_filter_config": per_filter}]
    return {"route": {"weighted_clusters": {"clusters": clusters}}}


# path: (action, typed_per_filter_config of the route)
ROUTES = {
    "/plain": (to("web"), {}),
    "/route": (to("web"), {"on": writes("route")}),
    "/weighted": (weighted(on=writes("weighted")), {"on": writes("route")}),
    "/switched-off": (to("web"), {"on": switched(disabled=True)}),
    "/switched-on": (to("web"), {"off": switched(config={})}),
    "/configured-on": (to("web"), {"off": writes("configured", key="other")}),
    "/wrapped": (to("web"), {"on": switched(config=writes("wrapped"))}),
}

# path: what the two filters noted
EXPECTED = {
    "/plain": "vhost/",
    "/route": "route/",
    "/weighted": "weighted/",
    "/switched-off": "/",
    "/switched-on": "vhost/late",
    "/configured-on": "vhost/configured",
    "/wrapped": "wrapped/",
}


@pytest.fixture(scope="module")
def answers(shared_bench):
    backend = shared_bench.http()
    noted = "%DYNAMIC_METADATA(seen:who)%/%DYNAMIC_METADATA(seen:other)%"
    seen = {"header": {"key": "x-seen", "value": noted}}
    routes = [route(path, action, typed_per_filter_config=own)
              for path, (action, own) in ROUTES.items()]
    host = vhost("all", ["*"], *routes, response_headers_to_add=[seen],
                 typed_per_filter_config={"on": writes("vhost")})
    filters = [
        {"name": "on", "typed_config": writes("listener")},
        {"name": "off", "disabled": True, "typed_config": writes("late", key="other")},
        {"name": "router", "typed_config": {"@type": ROUTER}},
    ]
    proxy = shared_bench.start(bootstrap(
        [listener("in", hcm(vhosts=[host], filters=filters))], [cluster("web", backend.address)]))
    with Client(proxy.address("in")) as client:
        return {path: client.get(path).headers.get("x-seen") for path in ROUTES}


@pytest.mark.parametrize("path", ROUTES)
def test_most_specific_configuration_holds_and_routes_switch_filters(answers, path):
    assert answers[path] == EXPECTED[path]
