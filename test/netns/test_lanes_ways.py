"""How requests get their lane and where they lose it: splits at two gateways, ids that tie calls
together, the way out of the mesh, and the forms that a table may come in.
"""

import json
import threading

import pytest
from client import build as request
from lane_mesh import IstioMesh, fast, trail
from mesh import LANE_FILTER, TRACE, header, path_of

GRAY = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray"}}]}
PODS = ["a", "b", "c", ("a", "g"), ("c", "g")]
BASE = ["a-base", "b-base", "c-base"]
GRAY_PATH = ["a-g", "b-base", "c-g"]
USERS = 10_000
AT_ONCE = 100


def split(points):
    key = [{"header": "x-user-id"}]
    parts = [{"lane": "g", "basis_points": points}]
    return {**GRAY, "entry": [{"split": {"key": key, "salt": "rel-1", "parts": parts}}]}


def grays(mesh, gate):
    """The users that are served by the lane, all asked once, many requests under way at a time."""
    found = set()
    with mesh.call(gate=gate) as client:
        for first in range(0, USERS, AT_ONCE):
            users = range(first, first + AT_ONCE)
            client.send(b"".join(request("GET", "/", [("x-user-id", f"user-{u}")]) for u in users))
            replies = [client.response() for _ in users]
            assert {reply.status for reply in replies} == {200}
            found |= {u for u, reply in zip(users, replies) if reply.text == "a-g"}
    return found


def test_a_split_of_ten_thousand_users_is_sticky_everywhere(build, ground):
    mesh = build(split(1000), [fast("a", ends=True), fast("a", "g", ends=True)])
    mesh.start_gateway(place=ground.gate_2)
    few = grays(mesh, ground.gate)
    assert 910 <= len(few) <= 1090
    assert grays(mesh, ground.gate_2) == grays(mesh, ground.gate) == few
    mesh.push(split(2000))
    more = grays(mesh, ground.gate_2)
    assert few < more and 1880 <= len(more) <= 2120


def test_every_hop_of_a_request_agrees_with_its_split(build):
    mesh = build(split(5000), [fast(s, lane) for s in "abc" for lane in (None, "g")])
    ways = set()
    for user in range(40):
        ways |= {tuple(trail(mesh.get({"x-user-id": f"user-{user}"}))) for _ in range(3)}
    assert ways == {tuple(BASE), ("a-g", "b-g", "c-g")}


def at_the_same_time(mesh, lanes, **headers):
    """A walk for each lane; all are within the first application at the same time."""
    together = threading.Barrier(len(lanes), timeout=8)
    mesh.pod("a-base").gate = lambda _request: together.wait()
    walks = {}

    def run(lane):
        walks[lane] = mesh.walk(headers, lane=lane)

    threads = [threading.Thread(target=run, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [walks[lane] for lane in lanes]


def test_an_id_of_two_lanes_tells_nothing(build):
    mesh = build({"lanes": [{"name": "g"}, {"name": "h"}]}, ["a", "b", "c", ("b", "g"), ("b", "h")],
                 forwards=TRACE)  # fmt: skip
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    first = at_the_same_time(mesh, "gh", traceparent=trace)
    assert [way[:2] for way in first] == [["a-base", "b-base"]] * 2
    assert mesh.pod("a-base").proxy.stat("lane.conflict") >= 1
    mesh.pod("a-base").forwards = (*TRACE, "x-lane")
    second = at_the_same_time(mesh, "gh", traceparent=trace)
    assert [way[1] for way in second] == ["b-g", "b-h"]


@pytest.mark.parametrize("digit", "49ab")
def test_a_request_id_ties_though_a_proxy_changed_its_trace_digit(build, digit):
    mesh = build(GRAY, PODS, forwards=("x-request-id",))
    pod = mesh.pod("a-g")
    plain = pod.send

    def retraced(host, pairs):
        return plain(host, [(n, v[:14] + digit + v[15:]) for n, v in pairs])

    pod.send = retraced
    assert mesh.walk(lane="g") == GRAY_PATH
    assert pod.out_log()["source"] == "reqid"
    assert mesh.pod("b-base").out_log()["source"] == "reqid"


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
    # An inline table is read once for each filter.
    return ways, {name: {n: v for n, v in proxy.stats("^lane").items() if n != "lane.table_accepted"}
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
