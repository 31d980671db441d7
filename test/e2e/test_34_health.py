"""Active health checks take hosts out of rotation and let them back in."""

import threading

import pytest
from backend import answer, closed_port
from client import fetch, wait_for
from config import address, bootstrap, cluster, endpoint, listener, tcp_proxy
from dns_server import DnsServer
from health import CALM, Host, check, flags, spread, start, wait_flags

CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


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


def test_hosts_are_checked_as_dns_names_them(bench):
    a = bench.http("a", default=lambda _c, _r: answer("a"), host="127.0.0.1")
    b = bench.http("b", default=lambda _c, _r: answer("b"), host="127.0.0.2", port=a.port)
    b.on("/healthz", lambda _c, _r: answer("", status="500 Bad"))
    with DnsServer() as dns:
        dns.records["app.test"] = ["127.0.0.1"]
        resolver = {"name": "envoy.network.dns_resolver.cares", "typed_config": {
            "@type": CARES, "resolvers": [address(dns.address)],
            "dns_resolver_options": {"no_default_search_domain": True}}}
        proxy = start(bench, [("app.test", a.port)], type="STRICT_DNS", dns_refresh_rate="0.1s",
                      dns_lookup_family="V4_ONLY", typed_dns_resolver_config=resolver,
                      ignore_health_on_host_removal=True, **CALM, **check())
        dns.records["app.test"] = ["127.0.0.1", "127.0.0.2"]
        wait_flags(proxy, b.address, "/failed_active_hc")
        assert spread(proxy, 10) == {"a": 10}
        b.on("/healthz", lambda _c, _r: answer("fine"))
        wait_for(lambda: fetch(proxy.address("in")).text == "b", "b is used")
        dns.records["app.test"] = ["127.0.0.2"]
        wait_for(lambda: flags(proxy, a.address) is None, "a is gone")
        wait_for(lambda: proxy.stat("cluster.web.health_check.healthy") == 1, "a is not checked")
        assert spread(proxy, 10) == {"b": 10}
        assert flags(proxy, b.address) == "healthy"


@pytest.mark.lanekeeper_only("Envoy can")
@pytest.mark.parametrize("kind", ["grpc_health_check", "custom_health_check"])
def test_checks_that_are_not_built_are_refused_by_name(bench, kind):
    fields = check()
    del fields["health_checks"][0]["http_health_check"]
    fields["health_checks"][0][kind] = {"name": "x"} if kind == "custom_health_check" else {}
    with pytest.raises(AssertionError, match=kind):
        start(bench, [("127.0.0.1", 1)], **fields)
