"""Mirrored copies of requests (request_mirror_policies): what they hold, and that nothing comes of them."""

import json
import subprocess
import threading
import time

import pytest
from backend import answer, fixed
from bench import binary_of
from client import Client, build, fetch, wait_for
from config import bootstrap, cluster, hcm, listener, route, vhost


def policy(name="mirror", **fields):
    return {"cluster": name, **fields}


def mirrored(*policies, **action):
    return {"route": {"cluster": "main", "request_mirror_policies": list(policies), **action}}


class Mirrored:
    """A proxy that sends to `main`, and what `main` and `mirror` saw."""

    def __init__(self, bench, *routes, mirror=None, clusters=(), fields=None, **options):
        self.main = bench.http("main")
        self.mirror = mirror or bench.http("mirror")
        self.proxy = bench.start(bootstrap(
            [listener("in", hcm(*routes, **options))],
            [cluster("main", self.main.address),
             cluster("mirror", self.mirror.address, **(fields or {}))] + list(clusters)))

    def fetch(self, **request):
        return fetch(self.proxy.address("in"), **request)

    def both(self, status=200, **request):
        """The request, and its copy, waited for."""
        assert self.fetch(**request).status == status
        copy = wait_for(self.mirror.take, "the copy arrives")
        (original,) = self.main.take()
        (copy,) = copy
        return original, copy

    def stat(self, name, value):
        self.proxy.wait_stat(f"cluster.mirror.{name}", value)


def pairs(request, *without):
    return [(n.lower(), v) for n, v in request.headers if n.lower() not in without]


OWN = ("host", "x-envoy-internal", "x-forwarded-for")


@pytest.mark.parametrize("host, copied", [
    ("web.test", "web.test-shadow"),
    ("web.test:8080", "web.test-shadow:8080"),
    ("[::1]", "[::1]-shadow"),
    ("[::1]:8080", "[::1]-shadow:8080"),
    ("10.0.0.1:80", "10.0.0.1-shadow:80"),
])
def test_a_copy_says_what_it_is(bench, host, copied):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    original, copy = mesh.both(target="/a?b=c", host=host, headers=[
        ("x-forwarded-for", "1.2.3.4"), ("x-one", "1"), ("x-two", "2")])
    assert (copy.method, copy.target) == (original.method, original.target) == ("GET", "/a?b=c")
    assert original.headers.get("host") == host
    assert copy.headers.get("host") == copied
    assert pairs(copy, *OWN) == pairs(original, *OWN)
    assert copy.headers.get("x-envoy-internal") == "true"
    first, own = copy.headers.get("x-forwarded-for").split(",")
    assert first == "1.2.3.4" and own.count(".") == 3
    assert original.headers.get("x-forwarded-for") == "1.2.3.4"


def test_the_host_may_stay_as_it_is(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy(disable_shadow_host_suffix_append=True))))
    original, copy = mesh.both(host="web.test")
    assert copy.headers.get("host") == original.headers.get("host") == "web.test"
    assert copy.headers.get("x-forwarded-for")


def test_a_copy_is_made_of_the_request_as_it_is_sent(bench):
    added = [{"header": {"key": "x-added", "value": "v"}}]
    mesh = Mirrored(bench, route("/old", mirrored(policy(), prefix_rewrite="/new",
                                                  host_rewrite_literal="other.test"),
                                 request_headers_to_add=added))
    original, copy = mesh.both(target="/old/x")
    assert copy.target == original.target == "/new/x"
    assert copy.headers.get("host") == "other.test-shadow"
    assert pairs(copy, *OWN) == pairs(original, *OWN)
    assert ("x-envoy-original-path", "/old/x") in pairs(copy)


@pytest.mark.parametrize("size", [1, 5000, 300_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_copied_as_they_arrive(bench, size, chunked):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    body = bytes(i * 7 & 255 for i in range(size))
    with Client(mesh.proxy.address("in")) as client:
        if chunked:
            client.send(build("POST", "/", [("transfer-encoding", "chunked")]))
            for start in range(0, size, 20_000):
                piece = body[start:start + 20_000]
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
        else:
            client.send(build("POST", "/", body=body))
        assert client.response().status == 200
    (copy,) = wait_for(mesh.mirror.take, "the copy arrives")
    (original,) = mesh.main.take()
    assert copy.body == original.body == body
    assert pairs(copy, *OWN) == pairs(original, *OWN)


def test_the_most_specific_list_holds(bench):
    hosts = [
        vhost("own", ["own"], route("/route", mirrored(policy("third"))), route("/", "main"),
              request_mirror_policies=[policy()]),
        vhost("other", ["*"], route("/", "main")),
    ]
    third, table = bench.http("third"), bench.http("table")
    mesh = Mirrored(bench, vhosts=hosts, route_fields={"request_mirror_policies": [policy("table")]},
                    clusters=[cluster("third", third.address), cluster("table", table.address)])
    for host, path, seen in (("own", "/route", third), ("own", "/", mesh.mirror), ("x", "/", table)):
        assert mesh.fetch(host=host, target=path).status == 200
        assert len(wait_for(seen.take, "the copy arrives")) == 1
    assert mesh.mirror.take() == third.take() == table.take() == []


def test_several_copies_and_clusters_named_by_a_header(bench):
    other = bench.http("other")
    mesh = Mirrored(bench, route("/", mirrored(policy(), {"cluster_header": "x-to"})),
                    clusters=[cluster("other", other.address)])
    mesh.both(headers=[("x-to", "other")])
    assert len(wait_for(other.take, "the other copy")) == 1
    mesh.both()  # without the header
    mesh.both(headers=[("x-to", "unknown")])
    assert other.take() == []


@pytest.mark.parametrize("numerator, copies", [(0, 0), (100, 20)])
def test_a_share_of_requests(bench, numerator, copies):
    share = {"default_value": {"numerator": numerator}}
    mesh = Mirrored(bench, route("/", mirrored(policy(runtime_fraction=share))))
    for _ in range(20):
        assert mesh.fetch().status == 200
    mesh.stat("upstream_rq_completed", copies)
    assert len(mesh.mirror.take()) == copies


def test_half_of_the_requests(bench):
    share = {"default_value": {"numerator": 50}}
    mesh = Mirrored(bench, route("/", mirrored(policy(runtime_fraction=share))))
    with Client(mesh.proxy.address("in")) as client:
        for _ in range(200):
            assert client.get("/").status == 200
    mesh.proxy.wait_stat("cluster.main.upstream_rq_200", 200)
    assert 60 <= mesh.proxy.stat("cluster.mirror.upstream_rq_total") <= 140


# The answer of a mirror, or that there is none


def test_the_answer_is_dropped_and_counted(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    mesh.mirror.on("/big", fixed(answer(b"x" * 200_000)))
    mesh.mirror.on("/bad", fixed(answer("broken", status="500 No")))
    for path in ("/", "/big", "/bad"):
        assert mesh.fetch(target=path).status == 200
    mesh.stat("upstream_rq_completed", 3)
    mesh.stat("upstream_rq_2xx", 2)
    mesh.stat("upstream_rq_500", 1)
    mesh.stat("internal.upstream_rq_5xx", 1)
    mesh.stat("upstream_rq_active", 0)
    mesh.proxy.wait_stat("cluster.main.upstream_rq_2xx", 3)


def test_a_mirror_that_does_not_answer_holds_up_nobody(bench):
    gate = threading.Event()
    mesh = Mirrored(bench, route("/", mirrored(policy(), timeout="0.4s")))
    mesh.mirror.default = lambda _c, _r: gate.wait(10) and answer("late")
    began = time.monotonic()
    with Client(mesh.proxy.address("in")) as client:
        for _ in range(10):
            assert client.get("/").status == 200
    assert time.monotonic() - began < 2
    mesh.stat("upstream_rq_timeout", 10)
    mesh.stat("upstream_rq_504", 10)
    mesh.stat("upstream_rq_active", 0)
    gate.set()


def test_a_mirror_that_is_not_there(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    mesh.mirror.stop()
    for _ in range(3):
        assert mesh.fetch(method="POST", body=b"hello").status == 200
    mesh.stat("upstream_rq_503", 3)
    mesh.stat("upstream_rq_pending_failure_eject", 3)
    mesh.stat("upstream_cx_connect_fail", 3)


def test_a_mirror_without_hosts(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy("empty"))), clusters=[cluster("empty")])
    assert mesh.fetch().status == 200
    mesh.proxy.wait_stat("cluster.empty.upstream_cx_none_healthy", 1)
    assert mesh.proxy.stat("cluster.empty.upstream_rq_503") == 1


def test_limits_of_the_mirrors_cluster_hold(bench):
    gate, busy = threading.Event(), []
    limits = {"max_connections": 1, "max_pending_requests": 1}
    mesh = Mirrored(bench, route("/", mirrored(policy())),
                    fields={"circuit_breakers": {"thresholds": [limits]}})
    mesh.mirror.default = lambda _c, r: busy.append(r) or gate.wait(10) and answer("late")
    assert mesh.fetch().status == 200
    wait_for(lambda: busy, "one is held")
    assert mesh.fetch().status == 200
    mesh.stat("upstream_rq_pending_active", 1)
    assert mesh.fetch().status == 200
    mesh.stat("upstream_rq_pending_overflow", 1)
    gate.set()
    mesh.stat("upstream_rq_200", 2)


def test_a_request_that_fails_is_mirrored_all_the_same(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    mesh.main.stop()
    assert mesh.fetch().status == 503
    assert len(wait_for(mesh.mirror.take, "the copy arrives")) == 1


def test_a_request_without_a_host_is_not_mirrored(bench):
    mesh = Mirrored(bench, route("/", {"route": {"cluster": "empty",
                                                 "request_mirror_policies": [policy()]}}),
                    clusters=[cluster("empty")])
    assert mesh.fetch().status == 503
    assert mesh.fetch(method="POST", body=b"x").status == 503
    mesh.stat("upstream_rq_total", 0)


def test_a_client_that_gives_up_takes_the_copy_with_it(bench):
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    with Client(mesh.proxy.address("in")) as client:
        client.send(build("POST", "/", [("content-length", "100")]) + b"half")
        mesh.stat("upstream_rq_active", 1)
    mesh.stat("upstream_rq_active", 0)
    mesh.stat("upstream_cx_active", 0)
    assert mesh.mirror.take() == []


def test_a_copy_outlives_its_request(bench):
    gate = threading.Event()
    mesh = Mirrored(bench, route("/", mirrored(policy())))
    mesh.mirror.default = lambda _c, _r: gate.wait(10) and answer("late")
    assert mesh.fetch(method="POST", body=b"hello").status == 200
    mesh.proxy.wait_stat("http.ingress.downstream_cx_active", 0)
    gate.set()
    mesh.stat("upstream_rq_200", 1)


@pytest.mark.lanekeeper_only("a slow mirror slows nobody down: its copy is given up")
def test_a_mirror_that_does_not_read_is_given_up(bench):
    gate = threading.Event()
    deaf = bench.tcp(lambda conn: gate.wait(10))
    mesh = Mirrored(bench, route("/", mirrored(policy())), mirror=deaf,
                    fields={"per_connection_buffer_limit_bytes": 65536})
    body = b"x" * 20_000_000
    assert mesh.fetch(method="POST", body=body).status == 200
    (original,) = mesh.main.take()
    assert len(original.body) == len(body)
    mesh.stat("retry_or_shadow_abandoned", 1)
    mesh.stat("upstream_cx_active", 0)
    gate.set()


@pytest.mark.parametrize("concurrency", [1, 4])
def test_many_at_once(bench, concurrency):
    main, mirror = bench.http("main"), bench.http("mirror")
    proxy = bench.start(bootstrap(
        [listener("in", hcm(route("/", mirrored(policy()))))],
        [cluster("main", main.address), cluster("mirror", mirror.address)]),
        concurrency=concurrency)

    def run(number):
        with Client(proxy.address("in")) as client:
            for i in range(50):
                assert client.request("POST", f"/{number}/{i}", body=b"b" * i).status == 200

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.wait_stat("cluster.mirror.upstream_rq_200", 400)
    seen = {(r.target, r.body) for r in main.take()}
    assert {(r.target, r.body) for r in mirror.take()} == seen and len(seen) == 400


@pytest.mark.lanekeeper_only("messages are our own")
@pytest.mark.parametrize("made, path, what", [
    ({"cluster": "mirror", "cluster_header": "x"}, "request_mirror_policies[0]", "both"),
    ({}, "request_mirror_policies[0]", "none of cluster and cluster_header"),
    ({"cluster": "nowhere"}, "request_mirror_policies[0].cluster", "unknown cluster"),
    ({"cluster": "mirror", "host_rewrite_literal": "x"}, "host_rewrite_literal", "not supported"),
    ({"cluster": "mirror", "request_headers_mutations": [{"remove": "x"}]},
     "request_headers_mutations", "not supported"),
])
@pytest.mark.parametrize("level", ["route", "host", "table"])
def test_mistakes_are_named(bench, made, path, what, level):
    policies = {"request_mirror_policies": [made]}
    action = {"route": {"cluster": "mirror", **(policies if level == "route" else {})}}
    host = vhost("h", ["*"], route("/", action), **(policies if level == "host" else {}))
    where = {"route": "routes[0].route.", "host": "virtual_hosts[0].", "table": "route_config."}
    config = bootstrap([listener("in", hcm(vhosts=[host],
                                           route_fields=policies if level == "table" else {}))],
                       [cluster("mirror", ("127.0.0.1", 1))])
    file = bench.folder / "bad.json"
    file.write_text(json.dumps(config))
    done = subprocess.run([binary_of("lanekeeper"), "-c", str(file), "--mode", "validate"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert where[level] in done.stderr and path in done.stderr and what in done.stderr
