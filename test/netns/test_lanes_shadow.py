"""Pressure-test traffic between real pods: what did not opt in gets not a packet of it."""

import json
import math

import pytest
from lane_mesh import PORT, fast, marks, trail
from lane_scenarios import BASE, GRAY_PATH
from mesh import header, log, path_of

SHADOW = {"lanes": [
    {"name": "g"},
    {"name": "shadow-l1", "kind": "SHADOW", "emit_headers": {"p-pradar-cluster-test": "1"}},
]}  # fmt: skip
OPTED = {"metadata": {"shadow_ok": True}, "pod_lane": {"shadow_ok": True}}


def opted(service, **more):
    return {"service": service, **OPTED, **more}


@pytest.mark.parametrize("outside", ["name", "address"])
def test_not_a_packet_reaches_what_did_not_opt_in(build, ground, outside):
    mesh = build(SHADOW, [opted("a"), "b", "c"])
    a, b = mesh.pod("a-base"), mesh.pod("b-base")
    a.external = "internet" if outside == "name" else ground.outside.v4
    places = (b.place, mesh.pod("c-base").place, ground.outside)
    before = [place.packets() for place in places]
    seen = json.loads(mesh.get(lane="shadow-l1").text)
    assert path_of(seen) == ["a-base", 503]
    assert header(seen, "p-pradar-cluster-test") == ["1"]
    assert seen["external"] == {"status": 503}
    assert [place.packets() for place in places] == before
    assert a.out_log(cluster="b")["flags"] == "LS"
    assert a.proxy.stat("lane.shadow-l1.leak_blocked") == 2
    assert mesh.walk() == BASE  # the counters do count
    assert all(place.packets() > n for place, n in zip(places, before))


def test_a_pod_that_did_not_opt_in_refuses_even_what_it_is_sent(build, ground):
    mesh = build(SHADOW, ["b", "c"])
    b = mesh.pod("b-base")
    with ground.gate.connect(b.place.v4, PORT) as client:  # nobody decides here before b
        assert client.get("/", [("x-lane", "shadow-l1")], host="b").status == 503
        assert client.get("/", host="b").status == 200
    refused = log(b.proxy, "in.log", code="503")
    assert (refused["flags"], refused["requested"]) == ("LS", "shadow-l1")
    assert [r.headers.all("x-lane") for r in b.app.take()] == [[]]


def test_who_opted_in_is_served_and_told(build):
    mesh = build(SHADOW, [opted(service) for service in "abc"])
    seen = json.loads(mesh.get(lane="shadow-l1").text)
    assert path_of(seen) == BASE
    for at in (seen, seen["next"][0], seen["next"][0]["next"][0]):
        assert header(at, "p-pradar-cluster-test") == ["1"]
        assert header(at, "x-lane") == ["shadow-l1"]


def test_pods_of_the_shadow_lane_serve_it_and_nothing_else(build):
    pods = [{"service": s, "lane": "shadow-l1"} for s in "abc"]
    mesh = build(SHADOW, ["a", "b", "c", *pods])
    assert mesh.walk(lane="shadow-l1") == ["a-shadow-l1", "b-shadow-l1", "c-shadow-l1"]
    assert mesh.walk() == BASE


def test_shadow_wins_beside_another_mark(build):
    mesh = build(SHADOW, [opted("a"), "b", "c", ("a", "g")])
    both = mesh.get({"baggage": "lane=g"}, lane="shadow-l1")
    assert path_of(json.loads(both.text)) == ["a-base", 503]
    assert mesh.pod("b-base").app.take() == mesh.pod("a-g").app.take() == []


def test_unknown_and_untrusted_shadow_is_refused(build):
    mesh = build(None, [opted(service) for service in "abc"])
    assert mesh.get(lane="shadow-zz").status == 503  # before any table
    mesh.push(SHADOW)
    assert mesh.get(lane="shadow-zz").status == 503
    assert mesh.get({"x-lane": "shadow-l1"}).status == 503  # a stranger
    refused = log(mesh.gateway, "gw.log", requested="shadow-l1")
    assert (refused["code"], refused["flags"], refused["reason"]) == ("503", "LS", "shadow_refused")
    assert mesh.pod("a-base").app.take() == []
    assert mesh.get(lane="shadow-l1").status == 200


def test_the_switch_stops_gray_and_shadow_under_load(build):
    pods = [fast(s, **OPTED) for s in "abc"] + [fast("a", "g"), fast("c", "g")]
    mesh = build(SHADOW, pods)
    off_table = {**SHADOW, "enabled": False}
    gray, shadow = mesh.load("g", connections=2), mesh.load("shadow-l1", connections=2)
    plain = mesh.load(connections=2)
    with gray, shadow, plain:  # which also see that no connection is closed
        wait_all((gray, shadow, plain), 50)
        off, is_off = mesh.push_timed(off_table)
        wait_all((gray, shadow, plain), 100)
        again, is_back = mesh.push_timed(SHADOW)
        wait_all((gray, shadow, plain), 50)
    assert seen(gray, 0, off) == seen(gray, is_back) == {(200, *GRAY_PATH)}
    assert seen(shadow, 0, off) == seen(shadow, is_back) == {(200, *BASE)}
    assert seen(gray, is_off, again) == seen(plain) == {(200, *BASE)}
    assert {tuple(marks(r)) for r in between(gray, is_off, again)} == {("g",) * 3}
    assert seen(shadow, is_off, again) == {(503,)}
    assert {r.status for r in gray.replies} == {200}
    mesh.push(off_table)
    before = [pod.served() for pod in mesh.pods]
    assert mesh.get(lane="shadow-l1").status == 503
    assert [pod.served() for pod in mesh.pods] == before


def wait_all(loads, count):
    for load in loads:
        load.wait_more(count)


def between(load, begin=0, end=math.inf):
    """Replies whose requests began and ended in this time; there must be some."""
    found = [reply for reply in load.replies if reply.sent >= begin and reply.done <= end]
    assert len(found) >= 20
    return found


def seen(load, *when):
    return {(reply.status, *trail(reply)) for reply in between(load, *when)}
