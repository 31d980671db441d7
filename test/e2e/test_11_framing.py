"""Strict framing: what could be read in two ways is refused, never forwarded."""

import pytest
from backend import answer, fixed
from client import Client, build
from config import bootstrap, cluster, file_log, hcm, listener, to, route

H = b"Host: test\r\n"

# name -> the bytes sent. Both proxies refuse these.
REFUSED = {
    "length_and_chunked": b"POST / HTTP/1.1\r\n" + H
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked_and_length": b"POST / HTTP/1.1\r\n" + H
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two_different_lengths": b"POST / HTTP/1.1\r\n" + H
    + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length_list_of_different_values": b"POST / HTTP/1.1\r\n" + H
    + b"Content-Length: 3, 4\r\n\r\nabcd",
    "negative_length": b"POST / HTTP/1.1\r\n" + H + b"Content-Length: -1\r\n\r\n",
    "length_with_plus": b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +3\r\n\r\nabc",
    "length_in_hex": b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 0x3\r\n\r\nabc",
    "length_with_letters": b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 3abc\r\n\r\nabc",
    "length_overflow": b"POST / HTTP/1.1\r\n" + H
    + b"Content-Length: 18446744073709551617\r\n\r\na",
    "space_before_colon": b"GET / HTTP/1.1\r\n" + H + b"X-A : b\r\n\r\n",
    "header_without_colon": b"GET / HTTP/1.1\r\n" + H + b"X-A\r\n\r\n",
    "empty_header_name": b"GET / HTTP/1.1\r\n" + H + b": b\r\n\r\n",
    "nul_in_header_value": b"GET / HTTP/1.1\r\n" + H + b"X-A: b\0c\r\n\r\n",
    "control_byte_in_header_name": b"GET / HTTP/1.1\r\n" + H + b"X\x01A: b\r\n\r\n",
    "non_token_in_header_name": b"GET / HTTP/1.1\r\n" + H + b"X(A): b\r\n\r\n",
    "lower_case_version": b"GET / http/1.1\r\n" + H + b"\r\n",
    "no_host": b"GET / HTTP/1.1\r\n\r\n",
    "tls_hello": bytes.fromhex("1603010200010001fc0303") + b"\0" * 60,
    "binary": bytes(range(128, 256)) + b"\r\n\r\n",
    "space_in_target": b"GET /a b HTTP/1.1\r\n" + H + b"\r\n",
    "bare_lf_before_host": b"GET / HTTP/1.1\nHost: test\r\n : x\r\n\r\n",
}

# Whole requests in a coding or version that nobody here speaks: refused with a status of its own.
REFUSED_OTHERWISE = {
    "unknown_transfer_encoding": b"POST / HTTP/1.1\r\n" + H
    + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked_not_last": b"POST / HTTP/1.1\r\n" + H
    + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "two_transfer_encodings": b"POST / HTTP/1.1\r\n" + H
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "no_version": b"GET /\r\n" + H + b"\r\n",
    "http_2_version_text": b"GET / HTTP/2.0\r\n" + H + b"\r\n",
    "http_1_2": b"GET / HTTP/1.2\r\n" + H + b"\r\n",
}

# What Envoy passes on, or cannot tell apart, and we refuse.
REFUSED_BY_US = {
    "bare_lf_line_ends": b"GET / HTTP/1.1\nHost: test\n\n",
    "bare_lf_in_headers": b"GET / HTTP/1.1\r\nHost: test\nX-A: b\r\n\r\n",
    "bare_cr_in_value": b"GET / HTTP/1.1\r\n" + H + b"X-A: b\rc\r\n\r\n",
    "obs_fold": b"GET / HTTP/1.1\r\n" + H + b"X-A: b\r\n c\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two_equal_lengths": b"POST / HTTP/1.1\r\n" + H
    + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length_list": b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 3, 3\r\n\r\nabc",
    "control_byte_in_header_value": b"GET / HTTP/1.1\r\n" + H + b"X-A: b\x01c\r\n\r\n",
    "control_byte_in_target": b"GET /a\x01b HTTP/1.1\r\n" + H + b"\r\n",
    "two_spaces_after_method": b"GET  / HTTP/1.1\r\n" + H + b"\r\n",
    "tab_after_method": b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n",
    "space_before_first_header": b"GET / HTTP/1.1\r\n X: y\r\n" + H + b"\r\n",
}

# Bodies: the head is good, the framing of the body is not.
CHUNKED = b"POST /chunks HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = {
    "not_hex": b"xyz\r\n",
    "empty_size": b"\r\nabc\r\n0\r\n\r\n",
    "negative_size": b"-1\r\n",
    "size_overflow": b"11111111111111111\r\nabc",
}
BAD_CHUNKS_BY_US = {
    "data_longer_than_size": b"3\r\nabcdef\r\n0\r\n\r\n",
    "size_in_0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size_ended_by_lf": b"3\nabc\r\n0\r\n\r\n",
    "size_ended_by_cr_and_junk": b"3\rXabc\r\n0\r\n\r\n",
    "space_inside_size": b"1 2\r\nabc\r\n0\r\n\r\n",
    "data_ended_by_lf": b"3\r\nabc\n0\r\n\r\n",
    "junk_after_data": b"3\r\nabcYY0\r\n\r\n",
    "control_byte_in_extension": b"3;a=\x01\r\nabc\r\n0\r\n\r\n",
    "bare_lf_in_extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "trailer_without_colon": b"3\r\nabc\r\n0\r\nX\r\n\r\n",
    "trailer_with_space_before_colon": b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
}

ours = pytest.mark.lanekeeper_only("strict_framing")
CANARY = build("GET", "/canary")


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        manager = hcm(
            route("/", to("web", timeout="1s")),
            logs=[file_log(bench.log_file())],
            delayed_close_timeout="0.1s",
        )
        self.proxy = bench.start(
            bootstrap([listener("in", manager)], [cluster("web", self.backend.address)])
        )
        self.address = self.proxy.address("in")


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


def heads(table):
    return [pytest.param(data, id=name) for name, data in table.items()]


def marked(table):
    return [pytest.param(data, id=name, marks=ours) for name, data in table.items()]


@pytest.mark.parametrize("data", heads(REFUSED) + marked(REFUSED_BY_US))
def test_a_bad_head_is_refused_and_never_forwarded(web, data):
    web.backend.take()
    with Client(web.address) as client:
        client.send(data)
        response = client.response()
        assert response.status == 400
        assert response.headers.get("connection") == "close"
        try:
            client.send(CANARY)
        except ConnectionError:
            pass
        assert client.read_all() == b""
    assert web.backend.take() == []


@pytest.mark.parametrize("data", heads(REFUSED_OTHERWISE))
def test_an_unknown_coding_or_version_is_refused_and_never_forwarded(web, data):
    web.backend.take()
    with Client(web.address) as client:
        client.send(data)
        assert client.response().status in (400, 426, 501)
        try:
            client.send(CANARY)
        except ConnectionError:
            pass
        assert client.read_all() == b""
    assert web.backend.take() == []


@pytest.mark.parametrize("data", heads(REFUSED) + marked(REFUSED_BY_US))
def test_a_bad_head_sent_byte_by_byte_is_refused_too(web, data):
    web.backend.take()
    with Client(web.address) as client:
        try:
            client.send_split(data, 1)
        except ConnectionError:
            pass
        assert client.response().status == 400
        assert client.read_all() == b""
    assert web.backend.take() == []


def test_a_good_request_before_a_bad_one_is_answered(web):
    with Client(web.address) as client:
        client.send(build("GET", "/good") + b"GET / HTTP/1.1\r\nHost : x\r\n\r\n")
        assert client.response().status == 200
        assert client.response().status == 400
        assert client.read_all() == b""


@pytest.mark.parametrize("data", heads(BAD_CHUNKS) + marked(BAD_CHUNKS_BY_US))
@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
def test_a_bad_chunked_body_ends_the_connection(web, data, split):
    """The head may be on its way already; the request must never look complete."""
    complete = []

    def collect(conn, request):
        conn.reader.body(request)
        complete.append(request.body)
        return answer("complete")

    web.backend.on("/chunks", collect, read_body=False)
    with Client(web.address) as client:
        try:
            client.send_split(CHUNKED + data, 1) if split else client.send(CHUNKED + data)
            client.send(CANARY)
        except ConnectionError:
            pass
        rest = client.read_all()
    assert rest.startswith(b"HTTP/1.1 400 "), rest
    assert rest.count(b"HTTP/1.1 ") == 1, "the canary was answered"
    assert complete == []
    assert "/canary" not in [r.target for r in web.backend.take()]


def test_the_log_names_a_protocol_error(web):
    with Client(web.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX-Bad\r\n\r\n")
        assert client.response().status == 400
    entry = web.proxy.wait_log(code="400", flags="DPE")
    assert entry["details"].startswith("http1.")


UPSTREAM_GARBAGE = {
    "not_http": b"this is not http at all\r\n\r\n",
    "no_status": b"HTTP/1.1 \r\n\r\n",
    "letters_as_status": b"HTTP/1.1 abc OK\r\n\r\n",
    "space_before_colon": b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
    "two_lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "bad_length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "header_without_colon": b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
    "nul_in_value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "length_and_chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
UPSTREAM_GARBAGE_FOR_US = {
    "bare_lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "obs_fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("data", heads(UPSTREAM_GARBAGE) + marked(UPSTREAM_GARBAGE_FOR_US))
def test_garbage_from_the_backend_is_a_502(web, data):
    web.backend.on("/garbage", fixed(data))
    with Client(web.address) as client:
        response = client.get("/garbage")
        assert response.status == 502
        assert client.get("/next").status == 200, "the client's connection stays usable"


def test_garbage_from_the_backend_is_logged_as_upe(web):
    web.backend.on("/garbage-log", fixed(b"nonsense\r\n\r\n"))
    with Client(web.address) as client:
        assert client.get("/garbage-log").status == 502
    entry = web.proxy.wait_log(path="/garbage-log")
    assert entry["flags"] == "UPE"
    assert entry["details"].startswith("upstream_reset_before_response_started{protocol_error")


def test_a_bad_chunk_from_the_backend_cuts_the_response(web):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    web.backend.on("/cut", fixed(head + b"3\r\nabc\r\nzz\r\n"))
    with Client(web.address) as client:
        client.send(build("GET", "/cut"))
        assert client.response(read_body=False).status == 200
        assert b"0\r\n\r\n" not in client.read_all(), "the response must not look complete"


def test_bytes_after_a_response_are_not_taken_for_the_next(web):
    web.backend.on("/extra", fixed(answer("one") + answer("forged")))
    with Client(web.address) as client:
        assert client.get("/extra").text == "one"
        for _ in range(5):
            assert client.get("/next").text != "forged"
