"""How requests get their lane and where they lose it: splits at two gateways, ids that tie calls
together, the way out of the mesh, and the forms that a table may come in.
"""

import json

import lane_scenarios
import pytest
from client import build as request
from lane_mesh import IstioMesh, fast, trail
from lane_scenarios import BASE, GRAY, GRAY_PATH, PODS
from mesh import LANE_FILTER, header, path_of

AT_ONCE = 100


def split(points):
    key = [{"header": "x-user-id"}]
    parts = [{"lane": "g", "basis_points": points}]
    return {**GRAY, "entry": [{"split": {"key": key, "salt": "rel-1", "parts": parts}}]}


def grays(mesh, gate, count):
    """Those of so many users whom the lane serves, all asked once, many of them at a time."""
    found = set()
    with mesh.call(gate=gate) as client:
        for first in range(0, count, AT_ONCE):
            users = range(first, first + AT_ONCE)
            client.send(b"".join(request("GET", "/", [("x-user-id", f"user-{u}")]) for u in users))
            replies = [client.response() for _ in users]
            assert {reply.status for reply in replies} == {200}
            found |= {u for u, reply in zip(users, replies) if reply.text == "a-g"}
    return found


def test_a_split_of_ten_thousand_users_is_sticky_everywhere(build, ground, concurrency):
    count = 10_000 if concurrency > 1 else 2_500
    mesh = build(split(1000), [fast("a", ends=True), fast("a", "g", ends=True)])
    mesh.start_gateway(place=ground.gate_2)
    few = grays(mesh, ground.gate, count)
    assert 0.091 <= len(few) / count <= 0.109
    assert grays(mesh, ground.gate_2, count) == grays(mesh, ground.gate, count) == few
    mesh.push(split(2000))
    more = grays(mesh, ground.gate_2, count)
    assert few < more and 0.188 <= len(more) / count <= 0.212


def test_every_hop_of_a_request_agrees_with_its_split(build):
    mesh = build(split(5000), [fast(s, lane) for s in "abc" for lane in (None, "g")])
    ways = set()
    for user in range(40):
        ways |= {tuple(trail(mesh.get({"x-user-id": f"user-{user}"}))) for _ in range(3)}
    assert ways == {tuple(BASE), ("a-g", "b-g", "c-g")}


def test_an_id_of_two_lanes_tells_nothing(build):
    lane_scenarios.an_id_of_two_lanes_tells_nothing(build)


@pytest.mark.parametrize("digit", "49ab")
def test_a_request_id_ties_though_a_proxy_changed_its_trace_digit(build, digit):
    lane_scenarios.a_request_id_ties_whatever_its_trace_digit(build, digit)


@pytest.mark.parametrize("how", ["name", "address"])
def test_nothing_of_ours_is_on_the_wire_outside(build, ground, how):
    table = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray", "x-mse-tag": "gray-v2"}}]}
    mesh = build(table, PODS, carriers={"tracestate_key": "lk", "aliases": ["x-asm-prefer-tag"]})
    pod = mesh.pod("a-g")
    pod.external = "internet" if how == "name" else ground.outside.v4
    pod.forwards = ("x-lane", "baggage", "traceparent", "tracestate", "x-version", "x-mse-tag", "x-keep")
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
             "tracestate": "other=1", "baggage": "k=v;p=1", "x-keep": "this"}  # fmt: skip
    seen = json.loads(mesh.get(trace, lane="g").text)
    assert path_of(seen) == GRAY_PATH
    assert header(seen, "tracestate") == ["lk=g,other=1"]
    assert header(seen["next"][0], "x-version") == header(seen["next"][0]["next"][0], "x-version") == ["gray"]
    (outside,) = mesh.outside.take()
    names = {name.lower() for name in outside.headers.names()}
    assert not names & {"x-lane", "x-version", "x-mse-tag", "x-asm-prefer-tag", "x-lane-served"}
    assert outside.headers.all("baggage") == ["k=v;p=1"]
    assert outside.headers.all("tracestate") == ["other=1"]
    assert outside.headers.all("x-keep") == ["this"]
    for ours in (b"lane", b"gray", b"lk="):
        assert ours not in outside.head.lower()
    line = pod.out_log(reason="stripped")
    assert (line["flags"], line["cluster"]) == ("LX", "internet" if how == "name" else "passthrough")


def as_struct(message, **fields):
    return {"@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": f"type.googleapis.com/lanekeeper.lane.v1.{message}", "value": fields}  # fmt: skip


TABLE = {"revision": 1, "lanes": [{"name": "g"}, {"name": "h", "parent": "g"},
                                  {"name": "s", "mode": "STRICT"}]}  # fmt: skip


def inline(fields):
    return {**{k: v for k, v in fields.items() if k != "table_source"}, "inline": TABLE}


def filter_struct(fields):
    return {"name": "lanes", "typed_config": as_struct("LaneFilter", **inline(fields))}


def filter_plain(fields):
    return {"name": "lanes", "typed_config": {"@type": LANE_FILTER, **inline(fields)}}


FORMS = {
    "file": {},
    "file-struct": {"wrap": lambda table: {"name": "lane-table",
                                           "typed_config": as_struct("LaneTable", **table)}},
    "inline": {"lane_filter": filter_plain},
    "inline-struct": {"lane_filter": filter_struct},
    "subset-clusters": {"kind": IstioMesh},
}  # fmt: skip


def outcome(build, form):
    """What each request came through, and all that was counted of lanes, by pod."""
    mesh = build({k: v for k, v in TABLE.items() if k != "revision"}, PODS, **FORMS[form])
    ways = [mesh.way(lane=lane) for lane in (None, "g", "h", "s", "nobody")]
    proxies = {"gateway": mesh.gateway, **{pod.name: pod.proxy for pod in mesh.pods}}
    # An inline table is read once for each filter, and subset clusters are clusters with endpoints of their own.
    return ways, {name: {n: v for n, v in proxy.stats("^lane").items()
                         if n != "lane.table_accepted" and ".in_cluster." not in n}
                  for name, proxy in proxies.items()}  # fmt: skip


def test_the_form_of_table_and_membership_changes_nothing(renew):
    outcomes = {form: outcome(renew(), form) for form in FORMS}
    ways, counted = outcomes["file"]
    assert ways == [BASE, GRAY_PATH, GRAY_PATH, [503], BASE]
    for form, (own_ways, own_counted) in outcomes.items():
        assert own_ways == ways, form
        different = {(pod, name): (value, own_counted[pod].get(name))
                     for pod, values in counted.items() for name, value in values.items()
                     if own_counted[pod].get(name) != value}  # fmt: skip
        assert different == {}, form
