"""What comes into a pod, captured by docker/intercept and handled by a real proxy at port 15006."""

import time

import pytest
from backend import echo_bytes
from client import build
from sidecar import (
    INBOUND,
    chain,
    cluster,
    hcm,
    http_inspector,
    original_dst,
    owner,
    route,
    sidecar,
    tcp_proxy,
    virtual_inbound,
    virtual_outbound,
)

ANY = {"v4": "0.0.0.0", "v6": "::"}
FROM = {"v4": "127.0.0.6", "v6": "::6"}


@pytest.fixture
def start(pair, binary):
    """Starts a proxy in the server's pod, behind the rules."""

    def start(*listeners, clusters=(), rules=(), **options):
        pair.server.intercept(*rules)
        return pair.proxy(pair.server, sidecar(listeners, *clusters), **options)

    return start


def own(pair, family):
    return getattr(pair.server, family)


def peer_of(conn):
    return conn.sock.getpeername()[0]


def test_a_request_from_outside_reaches_the_application_from_the_proxys_own_address(
    pair, start, family
):
    seen = []
    app = pair.http(pair.server, ANY[family], 8080)
    app.on(
        "/who",
        lambda conn, _request: seen.append(peer_of(conn)) or b"HTTP/1.1 204 No Content\r\n\r\n",
    )
    start(virtual_inbound(hcm(route("/", "application"))))
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/who").status == 204
    assert seen == [FROM[family]]


def test_each_request_goes_to_the_port_that_was_called(pair, start, family):
    first, second = (
        pair.http(pair.server, ANY[family], 8080),
        pair.http(pair.server, ANY[family], 9090),
    )
    start(virtual_inbound(hcm(route("/", "application"))))
    for port, app in ((8080, first), (9090, second)):
        with pair.client.connect(own(pair, family), port) as client:
            assert client.get(f"/{port}").status == 200
        assert [request.target for request in app.take()] == [f"/{port}"]


def test_an_application_on_the_loopback_is_reached_too(pair, start, family):
    loopback = {"v4": "127.0.0.1", "v6": "::1"}[family]
    pair.http(pair.server, loopback, 8080)
    start(
        virtual_inbound(hcm(route("/", "local"))),
        clusters=[cluster("local", (loopback, 8080))],
    )
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/").status == 200


def test_filter_chains_are_matched_by_the_original_destination(pair, start, family):
    pair.tcp(pair.server, echo_bytes, ANY[family], 7000)
    pair.http(pair.server, ANY[family], 8080)
    start(
        virtual_inbound(
            chains=[
                chain(hcm(route("/", "application")), match={"destination_port": 8080}),
                chain(tcp_proxy("nowhere"), match={"destination_port": INBOUND}),
            ],
            default=tcp_proxy("application"),
        )
    )
    with pair.client.connect(own(pair, family), 8080) as client:
        client.send("GET / HTTP/1.1\r\n\r\n")
        assert client.response().status == 400  # no host: the HTTP chain answered
    with pair.client.connect(own(pair, family), 7000) as client:
        client.send("GET / HTTP/1.1\r\n\r\n")
        client.finish_sending()
        assert client.read_all() == b"GET / HTTP/1.1\r\n\r\n"
    with pair.client.connect(own(pair, family), INBOUND) as client:
        assert client.closed_within(5)


def sniffing(timeout, **inspector):
    return virtual_inbound(
        filters_before=[original_dst(), http_inspector(**inspector)],
        listener_filters_timeout=timeout,
        continue_on_listener_filters_timeout=True,
        chains=[
            chain(
                hcm(route("/", "application")),
                match={"application_protocols": ["http/1.0", "http/1.1"]},
            )
        ],
        default=tcp_proxy("application"),
    )


def hears_after(pair, family, port):
    """What a server that speaks first says, and the seconds that it took."""
    with pair.client.connect(own(pair, family), port) as client:
        begin = time.monotonic()
        return client.read_all(), time.monotonic() - begin


def test_a_server_that_speaks_first_is_heard_once_the_inspectors_time_is_over(pair, start, family):
    pair.says(pair.server, ANY[family], 3306, "welcome")
    pair.http(pair.server, ANY[family], 8080)
    start(sniffing("0.4s"))
    text, seconds = hears_after(pair, family, 3306)
    assert text == b"welcome"
    assert 0.35 < seconds < 1.5
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/").status == 200


def test_a_server_that_speaks_first_is_heard_at_once_where_the_inspector_is_disabled(
    pair, start, family
):
    pair.says(pair.server, ANY[family], 3306, "welcome")
    pair.http(pair.server, ANY[family], 8080)
    disabled = {"destination_port_range": {"start": 3306, "end": 3307}}
    start(sniffing("5s", filter_disabled=disabled))
    text, seconds = hears_after(pair, family, 3306)
    assert text == b"welcome"
    assert seconds < 1.5
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/").status == 200


def test_a_server_that_speaks_first_is_heard_at_once_without_an_inspector(pair, start, family):
    pair.says(pair.server, ANY[family], 3306, "welcome")
    start(virtual_inbound(tcp_proxy("application"), listener_filters_timeout="5s"))
    text, seconds = hears_after(pair, family, 3306)
    assert text == b"welcome"
    assert seconds < 1.5


def test_a_websocket_passes_the_capture(pair, start, family):
    def websocket(conn, _request):
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        echo_bytes(conn)
        conn.close()

    pair.http(pair.server, ANY[family], 8080).on("/ws", websocket)
    start(
        virtual_inbound(
            hcm(route("/", "application"), upgrade_configs=[{"upgrade_type": "websocket"}])
        )
    )
    with pair.client.connect(own(pair, family), 8080) as client:
        client.send(build("GET", "/ws", [("Upgrade", "websocket"), ("Connection", "Upgrade")]))
        assert client.response(read_body=False).status == 101
        client.send(b"\x81\x05hello")
        assert client.read(7) == b"\x81\x05hello"


def test_bytes_pass_both_ways_and_each_side_may_finish_first(pair, start, family):
    pair.tcp(pair.server, echo_bytes, ANY[family], 7000)
    start(virtual_inbound(tcp_proxy("application")))
    data = bytes(range(256)) * 4096
    with pair.client.connect(own(pair, family), 7000) as client:
        client.send(data[:1000])
        assert client.read(1000) == data[:1000]
        client.send(data)
        client.finish_sending()
        assert client.read_all() == data


def test_an_excluded_port_does_not_pass_the_proxy(pair, start, family):
    seen = []
    pair.tcp(pair.server, lambda conn: seen.append(peer_of(conn)), ANY[family], 9090)
    start(
        virtual_inbound(tcp_proxy("application")),
        rules=["--exclude-inbound-ports=9090"],
        captures=False,
    )
    with pair.client.connect(own(pair, family), 9090) as client:
        assert client.read_all() == b""
    assert seen == [getattr(pair.client, family)]


def test_a_pod_that_calls_itself_by_name_passes_outbound_and_inbound(pair, start, family):
    """The name leads to an address of nobody; the outbound listener knows that it is this pod."""
    seen = []
    app = pair.http(pair.server, ANY[family], 8080)
    app.on(
        "/", lambda conn, _request: seen.append(peer_of(conn)) or b"HTTP/1.1 204 No Content\r\n\r\n"
    )
    proxy = start(
        virtual_outbound(),
        owner(
            "mine",
            ("0.0.0.0", 8080),
            hcm(route("/", "mine"), stat_prefix="out"),
            also=[("::", 8080)],
        ),
        virtual_inbound(hcm(route("/", "application"), stat_prefix="in")),
        clusters=[cluster("mine", (own(pair, family), 8080))],
        chained=True,
    )
    unused = {"v4": "192.0.2.1", "v6": "2001:db8::1"}[family]
    with pair.server.connect(unused, 8080) as client:
        assert client.get("/").status == 204
    assert seen == [FROM[family]]
    assert proxy.stat("http.out.downstream_rq_total") == 1
    assert proxy.stat("http.in.downstream_rq_total") == 1


def test_two_pods_with_a_sidecar_each_speak_through_both(pair, binary, family):
    app = pair.http(pair.server, ANY[family], 8080)
    for pod in (pair.client, pair.server):
        pod.intercept()
    first = pair.proxy(
        pair.client,
        sidecar(
            [
                virtual_outbound(),
                owner(
                    "http", ("0.0.0.0", 8080), hcm(route("/", "passthrough")), also=[("::", 8080)]
                ),
            ]
        ),
        chained=True,
    )
    second = pair.proxy(pair.server, sidecar([virtual_inbound(hcm(route("/", "application")))]))
    with pair.client.connect(own(pair, family), 8080) as client:
        for number in range(3):
            assert client.get(f"/{number}").status == 200
    assert [request.target for request in app.requests] == ["/0", "/1", "/2"]
    ids = [request.headers.get("x-request-id") for request in app.requests]
    assert len(set(ids)) == 3 and None not in ids
    assert first.stat("cluster.passthrough.upstream_rq_total") == 3
    assert second.stat("cluster.application.upstream_rq_total") == 3


def test_a_stopped_sidecar_lets_nothing_pass(pair, start, family):
    pair.http(pair.server, ANY[family], 8080)
    proxy = start(virtual_inbound(hcm(route("/", "application"))))
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/").status == 200
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        pair.client.connect(own(pair, family), 8080)
