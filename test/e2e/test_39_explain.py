"""POST /explain: every part of the answer, and that asking changes nothing."""

import base64
import json
import threading

import pytest
from backend import answer
from client import Client, fetch, wait_for
from config import (
    ORIGINAL_DST,
    bootstrap,
    chain,
    cluster,
    direct,
    endpoint,
    hcm,
    http_inspector,
    listener,
    route,
    tcp_proxy,
    to,
    vhost,
)
from explain import counted, explain, post, quiet
from subsets import HEADER_TO_METADATA, header_to_metadata, labels, rule, selector, subsets

pytestmark = pytest.mark.lanekeeper_only("/explain is our own")


# Listener and chain.


def redirected(name, **fields):
    return listener(name, tcp_proxy("pass"), use_original_dst=True, listener_filters=[{
        "name": "envoy.filters.listener.original_dst", "typed_config": {"@type": ORIGINAL_DST}}],
        **fields)


def behind(name, where, text):
    return listener(name, hcm(route("/", direct(200, text))), at=where, bind_to_port=False)


@pytest.fixture(scope="module")
def sidecar(shared_bench):
    def named(name, match):
        return chain(hcm(route("/", direct(200, name))), match=match, name=name)

    chains = [
        named("port", {"destination_port": 81}),
        named("near", {"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}]}),
        named("far", {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}),
        named("tls", {"transport_protocol": "tls", "server_names": ["a.example"]}),
        named("h1", {"application_protocols": ["http/1.1"]}),
        named("local", {"source_prefix_ranges": [{"address_prefix": "10.2.3.4",
                                                  "prefix_len": 32}]}),
    ]
    proxy = shared_bench.start(bootstrap([
        redirected("virtual"),
        behind("exact", ("10.0.0.1", 80), "exact"),
        behind("wild", ("0.0.0.0", 80), "wild"),
        behind("other", ("0.0.0.0", 90), "other"),
        listener("chains", chains=chains, listener_filters=[http_inspector()],
                 default_filter_chain={**named("default", None)}),
        listener("none", chains=chains[:1]),
        listener("web", hcm(route("/", direct(200, "web")))),
    ], [cluster("pass", type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")]))
    return proxy


@pytest.mark.parametrize("destination, listener_name, body", [
    ("10.0.0.1:80", "exact", "exact"), ("10.0.0.2:80", "wild", "wild"),
    ("10.0.0.2:90", "other", "other"),
])
@pytest.mark.parametrize("by_name", [False, True])
def test_the_owner_of_the_destination(sidecar, destination, listener_name, body, by_name):
    said = explain(sidecar, "virtual" if by_name else None, original_destination=destination,
                   source="10.2.3.4:1234")
    assert said.result["listener"] == listener_name
    assert said.step("answer")["body"] == body
    tried = said.step("original_destination")["tried"]
    assert tried[-1] == {"listener": listener_name, "verdict": "owns it"}
    if listener_name != "exact":
        assert tried[0] == {"verdict": "fell", "why": "no listener has exactly this address"}
    if listener_name == "other":
        assert tried[1]["listener"] == "wild"
        assert tried[1]["why"] == "its wildcard address has another port or family"
    assert said.step("listener")["source"] == "10.2.3.4:1234"


def test_a_destination_that_nobody_owns_passes_through(sidecar):
    said = explain(sidecar, original_destination="8.8.8.8:53")
    assert (said.result["listener"], said.result["cluster"]) == ("virtual", "pass")
    assert said.result["host"] == "8.8.8.8:53"
    assert "nobody owns" in said.step("listener")["why"]


def test_the_listener_of_its_own_address(sidecar):
    host, port = sidecar.address("web")
    said = explain(sidecar, "web")
    assert said.step("listener")["destination"] == f"{host}:{port}"
    assert not said.step("listener")["destination_restored"]
    assert said.step("listener")["config_hash"]


@pytest.mark.parametrize("fields, name, fell", [
    ({"original_destination": "1.1.1.1:81"}, "port", {"near": "destination_port"}),
    ({"original_destination": "10.1.1.1:1"}, "near",
     {"port": "destination_port", "far": "prefix_ranges", "tls": "prefix_ranges"}),
    ({"original_destination": "10.9.1.1:1"}, "far", {"near": "prefix_ranges"}),
    ({"sni": "a.example"}, "tls", {"h1": "server_names"}),
    ({}, "h1", {"tls": "server_names", "local": "application_protocols"}),
    ({"alpn": ["h2"], "source": "10.2.3.4:5"}, "local", {"h1": "application_protocols"}),
    ({"alpn": []}, "default", {"local": "source_prefix_ranges"}),
])
def test_the_filter_chain_and_why_the_others_fell(sidecar, fields, name, fell):
    said = explain(sidecar, "chains", **{"original_destination": "1.2.3.4:5", **fields})
    assert said.result["filter_chain"] == name
    assert said.step("filter_chain")["verdict"] == ("default" if name == "default" else "chosen")
    told = {f["chain"]: f["why"].split(":")[0] for f in said.step("filter_chains")["fell"]}
    assert {chain: told.get(chain) for chain in fell} == fell
    assert said.step("answer")["body"] == name


def test_no_filter_chain(sidecar):
    said = explain(sidecar, "none", original_destination="1.2.3.4:5")
    assert said.step("filter_chain")["verdict"] == "none"
    assert "filter_chain" not in said.result


# HTTP.


class Shop:
    def __init__(self, bench):
        self.a, self.b = bench.http("a"), bench.http("b")
        beta = {"prefix": "/cart", "headers": [{"name": "x-beta", "present_match": True}],
                "query_parameters": [{"name": "q", "present_match": True}]}
        weighted = {"weighted_clusters": {"clusters": [{"name": "a", "weight": 30},
                                                       {"name": "b", "weight": 70}]}}
        shop = vhost(
            "shop", ["shop.example", "*.example"],
            route(beta, to("b"), name="beta"),
            route({"prefix": "/half", "runtime_fraction": {
                "default_value": {"numerator": 50, "denominator": "HUNDRED"}}}, to("b"),
                  name="half"),
            route("/half", to("a"), name="rest"),
            route("/cart", to("a", timeout="3s", prefix_rewrite="/basket",
                              host_rewrite_literal="basket",
                              retry_policy={"retry_on": "5xx,reset", "num_retries": 2,
                                            "per_try_timeout": "1s"}), name="cart",
                  request_headers_to_add=[{"header": {"key": "x-new", "value": "%PROTOCOL%"}}],
                  request_headers_to_remove=["x-old"]),
            route("/split", {"route": weighted}, name="split"),
            route("/old", {"redirect": {"host_redirect": "new.example", "path_redirect": "/n",
                                        "response_code": "FOUND"}}, name="old"),
            route("/copied", to("a", request_mirror_policies=[
                {"cluster": "b"}, {"cluster": "a", "runtime_fraction": {
                    "default_value": {"numerator": 10, "denominator": "HUNDRED"}}}]),
                  name="copied"),
            route("/none", to("nobody"), name="none"),
            route("/gone", to("no_such"), name="gone"),
            route("/own", to("a"), name="own", typed_per_filter_config={
                "envoy.filters.http.header_to_metadata": {
                    "@type": HEADER_TO_METADATA, "request_rules": [rule("x-own", "k")]}}),
            route("/off", to("a"), name="off", typed_per_filter_config={
                "envoy.filters.http.header_to_metadata": {
                    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                    "disabled": True}}),
        )
        manager = hcm(vhosts=[shop, vhost("all", ["*"], route("/", direct(404, "no shop")))],
                      route_fields={"validate_clusters": False}, normalize_path=True,
                      merge_slashes=True, strip_any_host_port=True,
                      internal_address_config={"cidr_ranges": [
                          {"address_prefix": "10.0.0.0", "prefix_len": 8}]},
                      filters=header_to_metadata(rule("x-m", "k", namespace="m")))
        weight = {"endpoints": [{"lb_endpoints": [
            endpoint(self.a.address, weight=1), endpoint(self.b.address, weight=3)]}]}
        proxies = [cluster("a", self.a.address, self.b.address), cluster("b", self.b.address),
                   cluster("nobody"),
                   cluster("sick", endpoint(self.a.address, health_status="UNHEALTHY"),
                           endpoint(self.b.address, health_status="DRAINING")),
                   cluster("some", endpoint(self.a.address, health_status="UNHEALTHY"),
                           endpoint(self.b.address), **{
                               "common_lb_config": {"healthy_panic_threshold": {"value": 10}}}),
                   cluster("heavy", load_assignment={"cluster_name": "heavy", **weight}),
                   cluster("least", self.a.address, self.b.address, lb_policy="LEAST_REQUEST"),
                   cluster("chance", self.a.address, self.b.address, lb_policy="RANDOM"),
                   cluster("sub", load_assignment={"cluster_name": "sub", "endpoints": [
                       {"lb_endpoints": [endpoint(self.a.address, metadata=labels(v="1")),
                                         endpoint(self.b.address, metadata=labels(v="2"))]}]},
                           **subsets(selector("v"), fallback="ANY_ENDPOINT")),
                   cluster("tight", self.a.address, circuit_breakers={"thresholds": [
                       {"max_requests": 5, "max_connections": 7}]})]
        hosts = [vhost(name, [name], route("/", name)) for name in
                 ("sick", "some", "heavy", "least", "chance", "sub", "tight")]
        picks = hcm(vhosts=hosts, filters=header_to_metadata(rule("x-v", "v")))
        self.proxy = bench.start(bootstrap(
            [listener("in", manager), listener("picks", picks),
             listener("tcp", tcp_proxy(weighted_clusters={"clusters": [
                 {"name": "a", "weight": 1}, {"name": "b", "weight": 3}]})),
             listener("tcp-none", tcp_proxy("no_such"))], proxies), concurrency=2)

    def ask(self, path, authority="www.example:80", **fields):
        return explain(self.proxy, "in", authority=authority, path=path, **fields)

    def pick(self, name, **fields):
        return explain(self.proxy, "picks", authority=name, **fields)

    def name(self, address):
        return {"%s:%s" % b.address: n for n, b in (("a", self.a), ("b", self.b))}[address]


@pytest.fixture(scope="module")
def shop(shared_bench):
    return Shop(shared_bench)


def test_the_head_as_filters_and_routes_see_it(shop):
    said = shop.ask("//cart/../cart/x?q=1", source="10.2.3.4:1")
    head = said.step("request_head")
    assert head["path"] == '"//cart/../cart/x?q=1" becomes "/cart/x?q=1"'
    assert head["authority"] == '"www.example:80" becomes "www.example"'
    assert (head["client"], head["scheme"], head["admitted"]) == ("10.2.3.4:1", "http", True)
    assert (said.result["path"], said.result["authority"]) == ("/cart/x?q=1", "www.example")


def test_the_virtual_host_and_the_domains_tried(shop):
    said = shop.ask("/cart")
    assert said.step("domains")["tried"] == [
        {"kind": "exact", "why": "no such domain fits"},
        {"kind": "suffix", "domain": "*.example", "virtual_host": "shop"}]
    assert said.result["virtual_host"] == "shop"
    said = shop.ask("/cart", authority="elsewhere")
    assert [t["kind"] for t in said.step("domains")["tried"]] == ["exact", "suffix", "any"]
    assert said.step("answer")["body"] == "no shop"
    assert (said.result["status"], said.result["details"]) == (404, "direct_response")


@pytest.mark.parametrize("fields, path, fell, taken", [
    ({}, "/cart", {"beta": 'headers[0]: "x-beta" does not fit'}, "cart"),
    ({"headers": {"x-beta": "1"}}, "/cart", {"beta": 'query_parameters[0]: "q" does not fit'},
     "cart"),
    ({"headers": {"x-beta": "1"}}, "/cart?q=1", {}, "beta"),
    ({"random": 49}, "/half", {}, "half"),
    ({"random": 50}, "/half", {"half": "runtime_fraction: the draw 50 lies outside"}, "rest"),
])
def test_each_route_tried_and_why_it_fell(shop, fields, path, fell, taken):
    said = shop.ask(path, **fields)
    tried = said.step("routes")["tried"]
    assert {t["name"]: t["why"] for t in tried if t["verdict"] == "fell"} == fell
    assert (tried[-1]["name"], tried[-1]["verdict"]) == (taken, "taken")
    assert said.result["route"] == taken
    if "random" in fields:
        assert tried[0]["draw"] == fields["random"]


def test_no_route(shop):
    said = shop.ask("/nowhere")
    assert said.step("route")["verdict"] == "none"
    assert (said.result["status"], said.result["details"]) == (404, "route_not_found")


def test_what_is_sent_and_what_holds_for_it(shop):
    said = shop.ask("/cart/x", headers=[["x-old", "1"], ["x-kept", "2"]])
    assert said.result["upstream_path"] == "/basket/x"
    assert said.result["upstream_authority"] == "basket"
    sent = said.step("upstream_request")
    assert ["x-new", "HTTP/1.1"] in sent["headers_added"]
    assert ["x-old", "1"] in sent["headers_removed"]
    assert ["x-kept", "2"] not in sent["headers_added"] + sent["headers_removed"]
    assert said.step("timeouts") | {"request_ms": 3000, "per_try_ms": 1000, "connect_ms": 2000} \
        == said.step("timeouts")
    retries = said.step("retries")
    assert (retries["retry_on"], retries["num_retries"]) == (["5xx", "reset"], 2)
    assert said.step("downstream_timeouts")["stream_idle_ms"] == 300000
    assert said.step("cluster")["protocol"] == "HTTP/1.1"
    asks = {"x-envoy-upstream-rq-timeout-ms": "77"}
    assert shop.ask("/cart", headers=asks).step("timeouts")["request_ms"] == 3000
    inside = shop.ask("/cart", headers={**asks, "x-forwarded-for": "10.0.0.1"})
    assert inside.step("request_head")["internal"] is True
    assert inside.step("timeouts")["request_ms"] == 77


def test_mirrored_copies(shop):
    for random, second in ((9, True), (10, False)):
        assert shop.ask("/copied", random=random).step("mirrors")["copies"] == [
            {"cluster": "b", "sent": True, "draw": random},
            {"cluster": "a", "sent": second, "draw": random}]
    assert shop.ask("/cart").steps("mirrors") == []


def test_redirects_and_clusters_that_are_not_there(shop):
    said = shop.ask("/old/x?y=1")
    assert (said.result["status"], said.result["location"]) == (302, "http://new.example/n?y=1")
    assert said.step("action")["verdict"] == "redirect"
    said = shop.ask("/none")
    assert (said.result["status"], said.result["details"]) == (503, "no_healthy_upstream")
    said = shop.ask("/gone")
    assert (said.result["status"], said.result["details"]) == (503, "cluster_not_found")


@pytest.mark.parametrize("random, name", [(0, "a"), (29, "a"), (30, "b"), (99, "b"), (100, "a")])
def test_a_weighted_choice_follows_the_draw(shop, random, name):
    said = shop.ask("/split", random=random)
    assert said.result["cluster"] == name
    action = said.step("action")
    assert action["draw"] == random
    assert [(c["cluster"], c["weight"], c["chosen"]) for c in action["weighted_clusters"]] == \
        [("a", 30, name == "a"), ("b", 70, name == "b")]


def test_filters_in_their_order_and_what_routes_switch(shop):
    filters = shop.ask("/cart").step("http_filters")["filters"]
    assert [(f["name"], f["on"], f["asked"]) for f in filters] == [
        ("envoy.filters.http.header_to_metadata", True, True),
        ("envoy.filters.http.router", True, True)]
    off = shop.ask("/off", headers={"x-m": "1"})
    assert off.step("http_filters")["filters"][0] == {
        "name": "envoy.filters.http.header_to_metadata", "on": False, "asked": False,
        "switch": "switched off by the route"}
    assert off.steps("dynamic_metadata") == []
    own = shop.ask("/own")
    assert own.step("filter_overrides")["filters"] == ["envoy.filters.http.header_to_metadata"]
    assert shop.ask("/cart").steps("filter_overrides") == []
    on = shop.ask("/cart", headers={"x-m": "1"}, metadata={"n": {"k": [1, "two", None, True]}})
    values = {(v["namespace"], v["key"]): v["value"]
              for v in on.step("dynamic_metadata")["values"]}
    assert values[("m", "k")] == "1"
    assert json.loads(values[("n", "k")]) == [1, "two", None, True]


def test_bytes_that_are_no_list_of_headers(shop):
    def result(data):
        body = {"listener": "in", "head_base64": base64.b64encode(data).decode()}
        return json.loads(post(shop.proxy, body).text)["result"]

    bare = result(b"GET / HTTP/1.1\nhost: x\n\n")
    assert bare["status"] == 400 and bare["details"].startswith("http1.")
    assert result(b"GET /old HTTP/1.1\r\nhost: www.example\r\n\r\n")["status"] == 302
    assert result(b"GET /old HTTP/1.1\r\n")["listener"] == "in"


# Hosts.


def test_hosts_and_their_state(shop):
    said = shop.pick("some")
    hosts = {shop.name(h["address"]): h for h in said.step("hosts")["hosts"]}
    assert (hosts["b"]["candidate"], hosts["b"]["health"], hosts["b"]["weight"]) \
        == (True, "healthy", 1)
    assert (hosts["a"]["candidate"], hosts["a"]["health"]) == (False, "unhealthy")
    assert hosts["a"]["why"] == "not healthy"
    assert "failed_eds_health" in hosts["a"]["health_flags"]
    assert shop.name(said.result["host"]) == "b"
    sick = shop.pick("sick")
    assert sick.step("hosts")["verdict"] == "panic"
    assert sick.step("hosts")["priorities"][0]["panic"] is True


def test_the_next_in_turn_is_told_and_does_not_move(shop):
    for _ in range(3):
        worker = {w: shop.ask("/cart", worker=w).result["host"] for w in (0, 1)}
        assert {w: shop.ask("/cart", worker=w).result["host"] for w in (0, 1)} == worker
        with Client(shop.proxy.address("in")) as client:
            told = json.loads(client.get("/cart", host="www.example").text)["backend"]
        moved = {w: shop.ask("/cart", worker=w).result["host"] for w in (0, 1)}
        (serving,) = [w for w in (0, 1) if moved[w] != worker[w]]
        assert shop.name(worker[serving]) == told


def test_choices_that_are_functions_of_the_random_number(shop):
    for name in ("chance", "least"):
        assert {shop.name(shop.pick(name, random=n).result["host"]) for n in range(8)} \
            == {"a", "b"}
        assert len({shop.pick(name, random=3).result["host"] for _ in range(5)}) == 1


def test_a_schedule_by_weight_is_open_until_it_begins(shop):
    first = shop.pick("heavy")
    assert first.step("host")["verdict"] == "open" and "host" not in first.result
    assert sorted(h["weight"] for h in first.step("hosts")["hosts"]) == [1, 3]
    for _ in range(20):
        fetch(shop.proxy.address("picks"), host="heavy")
    told = [shop.pick("heavy", worker=w) for w in (0, 1)]
    assert any("host" in t.result for t in told)


def test_subsets_are_told(shop):
    said = shop.pick("sub", headers={"x-v": "2"})
    assert shop.name(said.result["host"]) == "b"
    assert said.step("subset")["match"] == [{"key": "v", "value": "2"}]
    hosts = {shop.name(h["address"]): h for h in said.step("hosts")["hosts"]}
    assert hosts["a"]["why"] == "not in the lane, subset or base that is asked for"
    other = shop.pick("sub", headers={"x-v": "9"})
    assert [s["why"] for s in other.steps("subset")] == ["no endpoint has these values",
                                                         "fallback: any endpoint"]


def test_circuit_breakers_and_requests_under_way(shop):
    gate, entered = threading.Event(), threading.Event()

    def hold(_conn, _request):
        entered.set()
        gate.wait(8)
        return answer("done")

    shop.a.on("/hold", hold)
    thread = threading.Thread(
        target=lambda: fetch(shop.proxy.address("picks"), target="/hold", host="tight"))
    thread.start()
    assert entered.wait(8)
    try:
        said = shop.pick("tight")
        assert said.step("cluster")["circuit_breaker"] | {
            "priority": "DEFAULT", "requests": {"used": 1, "limit": 5}} \
            == said.step("cluster")["circuit_breaker"]
        assert said.step("cluster")["circuit_breaker"]["connections"]["limit"] == 7
        assert said.step("hosts")["hosts"][0]["active_requests"] == 1
    finally:
        gate.set()
        thread.join()


# TCP.


@pytest.mark.parametrize("random, name", [(0, "a"), (1, "b"), (3, "b"), (4, "a")])
def test_a_tcp_proxy(shop, random, name):
    said = explain(shop.proxy, "tcp", random=random)
    assert said.result["cluster"] == name and said.result["host"]
    assert said.step("tcp_proxy")["draw"] == random
    assert [c["weight"] for c in said.step("tcp_proxy")["weighted_clusters"]] == [1, 3]


def test_a_tcp_proxy_without_its_cluster(shop):
    assert explain(shop.proxy, "tcp-none").step("answer")["verdict"] == "closed"


# Nothing changes.


def test_nothing_is_sent_and_nothing_counted(shop):
    shop.a.take(), shop.b.take()
    shop.a.close_connections(), shop.b.close_connections()
    quiet(shop.proxy)
    before = counted(shop.proxy)
    clusters = shop.proxy.admin("/clusters").text
    for worker in (0, 1):
        for path in ("/cart", "/old", "/none", "/gone", "/nowhere", "/split", "/copied", "/half",
                     "nopath"):
            shop.ask(path, worker=worker, headers={"x-m": "1"})
        for name in ("sick", "some", "heavy", "least", "chance", "sub", "tight"):
            shop.pick(name, worker=worker, headers={"x-v": "9"})
        explain(shop.proxy, "tcp", worker=worker)
        explain(shop.proxy, "tcp-none", worker=worker)
        shop.ask("/cart", headers={"connection": "upgrade", "upgrade": "websocket"})
        shop.ask("/cart", headers={"expect": "100-continue", "content-length": "3"})
        shop.ask("/cart", authority="")
    assert counted(shop.proxy) == before
    assert shop.proxy.admin("/clusters").text == clusters
    assert shop.a.take() == shop.b.take() == []


def test_the_text_tells_the_result_first_and_then_each_decision(shop):
    text = post(shop.proxy, {"listener": "in", "authority": "www.example", "path": "/cart/x"},
                "?format=text").text
    result, _, decisions = text.partition("decisions, in their order")
    assert "nothing was sent" in result and "       cluster: a\n" in result
    for words in ("listener: chosen", "route: taken", 'verdict fell, why headers[0]: "x-beta"',
                  "host: would be chosen"):
        assert words in decisions
    numbers = [int(line[:3]) for line in decisions.splitlines() if line[:3].strip().isdigit()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_text_holds_no_control_bytes(shop):
    text = post(shop.proxy, {"listener": "in", "authority": "a", "path": "/\x1b[31m\x7f"},
                "?format=text").text
    assert "\x1b" not in text and "\x7f" not in text


def test_the_configuration_is_named(shop):
    config = shop.ask("/cart").answer["config"]
    assert config["version"] == "static" and config["started"].endswith("Z")
    assert shop.ask("/cart").step("cluster")["config_hash"]
