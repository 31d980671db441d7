"""What bounds a peer: header limits, every timeout, and what the log says about them."""

import threading
import time

import pytest
from backend import answer, fixed
from client import Client, build, wait_for
from config import bootstrap, cluster, file_log, hcm, listener, route, to


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        self.backend.on("/never", lambda conn, _: conn.read_some() and None)
        self.log = file_log(bench.log_file())
        web_idle = {"common_http_protocol_options": {"idle_timeout": "0.2s"}}
        one = {"common_http_protocol_options": {"max_requests_per_connection": 2}}
        routes = (
            route("/never/route", to("web", timeout="0.2s")),
            route("/idle-route", to("web", timeout="5s", idle_timeout="0.2s")),
            route("/", to("web", timeout="5s")),
        )
        self.proxy = bench.start(
            bootstrap(
                [
                    self.listener("in", *routes),
                    self.listener("headers", *routes, request_headers_timeout="0.2s"),
                    self.listener("request", *routes, request_timeout="0.3s"),
                    self.listener("stream", *routes, stream_idle_timeout="0.2s"),
                    self.listener("conn", *routes, **web_idle, drain_timeout="0.1s"),
                    self.listener("two", *routes, **one),
                    self.listener(
                        "age",
                        *routes,
                        common_http_protocol_options={"max_connection_duration": "0.3s"},
                        drain_timeout="0.1s",
                    ),
                    self.listener(
                        "duration",
                        *routes,
                        common_http_protocol_options={"max_stream_duration": "0.2s"},
                    ),
                    self.listener("small", *routes, max_request_headers_kb=4),
                    self.listener(
                        "few", *routes, common_http_protocol_options={"max_headers_count": 10}
                    ),
                    self.listener(
                        "under",
                        *routes,
                        common_http_protocol_options={
                            "headers_with_underscores_action": "REJECT_REQUEST"
                        },
                    ),
                    self.listener(
                        "drop",
                        *routes,
                        common_http_protocol_options={
                            "headers_with_underscores_action": "DROP_HEADER"
                        },
                    ),
                ],
                [cluster("web", self.backend.address)],
            )
        )

    def listener(self, name, *routes, **fields):
        fields = {"delayed_close_timeout": "0.1s", **fields}
        return listener(name, hcm(*routes, logs=[self.log], **fields))

    def client(self, name="in"):
        return Client(self.proxy.address(name))


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


# Header limits


def test_100_headers_pass(web):
    with web.client() as client:
        headers = [(f"X-{n}", str(n)) for n in range(98)]
        assert client.get("/", headers).status == 200


def test_more_than_100_headers_are_a_431(web):
    with web.client() as client:
        response = client.get("/many", [(f"X-{n}", str(n)) for n in range(110)])
        assert response.status == 431
        assert client.closed_within(3)


def test_the_number_of_headers_can_be_set(web):
    with web.client("few") as client:
        assert client.get("/", [(f"X-{n}", "1") for n in range(6)]).status == 200
        assert client.get("/", [(f"X-{n}", "1") for n in range(12)]).status == 431


def test_50_kib_of_headers_pass(web):
    with web.client() as client:
        assert client.get("/", [("X-Large", "x" * 50 * 1024)]).status == 200


def test_more_than_60_kib_of_headers_are_a_431(web):
    with web.client() as client:
        assert client.get("/", [("X-Large", "x" * 62 * 1024)]).status == 431


def test_the_size_of_headers_can_be_set(web):
    with web.client("small") as client:
        assert client.get("/", [("X-Large", "x" * 3000)]).status == 200
        assert client.get("/", [("X-Large", "x" * 5000)]).status == 431


def test_a_head_without_end_is_a_431(web):
    with web.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: test\r\n")
        piece = "X-Endless: " + "x" * 1000 + "\r\n"
        for _ in range(80):
            try:
                client.send(piece)
            except ConnectionError:
                break
        assert client.response().status == 431


def test_a_target_without_end_is_refused(web):
    with web.client() as client:
        try:
            for _ in range(80):
                client.send("GET /" if _ == 0 else "x" * 1000)
        except ConnectionError:
            pass
        assert client.response().status == 431


def test_the_log_names_the_limit(web):
    with web.client() as client:
        client.get("/limit-log", [("X-Large", "x" * 70 * 1024)])
    entry = web.proxy.wait_log(code="431", details="http1.headers_too_large")
    assert entry["flags"] == "DPE"


def test_underscores_in_names_pass_by_default(web):
    with web.client() as client:
        assert "x_under" in client.get("/", [("x_under", "1")]).text.lower()


def test_underscores_can_be_refused(web):
    with web.client("under") as client:
        assert client.get("/", [("x_under", "1")]).status == 400


def test_underscores_can_be_dropped(web):
    with web.client("drop") as client:
        assert "x_under" not in client.get("/", [("x_under", "1")]).text.lower()


def test_too_many_response_headers_are_a_502(web):
    headers = [(f"X-{n}", "1") for n in range(150)]
    web.backend.on("/many-back", fixed(answer("x", headers=headers)))
    with web.client() as client:
        assert client.get("/many-back").status == 502


def test_too_large_response_headers_are_a_502(web):
    web.backend.on("/large-back", fixed(answer("x", headers=[("X-L", "x" * 100 * 1024)])))
    with web.client() as client:
        assert client.get("/large-back").status == 502


# Timeouts


def test_a_head_that_stalls_is_timed_out(web):
    with web.client("headers") as client:
        client.send("GET / HTTP/1.1\r\nHost: te")
        response = client.response()
        assert response.status == 408
        assert client.closed_within(3)
    web.proxy.wait_log(code="408", details="request_header_timeout")


def test_a_head_in_time_is_not_timed_out(web):
    with web.client("headers") as client:
        client.send("GET / HTTP/1.1\r\nHost: te")
        client.send("st\r\n\r\n")
        assert client.response().status == 200
        time.sleep(0.3)
        assert client.get("/again").status == 200


def test_a_request_that_stalls_is_timed_out(web):
    with web.client("request") as client:
        client.send("POST /stall HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc")
        assert client.response().status == 408
    entry = web.proxy.wait_log(path="/stall")
    assert entry["details"] == "request_overall_timeout"


def test_a_stream_on_which_nothing_moves_is_timed_out(web):
    with web.client("stream") as client:
        response = client.get("/never")
        assert response.status in (408, 504)
    entry = web.proxy.wait_log(path="/never", details="stream_idle_timeout")
    assert entry["flags"] == "SI"
    assert entry["code"] == str(response.status)


def test_a_route_may_set_its_own_idle_timeout(web):
    web.backend.on("/idle-route", lambda conn, _: conn.read_some() and None)
    with web.client() as client:
        assert client.get("/idle-route").status in (408, 504)
    assert web.proxy.wait_log(path="/idle-route")["flags"] == "SI"


def test_a_stream_that_moves_slowly_is_not_idle(web):
    def drip(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            conn.send(b"x")
            time.sleep(0.06)

    web.backend.on("/drip", drip)
    with web.client("stream") as client:
        assert client.get("/drip").text == "x" * 8


def test_a_response_that_stalls_is_cut_off(web):
    def half(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        conn.read_some()

    web.backend.on("/half", half)
    with web.client("stream") as client:
        client.send(build("GET", "/half"))
        assert client.response(read_body=False).status == 200
        assert client.read_all() == b"half"
    assert web.proxy.wait_log(path="/half")["flags"] == "SI"


def test_a_backend_slower_than_the_route_timeout_is_a_504(web):
    web.backend.on("/never/route", lambda conn, _: conn.read_some() and None)
    with web.client() as client:
        response = client.get("/never/route")
        assert response.status == 504
        assert response.text == "upstream request timeout"
        assert client.get("/next").status == 200
    entry = web.proxy.wait_log(path="/never/route")
    assert (entry["flags"], entry["details"]) == ("UT", "response_timeout")


def test_the_timeout_ends_the_upstream_request(web):
    gone = threading.Event()

    def wait(conn, _request):
        if conn.read_some() == b"":
            gone.set()

    web.backend.on("/never/route/gone", wait)
    with web.client() as client:
        assert client.get("/never/route/gone").status == 504
    assert gone.wait(5)


def test_the_route_timeout_starts_when_the_request_is_complete(web):
    web.backend.on("/never/route/slow-body", lambda _conn, _request: answer("ok"))
    with web.client() as client:
        client.send(build("POST", "/never/route/slow-body", [("Content-Length", "6")]))
        for _ in range(6):
            time.sleep(0.06)
            client.send(b"x")
        assert client.response().status == 200


def test_a_client_that_never_reads_is_given_up(web):
    gone = threading.Event()

    def flood(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        try:
            for _ in range(2000):
                conn.send(b"x" * 100000)
        finally:
            gone.set()

    web.backend.on("/never-read", flood)
    with web.client("stream") as client:
        client.send(build("GET", "/never-read"))
        assert gone.wait(10), "the backend is still held"
        entry = web.proxy.wait_log(path="/never-read")
        assert entry["flags"] == "SI"


def test_many_stalled_clients_cost_bounded_memory(web):
    """Each has sent most of a large head and stops."""

    def resident():
        with open(f"/proc/{web.proxy.process.pid}/status") as lines:
            return next(int(li.split()[1]) for li in lines if li.startswith("VmRSS:")) << 10

    before = resident()
    clients = [web.client() for _ in range(200)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Large: " + "x" * 50000)
    with web.client() as other:
        assert other.get("/").status == 200
        assert resident() - before < 200 * 160 * 1024
    for client in clients:
        client.send("\r\n\r\n")
    assert [c.response().status for c in clients] == [200] * 200
    for client in clients:
        client.close()


def test_an_idle_connection_is_closed(web):
    with web.client("conn") as client:
        assert client.get("/").status == 200
        assert client.closed_within(3)


def test_a_connection_that_never_spoke_is_closed(web):
    with web.client("conn") as client:
        assert client.closed_within(3)


def test_an_old_connection_is_closed(web):
    with web.client("age") as client:
        wait_for(
            lambda: client.get("/").headers.get("connection") == "close",
            "the connection is told to close",
            step=0.02,
        )
        assert client.closed_within(3)


def test_a_stream_has_a_longest_duration(web):
    with web.client("duration") as client:
        response = client.get("/never?duration")
        assert response.status in (408, 504)
    entry = web.proxy.wait_log(path="/never?duration")
    assert entry["details"] == "max_duration_timeout"


def test_a_connection_serves_no_more_than_its_requests(web):
    with web.client("two") as client:
        assert "connection" not in client.get("/").headers
        assert client.get("/").headers.get("connection") == "close"
        assert client.closed_within(3)
