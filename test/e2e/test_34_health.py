"""Health: active checks and outlier detection take hosts out of rotation and let them back in."""

import collections
import json
import threading

import pytest
from backend import HttpBackend, TcpBackend, answer, closed_port, echo_bytes
from bench import Bench, binary_of
from client import Client, fetch, wait_for
from config import (bootstrap, cluster, endpoint, file_log, hcm, listener, parse_log, route,
                    tcp_proxy, to)

CALM = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


def check(**fields):
    """A quick HTTP check; its connections are short, so that none is left at the end."""
    return {"health_checks": [{
        "timeout": "1s", "interval": "0.05s", "no_traffic_interval": "0.05s",
        "unhealthy_threshold": 2, "healthy_threshold": 2, "reuse_connection": False,
        **({} if "tcp_health_check" in fields else {"http_health_check": {"path": "/healthz"}}),
        **fields,
    }]}


def outlier(**fields):
    return {"outlier_detection": {
        "consecutive_5xx": 3, "interval": "0.05s", "base_ejection_time": "0.4s",
        "max_ejection_percent": 50, "enforcing_success_rate": 0, **fields,
    }}


class Answers:
    """What a backend answers to checks and to requests; changed by the test at any time."""

    def __init__(self, name):
        self.name = name
        self.health = answer("fine")
        self.work = None

    def on_check(self, _conn, _request):
        return self.health

    def on_request(self, conn, _request):
        if callable(self.work):
            return self.work(conn)
        return self.work or answer(self.name)


class Host:
    """A backend that can be stopped and started again on its port."""

    def __init__(self, bench, name):
        self.bench = bench
        self.answers = Answers(name)
        self.backend = None
        self.port = 0
        self.start()

    def start(self):
        self.backend = HttpBackend(self.answers.name, default=self.answers.on_request, port=self.port)
        self.backend.on("/healthz", self.answers.on_check)
        self.bench.keep(self.backend)
        self.port = self.backend.port

    def stop(self):
        self.backend.stop()

    @property
    def address(self):
        return ("127.0.0.1", self.port)


def start(bench, members, routes=None, name="web", **fields):
    options = fields.pop("options", {})
    manager = hcm(*(routes or [route("/", to(name, timeout="3s"))]),
                  logs=[file_log(bench.log_file())])
    addresses = [m.address if isinstance(m, Host) else m for m in members]
    return bench.start(bootstrap([listener("in", manager)], [cluster(name, *addresses, **fields)]),
                       **options)


def flags(proxy, address, name="web"):
    prefix = f"{name}::{address[0]}:{address[1]}::health_flags::"
    for line in proxy.admin("/clusters").text.splitlines():
        if line.startswith(prefix):
            return line[len(prefix):]
    return None


def wait_flags(proxy, address, wanted, name="web"):
    wait_for(lambda: flags(proxy, address, name) == wanted, f"{address} has flags {wanted}")


def spread(proxy, turns):
    """Who answered; each on a connection of its own."""
    counted = collections.Counter()
    for _ in range(turns):
        response = fetch(proxy.address("in"))
        assert response.status == 200, response
        counted[response.text] += 1
    return counted


# Active checks


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_dead_host_gets_nothing_once_it_is_detected_and_returns_when_it_is_back(
        bench, concurrency):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], options={"concurrency": concurrency}, **check())
    assert set(spread(proxy, 20)) == {"a", "b"}
    b.stop()
    wait_flags(proxy, b.address, "/failed_active_hc")
    assert spread(proxy, 30) == {"a": 30}
    assert proxy.stat("cluster.web.membership_healthy") == 1
    assert proxy.stat("cluster.web.health_check.healthy") == 1
    assert proxy.stat("cluster.web.health_check.network_failure") >= 2
    b.start()
    wait_flags(proxy, b.address, "healthy")
    wait_for(lambda: fetch(proxy.address("in")).text == "b", "b is used again")
    assert set(spread(proxy, 20)) == {"a", "b"}
    assert proxy.stat("cluster.web.membership_healthy") == 2
    b.backend.close_connections()  # the proxy's fixture does not know of it


def test_a_host_that_says_no_is_out_whatever_the_threshold(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], **check(unhealthy_threshold=1000))
    b.answers.health = answer("busy", status="503 Busy")
    wait_flags(proxy, b.address, "/failed_active_hc")
    assert spread(proxy, 20) == {"a": 20}


def test_a_kept_connection_carries_many_checks(bench):
    a = Host(bench, "a")
    proxy = start(bench, [a], **check(reuse_connection=True))
    proxy.wait_stat("cluster.web.health_check.success", 5)
    checks = [r for r in a.backend.take() if r.target == "/healthz"]
    assert len({r.connection for r in checks}) == 1
    assert ("user-agent", "Envoy/HC") in checks[0].headers
    assert ("host", "web") in checks[0].headers


def test_a_silent_host_is_out_and_shown_as_such(bench):
    gate = threading.Event()
    silent = bench.http("silent").on("/healthz", lambda _c, _r: gate.wait(20) and None)
    a = Host(bench, "a")
    proxy = start(bench, [a, silent.address], **check(timeout="0.1s"))
    wait_flags(proxy, silent.address, "/failed_active_hc/active_hc_timeout")
    assert spread(proxy, 10) == {"a": 10}
    gate.set()


def test_readiness_waits_for_the_first_checks(bench):
    gate = threading.Event()
    slow = bench.http("slow").on("/healthz", lambda _c, _r: gate.wait(20) and answer("fine"))
    started = threading.Event()

    def run():
        start(bench, [slow.address], **check(timeout="20s"))
        started.set()
        threading.Event().wait(60)  # the proxy ends with the thread that began it

    threading.Thread(target=run, daemon=True).start()
    slow.wait_requests(1)
    proxy = wait_for(lambda: bench.proxies and bench.proxies[0].admin_address and bench.proxies[0],
                     "the admin page is there")
    assert proxy.admin("/ready").status == 503
    assert proxy.stat("listener_manager.workers_started") == 0
    assert not started.is_set()
    gate.set()
    assert started.wait(8)
    assert fetch(proxy.address("in")).status == 200


def test_readiness_does_not_wait_for_success(bench):
    held, port = closed_port()
    proxy = start(bench, [("127.0.0.1", port)], **CALM, **check())
    assert flags(proxy, ("127.0.0.1", port)) == "/failed_active_hc"
    assert fetch(proxy.address("in")).status == 503
    assert proxy.wait_log(code="503")["flags"] == "UH"
    held.close()


def test_with_too_few_healthy_hosts_all_are_used(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    a.answers.health = b.answers.health = answer("", status="500 Bad")
    proxy = start(bench, [a, b], **check())
    assert spread(proxy, 10) == {"a": 5, "b": 5}
    assert proxy.stat("cluster.web.lb_healthy_panic") == 10


def test_without_panic_nobody_is_used(bench):
    a = Host(bench, "a")
    a.answers.health = answer("", status="500 Bad")
    proxy = start(bench, [a], **CALM, **check())
    assert fetch(proxy.address("in")).text == "no healthy upstream"
    assert proxy.wait_log(code="503")["flags"] == "UH"
    a.answers.health = answer("fine")
    wait_flags(proxy, a.address, "healthy")
    wait_for(lambda: fetch(proxy.address("in")).status == 200, "a is used")


def test_a_degraded_host_is_the_second_choice(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    b.answers.health = answer("", headers=[("x-envoy-degraded", "true")])
    proxy = start(bench, [a, b], **CALM, **check())
    assert flags(proxy, b.address) == "/degraded_active_hc"
    assert proxy.stat("cluster.web.membership_degraded") == 1
    # one of two hosts takes 70 % as healthy, the rest goes to the degraded one
    assert spread(proxy, 60)["a"] > 25
    a.stop()
    wait_flags(proxy, a.address, "/failed_active_hc")
    assert spread(proxy, 10) == {"b": 10}


def test_a_response_can_take_its_host_out(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], **check(interval="60s", no_traffic_interval="60s"))
    b.answers.work = answer("b", headers=[("x-envoy-immediate-health-check-fail", "true")])
    assert set(spread(proxy, 2)) == {"a", "b"}
    wait_flags(proxy, b.address, "/failed_active_hc/excluded_via_immediate_hc_fail")
    assert spread(proxy, 10) == {"a": 10}
    assert proxy.stat("cluster.web.health_check.passive_failure") == 1


def test_an_endpoint_is_checked_where_and_whether_it_says(bench):
    a, b, side = Host(bench, "a"), Host(bench, "b"), Host(bench, "side")
    side.answers.health = answer("", status="500 Bad")
    elsewhere = endpoint(a.address)
    elsewhere["endpoint"]["health_check_config"] = {"port_value": side.port, "hostname": "own"}
    unchecked = endpoint(b.address)
    unchecked["endpoint"]["health_check_config"] = {"disable_active_health_check": True}
    proxy = start(bench, [elsewhere, unchecked], **check())
    assert flags(proxy, a.address) == "/failed_active_hc"
    assert flags(proxy, b.address) == "healthy"
    assert ("host", "own") in side.backend.last().headers
    assert spread(proxy, 10) == {"b": 10}
    assert not [r for r in b.backend.take() if r.target == "/healthz"]


def test_tcp_checks_with_and_without_a_payload(bench):
    def pong(conn):
        if conn.read(4) == b"PING":
            conn.send(b"+PONG")
        conn.read_some()

    def wrong(conn):
        conn.read(4)
        conn.send(b"-ERR")
        conn.read_some()

    good, bad = bench.tcp(pong), bench.tcp(wrong)
    held, port = closed_port()
    payload = {"send": {"text": "50494E47"}, "receive": [{"text": "504F4E47"}]}
    talk = check(tcp_health_check=payload, timeout="0.2s")
    connect = check(tcp_health_check={})
    proxy = bench.start(bootstrap(
        [listener("in", tcp_proxy("talk"))],
        [cluster("talk", good.address, bad.address, **talk),
         cluster("connect", good.address, ("127.0.0.1", port), **connect)],
    ))
    assert flags(proxy, good.address, "talk") == "healthy"
    wait_flags(proxy, bad.address, "/failed_active_hc/active_hc_timeout", "talk")
    assert flags(proxy, good.address, "connect") == "healthy"
    assert flags(proxy, ("127.0.0.1", port), "connect") == "/failed_active_hc"
    held.close()


# Outlier detection


def test_a_host_that_fails_is_ejected_and_returns(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], **outlier())
    a.answers.work = answer("broken", status="500 Broken")
    for _ in range(6):
        fetch(proxy.address("in"))
    wait_flags(proxy, a.address, "/failed_outlier_check")
    assert proxy.stat("cluster.web.outlier_detection.ejections_active") == 1
    assert proxy.stat("cluster.web.outlier_detection.ejections_enforced_consecutive_5xx") == 1
    assert proxy.stat("cluster.web.membership_healthy") == 1
    a.answers.work = None
    wait_flags(proxy, a.address, "healthy")
    assert proxy.stat("cluster.web.outlier_detection.ejections_active") == 0
    wait_for(lambda: fetch(proxy.address("in")).text == "a", "a is used again")


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_ejected_host_gets_nothing(bench, concurrency):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], options={"concurrency": concurrency},
                  **outlier(base_ejection_time="60s"))
    a.answers.work = answer("broken", status="503 Broken")
    wait_for(lambda: fetch(proxy.address("in")) and
             flags(proxy, a.address) == "/failed_outlier_check", "a is ejected")
    assert spread(proxy, 30) == {"b": 30}


@pytest.mark.parametrize("how", ["refuse", "reset", "hang"])
def test_what_this_side_sees_ejects_too(bench, how):
    a, b = Host(bench, "a"), Host(bench, "b")
    if how == "refuse":
        a.stop()
    a.answers.work = (lambda conn: conn.reset()) if how == "reset" else (lambda conn: conn.read(1))
    proxy = start(bench, [a, b], [route("/", to("web", timeout="0.1s"))],
                  **outlier(base_ejection_time="60s"))
    for _ in range(6):
        fetch(proxy.address("in"), "POST")
    wait_flags(proxy, a.address, "/failed_outlier_check")
    assert spread(proxy, 6) == {"b": 6}


def test_connects_of_tcp_proxy_that_fail_eject(bench):
    b = bench.tcp(echo_bytes)
    held, port = closed_port()
    proxy = bench.start(bootstrap(
        [listener("in", tcp_proxy("web", max_connect_attempts=2))],
        [cluster("web", ("127.0.0.1", port), b.address, **outlier(base_ejection_time="60s"))],
    ))

    def ejected():
        with Client(proxy.address("in")) as client:
            client.send(b"x")
            client.read(1)
        return flags(proxy, ("127.0.0.1", port)) == "/failed_outlier_check"

    wait_for(ejected, "the dead host is ejected")
    assert flags(proxy, b.address) == "healthy"
    held.close()


def test_not_more_than_the_configured_share_is_ejected(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], **outlier(base_ejection_time="60s"))
    a.answers.work = b.answers.work = answer("broken", status="500 Broken")
    for _ in range(20):
        fetch(proxy.address("in"))
    proxy.wait_stat("cluster.web.outlier_detection.ejections_overflow", 1)
    assert proxy.stat("cluster.web.outlier_detection.ejections_active") == 1


def test_a_passed_check_ends_an_ejection(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    proxy = start(bench, [a, b], **check(interval="0.3s", no_traffic_interval="0.3s"),
                  **outlier(base_ejection_time="60s"))
    a.answers.work = answer("broken", status="500 Broken")
    wait_for(lambda: fetch(proxy.address("in")) and
             flags(proxy, a.address) == "/failed_outlier_check", "a is ejected")
    wait_flags(proxy, a.address, "healthy")


# What cannot be done


@pytest.mark.lanekeeper_only("Envoy can")
@pytest.mark.parametrize("kind", ["grpc_health_check", "custom_health_check"])
def test_checks_that_are_not_built_are_refused_by_name(bench, kind):
    fields = check()
    del fields["health_checks"][0]["http_health_check"]
    fields["health_checks"][0][kind] = {"name": "x"} if kind == "custom_health_check" else {}
    with pytest.raises(AssertionError, match=kind):
        start(bench, [("127.0.0.1", 1)], **fields)


# The same on Envoy


NAMES = """attempt success failure network_failure passive_failure healthy degraded
ejections_active ejections_enforced_total ejections_enforced_consecutive_5xx ejections_overflow
ejections_detected_consecutive_5xx ejections_detected_consecutive_gateway_failure
ejections_enforced_consecutive_gateway_failure ejections_total ejections_consecutive_5xx
membership_total membership_healthy membership_degraded membership_excluded
lb_healthy_panic upstream_cx_none_healthy""".split()


class Scene:
    """One proxy in front of hosts of every kind, checked once, then asked for things."""

    def __init__(self, bench, kind):
        self.hosts = {n: Host(bench, n) for n in ("good", "bad", "tired", "out", "flaky", "gate")}
        self.hosts["bad"].answers.health = answer("", status="500 Bad")
        self.hosts["tired"].answers.health = answer("", headers=[("x-envoy-degraded", "1")])
        leave = ("x-envoy-immediate-health-check-fail", "1")
        self.hosts["out"].answers.health = answer("", status="503 Out", headers=[leave])
        self.hosts["flaky"].answers.work = answer("", status="500 Bad")
        self.hosts["gate"].answers.work = answer("", status="503 Busy")
        self.held, port = closed_port()
        at = {name: host.address for name, host in self.hosts.items()}
        at["dead"] = ("127.0.0.1", port)
        once = check(interval="60s", no_traffic_interval="60s", unhealthy_threshold=3)
        eject = outlier(base_ejection_time="60s", interval="60s")
        new = {"common_lb_config": {"ignore_new_hosts_until_first_hc": True}}
        never = {"healthy_panic_threshold": {"value": 0}}
        clusters = [
            cluster("mixed", *[at[n] for n in ("good", "bad", "dead", "tired", "out")], **once),
            cluster("panic", at["bad"], at["dead"], **once),
            cluster("calm", at["bad"], at["dead"], common_lb_config=never, **once),
            cluster("excluded", at["good"], at["out"], **once),
            cluster("new", at["good"], at["bad"], **new, **once),
            cluster("ejected", at["flaky"], at["good"], **eject),
            cluster("gateway", at["gate"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", consecutive_5xx=9,
                consecutive_gateway_failure=2, enforcing_consecutive_gateway_failure=100)),
            cluster("overflow", at["flaky"], at["good"], **outlier(max_ejection_percent=10)),
            cluster("always", at["flaky"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", max_ejection_percent=10,
                always_eject_one_host=True)),
            cluster("split", at["dead"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", consecutive_5xx=9,
                split_external_local_origin_errors=True, consecutive_local_origin_failure=2)),
        ]
        self.clusters = [c["name"] for c in clusters]
        names = {f"{host}:{where[1]}": name for name, where in at.items() for host in [where[0]]}
        routes = [route(f"/{name}/", to(name, timeout="3s")) for name in self.clusters]
        manager = hcm(*routes, logs=[file_log(bench.log_file())])
        self.proxy = bench.start(bootstrap([listener("in", manager)], clusters), kind=kind)
        self.seen = {}
        for name in self.clusters:
            self.play(name)
        self.seen["flags"] = self.flags(names)
        self.seen["json"] = self.json_flags(names)
        self.seen["stats"] = {n: v for n, v in self.proxy.stats().items()
                              if n.rpartition(".")[2] in NAMES and n.startswith("cluster.")}
        self.held.close()

    def play(self, name):
        """Enough requests for every ejection, then what four more meet."""
        for _ in range(12):
            fetch(self.proxy.address("in"), target=f"/{name}/early")
        total = f"cluster.{name}.outlier_detection.ejections_enforced_total"
        if name in ("ejected", "gateway", "always", "split"):
            self.proxy.wait_stat(total, 1)
        for _ in range(4):
            fetch(self.proxy.address("in"), target=f"/{name}/late")
        lines = wait_for(lambda: self.logged(name), f"{name} is in the log")
        late = [parse_log(line) for line in lines]
        # in panic the balancer's start decides who comes first
        self.seen[name] = sorted((e["code"], e["flags"]) for e in late)

    def logged(self, name):
        lines = [line for line in self.proxy.log_lines() if f"/{name}/late" in line]
        return lines if len(lines) == 4 else None

    def flags(self, names):
        found = {}
        for line in self.proxy.admin("/clusters").text.splitlines():
            parts = line.split("::")
            if len(parts) == 4 and parts[2] == "health_flags":
                found[parts[0], names[parts[1]]] = parts[3]
        return found

    def json_flags(self, names):
        found = {}
        for status in self.proxy.admin_json("/clusters?format=json")["cluster_statuses"]:
            for host in status["host_statuses"]:
                where = host["address"]["socket_address"]
                found[status["name"], names[f"127.0.0.1:{where['port_value']}"]] = json.dumps(
                    host["health_status"], sort_keys=True)
        return found


@pytest.fixture(scope="module")
def both(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with (Bench(proxy_kind, tmp_path_factory.mktemp("ours")) as ours,
          Bench("envoy", tmp_path_factory.mktemp("theirs")) as theirs):
        yield Scene(ours, proxy_kind), Scene(theirs, "envoy")


@pytest.mark.parametrize("what", ["flags", "json", "mixed", "panic", "calm", "excluded", "new",
                                  "ejected", "gateway", "overflow", "always", "split"])
def test_as_on_envoy(both, what):
    ours, theirs = (scene.seen[what] for scene in both)
    assert ours == theirs


def test_stats_as_on_envoy(both):
    ours, theirs = (scene.seen["stats"] for scene in both)
    shared = {n for n in theirs if n in ours}
    assert len(shared) > 60
    assert {n: ours[n] for n in shared} == {n: theirs[n] for n in shared}
