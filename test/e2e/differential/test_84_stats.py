"""The same traffic through both proxies: the same statistics under the same names."""

import contextlib
import re

import pytest
from backend import HttpBackend, answer, closed_port, echo_bytes, TcpBackend
from bench import Bench, binary_of
from client import Client, build, fetch, wait_for
from config import bootstrap, cluster, direct, hcm, listener, route, tcp_proxy, to

# Names that operators chart. Each has the same value on both after the same traffic.
EQUAL = """
http.in.downstream_cx_total http.in.downstream_cx_active http.in.downstream_cx_http1_total
http.in.downstream_cx_destroy http.in.downstream_cx_protocol_error
http.in.downstream_cx_ssl_total
http.in.downstream_rq_total http.in.downstream_rq_active http.in.downstream_rq_http1_total
http.in.downstream_rq_completed http.in.downstream_rq_1xx http.in.downstream_rq_2xx
http.in.downstream_rq_3xx http.in.downstream_rq_4xx http.in.downstream_rq_5xx
http.in.downstream_rq_too_large http.in.downstream_rq_timeout http.in.downstream_rq_rx_reset
http.in.no_route http.in.no_cluster http.in.rq_direct_response http.in.rq_redirect
http.in.rq_total
cluster.web.upstream_cx_total cluster.web.upstream_cx_http1_total
cluster.web.upstream_cx_connect_fail cluster.web.upstream_cx_protocol_error
cluster.web.upstream_rq_total cluster.web.upstream_rq_active cluster.web.upstream_rq_completed
cluster.web.upstream_rq_200 cluster.web.upstream_rq_404 cluster.web.upstream_rq_500
cluster.web.upstream_rq_2xx cluster.web.upstream_rq_4xx cluster.web.upstream_rq_5xx
cluster.web.upstream_rq_503 cluster.web.upstream_rq_504 cluster.web.upstream_rq_502
cluster.web.upstream_rq_retry cluster.web.upstream_rq_retry_success
cluster.web.upstream_rq_retry_limit_exceeded
cluster.web.upstream_rq_timeout cluster.web.upstream_rq_per_try_timeout
cluster.web.upstream_rq_tx_reset cluster.web.upstream_rq_pending_total
cluster.web.upstream_rq_pending_active cluster.web.upstream_rq_pending_overflow
cluster.web.upstream_rq_cancelled
cluster.web.membership_total cluster.web.membership_healthy
cluster.web.external.upstream_rq_200 cluster.web.external.upstream_rq_completed
cluster.dead.upstream_cx_total cluster.dead.upstream_cx_connect_fail
cluster.dead.upstream_rq_pending_failure_eject cluster.dead.upstream_rq_503
cluster.dead.upstream_rq_total cluster.dead.upstream_rq_completed
cluster.empty.upstream_cx_none_healthy cluster.empty.upstream_rq_503
cluster.tcp.upstream_cx_total cluster.tcp.upstream_cx_active
cluster.tcp.upstream_cx_tx_bytes_total cluster.tcp.upstream_cx_rx_bytes_total
tcp.raw.downstream_cx_total tcp.raw.downstream_cx_rx_bytes_total
tcp.raw.downstream_cx_tx_bytes_total
listener.127.0.0.1_0.downstream_cx_total listener.127.0.0.1_0.downstream_cx_active
listener.127.0.0.1_0.no_filter_chain_match
listener.127.0.0.1_0.http.in.downstream_rq_2xx
listener.127.0.0.1_0.http.in.downstream_rq_completed
listener_manager.listener_create_success listener_manager.total_listeners_active
listener_manager.total_listeners_draining
cluster_manager.cluster_added cluster_manager.active_clusters cluster_manager.warming_clusters
server.live server.state server.concurrency
""".split()


class Traffic:
    """One proxy with its backends, after the traffic."""

    def __init__(self, bench):
        self.bench = bench
        self.held, port = closed_port()
        web = self.bench.keep(HttpBackend("web", default=self.reply))
        tcp = self.bench.keep(TcpBackend(echo_bytes))
        retry = {"retry_on": "5xx", "num_retries": 1,
                 "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}
        routes = [
            route("/direct", direct(200, "x")),
            route("/moved", {"redirect": {"path_redirect": "/x"}}),
            route("/missing", to("missing")),
            route("/dead", to("dead")),
            route("/empty", to("empty")),
            route("/retry", to("web", retry_policy=retry)),
            route("/hang", to("web", timeout="0.1s")),
            route("/web", to("web", timeout="2s")),
        ]
        made = [
            listener("in", hcm(*routes, stat_prefix="in", max_request_headers_kb=4,
                               delayed_close_timeout="0.05s",
                               route_fields={"validate_clusters": False})),
            listener("tcp", tcp_proxy("tcp", stat_prefix="raw")),
        ]
        clusters = [cluster("web", web.address), cluster("dead", ("127.0.0.1", port)),
                    cluster("empty"), cluster("tcp", tcp.address)]
        self.proxy = self.bench.start(bootstrap(made, clusters))
        self.run()
        self.held.close()
        self.stats = self.proxy.stats()

    @staticmethod
    def reply(conn, request):
        word = request.target.rpartition("/")[2]
        if word == "hang":
            conn.read_some()
            return conn.close()
        if word == "drop":
            return conn.reset()
        if word == "garbage":
            return conn.send(b"garbage\r\n\r\n")
        return answer("x", status=f"{word} Scripted" if word.isdigit() else "200 OK")

    def run(self):
        where = self.proxy.address("in")
        with Client(where) as client:
            for target in ("/web", "/web/404", "/web/500", "/direct", "/moved", "/none",
                           "/missing", "/dead", "/empty", "/retry/500", "/hang/hang",
                           "/web/drop", "/web/garbage", "/web", "/web"):
                client.get(target)
            client.request("POST", "/web", body=b"12345")
        fetch(where, target="/web", headers=[("X-Large", "x" * 6000)])
        with Client(where) as client:
            client.send(b"bad\r\n\r\n")
            client.read_all()
        with Client(where) as client:
            client.send(build("GET", "/web/hang"))
            self.proxy.wait_stat("cluster.web.upstream_rq_active", 1)
        with Client(self.proxy.address("tcp")) as client:
            client.send(b"1234567")
            client.read(7)
            client.finish_sending()
            client.read_all()
        for name in ("http.in.downstream_cx_active", "listener.127.0.0.1_0.downstream_cx_active",
                     "cluster.tcp.upstream_cx_active", "cluster.web.upstream_rq_active"):
            wait_for(lambda n=name: self.proxy.stat(n) == 0, f"{name} is back at 0")


@pytest.fixture(scope="module")
def both(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with contextlib.ExitStack() as stack:
        made = []
        for kind in (proxy_kind, "envoy"):
            bench = stack.enter_context(Bench(kind, tmp_path_factory.mktemp(kind)))
            made.append(Traffic(bench))
        yield made


@pytest.mark.parametrize("name", EQUAL)
def test_equal(both, name):
    ours, theirs = (t.stats for t in both)
    if name not in theirs:
        pytest.fail(f"Envoy has no {name}")
    assert name in ours
    assert ours[name] == theirs[name]


def test_every_name_of_ours_is_one_of_envoys(both):
    """In the families that dashboards know; further families are our own. Those that are still 0
    do not count: Envoy makes some names when it first counts them."""
    ours, theirs = (t.stats for t in both)
    family = re.compile(r"(http|cluster|tcp|listener|listener_manager|cluster_manager|server)\.")
    ids = re.compile(r"\b(main_thread|worker_\d+)\b")
    known = {ids.sub("<thread>", n) for n in theirs}
    used = [n for n, value in ours.items() if value and family.match(n)]
    assert [n for n in used if ids.sub("<thread>", n) not in known] == []
