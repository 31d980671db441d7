"""TCP connections of a pod stay in the pod's lane."""

import json
import os
import subprocess

import pytest
from backend import closed_port
from bench import binary_of
from client import Client, wait_for
from config import bootstrap, cluster, endpoint, file_log, hcm, listener, route, tcp_proxy
from explain import counted, explain
from mesh import LANE_FILTER
from wire import Closed

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

TABLE = {"lanes": [{"name": "g", "cap": {"percent": 0, "min_rps": 0}},
                   {"name": "t", "mode": "STRICT"},
                   {"name": "child", "parent": "g"},
                   {"name": "shadow-l1", "kind": "SHADOW"}]}
FORMAT = "\t".join(["%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%LANE_REQUESTED%", "%LANE_SERVED%",
                    "%LANE_SOURCE%", "%LANE_REASON%", "%UPSTREAM_CLUSTER%"]) + "\n"


def lane_filter(**fields):
    return {"name": "lanekeeper.filters.network.lane",
            "typed_config": {"@type": LANE_FILTER, "inline": TABLE, **fields}}


class Hosts:
    """Each says its name and then echoes."""

    def __init__(self, bench, **labels):
        self.backends = {name: self._serve(bench, name) for name in labels}
        self.members = [endpoint(self.backends[name].address, **metadata(label))
                        for name, label in labels.items()]

    @staticmethod
    def _serve(bench, name):
        def run(conn):
            conn.send(f"{name}\n")
            while data := conn.read_some():
                conn.send(data)

        return bench.tcp(run)


def metadata(label):
    return {"metadata": {"filter_metadata": {"envoy.lb": label}}} if label else {}


def start(bench, members, filters, options=None, name="db", **more):
    out = listener("out", *filters, tcp_proxy(name, access_log=[
        file_log(bench.log_file("out.log"), FORMAT)], **(options or {})),
        traffic_direction="OUTBOUND")
    return bench.start(bootstrap([out], [cluster(name, *members)], **more))


def name_of(client):
    try:
        return client.reader.until(b"\n", "a name").decode().strip()
    except Closed:
        return None


def greeting(proxy):
    """Whom a connection reaches; None: it was closed without a word."""
    with Client(proxy.address("out")) as client:
        name = name_of(client)
        if name:
            client.send(b"ping")
            assert client.read(4) == b"ping"
        return name


def last(proxy):
    line = wait_for(lambda: proxy.log_lines("out.log"), "a line")[-1]
    return line.rstrip("\n").split("\t")[1:6]


LANES = {"gray": {"lane": "g"}, "base": None}


@pytest.mark.parametrize("labels, pod, reached, logged", [
    (LANES, "g", "gray", ["-", "g", "g", "pod", "ok"]),
    (LANES, None, "base", ["-", "-", "base", "none", "ok"]),
    (LANES, "child", "gray", ["LF", "child", "g", "pod", "absent"]),
    ({"base": None}, "g", "base", ["LF", "g", "base", "pod", "absent"]),
    (LANES, "t", None, ["UH", "t", "-", "pod", "strict"]),
    (LANES, "zz", "base", ["LU", "zz", "base", "pod", "unknown"]),
    (LANES, "shadow-l1", None, ["LS", "shadow-l1", "-", "pod", "shadow_refused"]),
    ({"own": {"lane": "shadow-l1"}, **LANES}, "shadow-l1", "own",
     ["-", "shadow-l1", "shadow-l1", "pod", "ok"]),
    ({"mock": {"shadow_ok": True}, **LANES}, "shadow-l1", "mock",
     ["LF", "shadow-l1", "base", "pod", "absent"]),
    (LANES, "shadow-zz", None, ["LS,LU", "shadow-zz", "-", "pod", "shadow_refused"]),
])
def test_a_connection_goes_where_the_pods_lane_says(bench, labels, pod, reached, logged):
    hosts = Hosts(bench, **labels)
    proxy = start(bench, hosts.members, [lane_filter(**({"pod_lane": {"lane": pod}} if pod else {}))])
    before, said = counted(proxy), explain(proxy, "out").result
    assert counted(proxy) == before
    for _ in range(4):
        assert greeting(proxy) == reached
    got = last(proxy)
    assert [said[f"lane_{key}"] or "-" for key in ("requested", "served", "source", "reason")] \
        == got[1:]
    assert said.get("host") == (reached and "%s:%s" % hosts.backends[reached].address)
    assert [",".join(sorted(got[0].split(",")))] + got[1:] == logged
    unreached = [b for name, b in hosts.backends.items() if name != reached]
    assert all(b.accepted == 0 for b in unreached)


def test_the_pods_lane_comes_from_node_metadata(bench):
    hosts = Hosts(bench, **LANES)
    proxy = start(bench, hosts.members, [lane_filter()],
                  node={"id": "n", "cluster": "c", "metadata": {"LANE": "g"}})
    assert greeting(proxy) == "gray"
    assert proxy.stat("lane.g.cx_out_own") == 1
    assert proxy.stat("lane.g.rq_out_own") == 0


def test_connections_are_counted_and_leaks_are_blocked(bench):
    hosts = Hosts(bench, base=None)
    proxy = start(bench, hosts.members, [lane_filter(pod_lane={"lane": "shadow-l1"})])
    assert [greeting(proxy) for _ in range(3)] == [None] * 3
    assert proxy.stat("lane.shadow-l1.leak_blocked") == 3
    assert proxy.stat("cluster.db.upstream_cx_none_healthy") == 0
    assert proxy.stat("cluster.db.upstream_cx_total") == 0


def test_connections_out_of_the_mesh(bench):
    hosts = Hosts(bench, mock=None)
    external = {"mesh": {"external_clusters": ["db"]}}
    proxy = start(bench, hosts.members, [lane_filter(pod_lane={"lane": "g"}, egress=external)])
    assert greeting(proxy) == "mock"
    assert last(proxy) == ["-", "-", "-", "none", "ok"]
    proxy = start(bench, hosts.members,
                  [lane_filter(pod_lane={"lane": "shadow-l1"}, egress=external)])
    assert greeting(proxy) is None
    assert last(proxy)[0] == "LS"
    external["mesh"]["shadow_ok_clusters"] = ["db"]
    proxy = start(bench, hosts.members,
                  [lane_filter(pod_lane={"lane": "shadow-l1"}, egress=external)])
    assert greeting(proxy) == "mock"


def test_the_limit_of_connections_is_the_tests_own(bench):
    hosts = Hosts(bench, mock={"shadow_ok": True})
    shadow = listener("shadow", lane_filter(pod_lane={"lane": "shadow-l1"}), tcp_proxy("db"),
                      traffic_direction="OUTBOUND")
    plain = listener("plain", tcp_proxy("db"), traffic_direction="OUTBOUND")
    limited = {"circuit_breakers": {"thresholds": [{"max_connections": 1}]}}
    proxy = bench.start(bootstrap([shadow, plain], [cluster("db", *hosts.members, **limited)]))
    with Client(proxy.address("shadow")) as first, Client(proxy.address("plain")) as other:
        assert name_of(first) == name_of(other) == "mock"
        assert proxy.stat("cluster.db.circuit_breakers.shadow.cx_open") == 1
        with Client(proxy.address("shadow")) as second:
            assert second.read_all() == b""
        with Client(proxy.address("plain")) as second:
            assert second.read_all() == b""
    proxy.wait_stat("cluster.db.circuit_breakers.shadow.cx_open", 0)
    assert proxy.stat("lane.shadow-l1.overloaded") == 1
    assert proxy.stat("cluster.db.upstream_cx_overflow") == 1


def test_the_last_attempt_may_step_down(bench):
    base = Hosts(bench, base=None)
    _held, port = closed_port()
    gone = endpoint(("127.0.0.1", port), **metadata({"lane": "g"}))
    table = {"lanes": [{"name": "g", "on": {"retry": True}}]}
    lane = lane_filter(inline=table, pod_lane={"lane": "g"})
    proxy = start(bench, [gone] + base.members, [lane], {"max_connect_attempts": 2})
    assert greeting(proxy) == "base"
    assert last(proxy) == ["UF,LF", "g", "base", "pod", "retry"]


def test_a_table_from_a_file_changes_what_new_connections_do(bench):
    hosts = Hosts(bench, **LANES)
    path = bench.folder / "lanes.yaml"

    def push(revision, lane):
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"revision": revision, "lanes": [{"name": "g", **lane}]}))
        os.replace(new, path)

    push(1, {})
    lane = {"name": "lane", "typed_config": {
        "@type": LANE_FILTER, "pod_lane": {"lane": "g"}, "table_source": {"path": str(path)}}}
    proxy = start(bench, hosts.members, [lane])
    with Client(proxy.address("out")) as kept:
        assert name_of(kept) == "gray"
        push(2, {"state": "DISABLED"})
        proxy.wait_stat("lane.table_info.revision", 2)
        assert greeting(proxy) == "base"
        kept.send(b"ping")  # what is established stays
        assert kept.read(4) == b"ping"


@pytest.mark.parametrize("filters, fields, path, what", [
    ([lane_filter(trust={})], {}, "filters[0].typed_config.trust", "is of requests"),
    ([lane_filter(role="ENTRY")], {}, "filters[0].typed_config.role", "is of requests"),
    ([lane_filter()], {"traffic_direction": "INBOUND"}, "filters[0].typed_config", "OUTBOUND"),
])
def test_what_cannot_be_is_refused_by_name(bench, filters, fields, path, what):
    refused(bench, listener("out", *filters, tcp_proxy("db"), **fields), path, what)


def test_http_has_a_filter_of_its_own(bench):
    refused(bench, listener("out", lane_filter(), hcm(route("/", "db"))), "filters[0]",
            "lanekeeper.filters.network.lane has no effect in a chain that ends in "
            "envoy.filters.network.http_connection_manager")


def refused(bench, made, path, what):
    file = bench.folder / "bad.json"
    file.write_text(json.dumps(bootstrap([made], [cluster("db", ("127.0.0.1", 1))])))
    done = subprocess.run([binary_of("lanekeeper"), "-c", str(file), "--mode", "validate"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert path in done.stderr and what in done.stderr
