"""Start, drain, stop, log rotation: what an operator and a kubelet rely on."""

import os
import signal
import threading
import time

import pytest
from backend import answer, echo_bytes
from client import Client, build, fetch, wait_for
from config import bootstrap, cluster, direct, file_log, hcm, listener, route, tcp_proxy, to


def start(bench, backend, **options):
    made = listener(
        "in",
        hcm(route("/direct", direct(200, "x")), route("/", to("web", timeout="5s")),
            logs=[file_log(bench.log_file(), "%REQ(:PATH)%\n")],
            drain_timeout="0.1s", delayed_close_timeout="0.1s"),
        traffic_direction="INBOUND",
    )
    out = listener("out", hcm(route("/", to("web", timeout="5s"))), traffic_direction="OUTBOUND")
    return bench.start(bootstrap([made, out], [cluster("web", backend.address)]), **options)


class Load:
    """Clients that keep asking; counts good answers and real failures."""

    def __init__(self, where, clients=4, reconnect=True):
        self.where, self.reconnect = where, reconnect
        self.good, self.failures, self.refused = 0, [], threading.Event()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopping.is_set():
            try:
                client = Client(self.where)
            except ConnectionError:
                self.refused.set()
                return
            with client:
                if not self.use(client):
                    return

    def use(self, client):
        """One connection, until it says close; False ends this thread."""
        while not self.stopping.is_set():
            try:
                response = client.get("/load")
            except Exception as error:
                with self.lock:
                    self.failures.append(repr(error))
                return False
            with self.lock:
                self.good += response.status == 200
                if response.status != 200:
                    self.failures.append(response.status)
            if response.headers.get("connection") == "close":
                return True
        return False

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(10)


def test_ready_means_that_listeners_accept(bench):
    backend = bench.http()
    for _ in range(5):
        proxy = start(bench, backend)
        assert fetch(proxy.address("in")).status == 200


def test_sigterm_ends_with_exit_code_0(bench):
    proxy = start(bench, bench.http())
    assert fetch(proxy.address("in")).status == 200
    proxy.signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0


def test_sigint_ends_too(bench):
    proxy = start(bench, bench.http())
    proxy.signal(signal.SIGINT)
    assert proxy.wait_exit() == 0


def test_quitquitquit_ends_with_exit_code_0(bench):
    proxy = start(bench, bench.http())
    assert proxy.admin("/quitquitquit", "POST").status == 200
    assert proxy.wait_exit() == 0


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_loses_no_request(bench, workers):
    backend = bench.http()
    backend.default = lambda _conn, _request: answer("ok")
    proxy = start(bench, backend, concurrency=workers, args=["--drain-time-s", "5"])
    load = Load(proxy.address("in"))
    wait_for(lambda: load.good > 200, "the load runs")
    proxy.signal(signal.SIGTERM)
    assert proxy.wait_exit(15) == 0
    load.stop()
    assert load.failures == []
    assert load.refused.is_set(), "the clients saw an orderly refusal at the end"


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
def test_a_request_in_flight_is_answered_before_the_stop(bench):
    gate, arrived = threading.Event(), threading.Event()

    def hold(_conn, _request):
        arrived.set()
        gate.wait(10)
        return answer("held")

    backend = bench.http().on("/hold", hold)
    proxy = start(bench, backend, args=["--drain-time-s", "5"])
    with Client(proxy.address("in")) as client:
        client.send(build("GET", "/hold"))
        assert arrived.wait(5)
        proxy.signal(signal.SIGTERM)
        time.sleep(0.1)
        assert proxy.alive()
        gate.set()
        response = client.response()
        assert response.text == "held"
        assert response.headers.get("connection") == "close"
    assert proxy.wait_exit() == 0


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
def test_new_connections_are_refused_while_stopping(bench):
    gate, arrived = threading.Event(), threading.Event()

    def hold(_conn, _request):
        arrived.set()
        gate.wait(10)
        return answer("held")

    backend = bench.http().on("/hold", hold)
    proxy = start(bench, backend, args=["--drain-time-s", "5"])
    where = proxy.address("in")
    with Client(where) as client:
        client.send(build("GET", "/hold"))
        assert arrived.wait(5)
        proxy.signal(signal.SIGTERM)
        wait_for(lambda: refused(where), "new connections are refused")
        gate.set()
        assert client.response().text == "held"
    assert proxy.wait_exit() == 0


def refused(where):
    try:
        Client(where).close()
        return False
    except ConnectionError:
        return True


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
def test_what_does_not_end_is_cut_off_after_the_limit(bench):
    backend = bench.http().on("/never", lambda conn, _: conn.read_some() and None)
    proxy = start(bench, backend, args=["--drain-time-s", "1"])
    with Client(proxy.address("in")) as client:
        client.send(build("GET", "/never"))
        backend.wait_requests(1)
        started = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit(10) == 0
        assert 0.5 < time.monotonic() - started < 6
        assert client.read_all().count(b"HTTP/1.1 200") == 0


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
def test_an_idle_connection_does_not_delay_the_stop_beyond_the_limit(bench):
    proxy = start(bench, bench.http(), args=["--drain-time-s", "1"])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit(10) == 0
        assert client.read_all() == b""


@pytest.mark.lanekeeper_only("graceful stop at SIGTERM; Envoy stops at once")
def test_a_second_sigterm_stops_at_once(bench):
    backend = bench.http().on("/never", lambda conn, _: conn.read_some() and None)
    proxy = start(bench, backend, args=["--drain-time-s", "60"])
    with Client(proxy.address("in")) as client:
        client.send(build("GET", "/never"))
        backend.wait_requests(1)
        proxy.signal(signal.SIGTERM)
        wait_for(lambda: refused(proxy.address("in")), "the drain began")
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit(5) == 0


def test_failing_health_closes_connections_at_their_next_answer(bench):
    proxy = start(bench, bench.http(), args=["--drain-strategy", "immediate"])
    with Client(proxy.address("in")) as client:
        assert "connection" not in client.get("/").headers
        proxy.admin("/healthcheck/fail", "POST")
        response = client.get("/")
        assert response.headers.get("connection") == "close"
        assert client.closed_within(5)
    proxy.admin("/healthcheck/ok", "POST")
    with Client(proxy.address("in")) as client:
        assert "connection" not in client.get("/").headers


def test_draining_listeners_stops_accepting(bench):
    proxy = start(bench, bench.http())
    inbound, outbound = proxy.address("in"), proxy.address("out")
    assert proxy.admin("/drain_listeners?inboundonly", "POST").status == 200
    wait_for(lambda: refused(inbound), "inbound connections are refused")
    assert fetch(outbound).status == 200
    assert proxy.admin("/drain_listeners", "POST").status == 200
    wait_for(lambda: refused(outbound), "outbound connections are refused")
    assert proxy.alive()


def test_draining_gracefully_waits_for_connections(bench):
    proxy = start(bench, bench.http(), args=["--drain-strategy", "immediate"])
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        assert proxy.admin("/drain_listeners?graceful", "POST").status == 200
        assert client.get("/").headers.get("connection") == "close"
        assert client.closed_within(5)


def test_reopen_by_sighup_or_sigusr1(bench):
    """Envoy reopens logs at SIGUSR1, lanekeeper at SIGHUP as well."""
    proxy = start(bench, bench.http())
    where = proxy.address("in")
    assert fetch(where, target="/direct/one").status == 200
    proxy.wait_log_lines(1)
    os.rename(proxy.log_path(), proxy.folder / "rotated.log")
    proxy.signal(signal.SIGHUP if proxy.kind == "lanekeeper" else signal.SIGUSR1)

    def written():
        fetch(where, target="/direct/two")
        return "/direct/two" in proxy.log_lines()

    wait_for(written, "the new file is written")
    assert "/direct/one" not in proxy.log_lines()
    assert proxy.log_lines("rotated.log")[0] == "/direct/one"


def test_tcp_connections_end_with_the_proxy(bench):
    backend = bench.tcp(echo_bytes)
    proxy = bench.start(
        bootstrap([listener("tcp", tcp_proxy("tcp"))], [cluster("tcp", backend.address)])
    )
    with Client(proxy.address("tcp")) as client:
        client.send(b"x")
        assert client.read(1) == b"x"
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit(10) == 0
        assert client.closed_within(5)


def test_restarting_on_the_same_port(bench):
    backend = bench.http()
    proxy = start(bench, backend)
    port = proxy.address("in")[1]
    with Client(proxy.address("in")) as client:
        assert client.get("/").status == 200
        proxy.signal(signal.SIGTERM)
        assert proxy.wait_exit(10) == 0
    again = bench.start(
        bootstrap(
            [listener("in", hcm(route("/", "web")), at=("127.0.0.1", port))],
            [cluster("web", backend.address)],
        )
    )
    assert fetch(again.address("in")).status == 200


def test_descriptors_do_not_grow_with_requests(bench):
    backend = bench.http()
    proxy = start(bench, backend)
    where = proxy.address("in")
    for _ in range(5):
        assert fetch(where).status == 200
    before = len(proxy.fd_names())
    for turn in range(200):
        if turn % 3 == 0:
            client = Client(where)
            client.send(b"GET / HTTP/1.1\r\nHo")
            client.reset()
        elif turn % 3 == 1:
            assert fetch(where).status == 200
        else:
            with Client(where) as client:
                client.send(b"garbage\r\n\r\n")
                client.response()
    wait_for(lambda: len(proxy.fd_names()) <= before, "all descriptors are closed", 5)


@pytest.mark.lanekeeper_only("the report of a fatal signal is our own")
def test_a_fatal_signal_leaves_a_report(bench):
    proxy = start(bench, bench.http())
    assert fetch(proxy.address("in")).status == 200
    proxy.signal(signal.SIGSEGV)
    assert proxy.wait_exit(10) != 0
    report = proxy.stderr()
    assert "SIGSEGV" in report or "Segmentation" in report
    assert "backtrace" in report.lower()
    bench.proxies.remove(proxy)
