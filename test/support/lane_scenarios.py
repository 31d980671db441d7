"""What lanes promise, told once: for a mesh of processes and for one of pods in network namespaces.

Each takes make(table, pods, **options), which starts a mesh as mesh.Mesh does.
"""

import json
import threading

from mesh import TRACE, header, log, path_of

GRAY = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray"}}]}
PODS = ["a", "b", "c", ("a", "g"), ("c", "g")]
BASE = ["a-base", "b-base", "c-base"]
GRAY_PATH = ["a-g", "b-base", "c-g"]


def a_mark_is_kept(make):
    """The lane is left where a service lacks it, and found again behind; gives the mesh."""
    mesh = make(GRAY, PODS)
    a = json.loads(mesh.get(lane="g").text)
    assert path_of(a) == GRAY_PATH
    b, c = a["next"][0], a["next"][0]["next"][0]
    for seen in (a, b, c):
        assert header(seen, "x-lane") == ["g"]
        assert header(seen, "x-version") == ["gray"]
        assert header(seen, "baggage") == ["lane=g"]
        assert header(seen, "x-let-me") == []
    at_a = mesh.pod("a-g").out_log(cluster="b")
    assert (at_a["requested"], at_a["served"], at_a["reason"]) == ("g", "base", "absent")
    assert (at_a["source"], at_a["flags"]) == ("explicit", "LF")
    at_b = mesh.pod("b-base").out_log(cluster="c")
    assert (at_b["requested"], at_b["served"], at_b["reason"]) == ("g", "g", "ok")
    assert [pod.proxy.stat("lane.g.capped") for pod in mesh.pods] == [0] * len(PODS)
    assert mesh.pod("a-g").proxy.stat("lane.g.fallback_absent") == 1
    assert mesh.walk() == BASE
    return mesh


def a_loss_is_reported(make):
    mesh = make(GRAY, PODS, forwards=())
    assert mesh.walk(lane="g") == ["a-g", "b-base", "c-base"]
    assert mesh.pod("a-g").out_log()["source"] == "pod"
    assert mesh.pod("b-base").proxy.stat("lane.suspect_lost") == 1
    assert mesh.pod("a-g").proxy.stat("lane.suspect_lost") == 0


def pods_speak_for_themselves(make):
    mesh = make(GRAY, [*PODS, ("b", "g")], forwards=())
    assert mesh.walk(lane="g") == ["a-g", "b-g", "c-g"]
    for name in ("a-g", "b-g"):
        assert mesh.pod(name).out_log()["source"] == "pod"
    assert mesh.walk() == BASE


def strangers_bring_no_marks(make):
    """Gives the mesh and what they sent."""
    mesh = make(GRAY, PODS, carriers={"aliases": ["x-asm-prefer-tag"]})
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
    return mesh, dirty


def parents_serve_where_the_lane_is_absent(make):
    mesh = make({"lanes": [{"name": "dev.p"}, {"name": "dev.p.local", "parent": "dev.p"}]},
                ["a", "b", "c", ("b", "dev.p"), ("c", "dev.p.local"), ("c", "dev.p")])
    seen = json.loads(mesh.get(lane="dev.p.local").text)
    assert path_of(seen) == ["a-base", "b-dev.p", "c-dev.p.local"]
    assert header(seen["next"][0], "x-lane") == ["dev.p.local"]
    assert mesh.pod("a-base").out_log()["served"] == "dev.p"


def baggage_is_one_line_within_the_limits(make):
    mesh = make(GRAY, PODS)
    members = [f"key{i:02d}=%20{'v' * 100};prop={i}" for i in range(64)]
    lines = [("baggage", ",".join(half)) for half in (members[:30], members[30:])]
    seen = json.loads(mesh.get(lines, lane="g").text)
    for at in (seen, seen["next"][0], seen["next"][0]["next"][0]):
        (line,) = header(at, "baggage")
        assert len(line) <= 8192
        assert line.split(",") == ["lane=g", *members[:63]]


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


def an_id_of_two_lanes_tells_nothing(make):
    mesh = make({"lanes": [{"name": "g"}, {"name": "h"}]}, ["a", "b", "c", ("b", "g"), ("b", "h")],
                forwards=TRACE)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    first = at_the_same_time(mesh, "gh", traceparent=trace)
    assert [way[:2] for way in first] == [["a-base", "b-base"]] * 2
    assert mesh.pod("a-base").proxy.stat("lane.conflict") >= 1
    mesh.pod("a-base").forwards = (*TRACE, "x-lane")
    second = at_the_same_time(mesh, "gh", traceparent=trace)
    assert [way[1] for way in second] == ["b-g", "b-h"]


def a_request_id_ties_whatever_its_trace_digit(make, digit):
    mesh = make(GRAY, PODS, forwards=("x-request-id",))
    pod = mesh.pod("a-g")
    plain = pod.send

    def retraced(host, pairs):
        return plain(host, [(n, v[:14] + digit + v[15:]) for n, v in pairs])

    pod.send = retraced
    assert mesh.walk(lane="g") == GRAY_PATH
    for name in ("a-g", "b-base"):
        assert mesh.pod(name).out_log()["source"] == "reqid"
