"""Lanes where they are used: every pod in a network of its own, captured by docker/intercept.

A mark and its way: by headers, by trace id alone, by the pod alone; requests without a mark;
strangers; parents; baggage.
"""

import json

import pytest
from client import wait_for
from lane_mesh import PORT, fast, trail
from mesh import TRACE, header, log, path_of

GRAY = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray"}}]}
PODS = ["a", "b", "c", ("a", "g"), ("c", "g")]
BASE = ["a-base", "b-base", "c-base"]
GRAY_PATH = ["a-g", "b-base", "c-g"]


def test_a_marked_request_keeps_its_lane_and_returns_to_it(build):
    mesh = build(GRAY, PODS)
    a = json.loads(mesh.get(lane="g").text)
    assert path_of(a) == GRAY_PATH
    b, c = a["next"][0], a["next"][0]["next"][0]
    for seen in (a, b, c):
        assert header(seen, "x-lane") == ["g"]
        assert header(seen, "x-version") == ["gray"]
        assert header(seen, "baggage") == ["lane=g"]
    at_a = mesh.pod("a-g").out_log(cluster="b")
    assert (at_a["requested"], at_a["served"], at_a["reason"]) == ("g", "base", "absent")
    at_b = mesh.pod("b-base").out_log(cluster="c")
    assert (at_b["requested"], at_b["served"], at_b["reason"]) == ("g", "g", "ok")
    assert [pod.proxy.stat("lane.g.capped") for pod in mesh.pods] == [0] * len(PODS)
    assert mesh.walk() == BASE
    for pod in mesh.pods:  # nothing went past a sidecar
        assert pod.proxy.stat("http.in.downstream_rq_total") == pod.served() > 0
        calls = 0 if pod.service == "c" else pod.served()
        assert pod.proxy.stat("http.out.downstream_rq_total") == calls


@pytest.mark.parametrize("service", ["a", "b"])
def test_a_trace_id_is_enough_for_every_call(build, service):
    mesh = build(GRAY, PODS, forwards=TRACE, association={"linger": "1s"})
    caller = mesh.pod("a-g" if service == "a" else "b-base")
    caller.calls = 3
    seen = json.loads(mesh.get(lane="g").text)
    assert path_of(seen) == GRAY_PATH
    below = [path_of(x) for x in (seen if service == "a" else seen["next"][0])["next"]]
    assert below == [GRAY_PATH[1:] if service == "a" else GRAY_PATH[2:]] * 3
    for name in ("a-g", "b-base"):
        assert mesh.pod(name).out_log()["source"] == "trace"
        gone = mesh.pod(name).proxy
        wait_for(lambda p=gone: p.stat("lane.assoc.size") == 0, "all is forgotten")
    assert mesh.walk() == BASE


def test_where_nothing_is_forwarded_the_pod_speaks_and_a_loss_is_reported(build):
    mesh = build(GRAY, PODS, forwards=())
    assert mesh.walk(lane="g") == ["a-g", "b-base", "c-base"]
    assert mesh.pod("a-g").out_log()["source"] == "pod"
    assert mesh.pod("b-base").proxy.stat("lane.suspect_lost") == 1
    assert mesh.pod("a-g").proxy.stat("lane.suspect_lost") == 0


def test_with_every_pod_in_the_lane_nothing_need_be_forwarded(build):
    mesh = build(GRAY, [*PODS, ("b", "g")], forwards=())
    assert mesh.walk(lane="g") == ["a-g", "b-g", "c-g"]
    for name in ("a-g", "b-g"):
        assert mesh.pod(name).out_log()["source"] == "pod"
    assert mesh.walk() == BASE


def test_of_a_thousand_unmarked_requests_none_meets_a_lane(build):
    mesh = build(GRAY, [fast(*pod) for pod in PODS])
    with mesh.load(connections=4) as load:
        load.wait_more(1000)
    assert {tuple(trail(reply)) for reply in load.replies} == {tuple(BASE)}
    assert {reply.status for reply in load.replies} == {200}
    assert [mesh.pod(name).served() for name in ("a-g", "c-g")] == [0, 0]


def test_strangers_bring_no_marks(build):
    mesh = build(GRAY, PODS, carriers={"aliases": ["x-asm-prefer-tag"]})
    dirty = [("x-lane", "g"), ("x-lane", "g"), ("baggage", "lane=g,k=v"), ("x-asm-prefer-tag", "g")]
    reply = mesh.get(dirty)
    seen = json.loads(reply.text)
    assert path_of(seen) == BASE
    assert header(seen, "x-lane") == header(seen, "x-asm-prefer-tag") == []
    assert header(seen, "baggage") == ["k=v"]
    assert [v for n, v in reply.headers if n.lower() in ("x-lane", "x-lane-served")] == []
    assert mesh.gateway.stat("lane.stripped") == 1
    assert log(mesh.gateway, "gw.log")["flags"] == "LX"
    assert mesh.walk(dirty, lane="g") == GRAY_PATH


def test_whom_the_gateway_trusts_brings_only_the_lanes_that_he_is_allowed(build, ground):
    allow = [{"cidrs": [f"{ground.tester}/32"], "lanes": ["h"]}]
    mesh = build({"lanes": [{"name": "g"}, {"name": "h"}]}, [*PODS, ("b", "h")],
                 gateway={"trust": {"allow": allow}})  # fmt: skip
    assert mesh.walk(lane="g") == BASE
    assert mesh.gateway.stat("lane.g.stripped") == 1
    assert mesh.walk(lane="h") == ["a-base", "b-h", "c-base"]


def test_a_pod_believes_pods_and_nobody_in_the_street(build, ground):
    mesh = build(GRAY, PODS)
    b = mesh.pod("b-base")
    with ground.street.connect(b.place.v4, PORT, source=(ground.tester, 0)) as client:
        seen = json.loads(client.get("/", [("x-lane", "g")], host="b").text)
    assert path_of(seen) == ["b-base", "c-base"]
    assert header(seen, "x-lane") == []
    with mesh.pod("a-base").place.connect(b.place.v4, PORT) as client:
        seen = json.loads(client.get("/", [("x-lane", "g")], host="b").text)
    assert path_of(seen) == ["b-base", "c-g"]


def test_parents_serve_where_the_lane_is_absent(build):
    mesh = build({"lanes": [{"name": "dev.p"}, {"name": "dev.p.local", "parent": "dev.p"}]},
                 ["a", "b", "c", ("b", "dev.p"), ("c", "dev.p.local"), ("c", "dev.p")])  # fmt: skip
    seen = json.loads(mesh.get(lane="dev.p.local").text)
    assert path_of(seen) == ["a-base", "b-dev.p", "c-dev.p.local"]
    assert header(seen["next"][0], "x-lane") == ["dev.p.local"]
    assert mesh.pod("a-base").out_log()["served"] == "dev.p"


def test_baggage_is_one_line_with_the_mark_first_within_the_limits(build):
    mesh = build(GRAY, PODS)
    members = [f"key{i:02d}=%20{'v' * 100};prop={i}" for i in range(64)]
    lines = [("baggage", ",".join(half)) for half in (members[:30], members[30:])]
    seen = json.loads(mesh.get(lines, lane="g").text)
    for at in (seen, seen["next"][0], seen["next"][0]["next"][0]):
        (line,) = header(at, "baggage")
        got = line.split(",")
        assert len(line) <= 8192
        assert got == ["lane=g", *members[:63]]
