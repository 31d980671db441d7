"""HTTP/1.0, upgrades (WebSocket), CONNECT, and the forms of a request target."""

import json

import pytest
from backend import answer, fixed
from client import Client, build
from config import bootstrap, cluster, file_log, hcm, listener, route, to


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        self.backend.on("/ws", self.websocket)
        self.proxy = bench.start(
            bootstrap(
                [
                    listener(
                        "in",
                        hcm(
                            route(
                                "/off",
                                to(
                                    "web",
                                    upgrade_configs=[
                                        {"upgrade_type": "websocket", "enabled": False}
                                    ],
                                ),
                            ),
                            route("/", to("web", timeout="2s")),
                            logs=[file_log(bench.log_file())],
                            upgrade_configs=[{"upgrade_type": "websocket"}],
                            delayed_close_timeout="0.1s",
                        ),
                    ),
                    listener("plain", hcm(route("/", to("web", timeout="2s")))),
                    listener(
                        "ten",
                        hcm(
                            route("/", to("web", timeout="2s")),
                            http_protocol_options={
                                "accept_http_10": True,
                                "default_host_for_http_10": "old.example",
                            },
                        ),
                    ),
                ],
                [cluster("web", self.backend.address)],
            )
        )

    @staticmethod
    def websocket(conn, request):
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {request.headers.get('sec-websocket-key')}\r\n\r\n"
        )
        while data := conn.read_some():
            conn.send(data.upper())
        conn.close()

    def client(self, name="in"):
        return Client(self.proxy.address(name))


UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "abc")]


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


def seen(response):
    return json.loads(response.text)


# HTTP/1.0


def test_http_10_is_answered_and_closed(web):
    with web.client("ten") as client:
        client.send("GET /ten HTTP/1.0\r\nHost: test\r\n\r\n")
        response = client.response()
        assert response.status == 200
        assert seen(response)["start_line"] == "GET /ten HTTP/1.1"
        assert client.closed_within(3)


def test_http_10_without_host_gets_the_default_host(web):
    with web.client("ten") as client:
        client.send("GET /ten HTTP/1.0\r\n\r\n")
        headers = {n.lower(): v for n, v in seen(client.response())["headers"]}
    assert headers["host"] == "old.example"


def test_http_10_never_gets_a_chunked_response(web):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    web.backend.on("/chunked", fixed(chunks))
    with web.client("ten") as client:
        client.send("GET /chunked HTTP/1.0\r\nHost: test\r\n\r\n")
        response = client.response()
        assert response.framing == "close"
        assert response.text == "abc"


def test_http_10_keep_alive_is_honoured_where_asked(web):
    with web.client("ten") as client:
        client.send("GET /one HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n")
        response = client.response()
        assert response.headers.get("connection").lower() == "keep-alive"
        client.send("GET /two HTTP/1.0\r\nHost: test\r\n\r\n")
        assert seen(client.response())["target"] == "/two"


@pytest.mark.lanekeeper_only("http10_accepted")
def test_http_10_is_accepted_without_being_configured(web):
    with web.client("plain") as client:
        client.send("GET /ten HTTP/1.0\r\nHost: test\r\n\r\n")
        assert client.response().status == 200
        assert client.closed_within(3)


def test_a_backend_may_speak_http_10(web):
    web.backend.on("/old", fixed(b"HTTP/1.0 200 OK\r\n\r\nold school", then="close"))
    with web.client() as client:
        assert client.get("/old").text == "old school"
        assert client.get("/next").status == 200


def test_a_backend_may_keep_http_10_alive(web):
    data = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"
    web.backend.on("/old-alive", fixed(data))
    with web.client() as client:
        assert client.get("/old-alive").text == "abc"
        assert client.get("/next").status == 200


# Upgrades


def test_a_websocket_carries_bytes_both_ways(web):
    with web.client() as client:
        client.send(build("GET", "/ws", UPGRADE))
        response = client.response()
        assert response.status == 101
        assert response.headers.get("upgrade") == "websocket"
        assert response.headers.get("connection").lower() == "upgrade"
        assert response.headers.get("sec-websocket-accept") == "abc"
        for text in (b"hello", b"x" * 100000, b"\x00\xff\r\n\r\n"):
            client.send(text)
            assert client.read(len(text)) == text.upper()


def test_bytes_sent_before_the_upgrade_answer_are_kept(web):
    with web.client() as client:
        client.send(build("GET", "/ws", UPGRADE) + b"early bird")
        assert client.response().status == 101
        assert client.read(10) == b"EARLY BIRD"


def test_the_end_of_a_websocket_reaches_the_other_side(web):
    with web.client() as client:
        client.send(build("GET", "/ws", UPGRADE))
        client.response()
        client.finish_sending()
        assert client.read_all() == b""


def test_a_backend_may_decline_an_upgrade(web):
    web.backend.on("/no-ws", fixed(answer("no websocket here", status="404 Not Found")))
    with web.client() as client:
        response = client.get("/no-ws", UPGRADE)
        assert response.status == 404
        assert response.text == "no websocket here"


def test_an_upgrade_answered_with_200_is_not_an_upgrade(web):
    web.backend.on("/ok-ws", fixed(answer("not a websocket")))
    with web.client() as client:
        response = client.get("/ok-ws", UPGRADE)
        assert response.status == 200
        assert response.headers.get("connection") == "close"
        assert client.closed_within(3)
    assert web.proxy.wait_log(path="/ok-ws")["details"] == "websocket_handshake_unsuccessful"


def test_an_upgrade_that_is_not_configured_is_refused(web):
    with web.client("plain") as client:
        response = client.get("/ws", UPGRADE)
        assert response.status == 403


def test_an_upgrade_of_another_protocol_is_refused(web):
    with web.client() as client:
        headers = [("Upgrade", "something"), ("Connection", "Upgrade")]
        assert client.get("/ws", headers).status == 403


def test_a_route_may_turn_an_upgrade_off(web):
    with web.client() as client:
        assert client.get("/off", UPGRADE).status == 403


def test_an_upgrade_is_logged_with_101(web):
    with web.client() as client:
        client.send(build("GET", "/ws?log", UPGRADE))
        client.response()
        client.send(b"four")
        client.read(4)
    entry = web.proxy.wait_log(path="/ws?log")
    assert entry["code"] == "101"
    assert entry["sent"] == "4"


def test_an_upgraded_connection_is_not_pooled(web):
    with web.client() as client:
        client.send(build("GET", "/ws", UPGRADE))
        client.response()
    with web.client() as client:
        assert client.get("/next").status == 200


# CONNECT and targets


def test_connect_is_refused(web):
    web.backend.take()
    with web.client() as client:
        client.send("CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n")
        assert client.response().status in (403, 404)
    assert web.backend.take() == []


def test_an_absolute_target_becomes_path_and_host(web):
    with web.client() as client:
        client.send("GET http://other.example/p?q=1 HTTP/1.1\r\nHost: test\r\n\r\n")
        request = seen(client.response())
    assert request["target"] == "/p?q=1"
    assert dict((n.lower(), v) for n, v in request["headers"])["host"] == "other.example"


def test_an_absolute_target_without_path_means_the_root(web):
    with web.client() as client:
        client.send("GET http://other.example HTTP/1.1\r\nHost: test\r\n\r\n")
        assert seen(client.response())["target"] == "/"


def test_an_absolute_https_target_does_not_make_plain_text_secure(web):
    with web.client() as client:
        client.send("GET https://other.example/ HTTP/1.1\r\nHost: test\r\n\r\n")
        request = seen(client.response())
    headers = dict((n.lower(), v) for n, v in request["headers"])
    assert (headers["host"], headers["x-forwarded-proto"]) == ("other.example", "http")


def test_options_asterisk(web):
    with web.client() as client:
        client.send("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n")
        response = client.response()
    assert response.status == 404


@pytest.mark.parametrize("target", ["/%zz", "/a%2Fb", "/a//b", "/a/../b", "/;a=b", "/?", "/a?b?c"])
def test_targets_pass_unchanged(web, target):
    with web.client() as client:
        assert seen(client.get(target))["target"] == target


def test_a_fragment_is_dropped_or_refused(web):
    with web.client() as client:
        response = client.get("/a#b")
        assert response.status == 400 or seen(response)["target"] == "/a"


@pytest.mark.parametrize(
    "method", ["DELETE", "PUT", "PATCH", "OPTIONS", "PURGE", "PROPFIND", "REPORT"]
)
def test_methods_pass(web, method):
    with web.client() as client:
        assert seen(client.request(method, "/method"))["method"] == method


@pytest.mark.parametrize("method", ["get", "FOO", "GE T", "PRI", "G\x01T"])
def test_an_unknown_method_is_refused(web, method):
    with web.client() as client:
        assert client.request(method, "/method").status == 400
