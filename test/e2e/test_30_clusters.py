"""Clusters: where requests go, how connections are made, kept, limited and given up."""

import collections
import json
import threading
import time

import pytest
from backend import HttpBackend, answer, fixed
from client import Client, build, wait_for
from config import bootstrap, cluster, endpoint, file_log, hcm, listener, route, to, upstream_http


def who(response):
    assert response.status == 200, response
    return json.loads(response.text)


def start(bench, clusters, routes=None, **options):
    routes = routes or [route("/", to("web", timeout="3s"))]
    manager = hcm(*routes, logs=[file_log(bench.log_file())])
    return bench.start(bootstrap([listener("in", manager)], clusters), **options)


def spread(proxy, turns, target="/"):
    counted = collections.Counter()
    with Client(proxy.address("in")) as client:
        for _ in range(turns):
            counted[who(client.get(target))["backend"]] += 1
    return counted


# Balancing


def test_round_robin_takes_turns(bench):
    backends = [bench.http(n) for n in "abcd"]
    proxy = start(bench, [cluster("web", *[b.address for b in backends])])
    assert spread(proxy, 40) == {n: 10 for n in "abcd"}


def test_round_robin_follows_weights(bench):
    a, b = bench.http("a"), bench.http("b")
    members = [endpoint(a.address, weight=3), endpoint(b.address, weight=1)]
    proxy = start(bench, [cluster("web", *members)])
    assert spread(proxy, 40) == {"a": 30, "b": 10}


def test_random_reaches_all(bench):
    backends = [bench.http(n) for n in "abc"]
    proxy = start(bench, [cluster("web", *[b.address for b in backends], lb_policy="RANDOM")])
    counted = spread(proxy, 300)
    assert all(50 < counted[n] < 150 for n in "abc")


def test_least_request_avoids_the_busy_host(bench):
    a, b = bench.http("a"), bench.http("b")
    gate = threading.Event()
    busy = []

    def hold(_conn, request):
        busy.append(request.backend)
        gate.wait(10)
        return answer("held")

    a.on("/hold", hold)
    b.on("/hold", hold)
    proxy = start(bench, [cluster("web", a.address, b.address, lb_policy="LEAST_REQUEST")])
    holder = Client(proxy.address("in"))
    holder.send(build("GET", "/hold"))
    wait_for(lambda: busy, "the first request is held")
    counted = spread(proxy, 60)
    gate.set()
    assert holder.response().text == "held"
    holder.close()
    idle = "b" if busy[0] == "a" else "a"
    assert counted[idle] > counted[busy[0]]


def test_least_request_with_equal_load_reaches_all(bench):
    backends = [bench.http(n) for n in "abc"]
    proxy = start(
        bench, [cluster("web", *[b.address for b in backends], lb_policy="LEAST_REQUEST")]
    )
    assert set(spread(proxy, 60)) == set("abc")


@pytest.mark.parametrize("status", ["UNHEALTHY", "DRAINING", "TIMEOUT"])
def test_an_endpoint_known_to_be_unhealthy_gets_nothing(bench, status):
    a, b = bench.http("a"), bench.http("b")
    members = [endpoint(a.address), endpoint(b.address, health_status=status)]
    calm = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
    proxy = start(bench, [cluster("web", *members, **calm)])
    assert spread(proxy, 20) == {"a": 20}


def test_a_cluster_without_healthy_endpoint_is_uh(bench):
    a = bench.http("a")
    calm = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
    members = [endpoint(a.address, health_status="UNHEALTHY")]
    proxy = start(bench, [cluster("web", *members, **calm)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 503
    assert proxy.wait_log(path="/")["flags"] == "UH"


# Addresses


def test_ipv6_endpoints(bench):
    backend = bench.http(host="::1")
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
    assert proxy.wait_log(path="/")["host"] == f"[::1]:{backend.port}"


def test_unix_socket_endpoints(bench, tmp_path):
    backend = bench.http(path=str(tmp_path / "backend.sock"))
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        assert client.get("/").status == 200
    assert proxy.wait_log(path="/")["host"] == backend.address


def test_abstract_unix_socket_endpoints(bench, tmp_path):
    backend = bench.http(path=f"@lanekeeper-test-{tmp_path.name}-{time.monotonic_ns()}")
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200


def test_a_missing_unix_socket_is_uf(bench, tmp_path):
    proxy = start(bench, [cluster("web", str(tmp_path / "nobody.sock"))])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 503
    assert proxy.wait_log(path="/")["flags"] == "UF"


def test_the_source_address_can_be_bound(bench):
    peers = []

    def note(conn, _request):
        peers.append(conn.sock.getpeername()[0])
        return answer("ok")

    backend = bench.http(default=note)
    bind = {"source_address": {"address": "127.0.0.9", "port_value": 0}}
    proxy = start(bench, [cluster("web", backend.address, upstream_bind_config=bind)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
    assert peers == ["127.0.0.9"]


def test_original_dst_by_header(bench):
    a, b = bench.http("a"), bench.http("b")
    made = cluster(
        "web", type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED",
        original_dst_lb_config={"use_http_header": True},
    )
    proxy = start(bench, [made])
    with Client(proxy.address("in")) as client:
        for backend in (a, b, a, b):
            headers = [("x-envoy-original-dst-host", f"127.0.0.1:{backend.port}")]
            assert who(client.get("/", headers))["backend"] == backend.name
        assert client.get("/", [("x-envoy-original-dst-host", "nonsense")]).status == 503
        assert client.get("/").status == 503


# Connecting


def test_connect_timeout_is_uf(bench):
    """A listener whose queue is full answers no SYN."""
    import socket

    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
        fillers.append(sock)
    proxy = start(bench, [cluster("web", full.getsockname(), connect_timeout="0.25s")])
    started = time.monotonic()
    with Client(proxy.address("in")) as client:
        response = client.get("/")
    assert response.status == 503
    assert response.text.endswith("reset reason: connection timeout")
    assert 0.2 < time.monotonic() - started < 2
    entry = proxy.wait_log(path="/")
    assert entry["flags"] == "UF"
    assert "connection_timeout" in entry["details"]
    for sock in fillers:
        sock.close()
    full.close()


def test_connections_are_reused_last_in_first_out(bench):
    backend = bench.http()
    proxy = start(bench, [cluster("web", backend.address)])
    clients = [Client(proxy.address("in")) for _ in range(5)]
    barrier = threading.Barrier(5)

    def meet(_conn, request):
        barrier.wait(5)
        return answer(str(request.connection))

    backend.on("/meet", meet)
    for client in clients:
        client.send(build("GET", "/meet"))
    used = {client.response().text for client in clients}
    assert len(used) == 5
    seen = {who(clients[0].get("/"))["connection"] for _ in range(10)}
    assert len(seen) == 1
    for client in clients:
        client.close()


def test_a_connection_serves_no_more_than_its_limit(bench):
    backend = bench.http()
    options = upstream_http(common_http_protocol_options={"max_requests_per_connection": 3})
    proxy = start(bench, [cluster("web", backend.address, **options)])
    with Client(proxy.address("in")) as client:
        used = collections.Counter(who(client.get("/"))["connection"] for _ in range(9))
    assert list(used.values()) == [3, 3, 3]


def test_idle_upstream_connections_are_closed(bench):
    backend = bench.http()
    options = upstream_http(common_http_protocol_options={"idle_timeout": "0.2s"})
    proxy = start(bench, [cluster("web", backend.address, **options)])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        backend.wait(lambda: not backend.live, "the idle connection is closed", 3)
        assert client.get("/").status == 200
    assert backend.accepted == 2


# Limits


def breaker(**limits):
    return {"circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **limits}]}}


def test_too_many_requests_are_uo(bench):
    gate, busy = threading.Event(), []

    def hold(_conn, request):
        busy.append(request)
        gate.wait(10)
        return answer("held")

    backend = bench.http().on("/hold", hold)
    proxy = start(bench, [cluster("web", backend.address, **breaker(max_requests=2))])
    holders = [Client(proxy.address("in")) for _ in range(2)]
    for client in holders:
        client.send(build("GET", "/hold"))
    wait_for(lambda: len(busy) == 2, "two requests are held")
    with Client(proxy.address("in")) as client:
        response = client.get("/more")
        assert response.status == 503
        assert response.headers.get("x-envoy-overloaded") == "true"
        assert response.text.endswith("reset reason: overflow")
        gate.set()
        assert [c.response().text for c in holders] == ["held", "held"]
        assert client.get("/again").status == 200
    for client in holders:
        client.close()
    entry = proxy.wait_log(path="/more")
    assert entry["flags"] == "UO"
    assert entry["details"] == "upstream_reset_before_response_started{overflow}"


def test_too_many_connections_and_pending_requests_are_uo(bench):
    gate, busy = threading.Event(), []

    def hold(_conn, request):
        busy.append(request)
        gate.wait(10)
        return answer("held")

    backend = bench.http().on("/hold", hold)
    limits = breaker(max_connections=1, max_pending_requests=1)
    proxy = start(bench, [cluster("web", backend.address, **limits)])
    holders = [Client(proxy.address("in")) for _ in range(2)]
    holders[0].send(build("GET", "/hold"))
    wait_for(lambda: len(busy) == 1, "one request is held")
    holders[1].send(build("GET", "/hold"))
    proxy.wait_stat("cluster.web.upstream_rq_pending_active", 1)
    with Client(proxy.address("in")) as client:
        assert client.get("/more").status == 503
    gate.set()
    assert [c.response().text for c in holders] == ["held", "held"]
    for client in holders:
        client.close()
    assert proxy.wait_log(path="/more")["flags"] == "UO"
    assert proxy.stat("cluster.web.upstream_rq_pending_overflow") == 1
    assert backend.accepted == 1


# The keep-alive race


@pytest.mark.lanekeeper_only("safer_keepalive_replay")
def test_a_get_that_meets_a_closing_connection_does_not_fail(bench):
    """The backend closes idle connections at just the pace at which requests come."""

    def closing(conn):
        conn.reader.request()
        conn.send(answer("ok"))
        time.sleep(0.03)

    backend = bench.tcp(closing)
    proxy = start(bench, [cluster("web", backend.address)])
    statuses = collections.Counter()
    with Client(proxy.address("in")) as client:
        for _ in range(60):
            statuses[client.get("/").status] += 1
            time.sleep(0.0299)
    assert statuses == {200: 60}


@pytest.mark.lanekeeper_only("safer_keepalive_replay")
def test_a_get_whose_kept_connection_dies_is_replayed(bench):
    served = collections.Counter()

    def handler(conn):
        first = True
        while True:
            conn.reader.request()
            if not first:
                conn.reset()
                return
            served["answers"] += 1
            conn.send(answer("ok"))
            first = False

    backend = bench.tcp(handler)
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        for _ in range(10):
            assert client.get("/").status == 200


def test_a_post_whose_kept_connection_dies_is_never_sent_twice(bench):
    arrived = collections.Counter()

    def handler(conn):
        while True:
            request = conn.reader.request()
            arrived[request.target] += 1
            if request.serial and arrived[request.target] > 1:
                return
            if request.target.startswith("/die"):
                conn.reset()
                return
            conn.send(answer("ok"))

    backend = bench.tcp(handler)
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        for number in range(10):
            assert client.get(f"/warm/{number}").status == 200
            response = client.request("POST", f"/die/{number}", body=b"pay")
            assert response.status == 503
    assert all(count == 1 for target, count in arrived.items() if target.startswith("/die"))


def test_a_closed_kept_connection_is_noticed_before_use(bench):
    backend = bench.http()
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        for _ in range(20):
            assert client.get("/").status == 200
            backend.close_connections()
            proxy.wait_stat("cluster.web.upstream_cx_destroy_remote", 1)
            wait_for(
                lambda: proxy.stat("cluster.web.upstream_cx_active") == 0, "the close is seen"
            )
            assert client.request("POST", "/", body=b"x").status == 200


def test_a_backend_that_dies_and_returns(bench):
    backend = HttpBackend("first")
    proxy = start(bench, [cluster("web", backend.address)])
    address = backend.address
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        backend.stop()
        wait_for(lambda: proxy.stat("cluster.web.upstream_cx_active") == 0, "the close is seen")
        assert client.get("/").status == 503
        again = HttpBackend("second", port=address[1])
        assert who(client.get("/"))["backend"] == "second"
        again.stop()


def test_many_connections_at_once(bench):
    gate = threading.Barrier(100, timeout=20)

    def meet(_conn, _request):
        gate.wait()
        return answer("met")

    backend = bench.http().on("/meet", meet)
    proxy = start(bench, [cluster("web", backend.address)], concurrency=2)
    clients = [Client(proxy.address("in"), timeout=20) for _ in range(100)]
    for client in clients:
        client.send(build("GET", "/meet"))
    assert all(client.response().text == "met" for client in clients)
    for client in clients:
        client.close()


def test_a_thousand_clusters(bench):
    backend = bench.http()
    names = [f"c{n}" for n in range(1000)]
    routes = [route({"path": f"/{n}"}, to(n)) for n in names]
    proxy = start(bench, [cluster(n, backend.address) for n in names], routes)
    with Client(proxy.address("in")) as client:
        for name in ("c0", "c500", "c999"):
            assert client.get(f"/{name}").status == 200
    assert proxy.wait_log(path="/c999")["cluster"] == "c999"


def test_the_upstream_may_send_early_data(bench):
    """Bytes on an idle kept connection make it unusable, and harm nobody."""
    backend = bench.http()
    backend.on("/noisy", fixed(answer("fine") + b"noise"))
    proxy = start(bench, [cluster("web", backend.address)])
    with Client(proxy.address("in")) as client:
        assert client.get("/noisy").text == "fine"
        for _ in range(3):
            assert who(client.get("/"))["target"] == "/"
