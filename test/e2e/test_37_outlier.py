"""Outlier detection: hosts that fail several times in a row are ejected for a while."""

import time

import pytest
from backend import answer, closed_port, echo_bytes
from client import Client, fetch, wait_for
from config import bootstrap, cluster, listener, route, tcp_proxy, to
from health import Host, check, flags, outlier, spread, start, wait_flags


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


def test_ejections_in_a_row_grow(bench):
    a, b = Host(bench, "a"), Host(bench, "b")
    # Envoy would tell its workers of changes within a second only once
    at_once = {"common_lb_config": {"update_merge_window": "0s"}}
    proxy = start(bench, [a, b], **at_once, **outlier(
        consecutive_5xx=1, base_ejection_time="0.3s", interval="0.3s"))
    a.answers.work = answer("broken", status="500 Broken")
    lasted = []
    for _ in range(3):
        wait_for(lambda: fetch(proxy.address("in")) and
                 flags(proxy, a.address) == "/failed_outlier_check", "a is ejected")
        begin = time.monotonic()
        wait_flags(proxy, a.address, "healthy")
        lasted.append(time.monotonic() - begin)
    assert lasted[1] > 0.55 and lasted[2] > 0.85, lasted


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


@pytest.mark.lanekeeper_only("Envoy does not replay")
def test_a_connection_that_died_of_age_says_nothing_about_its_host(bench):
    a = Host(bench, "a")
    proxy = start(bench, [a], **outlier(consecutive_5xx=1, max_ejection_percent=100))
    served = []

    def once(conn):
        served.append(conn.number)
        return conn.reset() if served.count(conn.number) > 1 else answer("a")

    a.answers.work = once
    with Client(proxy.address("in")) as client:
        assert [client.get("/").text for _ in range(4)] == ["a"] * 4
    assert proxy.stat("cluster.web.upstream_rq_replayed") == 3
    assert proxy.stat("cluster.web.outlier_detection.ejections_detected_consecutive_5xx") == 0


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
