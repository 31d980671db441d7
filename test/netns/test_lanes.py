"""Lanes where they are used: every pod in a network of its own, captured by docker/intercept.

A mark and its way: by headers, by trace id alone, by the pod alone; requests without a mark;
strangers; parents; baggage.
"""

import json

import lane_scenarios
import pytest
from client import wait_for
from lane_mesh import PORT, fast, trail
from lane_scenarios import BASE, GRAY, GRAY_PATH, PODS
from mesh import TRACE, header, path_of


def test_a_marked_request_keeps_its_lane_and_returns_to_it(build):
    mesh = lane_scenarios.a_mark_is_kept(build)
    for pod in mesh.pods:  # nothing went past a sidecar
        assert pod.proxy.stat("http.in.downstream_rq_total") == pod.served() > 0
        calls = 0 if pod.service == "c" else pod.served()
        assert pod.proxy.stat("http.out.downstream_rq_total") == calls


@pytest.mark.parametrize("service", ["a", "b"])
def test_a_trace_id_is_enough_for_every_call(build, service):
    mesh = build(GRAY, PODS, forwards=TRACE)
    caller = mesh.pod("a-g" if service == "a" else "b-base")
    caller.calls = 3
    seen = json.loads(mesh.get(lane="g").text)
    assert path_of(seen) == GRAY_PATH
    below = [path_of(x) for x in (seen if service == "a" else seen["next"][0])["next"]]
    assert below == [GRAY_PATH[1:] if service == "a" else GRAY_PATH[2:]] * 3
    assert [mesh.pod(name).out_log()["source"] for name in ("a-g", "b-base")] == ["trace"] * 2
    assert mesh.walk() == BASE


def test_what_ties_calls_together_is_forgotten(build):
    mesh = build(GRAY, PODS, forwards=TRACE, association={"linger": "2s"})
    assert mesh.walk(lane="g") == GRAY_PATH
    sizes = [(lambda p=mesh.pod(n).proxy: p.stat("lane.assoc.size")) for n in ("a-g", "b-base")]
    wait_for(lambda: all(size() > 0 for size in sizes), "all is remembered")
    wait_for(lambda: all(size() == 0 for size in sizes), "all is forgotten")


def test_where_nothing_is_forwarded_the_pod_speaks_and_a_loss_is_reported(build):
    lane_scenarios.a_loss_is_reported(build)


def test_with_every_pod_in_the_lane_nothing_need_be_forwarded(build):
    lane_scenarios.pods_speak_for_themselves(build)


def test_of_a_thousand_unmarked_requests_none_meets_a_lane(build):
    mesh = build(GRAY, [fast(*pod) for pod in PODS])
    with mesh.load(connections=4) as load:
        load.wait_more(1000)
    assert {tuple(trail(reply)) for reply in load.replies} == {tuple(BASE)}
    assert {reply.status for reply in load.replies} == {200}
    assert [mesh.pod(name).served() for name in ("a-g", "c-g")] == [0, 0]


def test_strangers_bring_no_marks(build):
    lane_scenarios.strangers_bring_no_marks(build)


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
    lane_scenarios.parents_serve_where_the_lane_is_absent(build)


def test_baggage_is_one_line_with_the_mark_first_within_the_limits(build):
    lane_scenarios.baggage_is_one_line_within_the_limits(build)
