"""HTTP/1.1 between a client and a backend: connections, framing, bodies, trailers."""

import json
import threading

import pytest
from backend import answer, fixed
from client import Client, build, wait_for
from config import LOG_FORMAT, bootstrap, cluster, file_log, hcm, listener, to, route, upstream_http
from wire import Closed


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        manager = hcm(
            route("/short-timeout", to("web", timeout="0.3s")),
            route("/", to("web", timeout="5s")),
            logs=[file_log(bench.log_file(), LOG_FORMAT)],
            http_protocol_options={"enable_trailers": True},
        )
        options = upstream_http(
            explicit_http_config={"http_protocol_options": {"enable_trailers": True}}
        )
        self.proxy = bench.start(
            bootstrap(
                [listener("in", manager)], [cluster("web", self.backend.address, **options)]
            )
        )
        self.address = self.proxy.address("in")

    def client(self):
        return Client(self.address)


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


def seen(response):
    return json.loads(response.text)


def test_forwards_method_target_headers_and_body(web):
    with web.client() as client:
        response = client.request("POST", "/a/b?c=d&e=%20f", [("X-One", "1")], b"the body")
    assert response.status == 200
    request = seen(response)
    assert request["start_line"] == "POST /a/b?c=d&e=%20f HTTP/1.1"
    assert request["body"] == "the body"
    headers = [(n.lower(), v) for n, v in request["headers"]]
    assert ("x-one", "1") in headers
    assert ("host", "test") in headers


def test_keeps_a_downstream_connection_for_many_requests(web):
    with web.client() as client:
        for number in range(50):
            assert seen(client.get(f"/n/{number}"))["target"] == f"/n/{number}"


def test_reuses_the_upstream_connection(web):
    with web.client() as client:
        first = seen(client.get("/"))
        again = [seen(client.get("/")) for _ in range(5)]
    assert {r["connection"] for r in again} == {first["connection"]}
    assert [r["serial"] for r in again] == [first["serial"] + n for n in range(1, 6)]


def test_shares_upstream_connections_between_clients(web):
    with web.client() as client:
        first = seen(client.get("/"))
    with web.client() as client:
        assert seen(client.get("/"))["connection"] == first["connection"]


def test_answers_pipelined_requests_in_order(web):
    with web.client() as client:
        client.send(b"".join(build("GET", f"/p/{n}") for n in range(20)))
        assert [seen(client.response())["target"] for _ in range(20)] == [
            f"/p/{n}" for n in range(20)
        ]


def test_answers_pipelined_requests_with_bodies_in_order(web):
    with web.client() as client:
        client.send(b"".join(build("POST", f"/{n}", body=b"x" * n) for n in range(10)))
        assert [len(seen(client.response())["body"]) for _ in range(10)] == list(range(10))


def test_a_slow_pipelined_request_holds_back_the_next_answer(web):
    gate = threading.Event()

    def slow(_conn, _request):
        gate.wait(5)
        return answer("slow")

    web.backend.on("/slow", slow)
    with web.client() as client:
        client.send(build("GET", "/slow") + build("GET", "/fast"))
        assert client.quiet_for(0.1)
        gate.set()
        assert client.response().text == "slow"
        assert seen(client.response())["target"] == "/fast"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_request_split_at_any_byte_is_understood(web, size):
    data = build("POST", "/split", [("Transfer-Encoding", "chunked")])
    data += b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n"
    with web.client() as client:
        client.send_split(data, size)
        assert seen(client.response())["body"] == "hello world"


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_response_split_at_any_byte_is_understood(web, size):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    web.backend.on("/pieces", lambda conn, _: conn.send_split(data, size, 0.0005))
    with web.client() as client:
        response = client.get("/pieces")
        assert response.text == "hello!"
        assert client.get("/after").status == 200


def test_a_chunked_request_stays_chunked(web):
    with web.client() as client:
        client.send(build("POST", "/", [("Transfer-Encoding", "chunked")]))
        client.send(b"3\r\nabc\r\n0\r\n\r\n")
        request = seen(client.response())
    assert request["framing"] == "chunked"
    assert request["body"] == "abc"


def test_a_fixed_length_response_keeps_its_length(web):
    web.backend.on("/fixed", fixed(answer("x" * 100)))
    with web.client() as client:
        response = client.get("/fixed")
    assert response.framing == "length"
    assert response.headers.get("content-length") == "100"


def test_a_response_that_ends_with_the_connection_becomes_chunked(web):
    web.backend.on("/close", fixed(b"HTTP/1.1 200 OK\r\n\r\nto the end", then="close"))
    with web.client() as client:
        response = client.get("/close")
        assert response.framing == "chunked"
        assert response.text == "to the end"
        assert client.get("/next").status == 200


def test_a_response_is_streamed_as_it_arrives(web):
    gate = threading.Event()

    def stream(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        gate.wait(5)
        conn.send(b"6\r\nsecond\r\n0\r\n\r\n")

    web.backend.on("/stream", stream)
    with web.client() as client:
        client.send(build("GET", "/stream"))
        client.response(read_body=False)
        assert client.reader.chunk() == b"first"
        gate.set()
        assert client.reader.chunk() == b"second"
        assert client.reader.chunk() == b""


def test_a_request_is_streamed_as_it_arrives(web):
    got = []

    def collect(conn, _request):
        got.append(conn.reader.chunk())
        while data := conn.reader.chunk():
            got.append(data)
        conn.reader.trailers()
        return answer("done")

    web.backend.on("/upload", collect, read_body=False)
    with web.client() as client:
        client.send(build("POST", "/upload", [("Transfer-Encoding", "chunked")]))
        client.send(b"5\r\nfirst\r\n")
        wait_for(lambda: got == [b"first"], "the first chunk to pass")
        client.send(b"6\r\nsecond\r\n0\r\n\r\n")
        assert client.response().text == "done"
    assert got == [b"first", b"second"]


def test_request_trailers_reach_the_backend(web):
    head = build("POST", "/", [("Transfer-Encoding", "chunked"), ("TE", "trailers")])
    with web.client() as client:
        client.send(head + b"3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n")
        request = seen(client.response())
    assert [(n.lower(), v) for n, v in request["trailers"]] == [("x-sum", "42")]


def test_response_trailers_reach_the_client(web):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n"
    web.backend.on("/trailers", fixed(data))
    with web.client() as client:
        response = client.get("/trailers", [("TE", "trailers")])
    assert [(n.lower(), v) for n, v in response.trailers] == [("x-sum", "7")]


@pytest.mark.parametrize("length", [0, 1, 16383, 16384, 16385, 65536, 1 << 20, 5 << 20])
def test_bodies_of_any_size_pass_both_ways_unchanged(web, length):
    body = bytes(range(256)) * (length // 256 + 1)
    body = body[:length]
    web.backend.on("/mirror", lambda _conn, request: answer(request.body))
    with web.client() as client:
        response = client.request("POST", "/mirror", body=body)
    assert response.body == body


def test_a_large_chunked_body_passes_unchanged(web):
    web.backend.on("/mirror", lambda _conn, request: answer(request.body))
    chunk = bytes(range(256)) * 40
    head = build("POST", "/mirror", [("Transfer-Encoding", "chunked")])
    with web.client() as client:
        sender = threading.Thread(
            target=client.send,
            args=(head + (b"%x\r\n" % len(chunk) + chunk + b"\r\n") * 200 + b"0\r\n\r\n",),
        )
        sender.start()
        response = client.response()
        sender.join()
    assert response.body == chunk * 200


def test_head_answers_with_the_headers_of_get_and_no_body(web):
    web.backend.on("/head", fixed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
    with web.client() as client:
        response = client.request("HEAD", "/head")
        assert response.status == 200
        assert response.headers.get("content-length") == "1000"
        assert client.get("/next").status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_bodiless_status_ends_with_its_head(web, status):
    web.backend.on("/bodiless", fixed(f"HTTP/1.1 {status}\r\nX-Mark: 1\r\n\r\n".encode()))
    with web.client() as client:
        response = client.get("/bodiless")
        assert response.status == int(status[:3])
        assert "transfer-encoding" not in response.headers
        assert client.get("/next").status == 200


def test_expect_continue_is_answered_by_the_proxy(web):
    with web.client() as client:
        client.send("POST /e HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n")
        client.send("Content-Length: 4\r\n\r\n")
        assert client.response().status == 100
        client.send("body")
        request = seen(client.response())
    assert request["body"] == "body"
    assert "expect" not in [n.lower() for n, _ in request["headers"]]


def test_expect_continue_without_waiting(web):
    with web.client() as client:
        client.send("POST /e HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n")
        client.send("Content-Length: 4\r\n\r\nbody")
        assert client.response().status == 100
        assert seen(client.response())["body"] == "body"


def test_connection_close_of_the_client_closes_after_the_answer(web):
    with web.client() as client:
        response = client.get("/", [("Connection", "close")])
        assert response.headers.get("connection") == "close"
        assert client.closed_within(3)


def test_connection_close_of_the_client_is_not_forwarded(web):
    with web.client() as client:
        request = seen(client.get("/", [("Connection", "close")]))
    assert "connection" not in [n.lower() for n, _ in request["headers"]]
    with web.client() as client:
        assert seen(client.get("/"))["connection"] == request["connection"]


def test_connection_close_of_the_backend_does_not_close_the_client(web):
    web.backend.on(
        "/bye", fixed(answer("bye", headers=[("Connection", "close")]), then="close")
    )
    with web.client() as client:
        response = client.get("/bye")
        assert response.text == "bye"
        assert "connection" not in response.headers
        assert client.get("/next").status == 200


@pytest.mark.lanekeeper_only("safer_keepalive_replay")
def test_a_backend_that_closes_after_its_answer_is_not_used_again(web):
    web.backend.on("/once", fixed(answer("once"), then="close"))
    with web.client() as client:
        for _ in range(10):
            assert client.get("/once").text == "once"
            assert client.get("/next").status == 200


def test_interim_responses_do_not_end_the_request(web):
    web.backend.on("/interim", fixed(b"HTTP/1.1 100 Continue\r\n\r\n" + answer("final")))
    with web.client() as client:
        assert client.get("/interim").text == "final"
        assert client.get("/next").status == 200


def test_early_hints_are_dropped(web):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    web.backend.on("/hints", fixed(hints + answer("final")))
    with web.client() as client:
        response = client.get("/hints")
        assert response.text == "final"
        assert "link" not in response.headers
        assert client.get("/next").status == 200


def test_the_answer_may_come_before_the_request_is_complete(web):
    def early(conn, _request):
        conn.send(answer("early"))
        while conn.reader.chunk():
            pass
        conn.reader.trailers()

    web.backend.on("/early", early, read_body=False)
    with web.client() as client:
        client.send(build("POST", "/early", [("Transfer-Encoding", "chunked")]) + b"1\r\nx\r\n")
        assert client.response().text == "early"


def test_empty_lines_before_a_request_are_ignored(web):
    with web.client() as client:
        client.send(b"\r\n\r\n" + build("GET", "/lines"))
        assert seen(client.response())["target"] == "/lines"


def test_header_values_keep_inner_bytes_and_lose_outer_blanks(web):
    with web.client() as client:
        client.send("GET / HTTP/1.1\r\nHost: test\r\nX-V:  \t a  b\tc\xe9 \t \r\nX-Empty:\r\n\r\n")
        headers = {n.lower(): v for n, v in seen(client.response())["headers"]}
    assert headers["x-v"] == "a  b\tc\xe9"
    assert headers["x-empty"] == ""


def test_repeated_headers_keep_their_order(web):
    with web.client() as client:
        request = seen(client.get("/", [("X-A", "1"), ("X-B", "2"), ("X-A", "3")]))
    values = [(n.lower(), v) for n, v in request["headers"] if n.lower() in ("x-a", "x-b")]
    assert values == [("x-a", "1"), ("x-b", "2"), ("x-a", "3")]


def test_repeated_set_cookie_stays_apart(web):
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Expires=Mon, 01 Jan 2035 00:00:00 GMT")]
    web.backend.on("/cookies", fixed(answer("", headers=cookies)))
    with web.client() as client:
        response = client.get("/cookies")
    assert response.headers.all("set-cookie") == [v for _, v in cookies]


def test_a_response_reason_and_any_status_pass(web):
    web.backend.on("/teapot", fixed(answer("t", status="418 Whatever")))
    with web.client() as client:
        response = client.get("/teapot")
    assert response.status == 418


def test_the_client_may_leave_in_the_middle_of_a_response(web):
    gate = threading.Event()

    def endless(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                conn.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        finally:
            gate.set()

    web.backend.on("/endless", endless)
    client = web.client()
    client.send(build("GET", "/endless"))
    client.response(read_body=False)
    client.reset()
    assert gate.wait(5), "the upstream connection is ended too"
    entry = web.proxy.wait_log(path="/endless")
    assert (entry["code"], entry["flags"]) == ("200", "DC")


def test_the_client_may_leave_before_the_response(web):
    arrived, gone = threading.Event(), threading.Event()

    def wait(conn, _request):
        arrived.set()
        if conn.read_some() == b"":
            gone.set()

    web.backend.on("/wait", wait)
    client = web.client()
    client.send(build("GET", "/wait"))
    assert arrived.wait(5)
    client.close()
    assert gone.wait(5), "the upstream request is given up"
    entry = web.proxy.wait_log(path="/wait")
    assert (entry["code"], entry["flags"]) == ("0", "DC")
    assert entry["details"] == "downstream_remote_disconnect"


def test_a_client_that_does_not_read_stops_the_backend(web):
    """Back-pressure: what the proxy holds for a client that reads nothing is bounded."""
    sent, halt = [0], threading.Event()

    def flood(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.sock.settimeout(1.0)
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            while not halt.is_set() and sent[0] < 200 << 20:
                conn.sock.sendall(piece)
                sent[0] += len(piece)
        except TimeoutError:
            halt.set()

    web.backend.on("/flood", flood)
    with web.client() as client:
        client.send(build("GET", "/flood"))
        assert halt.wait(20), "the backend was never blocked"
    assert sent[0] < 32 << 20, "the proxy and the kernel took far more than their buffers"


def test_concurrent_clients_get_their_own_answers(web):
    failures = []

    def run(number):
        try:
            with web.client() as client:
                for turn in range(40):
                    tag = f"{number}-{turn}"
                    request = seen(client.request("POST", f"/{tag}", body=tag.encode()))
                    if request["target"] != f"/{tag}" or request["body"] != tag:
                        failures.append((tag, request))
        except (Closed, OSError, ValueError) as error:
            failures.append((number, repr(error)))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
