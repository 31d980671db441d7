"""Pressure-test traffic has limits of its own: it fills them, and nobody else notices."""

import contextlib
import threading

import pytest
from backend import answer
from client import Client, build, fetch, wait_for
from config import bootstrap, cluster, endpoint, file_log, hcm, listener, route
from mesh import LOG_TEXT, lane_filters, log

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

TABLE = {"lanes": [{"name": "g"}, {"name": "shadow-l1", "kind": "SHADOW"}]}
SHADOW = {"x-lane": "shadow-l1"}
GAUGES = "cluster.web.circuit_breakers.shadow."


class Held:
    """A backend whose /hold is answered when the test says so."""

    def __init__(self, bench, name="web"):
        self.gate, self.busy = threading.Event(), []
        self.backend = bench.http(name).on("/hold", self._hold)
        self.address = self.backend.address

    def _hold(self, _conn, request):
        self.busy.append(request)
        self.gate.wait(10)
        return answer("held")


@contextlib.contextmanager
def holding(proxy, held, count, headers):
    """That many requests of a kind are with the backend while the block runs."""
    before = len(held.busy)
    clients = [Client(proxy.address("out")) for _ in range(count)]
    for client in clients:
        client.send(build("GET", "/hold", headers))
    wait_for(lambda: len(held.busy) == before + count, "all are held")
    yield
    held.gate.set()
    assert [client.response().text for client in clients] == ["held"] * count
    for client in clients:
        client.close()


def limits(**thresholds):
    return {"circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **thresholds}]}}


def start(bench, members, concurrency=1, egress=None, fields=None, route_fields=None):
    made = {"inline": TABLE, "egress": egress or {}}
    out = listener("out", hcm(route("/", {"route": {"cluster": "web", **(route_fields or {})}}),
                              filters=lane_filters(**made),
                              logs=[file_log(bench.log_file("out.log"), LOG_TEXT)]),
                   traffic_direction="OUTBOUND")
    return bench.start(bootstrap([out], [cluster("web", *members, **(fields or {}))]),
                       concurrency=concurrency)


def shared(held):
    """One pod for everybody that takes pressure-test traffic."""
    return endpoint(held.address, metadata={"filter_metadata": {"envoy.lb": {"shadow_ok": True}}})


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_test_that_fills_its_limit_leaves_others_alone(bench, concurrency):
    held = Held(bench)
    proxy = start(bench, [shared(held)], concurrency, fields=limits(max_requests=2))
    with holding(proxy, held, 2, SHADOW):
        assert proxy.stat(GAUGES + "rq_open") == 1
        refused = fetch(proxy.address("out"), headers=SHADOW)
        assert (refused.status, refused.headers.get("x-envoy-overloaded")) == (503, "true")
        for headers in ({}, {"x-lane": "g"}):
            assert [fetch(proxy.address("out"), headers=headers).status for _ in range(5)] \
                == [200] * 5
        line = log(proxy, "out.log", code="503")
        assert (line["flags"], line["reason"], line["requested"]) \
            == ("UO", "overload", "shadow-l1")
    assert proxy.stat("lane.shadow-l1.overloaded") == 1
    assert proxy.stat("cluster.web.upstream_rq_pending_overflow") == 1
    proxy.wait_stat(GAUGES + "rq_open", 0)
    assert fetch(proxy.address("out"), headers=SHADOW).status == 200


def test_others_that_fill_theirs_leave_the_test_alone(bench):
    held = Held(bench)
    proxy = start(bench, [shared(held)], fields=limits(max_requests=2))
    with holding(proxy, held, 2, {}):
        assert fetch(proxy.address("out")).status == 503
        assert fetch(proxy.address("out"), headers=SHADOW).status == 200
    assert fetch(proxy.address("out")).status == 200


def test_connections_are_not_shared(bench):
    """With one connection allowed, who waits for one waits only for those of its own kind."""
    held = Held(bench)
    proxy = start(bench, [shared(held)],
                  fields=limits(max_connections=1, max_pending_requests=1))
    with holding(proxy, held, 1, SHADOW), Client(proxy.address("out")) as waiting:
        waiting.send(build("GET", "/waits", SHADOW))
        proxy.wait_stat(GAUGES + "rq_pending_open", 1)
        assert proxy.stat(GAUGES + "cx_open") == 1
        assert fetch(proxy.address("out"), headers=SHADOW).status == 503
        for _ in range(3):
            assert fetch(proxy.address("out")).status == 200
        held.gate.set()
        assert waiting.response().status == 200
    assert held.backend.accepted == 2


def test_retries_of_a_test_are_bounded_by_themselves(bench):
    broken = bench.http("broken", default=lambda _c, _r: answer("no", status="503 No"))
    member = endpoint(broken.address,
                      metadata={"filter_metadata": {"envoy.lb": {"shadow_ok": True}}})
    policy = {"retry_on": "5xx", "num_retries": 1,
              "retry_back_off": {"base_interval": "200s", "max_interval": "200s"}}
    proxy = start(bench, [member], fields=limits(max_retries=1),
                  route_fields={"retry_policy": policy})
    with Client(proxy.address("out")) as waiting:
        waiting.send(build("GET", "/", SHADOW))
        proxy.wait_stat(GAUGES + "rq_retry_open", 1)
        assert fetch(proxy.address("out"), headers=SHADOW).status == 503
        assert log(proxy, "out.log", code="503")["flags"] == "UO,LF"
        with Client(proxy.address("out")) as other:
            other.send(build("GET", "/"))
            proxy.wait_stat("cluster.web.upstream_rq_retry", 2)  # it may
    proxy.wait_stat(GAUGES + "rq_retry_open", 0)


def test_a_mock_outside_of_the_mesh_is_limited_too(bench):
    held = Held(bench)
    egress = {"mesh": {"external_clusters": ["web"], "shadow_ok_clusters": ["web"]}}
    proxy = start(bench, [held.address], egress=egress, fields=limits(max_requests=1))
    with holding(proxy, held, 1, SHADOW):
        refused = fetch(proxy.address("out"), headers=SHADOW)
        assert refused.status == 503
        assert fetch(proxy.address("out")).status == 200
    assert held.busy[0].headers.all("x-lane") == []
    assert fetch(proxy.address("out"), headers=SHADOW).status == 200
