"""Lanes end to end: a gateway and three services, each pod with a proxy of its own."""

import functools
import json
import subprocess

import lane_scenarios
import pytest
from backend import answer
from bench import binary_of
from client import fetch, wait_for
from config import bootstrap, cluster, endpoint, hcm, listener, route, router_filter
from lane_scenarios import BASE, GRAY, GRAY_PATH, PODS
from mesh import LANE_FILTER, TRACE, Mesh, header, lane_filters, log, path_of

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

SHADOW = {"lanes": [{"name": "g"}, {"name": "shadow-l1", "kind": "SHADOW",
                                    "emit_headers": {"p-pradar-cluster-test": "1"}}]}


@pytest.fixture
def make(bench):
    return functools.partial(Mesh, bench)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_marked_request_keeps_its_lane_and_returns_to_it(make, concurrency):
    lane_scenarios.a_mark_is_kept(functools.partial(make, concurrency=concurrency))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_trace_id_is_enough(bench, concurrency):
    mesh = Mesh(bench, GRAY, PODS, concurrency=concurrency, forwards=TRACE,
                association={"linger": "1s"})
    mesh.pod("a-g").calls = 3
    seen = json.loads(mesh.get(lane="g").text)
    assert path_of(seen) == GRAY_PATH
    assert [path_of(x) for x in seen["next"]] == [["b-base", "c-g"]] * 3
    assert mesh.pod("a-g").out_log()["source"] == "trace"
    assert mesh.pod("b-base").out_log()["source"] == "trace"
    for name in ("a-g", "b-base"):
        wait_for(lambda n=name: mesh.pod(n).proxy.stat("lane.assoc.size") == 0, "all is forgotten")
    assert mesh.walk() == BASE


def test_where_nothing_is_forwarded_the_pod_speaks_and_a_loss_is_reported(make):
    lane_scenarios.a_loss_is_reported(make)


def test_with_every_pod_in_the_lane_nothing_need_be_forwarded(make):
    lane_scenarios.pods_speak_for_themselves(make)


def test_unmarked_requests_never_reach_a_lane(bench):
    mesh = Mesh(bench, GRAY, ["a", "b", ("c", "g")])
    for _ in range(30):
        assert mesh.walk() == ["a-base", "b-base", 503]
    assert mesh.pod("c-g").app.take() == []
    mesh.push({**GRAY, "base_rescue": True})
    assert mesh.walk() == ["a-base", "b-base", "c-g"]
    assert mesh.pod("b-base").proxy.stat("lane.g.base_rescue") == 1


def test_strangers_bring_no_marks(make):
    mesh, dirty = lane_scenarios.strangers_bring_no_marks(make)
    assert mesh.walk(dirty + [("x-let-me", "wrong")]) == BASE


def test_parents_serve_where_the_lane_is_absent(make):
    lane_scenarios.parents_serve_where_the_lane_is_absent(make)


def test_shadow_traffic_reaches_only_what_opted_in(bench):
    def pod(service, **more):
        return {"service": service, **more}

    opted = {"metadata": {"shadow_ok": True}, "pod_lane": {"shadow_ok": True}}
    mesh = Mesh(bench, SHADOW, [pod("a", **opted), "b", "c"])
    mesh.pod("a-base").external = "internet"
    seen = json.loads(mesh.get(lane="shadow-l1").text)
    assert path_of(seen) == ["a-base", 503]
    assert header(seen, "p-pradar-cluster-test") == ["1"]
    assert seen["external"] == {"status": 503}
    assert mesh.pod("a-base").out_log(cluster="b")["flags"] == "LS"
    assert mesh.pod("b-base").app.take() == mesh.outside.take() == []
    assert mesh.pod("b-base").proxy.log_lines("in.log") == []
    assert mesh.pod("a-base").proxy.stat("lane.shadow-l1.leak_blocked") == 2
    # unknown, untrusted, beside another mark
    assert mesh.get(lane="shadow-zz").status == 503
    assert mesh.get({"x-lane": "shadow-l1"}).status == 503
    refused = log(mesh.gateway, "gw.log", code="503", requested="shadow-l1")
    assert (refused["flags"], refused["reason"]) == ("LS", "shadow_refused")
    assert mesh.gateway.stat("lane.shadow-l1.shadow_refused") == 1
    assert path_of(json.loads(mesh.get({"baggage": "lane=g"}, lane="shadow-l1").text)) \
        == ["a-base", 503]


def test_shadow_traffic_flows_through_pods_that_opted_in(bench):
    opted = {"metadata": {"shadow_ok": True}, "pod_lane": {"shadow_ok": True}}
    mesh = Mesh(bench, SHADOW, [{"service": s, **opted} for s in "abc"])
    seen = json.loads(mesh.get(lane="shadow-l1").text)
    assert path_of(seen) == BASE
    assert header(seen["next"][0], "p-pradar-cluster-test") == ["1"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_switch_stops_lanes_at_once_and_shadow_stays_refused(bench, concurrency):
    opted = {"metadata": {"shadow_ok": True}, "pod_lane": {"shadow_ok": True}}
    table = {"lanes": [*GRAY["lanes"], SHADOW["lanes"][1]]}
    mesh = Mesh(bench, table, [{"service": s, **opted} for s in "abc"] + [("a", "g"), ("c", "g")],
                concurrency=concurrency)
    assert mesh.walk(lane="g") == GRAY_PATH
    with mesh.load(lane="g") as gray, mesh.load(lane="shadow-l1") as shadow:
        wait_for(lambda: len(gray) > 5 and len(shadow) > 5, "some load")
        mesh.push({**table, "enabled": False})
        off, refused = len(gray) + 1, len(shadow) + 1  # one more may be under way
        wait_for(lambda: len(gray) > off + 5 and len(shadow) > refused + 5, "more load")
    assert {reply.status for reply in gray} == {200}
    for reply in gray[off:]:
        seen = json.loads(reply.text)
        assert path_of(seen) == BASE
        assert header(seen, "x-lane") == ["g"]
    assert {reply.status for reply in shadow[refused:]} == {503}
    for pod in mesh.pods:
        pod.app.take()
    assert mesh.get(lane="shadow-l1").status == 503
    assert all(pod.app.take() == [] for pod in mesh.pods)
    mesh.push(table)
    assert mesh.walk(lane="g") == GRAY_PATH
    assert mesh.get(lane="shadow-l1").status == 200


@pytest.mark.parametrize("closed", [{"enabled": False}, {"state": "DRAINING"},
                                    {"state": "DISABLED"}, {"expires": "2001-01-01T00:00:00Z"}])
def test_a_pressure_test_that_no_lane_takes_any_more_is_refused_at_the_entry(bench, closed):
    rule = {"match": {"secret_header": {"name": "x-load", "value": "not-for-all"}},
            "lane": "shadow-l1"}
    mesh = Mesh(bench, {**SHADOW, "entry": [rule]}, ["a", ("a", "shadow-l1")])
    assert mesh.walk({"x-load": "not-for-all"})[0] == "a-shadow-l1"
    lane = {**SHADOW["lanes"][1], **{k: v for k, v in closed.items() if k != "enabled"}}
    mesh.push({"lanes": [lane], "entry": [rule], "enabled": closed.get("enabled", True)})
    assert mesh.get({"x-load": "not-for-all"}).status == 503
    refused = log(mesh.gateway, "gw.log", code="503")
    assert (refused["flags"], refused["requested"], refused["source"]) \
        == ("LS", "shadow-l1", "entry")
    assert mesh.gateway.stat("lane.shadow-l1.shadow_refused") == 1
    assert mesh.walk()[0] == "a-base"
    assert len(mesh.pod("a-base").app.take()) == 1


def test_marks_that_come_before_their_table_are_carried(bench):
    mesh = Mesh(bench, None, PODS)
    seen = json.loads(mesh.get(lane="g").text)
    assert path_of(seen) == BASE
    assert header(seen, "x-lane") == ["g"]
    assert "LU" in log(mesh.gateway, "gw.log")["flags"]
    assert mesh.get(lane="shadow-zz").status == 503
    mesh.push(GRAY)
    assert mesh.walk(lane="g") == GRAY_PATH


@pytest.mark.parametrize("lane", [{"parent": "nobody"}, {"emit_headers": {"baggage": "x=y"}}])
def test_a_bad_table_leaves_the_last_good_one(bench, lane):
    mesh = Mesh(bench, GRAY, PODS)
    mesh.push({"lanes": [{"name": "g", **lane}]}, wait=False)
    mesh.gateway.wait_stat("lane.table_refused", 1)
    assert mesh.gateway.stat("lane.table_info.revision") == 1
    assert mesh.walk(lane="g") == GRAY_PATH


def test_nothing_of_ours_leaves_the_mesh(bench):
    mesh = Mesh(bench, GRAY, PODS)
    pod = mesh.pod("a-g")
    pod.external, pod.forwards = "internet", ("x-lane", "baggage", "traceparent", "x-version")
    seen = json.loads(mesh.get({"baggage": "k=v"}, lane="g").text)
    assert path_of(seen) == GRAY_PATH
    outside = dict(seen["external"]["headers"])
    assert outside["baggage"] == "k=v"
    assert not {"x-lane", "x-version"} & {name.lower() for name in outside}
    assert pod.out_log(cluster="internet")["flags"] == "LX"
    assert pod.out_log(cluster="internet")["reason"] == "stripped"


def test_baggage_is_one_line_with_the_mark_first_within_the_limits(make):
    lane_scenarios.baggage_is_one_line_within_the_limits(make)


def test_an_id_of_two_lanes_tells_nothing(make):
    lane_scenarios.an_id_of_two_lanes_tells_nothing(make)


def test_a_request_id_ties_though_its_trace_digit_changed(make):
    lane_scenarios.a_request_id_ties_whatever_its_trace_digit(make, "9")


def test_an_entry_rule_marks_for_the_whole_chain(bench):
    table = {**GRAY, "entry": [{"match": {"header": [{"name": "x-user", "in": ["jason"]}]},
                                "lane": "g"}]}
    mesh = Mesh(bench, table, PODS)
    assert mesh.walk({"x-user": "jason"}) == GRAY_PATH
    assert log(mesh.gateway, "gw.log")["source"] == "entry"
    assert mesh.walk({"x-user": "anna"}) == BASE


def test_a_split_is_sticky_by_its_cookie(bench):
    table = {**GRAY, "entry": [{"split": {
        "key": [{"cookie": "uid"}], "salt": "s", "on_missing_key": "SET_COOKIE",
        "parts": [{"lane": "g", "basis_points": 5000}]}}]}
    mesh = Mesh(bench, table, ["a", ("a", "g")])
    seen = set()
    for _ in range(40):
        reply = mesh.get()
        cookie = reply.headers.all("set-cookie")[0].split(";")[0]
        name = json.loads(reply.text)["pod"]
        assert [json.loads(mesh.get({"cookie": cookie}).text)["pod"] for _ in range(2)] \
            == [name] * 2
        seen.add(name)
    assert seen == {"a-base", "a-g"}


def test_users_stay_where_they_are_as_a_split_grows_on_every_gateway(bench):
    def table(points):
        return {**GRAY, "entry": [{"split": {"key": [{"header": "x-user"}], "salt": "rel-1",
                                             "parts": [{"lane": "g", "basis_points": points}]}}]}

    mesh = Mesh(bench, table(2000), ["a", ("a", "g")], concurrency=2)
    other = mesh.start_gateway()

    def gray(gateway):
        return {i for i in range(200) if json.loads(
            mesh.get({"x-user": f"user-{i}"}, gateway=gateway).text)["pod"] == "a-g"}

    few = gray(mesh.gateway)
    assert 15 <= len(few) <= 70
    assert gray(other) == gray(mesh.gateway) == few
    mesh.push(table(4000))
    more = gray(other)
    assert few < more and len(more) <= 120


@pytest.mark.parametrize("lane, code, flags, reason, served", [
    ({}, "200", "LF", "unhealthy", "base"),
    ({"cap": {"percent": 0, "min_rps": 0}}, "503", "LC", "capped", "-"),
    ({"mode": "STRICT"}, "503", "UH", "strict", "-"),
    ({"on": {"unhealthy": False}}, "503", "UH", "unhealthy", "-"),
])
def test_a_lane_whose_pods_are_ill(bench, lane, code, flags, reason, served):
    mesh = Mesh(bench, {"lanes": [{"name": "g", **lane}]},
                ["a", {"service": "a", "lane": "g", "health": "UNHEALTHY"}])
    assert str(mesh.get(lane="g").status) == code
    line = log(mesh.gateway, "gw.log", requested="g")
    assert (line["flags"], line["reason"], line["served"]) == (flags, reason, served)
    assert mesh.pod("a-g").app.take() == []
    assert len(mesh.pod("a-base").app.take()) == (code == "200")


def test_a_gray_release_stops_itself(bench):
    table = {"lanes": [{"name": "g", "guard": {"max_5xx_delta": 0.1, "min_requests": 10,
                                               "window": "2s"}}],
             "entry": [{"split": {"key": [{"header": "x-user"}], "salt": "s",
                                  "parts": [{"lane": "g", "basis_points": 5000}]}}]}
    mesh = Mesh(bench, table, ["a", ("a", "g")])
    mesh.pod("a-g").app.default = lambda _c, _r: answer("broken", status="500 No")

    def send():
        return sum(mesh.get({"x-user": f"u{i}"}).status == 500 for i in range(50))

    assert send() > 0
    wait_for(lambda: send() == 0, "nothing is assigned to the lane")
    assert mesh.gateway.stat("lane.g.guard_tripped") == 1
    assert mesh.get(lane="g").status == 500  # who says so still gets there
    mesh.push(table)
    assert send() > 0


def test_the_filter_may_come_as_a_typed_struct(bench):
    pod = bench.http("app")
    lane = {"name": "lanes", "typed_config": {
        "@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": LANE_FILTER,
        "value": {"role": "ENTRY", "inline": {"lanes": [{"name": "g"}],
                                              "entry": [{"match": {"path": {"prefix": "/g"}},
                                                         "lane": "g"}]}}}}
    proxy = bench.start(bootstrap(
        [listener("in", hcm(route("/", "a"), filters=[lane] + router_filter()))],
        [cluster("a", endpoint(pod.address,
                               metadata={"filter_metadata": {"envoy.lb": {"lane": "g"}}}))]))
    assert fetch(proxy.address("in"), target="/g").status == 200
    assert pod.last().headers.all("x-lane") == ["g"]
    assert fetch(proxy.address("in"), target="/base").status == 503


@pytest.mark.parametrize("fields, path, what", [
    ({"egress": {"mirror_lane": "g"}}, "egress.mirror_lane", "is no name of a shadow lane"),
    ({"pod_lane": {"lane": "No_Lane"}}, "pod_lane.lane", "is no name of a lane"),
    ({"inline": {"lanes": [{"name": "g", "emit_headers": {"x-lane": "h"}}]}}, "emit_headers",
     "carries the mark itself"),
])
def test_what_cannot_be_is_refused_by_name(bench, fields, path, what):
    made = bootstrap([listener("in", hcm(route("/", "a"), filters=lane_filters(**fields)))],
                     [cluster("a", ("127.0.0.1", 1))])
    file = bench.folder / "bad.json"
    file.write_text(json.dumps(made))
    done = subprocess.run([binary_of("lanekeeper"), "-c", str(file), "--mode", "validate"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert path in done.stderr and what in done.stderr
