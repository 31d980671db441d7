"""Mirrored copies and lanes: to whom a copy goes, and which mark it carries."""

import pytest
from backend import answer
from client import fetch, wait_for
from config import bootstrap, cluster, endpoint, hcm, listener, route
from mesh import lane_filters

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

TABLE = {"lanes": [{"name": "g", "emit_headers": {"x-version": "gray"}},
                   {"name": "shadow-m", "kind": "SHADOW"},
                   {"name": "shadow-l", "kind": "SHADOW"}]}


class Copies:
    """hosts: name -> label, of the cluster `mirror`."""

    def __init__(self, bench, hosts, fields=None, **egress):
        self.main = bench.http("main")
        self.hosts = {name: bench.http(name) for name in hosts}
        members = [endpoint(self.hosts[name].address, **label(labels))
                   for name, labels in hosts.items()]
        action = {"route": {"cluster": "main", "request_mirror_policies": [{"cluster": "mirror"}]}}
        main = endpoint(self.main.address, **label({"shadow_ok": True}))
        self.proxy = bench.start(bootstrap(
            [listener("out", hcm(route("/", action),
                                 filters=lane_filters(inline=TABLE, egress=egress)),
                      traffic_direction="OUTBOUND")],
            [cluster("main", main), cluster("mirror", *members, **(fields or {}))]))

    def send(self, lane=None):
        """The request as `main` saw it."""
        headers = {"x-lane": lane, "baggage": "k=v"} if lane else {"baggage": "k=v"}
        assert fetch(self.proxy.address("out"), headers=headers).status == 200
        return self.main.take()[0]

    def copy(self, lane=None):
        """Who got the copy, and it."""
        self.send(lane)
        return wait_for(lambda: next(((name, got[0]) for name, host in self.hosts.items()
                                      if (got := host.take())), None), "the copy arrives")

    def none(self, lane=None):
        before = self.proxy.stat("cluster.mirror.upstream_rq_total")
        self.send(lane)
        self.send(lane)
        assert self.proxy.stat("cluster.mirror.upstream_rq_total") == before
        assert all(host.take() == [] for host in self.hosts.values())


def label(labels):
    return {"metadata": {"filter_metadata": {"envoy.lb": labels}}} if labels else {}


ALL = {"base": None, "gray": {"lane": "g"}, "own": {"lane": "shadow-m"}}


def marks(request):
    return request.headers.get("x-lane"), request.headers.get("baggage")


@pytest.mark.parametrize("lane", [None, "g", "unknown"])
def test_copies_belong_to_the_shadow_lane_that_is_named(bench, lane):
    copies = Copies(bench, ALL, mirror_lane="shadow-m")
    for _ in range(4):
        name, copy = copies.copy(lane)
        assert name == "own"
        assert marks(copy) == ("shadow-m", "lane=shadow-m,k=v")
    original = copies.send(lane)
    assert marks(original) == ((lane, f"lane={lane},k=v") if lane else (None, "k=v"))
    assert copies.proxy.stat("lane.shadow-m.rq_out_own") == 5


def test_copies_reach_who_opted_in_or_nobody(bench):
    copies = Copies(bench, {"base": None, "gray": {"lane": "g"}}, mirror_lane="shadow-m")
    copies.none()
    copies.none("g")
    assert copies.proxy.stat("lane.shadow-m.leak_blocked") == 4
    copies = Copies(bench, {"base": None, "mock": {"shadow_ok": True}}, mirror_lane="shadow-m")
    assert [copies.copy("g")[0] for _ in range(4)] == ["mock"] * 4


def test_a_lane_that_the_table_does_not_know_gets_no_copies(bench):
    copies = Copies(bench, {"own": {"lane": "shadow-z"}}, mirror_lane="shadow-z")
    copies.none("g")
    assert copies.proxy.stat("lane._other.shadow_refused") == 2


@pytest.mark.parametrize("lane, name, mark", [
    (None, "base", (None, "k=v")), ("g", "gray", ("g", "lane=g,k=v")),
    ("shadow-m", "own", ("shadow-m", "lane=shadow-m,k=v")),
])
def test_without_one_a_copy_stays_in_the_lane_of_its_request(bench, lane, name, mark):
    copies = Copies(bench, ALL)
    for _ in range(4):
        who, copy = copies.copy(lane)
        assert (who, marks(copy)) == (name, mark)
        assert copy.headers.get("x-version") is None  # for the application behind the next hop


def test_copies_without_the_mark_of_a_shadow_lane_may_be_forbidden(bench):
    copies = Copies(bench, ALL, require_shadow_mark=True)
    copies.none()
    copies.none("g")
    assert copies.proxy.stat("lane.mirror_refused") == 4
    assert copies.copy("shadow-m")[0] == "own"
    copies = Copies(bench, ALL, require_shadow_mark=True, mirror_lane="shadow-m")
    assert copies.copy("g")[0] == "own"


def test_copies_out_of_the_mesh(bench):
    outside = {"mesh": {"external_clusters": ["mirror"]}}
    copies = Copies(bench, {"any": None}, require_shadow_mark=True, **outside)
    for lane in (None, "g"):
        assert marks(copies.copy(lane)[1]) == (None, "k=v")
    copies.none("shadow-l")
    assert copies.proxy.stat("lane.shadow-l.leak_blocked") == 2
    copies = Copies(bench, {"any": None}, mirror_lane="shadow-m", **outside)
    copies.none("g")
    outside["mesh"]["shadow_ok_clusters"] = ["mirror"]
    copies = Copies(bench, {"any": None}, mirror_lane="shadow-m", **outside)
    assert marks(copies.copy("g")[1]) == (None, "k=v")


def test_copies_have_the_limits_of_pressure_tests(bench):
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 1}]}}
    copies = Copies(bench, {"own": {"lane": "shadow-m"}}, limits, mirror_lane="shadow-m")
    held = []
    copies.hosts["own"].default = lambda conn, r: held.append(conn) or conn.read_some() or answer()
    copies.send()
    wait_for(lambda: held, "one is held")
    assert copies.proxy.stat("cluster.mirror.circuit_breakers.shadow.rq_open") == 1
    copies.send()
    assert copies.proxy.stat("lane.shadow-m.overloaded") == 1
    held[0].close()
    copies.proxy.wait_stat("cluster.mirror.circuit_breakers.shadow.rq_open", 0)
