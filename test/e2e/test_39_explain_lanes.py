"""POST /explain and lanes: every hop of the scenarios says beforehand what is then served."""

import pytest
from backend import answer
from client import wait_for
from config import parse_log
from explain import counted, explain, quiet
from mesh import LOG, TRACE, Mesh

pytestmark = pytest.mark.lanekeeper_only("/explain is our own")

GRAY = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray"}}]}
SHADOW = {"lanes": [{"name": "g"}, {"name": "shadow-l1", "kind": "SHADOW"}]}
PODS = ["a", "b", "c", ("a", "g"), ("c", "g")]
OPTED = {"metadata": {"shadow_ok": True}, "pod_lane": {"shadow_ok": True}}


class Watch:
    """A mesh whose every call is asked of /explain first; wrong: where it was served otherwise."""

    def __init__(self, mesh):
        self.mesh, self.wrong, self.asked = mesh, [], 0
        for pod in mesh.pods:
            self.watch(pod)

    def watch(self, pod):
        call = pod._call

        def watched(host, headers, kept):
            pairs = [[n, v] for n, v in headers if n.lower() in kept]
            return self.compare(pod.proxy, "out", "out.log", pairs, host,
                                lambda: call(host, headers, kept))

        pod._call = watched

    def compare(self, proxy, name, log_name, pairs, host, send):
        said = explain(proxy, name, authority=host, headers=pairs, source="127.0.0.1:5000")
        lines = len(proxy.log_lines(log_name))
        reply = send()
        wait_for(lambda: len(proxy.log_lines(log_name)) > lines, "the log has the request")
        served = parse_log(proxy.log_lines(log_name)[lines], LOG)
        served.pop("flags")
        result = said.result
        told = {"code": str(result.get("status", "200")), "cluster": result.get("cluster") or "-",
                **{key: result[f"lane_{key}"] or "-"
                   for key in ("requested", "served", "source", "reason")}}
        self.asked += 1
        if told != served:
            self.wrong.append({"at": name, "explained": told, "served": served})
        return reply

    def get(self, headers=(), lane=None):
        pairs = [[n, v] for n, v in (headers.items() if isinstance(headers, dict) else headers)]
        if lane:
            pairs += [["x-lane", lane], ["x-let-me", "in-please"]]
        return self.compare(self.mesh.gateway, "gw", "gw.log", pairs, "test",
                            lambda: self.mesh.get([tuple(p) for p in pairs]))


def ill(lane):
    return {"lanes": [{"name": "g", **lane}]}, ["a", {"service": "a", "lane": "g",
                                                      "health": "UNHEALTHY"}], {}


ENTRY = {**GRAY, "entry": [
    {"match": {"header": [{"name": "x-user", "in": ["jason"]}]}, "lane": "g"},
    {"split": {"key": [{"header": "x-user"}], "salt": "s",
               "parts": [{"lane": "g", "basis_points": 5000}]}}]}
SCENES = {
    "gray": (GRAY, PODS, {}),
    "trace only": (GRAY, PODS, {"forwards": TRACE}),
    "request id": (GRAY, PODS, {"forwards": ("x-request-id",)}),
    "nothing forwarded": (GRAY, PODS, {"forwards": ()}),
    "no base": (GRAY, ["a", "b", ("c", "g")], {}),
    "rescue": ({**GRAY, "base_rescue": True}, ["a", "b", ("c", "g")], {}),
    "parents": ({"lanes": [{"name": "p"}, {"name": "g", "parent": "p"}]},
                ["a", "b", "c", ("b", "p"), ("c", "g"), ("c", "p")], {}),
    "shadow": (SHADOW, [{"service": "a", **OPTED}, "b", "c"], {}),
    "shadow ok": (SHADOW, [{"service": s, **OPTED} for s in "abc"], {}),
    "off": ({**GRAY, "enabled": False}, PODS, {}),
    "no table": (None, PODS, {}),
    "strict": ({"lanes": [{"name": "g", "mode": "STRICT"}]}, PODS, {}),
    "entry": (ENTRY, PODS, {}),
    "ill": ill({}),
    "ill, capped": ill({"cap": {"percent": 0, "min_rps": 0}}),
    "ill, strict": ill({"mode": "STRICT"}),
    "ill, stays": ill({"on": {"unhealthy": False}}),
}
REQUESTS = [
    ((), None), ((), "g"), ((), "nobody"), ((), "shadow-l1"), ((), "shadow-zz"),
    ({"x-lane": "g"}, None), ({"x-lane": "shadow-l1"}, None), ({"baggage": "lane=g,k=v"}, None),
    ({"x-user": "jason"}, None), ({"x-user": "anna"}, None), ({"x-user": "bob"}, None),
    ([("x-lane", "g"), ("x-lane", "h"), ("x-let-me", "in-please")], None),
    ({"x-lane": "No", "x-let-me": "in-please"}, None),
]


@pytest.mark.parametrize("scene", SCENES)
def test_every_hop_of_every_lane_is_explained(bench, scene):
    table, pods, fields = SCENES[scene]
    mesh = Mesh(bench, table, pods, **fields)
    watch = Watch(mesh)
    for headers, lane in REQUESTS:
        watch.get(headers, lane)
    assert watch.wrong == []
    assert watch.asked >= len(REQUESTS)


def test_a_lane_decision_step_by_step(bench):
    mesh = Mesh(bench, ENTRY, PODS)
    said = explain(mesh.gateway, "gw", headers={"x-lane": "g", "x-user": "anna"})
    assert said.step("lane_table")["why"] == "revision 1"
    trust = said.steps("lane_trust")
    assert trust[0]["verdict"] == "untrusted"
    assert trust[0]["why"] == "no identity, and address not in plaintext_cidrs"
    assert trust[1]["rules"] == [{"rule": "allow[0]", "verdict": "fell",
                                  "why": "the secret is missing or wrong"}]
    assert said.step("lane_mark")["verdict"] == "found"
    tried = said.step("lane_entry_rules")["tried"]
    assert tried[0] == {"rule": 0, "verdict": "fell", "why": "header[0] does not hold"}
    assert tried[1]["verdict"] == "taken"
    assert said.step("lane_entry")["rule"] == 1
    assert 0 <= said.step("lane_entry")["bucket"] < 10000
    assert said.order("lane_trust", "lane_mark", "lane_entry_rules", "lane_requested",
                      "lane_chain", "lane_served", "hosts", "host") == [
        "lane_trust", "lane_mark", "lane_trust", "lane_entry_rules", "lane_requested",
        "lane_chain", "lane_served", "hosts", "host"]
    lanes = {h.get("lane"): h["candidate"] for h in said.step("hosts")["hosts"]}
    assert lanes == {None: said.result["lane_served"] == "base",
                     "g": said.result["lane_served"] == "g"}


def test_the_chain_its_reasons_and_the_budget(bench):
    table, pods, _ = ill({"cap": {"percent": 10, "min_rps": 1}})
    mesh = Mesh(bench, table, pods)
    ask = {"headers": {"x-lane": "g", "x-let-me": "in-please"}}
    said = explain(mesh.gateway, "gw", **ask)
    assert said.step("lane_chain")["tried"] == [
        {"lane": "g", "hosts": 1, "healthy": 0, "verdict": "passed over", "why": "unhealthy"},
        {"lane": "base", "hosts": 1, "healthy": 1, "verdict": "serves", "why": "ok"}]
    assert said.step("lane_served")["fallback_budget"]["room_for_one_more"] is True
    for _ in range(5):  # asking takes nothing
        assert explain(mesh.gateway, "gw", **ask).result["lane_served"] == "base"
    assert mesh.get(lane="g").status == 200
    after = explain(mesh.gateway, "gw", **ask)
    assert (after.result["lane_reason"], after.result["status"]) == ("capped", 503)
    assert after.step("lane_served")["fallback_budget"]["room_for_one_more"] is False
    assert mesh.get(lane="g").status == 503


def test_asking_of_lanes_changes_nothing(bench):
    mesh = Mesh(bench, GRAY, PODS, forwards=TRACE, association={"linger": "1s"})
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert mesh.get(trace, lane="g").status == 200
    pod = mesh.pod("a-g").proxy
    base = mesh.pod("b-base").proxy
    for each in mesh.pods:
        each.app.close_connections()
    quiet(mesh.gateway, pod, base)
    before = {p: counted(p) for p in (mesh.gateway, pod, base)}
    asked = 0
    for proxy in before:
        for name in ("gw",) if proxy is mesh.gateway else ("in", "out"):
            for headers in ({"x-lane": "g", "x-let-me": "in-please"}, trace, {"x-lane": "No"},
                            {"x-lane": "shadow-x", "x-let-me": "in-please"}, {}):
                explain(proxy, name, authority="c", headers=headers)
                asked += 1
    assert {p: counted(p) for p in before} == before and asked == 25
    held = explain(base, "out", authority="c", headers=trace)
    if held.result["lane_requested"] == "g":  # while it lingers
        assert held.result["lane_source"] == "trace"

    def forgotten():
        """Though it is asked for all the time: asking is no use."""
        said = explain(base, "out", authority="c", headers=trace)
        return said.result["lane_requested"] == ""

    wait_for(forgotten, "the id is forgotten")


def test_a_marked_request_leaves_no_trace_of_an_explanation(bench):
    mesh = Mesh(bench, GRAY, PODS, forwards=TRACE)
    trace = {"traceparent": "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    base = mesh.pod("b-base").proxy
    explain(base, "in", headers={"x-lane": "g", **trace})
    assert explain(base, "out", authority="c", headers=trace).result["lane_requested"] == ""


def test_where_the_mesh_ends(bench):
    mesh = Mesh(bench, GRAY, PODS)
    said = explain(mesh.pod("a-g").proxy, "out", authority="internet",
                   headers={"x-lane": "g", "baggage": "lane=g,k=v"})
    assert said.step("lane_boundary")["verdict"] == "outside"
    assert said.result["lane_reason"] == "stripped"
    removed = said.step("upstream_request")["headers_removed"]
    assert ["x-lane", "g"] in removed


def test_a_guard_that_tripped_is_told(bench):
    table = {"lanes": [{"name": "g", "guard": {"max_5xx_delta": 0.1, "min_requests": 10,
                                               "window": "2s"}}],
             "entry": [{"split": {"key": [{"header": "x-user"}], "salt": "s",
                                  "parts": [{"lane": "g", "basis_points": 5000}]}}]}
    mesh = Mesh(bench, table, ["a", ("a", "g")])
    mesh.pod("a-g").app.default = lambda _c, _r: answer("broken", status="500 No")

    def said(user):
        return explain(mesh.gateway, "gw", headers={"x-user": user})

    (user,) = [f"u{i}" for i in range(20) if said(f"u{i}").result["lane_requested"] == "g"][:1]
    assert said(user).step("lane_entry")["guards"] == [{"lane": "g", "tripped": False}]
    wait_for(lambda: [mesh.get({"x-user": f"u{i}"}) for i in range(40)]
             and mesh.gateway.stat("lane.g.guard_tripped") == 1, "the guard trips")
    after = said(user)
    assert after.step("lane_entry")["verdict"] == "guard"
    assert after.step("lane_entry")["intended"] == "g"
    assert after.step("lane_entry")["guards"] == [{"lane": "g", "tripped": True}]
    assert after.result["lane_requested"] == ""
