"""Subsets of endpoints by metadata, chosen by routes, by headers and cookies, and for TCP."""

import collections
import json

import pytest
from client import Client
from config import bootstrap, cluster, endpoint, file_log, hcm, listener, parse_log, route
from config import tcp_proxy, to
from subsets import FALLBACK_LIST, header_to_metadata, labels, packed, panic, rule, selector
from subsets import subset_policy, subsets

LANE = selector("lane")
BY_HEADER = header_to_metadata(rule("x-lane", "lane", missing="base", remove=True))


def lanes(bench, **fields):
    """A cluster "web" of base (twice), gray and an unhealthy one called dead."""
    made = []
    for name, health in (("base-1", None), ("base-2", None), ("gray-1", None),
                         ("dead-1", "UNHEALTHY")):
        one = endpoint(bench.http(name).address, metadata=labels(lane=name[:-2]))
        if health:
            one["health_status"] = health
        made.append(one)
    return cluster("web", *made, **fields)


def start(bench, made, *routes, filters=BY_HEADER, logs=(), **options):
    manager = hcm(*(routes or [route("/", to("web"))]), filters=filters,
                  logs=[file_log(bench.log_file()), *logs])
    return bench.start(bootstrap([listener("in", manager)], [made]), **options)


def ask(client, lane=None, target="/", headers=()):
    """The name of the endpoint, or the status."""
    if lane is not None:
        headers = [("x-lane", lane), *headers]
    response = client.get(target, headers)
    return json.loads(response.text)["backend"] if response.status == 200 else response.status


def spread(proxy, lane=None, target="/", turns=12, headers=()):
    with Client(proxy.address("in")) as client:
        return dict(collections.Counter(
            ask(client, lane, target, headers) for _ in range(turns)))


EVEN_BASE = {"base-1": 6, "base-2": 6}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_header_chooses_the_subset_and_its_absence_the_default(bench, concurrency):
    made = lanes(bench, **subsets(LANE, fallback="DEFAULT_SUBSET", default={"lane": "base"}))
    proxy = start(bench, made, concurrency=concurrency)
    for _ in range(4):
        assert spread(proxy, "gray") == {"gray-1": 12}
        assert spread(proxy) == EVEN_BASE
        assert spread(proxy, "blue") == EVEN_BASE
    assert proxy.stat("cluster.web.lb_subsets_selected") == 4 * 24
    assert proxy.stat("cluster.web.lb_subsets_fallback") == 4 * 12


def test_the_header_is_removed_on_the_way_when_asked(bench):
    proxy = start(bench, lanes(bench, **subsets(LANE)))
    with Client(proxy.address("in")) as client:
        seen = json.loads(client.get("/", [("x-lane", "gray"), ("x-other", "1")]).text)
    names = [name.lower() for name, _ in seen["headers"]]
    assert "x-other" in names and "x-lane" not in names


def test_without_fallback_an_absent_subset_is_uh(bench):
    proxy = start(bench, lanes(bench, **subsets(LANE)))
    assert spread(proxy, "blue", turns=2) == {503: 2}
    assert proxy.wait_log(path="/")["flags"] == "UH"
    assert proxy.wait_log(path="/")["details"] == "no_healthy_upstream"


@pytest.mark.parametrize("percent, answer", [(0, 503), (50, "dead-1")])
def test_an_unhealthy_subset_does_not_fall_back(bench, percent, answer):
    made = lanes(bench, **panic(percent), **subsets(LANE, fallback="ANY_ENDPOINT"))
    proxy = start(bench, made)
    assert spread(proxy, "dead", turns=4) == {answer: 4}
    assert proxy.stat("cluster.web.lb_healthy_panic") == (4 if percent else 0)


@pytest.mark.parametrize("percent, dead", [(0, EVEN_BASE), (50, {"dead-1": 12})])
def test_a_list_falls_back_from_unhealthy_subsets_unless_they_panic(bench, percent, dead):
    def listed(*names):
        wanted = [{"lane": name} for name in names]
        return route({"path": "/" + "-".join(names)},
                     to("web", metadata_match=labels(fallback_list=wanted)))

    made = lanes(bench, **panic(percent), **subsets(LANE, **FALLBACK_LIST))
    proxy = start(bench, made, listed("gray", "base"), listed("blue", "base"),
                  listed("dead", "base"), listed("blue", "red"), filters=None)
    assert spread(proxy, target="/gray-base") == {"gray-1": 12}
    assert spread(proxy, target="/blue-base") == EVEN_BASE
    assert spread(proxy, target="/dead-base") == dead
    assert spread(proxy, target="/blue-red") == {503: 12}


def test_a_list_may_come_in_a_header(bench):
    rules = header_to_metadata(
        rule("x-list", "fallback_list", type="PROTOBUF_VALUE", encode="BASE64"))
    proxy = start(bench, lanes(bench, **panic(0), **subsets(LANE, **FALLBACK_LIST)), filters=rules)
    value = packed([{"lane": "dead"}, {"lane": "gray"}])
    assert spread(proxy, headers=[("x-list", value)]) == {"gray-1": 12}
    assert spread(proxy, headers=[("x-list", "!" + value)]) == {503: 12}


def test_fewer_keys_are_the_next_choice(bench):
    made = lanes(bench, **subsets(
        LANE, selector("lane", "stage", fallback="KEYS_SUBSET", fewer=["lane"])))
    rules = header_to_metadata(rule("x-lane", "lane"), rule("x-stage", "stage"))
    proxy = start(bench, made, filters=rules)
    assert spread(proxy, "gray", headers=[("x-stage", "canary")]) == {"gray-1": 12}
    assert spread(proxy, "blue", headers=[("x-stage", "canary")]) == {503: 12}


def test_filters_win_over_routes_and_weighted_clusters_over_their_action(bench):
    gray, base = labels(lane="gray"), labels(lane="base")
    weighted = {"weighted_clusters": {"clusters": [
        {"name": "web", "weight": 1, "metadata_match": gray}]}, "metadata_match": base}
    proxy = start(
        bench, lanes(bench, **subsets(LANE)),
        route({"path": "/base"}, to("web", metadata_match=base)),
        route({"path": "/weighted"}, {"route": weighted}),
        filters=header_to_metadata(rule("x-lane", "lane")))
    assert spread(proxy, target="/base") == EVEN_BASE
    assert spread(proxy, "gray", target="/base") == {"gray-1": 12}
    assert spread(proxy, target="/weighted") == {"gray-1": 12}
    assert spread(proxy, "base", target="/weighted") == EVEN_BASE


def test_a_route_has_rules_of_its_own(bench):
    own = header_to_metadata(rule("x-version", "lane"))[0]["typed_config"]
    name = "envoy.filters.http.header_to_metadata"
    proxy = start(
        bench, lanes(bench, **subsets(LANE)),
        route({"path": "/own"}, to("web"), typed_per_filter_config={name: own}),
        route("/", to("web")))
    version = [("x-version", "gray")]
    assert spread(proxy, target="/own", headers=version) == {"gray-1": 12}
    assert spread(proxy, "gray", target="/own") == {503: 12}
    assert spread(proxy, target="/", headers=version) == EVEN_BASE


def test_a_list_of_an_endpoint_counts_for_each_element(bench):
    both, one = bench.http("both"), bench.http("one")
    made = cluster(
        "web", endpoint(both.address, metadata=labels(lane=["base", "gray"])),
        endpoint(one.address, metadata=labels(lane="base")),
        **subsets(LANE, list_as_any=True))
    proxy = start(bench, made)
    assert spread(proxy, "gray") == {"both": 12}
    assert spread(proxy) == {"both": 6, "one": 6}


def test_the_policy_as_an_extension_may_ignore_further_keys(bench):
    made = lanes(bench, **subset_policy(LANE, allow_redundant_keys=True))
    proxy = start(bench, made, filters=header_to_metadata(
        rule("x-lane", "lane"), rule("x-more", "more")))
    assert spread(proxy, "gray", headers=[("x-more", "1")]) == {"gray-1": 12}


def test_what_the_filter_wrote_can_be_logged(bench):
    fields = {"lane": "%DYNAMIC_METADATA(envoy.lb:lane)%", "all": "%DYNAMIC_METADATA(envoy.lb)%"}
    log = file_log(bench.log_file("lanes.log"), "\t".join(fields.values()) + "\n")
    proxy = start(bench, lanes(bench, **subsets(LANE)), logs=[log])
    spread(proxy, "gray", turns=1)
    entry = parse_log(proxy.wait_log_lines(1, "lanes.log")[0], fields)
    assert entry == {"lane": "gray", "all": '{"lane":"gray"}'}


def test_a_retry_stays_in_the_subset(bench):
    def fail(_conn, _request):
        return b"HTTP/1.1 503 Nope\r\ncontent-length: 0\r\n\r\n"

    backends = {name: bench.http(name) for name in ("base-1", "gray-1", "gray-2")}
    backends["gray-1"].on("/", fail)
    made = cluster("web", *[
        endpoint(b.address, metadata=labels(lane=name[:-2])) for name, b in backends.items()
    ], **subsets(LANE))
    policy = {"retry_on": "5xx", "num_retries": 3}
    proxy = start(bench, made, route("/", to("web", retry_policy=policy)))
    assert spread(proxy, "gray") == {"gray-2": 12}


def test_a_connection_is_sent_to_its_subset(bench):
    def name(text):
        return lambda conn: conn.send(text)

    made = cluster("tcp", *[
        endpoint(bench.tcp(name(text)).address, metadata=labels(lane=text.decode()))
        for text in (b"base", b"gray")
    ], **subsets(LANE))
    weighted = {"clusters": [{"name": "tcp", "weight": 1, "metadata_match": labels(lane="base")}]}
    listeners = [
        listener("gray", tcp_proxy("tcp", metadata_match=labels(lane="gray"))),
        listener("blue", tcp_proxy("tcp", metadata_match=labels(lane="blue"))),
        listener("base", tcp_proxy(weighted_clusters=weighted,
                                   metadata_match=labels(lane="gray"))),
    ]
    proxy = bench.start(bootstrap(listeners, [made]))
    for lane, expected in (("gray", b"gray"), ("blue", b""), ("base", b"base")):
        for _ in range(4):
            with Client(proxy.address(lane)) as client:
                assert client.read_all() == expected
    assert proxy.stat("cluster.tcp.lb_subsets_selected") == 8


@pytest.mark.lanekeeper_only("Envoy counts them once for each thread")
def test_subsets_are_counted_once(bench):
    proxy = start(bench, lanes(bench, **subsets(LANE)), concurrency=4)
    assert proxy.stat("cluster.web.lb_subsets_active") == 3
    assert proxy.stat("cluster.web.lb_subsets_created") == 3


@pytest.mark.parametrize("fields, text", [
    (subsets(selector("lane", fallback="KEYS_SUBSET", fewer=["stage"])), "fallback_keys_subset"),
    (subsets(LANE, locality_weight_aware=True), "[Ll]ocality.weight.aware"),
])
def test_a_policy_that_cannot_work_is_refused(bench, fields, text):
    with pytest.raises(AssertionError, match=text):
        start(bench, lanes(bench, **fields))
