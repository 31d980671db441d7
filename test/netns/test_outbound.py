"""What a process of a pod sends, captured by docker/intercept and handled by a real proxy at port
15001.
"""

import json

import pytest
from backend import answer, echo_bytes
from client import build
from sidecar import (
    OUTBOUND,
    chain,
    cluster,
    hcm,
    http_inspector,
    owner,
    route,
    sidecar,
    tcp_proxy,
    to,
    vhost,
    virtual_outbound,
)

ANY = {"v4": "0.0.0.0", "v6": "::"}


@pytest.fixture
def start(pair, binary):
    """Starts a proxy in the client's pod, behind the rules."""

    def start(*listeners, clusters=(), rules=(), **options):
        pair.client.intercept(*rules)
        bootstrap = sidecar([virtual_outbound(), *listeners], *clusters)
        return pair.proxy(pair.client, bootstrap, **options)

    return start


def hears(pair, host, port):
    """What a server that speaks first says to a process of the client's pod."""
    with pair.client.connect(host, port) as client:
        return client.read_all().decode()


def server_of(pair, family):
    return getattr(pair.server, family)


def test_an_unknown_destination_is_reached_where_the_process_wanted_to_go(pair, binary, family):
    pair.tcp(pair.server, echo_bytes, ANY[family], 7000)
    pair.client.intercept()
    log = pair.log_file()
    proxy = pair.proxy(pair.client, sidecar([virtual_outbound(log)]))
    with pair.client.connect(server_of(pair, family), 7000) as client:
        client.send("there and back")
        client.finish_sending()
        assert client.read_all() == b"there and back"
    host = server_of(pair, family)
    place = f"[{host}]:7000" if family == "v6" else f"{host}:7000"
    entry = proxy.wait_log(cluster="passthrough", host=place)
    assert (entry["received"], entry["sent"], entry["flags"]) == ("14", "14", "-")
    assert proxy.stat("cluster.passthrough.upstream_cx_total") == 1


def test_two_destinations_of_one_cluster_are_told_apart(pair, start, family):
    more = {"v4": "10.78.0.3", "v6": "fd78::3"}[family]
    pair.server.add_address(more + {"v4": "/32", "v6": "/128"}[family])
    for host, port in (
        (server_of(pair, family), 7000),
        (server_of(pair, family), 7001),
        (more, 7000),
    ):
        pair.says(pair.server, host, port, f"{host} {port}")
    start()
    for host, port in (
        (server_of(pair, family), 7000),
        (server_of(pair, family), 7001),
        (more, 7000),
    ):
        assert hears(pair, host, port) == f"{host} {port}"


def test_a_server_that_speaks_first_is_heard(pair, start, family):
    pair.says(pair.server, ANY[family], 3306, "welcome")
    start()
    assert hears(pair, server_of(pair, family), 3306) == "welcome"


def test_a_destination_where_nobody_listens_closes_the_connection(pair, binary, family):
    pair.client.intercept()
    proxy = pair.proxy(pair.client, sidecar([virtual_outbound(pair.log_file())]))
    with pair.client.connect(server_of(pair, family), 7000) as client:
        assert client.closed_within(5)
    assert proxy.wait_log(cluster="passthrough")["flags"].startswith("UF")


def test_calling_the_outbound_port_itself_does_not_loop(pair, start, family):
    proxy = start()
    with pair.client.connect({"v4": "127.0.0.1", "v6": "::1"}[family], OUTBOUND) as client:
        assert client.closed_within(5)
    assert proxy.stat("cluster.passthrough.upstream_cx_total") == 0


# Hand-off to the listener that owns the original destination


@pytest.fixture
def owned(pair, start, family):
    """Three listeners that could own a connection, each leading to a server that says which one
    it was.
    """
    own, other = {"v4": ("10.78.0.2", "10.78.0.3"), "v6": ("fd78::2", "fd78::3")}[family]
    pair.server.add_address(other + {"v4": "/32", "v6": "/128"}[family])
    clusters = []
    for port, name in ((4001, "exact"), (4002, "wildcard")):
        pair.says(pair.server, ANY[family], port, name)
        clusters.append(cluster(name, (own, port)))
    pair.says(pair.server, ANY[family], 8080, "passed through")
    pair.says(pair.server, ANY[family], 8081, "passed through")
    start(
        owner("exact", (own, 8080), tcp_proxy("exact")),
        owner("wildcard", ("0.0.0.0", 8080), tcp_proxy("wildcard"), also=[("::", 8080)]),
        clusters=clusters,
    )
    return own, other


def test_the_listener_of_the_exact_address_and_port_comes_first(pair, owned):
    own, _ = owned
    assert hears(pair, own, 8080) == "exact"


def test_then_the_listener_of_every_address_of_the_port(pair, owned):
    _, other = owned
    assert hears(pair, other, 8080) == "wildcard"


def test_else_the_connection_stays_where_it_was_accepted(pair, owned):
    own, _ = owned
    assert hears(pair, own, 8081) == "passed through"


def test_a_listener_without_a_socket_opens_none(pair, start):
    start(
        owner("wildcard", ("0.0.0.0", 8080), tcp_proxy("nowhere"), also=[("::", 8080)]),
        captures=None,
    )
    assert "8080" not in pair.client.run("ss", "-ltnH").stdout


def test_the_owner_applies_its_own_inspectors_and_filter_chains(pair, start, family):
    own = server_of(pair, family)
    pair.says(pair.server, ANY[family], 4001, "not HTTP")
    pair.http(pair.server, ANY[family], 4002)
    start(
        owner(
            "sniffing",
            ("0.0.0.0", 8080),
            also=[("::", 8080)],
            listener_filters=[http_inspector()],
            listener_filters_timeout="0.3s",
            continue_on_listener_filters_timeout=True,
            chains=[
                chain(hcm(route("/", "http")), match={"application_protocols": ["http/1.1"]}),
            ],
            default_filter_chain=chain(tcp_proxy("raw")),
        ),
        clusters=[cluster("raw", (own, 4001)), cluster("http", (own, 4002))],
    )
    with pair.client.connect(own, 8080) as client:
        assert client.get("/").status == 200
    assert hears(pair, own, 8080) == "not HTTP"


# HTTP


def http_owner(**fields):
    return owner(
        "http",
        ("0.0.0.0", 8080),
        hcm(
            vhosts=[
                vhost("known", ["orders", "orders:8080"], route("/", to("orders"))),
                vhost("elsewhere", ["*"], route("/", to("passthrough"))),
            ],
            upgrade_configs=[{"upgrade_type": "websocket"}],
            **fields,
        ),
        also=[("::", 8080)],
    )


def test_a_request_is_routed_by_name_whatever_its_destination(pair, start, family):
    own = server_of(pair, family)
    orders = pair.http(pair.server, ANY[family], 4001, name="orders")
    start(http_owner(), clusters=[cluster("orders", (own, 4001))])
    unused = {"v4": "192.0.2.1", "v6": "2001:db8::1"}[family]
    with pair.client.connect(unused, 8080) as client:
        response = client.get("/", host="orders")
        assert response.status == 200
        assert json.loads(response.body)["backend"] == "orders"
        assert client.get("/second", host="orders:8080").status == 200
    assert [request.target for request in orders.requests] == ["/", "/second"]


def test_a_request_for_an_unknown_name_goes_where_the_process_wanted_to_go(pair, start, family):
    own = server_of(pair, family)
    there = pair.http(pair.server, ANY[family], 8080)
    start(http_owner(), clusters=[cluster("orders", (own, 4001))])
    with pair.client.connect(own, 8080) as client:
        assert client.get("/hello", host="stranger").status == 200
    assert there.last().target == "/hello"


def test_a_websocket_passes_the_capture(pair, start, family):
    own = server_of(pair, family)

    def websocket(conn, _request):
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        echo_bytes(conn)
        conn.close()

    pair.http(pair.server, ANY[family], 4001).on("/ws", websocket)
    start(http_owner(), clusters=[cluster("orders", (own, 4001))])
    with pair.client.connect(own, 8080) as client:
        upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
        client.send(build("GET", "/ws", upgrade, host="orders"))
        assert client.response(read_body=False).status == 101
        client.send(b"\x81\x05hello")
        assert client.read(7) == b"\x81\x05hello"
        client.finish_sending()
        assert client.read_all() == b""


def test_curl_in_the_pod_needs_to_know_nothing(pair, start, family):
    own = server_of(pair, family)
    pair.http(pair.server, ANY[family], 4001).on("/", lambda _conn, _request: answer("from orders"))
    start(http_owner(), clusters=[cluster("orders", (own, 4001))])
    place = f"[{own}]" if family == "v6" else own
    done = pair.client.run(
        "curl",
        "-sS",
        "--noproxy",
        "*",
        "--max-time",
        "8",
        "--resolve",
        f"orders:8080:{place}",
        "http://orders:8080/",
    )
    assert done.stdout == "from orders"


def test_an_excluded_port_does_not_pass_the_proxy(pair, start, family):
    pair.says(pair.server, ANY[family], 3306, "direct")
    start(rules=["--exclude-outbound-ports=3306"], captures=False)
    assert hears(pair, server_of(pair, family), 3306) == "direct"
