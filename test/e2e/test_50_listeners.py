"""Listeners: addresses, limits, filter-chain matching, and the inspectors that feed it."""

import json
import socket
import ssl
import stat
import time

import pytest
from backend import echo_bytes
from client import Client, build, wait_for
from config import (
    address,
    bootstrap,
    chain,
    cluster,
    direct,
    file_log,
    hcm,
    http_inspector,
    listener,
    route,
    tcp_proxy,
    tls_inspector,
)


def says(text):
    """A chain whose only answer names it."""
    return hcm(route("/", direct(200, text)))


def ask(where, target="/", **options):
    with Client(where, **options) as client:
        response = client.get(target)
        assert response.status == 200
        return response.text


# Addresses


def test_ipv6(bench):
    proxy = bench.start(bootstrap([listener("six", says("six"), at=("::1", 0))], []))
    assert proxy.address("six")[0] == "::1"
    assert ask(proxy.address("six")) == "six"


def test_ipv6_wildcard_with_ipv4(bench):
    made = listener("six", says("both"), at=("::", 0))
    made["address"]["socket_address"]["ipv4_compat"] = True
    proxy = bench.start(bootstrap([made], []))
    port = proxy.address("six")[1]
    assert ask(("::1", port)) == "both"
    assert ask(("127.0.0.1", port)) == "both"


def test_ipv4_wildcard(bench):
    proxy = bench.start(bootstrap([listener("any", says("any"), at=("0.0.0.0", 0))], []))
    port = proxy.address("any")[1]
    assert ask(("127.0.0.1", port)) == ask(("127.0.0.77", port)) == "any"


def test_unix_socket(bench, tmp_path):
    path = str(tmp_path / "in.sock")
    proxy = bench.start(bootstrap([listener("unix", says("unix"), at=path)], []))
    assert ask(path) == "unix"
    assert stat.S_ISSOCK((tmp_path / "in.sock").stat().st_mode)
    assert proxy.address("unix") == path


def test_unix_socket_mode(bench, tmp_path):
    path = tmp_path / "in.sock"
    made = listener("unix", says("unix"), at=str(path))
    made["address"]["pipe"]["mode"] = 0o600
    bench.start(bootstrap([made], []))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stale_unix_socket_is_replaced(bench, tmp_path):
    path = tmp_path / "in.sock"
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.close()
    bench.start(bootstrap([listener("unix", says("fresh"), at=str(path))], []))
    assert ask(str(path)) == "fresh"


def test_abstract_unix_socket(bench):
    path = f"@lanekeeper-test-{time.monotonic_ns()}"
    bench.start(bootstrap([listener("unix", says("abstract"), at=path)], []))
    assert ask(path) == "abstract"


def test_additional_addresses(bench):
    more = [{"address": address(("127.0.0.2", 0))}, {"address": address(("::1", 0))}]
    made = listener("many", says("many"), additional_addresses=more)
    proxy = bench.start(bootstrap([made], []))
    hosts = [proxy.address("many", n)[0] for n in range(3)]
    assert hosts == ["127.0.0.1", "127.0.0.2", "::1"]
    assert [ask(proxy.address("many", n)) for n in range(3)] == ["many"] * 3


def test_several_listeners(bench):
    made = [listener(f"l{n}", says(f"l{n}")) for n in range(20)]
    proxy = bench.start(bootstrap(made, []), concurrency=2)
    assert [ask(proxy.address(f"l{n}")) for n in range(20)] == [f"l{n}" for n in range(20)]


def test_a_listener_without_socket_accepts_nothing(bench):
    made = [
        listener("real", says("real")),
        listener("virtual", says("virtual"), at=("127.0.0.1", 15999), bind_to_port=False),
    ]
    proxy = bench.start(bootstrap(made, []))
    assert ask(proxy.address("real")) == "real"
    with pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", 15999))


def test_an_address_in_use_is_a_clear_error(bench):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AssertionError) as failure:
            bench.start(bootstrap([listener("in", says("x"), at=taken.getsockname())], []))
    assert "in use" in str(failure.value)


def test_connection_limit(bench):
    limit = {
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": {
            "envoy": {"resource_limits": {"listener": {"in": {"connection_limit": 2}}}}}}]}
    }
    proxy = bench.start(bootstrap([listener("in", says("in"))], [], **limit))
    where = proxy.address("in")
    held = [Client(where) for _ in range(2)]
    for client in held:
        assert client.get("/").status == 200
    with Client(where) as third:
        assert third.closed_within(5)
    held.pop().close()
    wait_for(lambda: may_ask(where), "a place is free again")
    held.pop().close()


def may_ask(where):
    with Client(where) as client:
        try:
            return client.get("/").status == 200
        except Exception:
            return False


def test_a_closed_connection_is_logged_by_the_listener(bench):
    fmt = "%DOWNSTREAM_REMOTE_ADDRESS% %RESPONSE_FLAGS%\n"
    made = listener("in", chains=[chain(says("never"), match={"server_names": ["only.example"]})],
                    listener_filters=[tls_inspector()], listener_filters_timeout="0.2s",
                    continue_on_listener_filters_timeout=True,
                    access_log=[file_log(bench.log_file("listener.log"), fmt)])
    proxy = bench.start(bootstrap([made], []))
    with Client(proxy.address("in")) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert client.closed_within(5)
    line = proxy.wait_log_lines(1, "listener.log")[0]
    assert line.startswith("127.0.0.1:") and line.endswith(" NR")


# Filter-chain matching without inspectors


def test_destination_port_beats_everything(bench):
    """The order is destination port, then address, server name, protocols, source."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chains = [
        chain(says("address"), match={"prefix_ranges": [cidr("127.0.0.1", 32)]}),
        chain(says("port"), match={"destination_port": port}),
        chain(says("any"), match={}),
    ]
    proxy = bench.start(bootstrap([listener("in", chains=chains, at=("0.0.0.0", port))], []))
    assert ask(proxy.address("in")) == "port"


def cidr(prefix, length):
    return {"address_prefix": prefix, "prefix_len": length}


def test_the_longest_destination_prefix_wins(bench):
    chains = [
        chain(says("8"), match={"prefix_ranges": [cidr("127.0.0.0", 8)]}),
        chain(says("24"), match={"prefix_ranges": [cidr("127.0.5.0", 24)]}),
        chain(says("32"), match={"prefix_ranges": [cidr("127.0.5.5", 32)]}),
    ]
    proxy = bench.start(bootstrap([listener("in", chains=chains, at=("0.0.0.0", 0))], []))
    port = proxy.address("in")[1]
    hosts = ["127.0.0.1", "127.0.5.1", "127.0.5.5"]
    assert [ask((h, port)) for h in hosts] == ["8", "24", "32"]


def test_source_prefix_and_port(bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.4", 0))
        port = probe.getsockname()[1]
    chains = [
        chain(says("prefix"), match={"source_prefix_ranges": [cidr("127.0.0.3", 32)]}),
        chain(says("port"), match={"source_prefix_ranges": [cidr("127.0.0.4", 32)],
                                   "source_ports": [port]}),
        chain(says("rest"), match={}),
    ]
    proxy = bench.start(bootstrap([listener("in", chains=chains, at=("0.0.0.0", 0))], []))
    where = ("127.0.0.1", proxy.address("in")[1])
    assert ask(where, source=("127.0.0.3", 0)) == "prefix"
    assert ask(where, source=("127.0.0.4", port)) == "port"
    assert ask(where, source=("127.0.0.5", 0)) == "rest"


def test_direct_source_prefix(bench):
    chains = [
        chain(says("direct"), match={"direct_source_prefix_ranges": [cidr("127.0.0.3", 32)]}),
        chain(says("rest"), match={}),
    ]
    proxy = bench.start(bootstrap([listener("in", chains=chains, at=("0.0.0.0", 0))], []))
    where = ("127.0.0.1", proxy.address("in")[1])
    assert ask(where, source=("127.0.0.3", 0)) == "direct"
    assert ask(where, source=("127.0.0.4", 0)) == "rest"


def test_source_type(bench):
    chains = [
        chain(says("local"), match={"source_type": "SAME_IP_OR_LOOPBACK"}),
        chain(says("external"), match={"source_type": "EXTERNAL"}),
    ]
    proxy = bench.start(bootstrap([listener("in", chains=chains)], []))
    assert ask(proxy.address("in")) == "local"


def test_the_default_chain_takes_the_rest(bench):
    chains = [chain(says("never"), match={"destination_port": 1})]
    made = listener("in", chains=chains, default_filter_chain=chain(says("default")))
    proxy = bench.start(bootstrap([made], []))
    assert ask(proxy.address("in")) == "default"


def test_without_a_matching_chain_the_connection_is_closed(bench):
    chains = [chain(says("never"), match={"destination_port": 1})]
    proxy = bench.start(bootstrap([listener("in", chains=chains)], []))
    with Client(proxy.address("in")) as client:
        assert client.closed_within(5)
    assert proxy.stats("no_filter_chain_match")


# TLS inspector


def hello(sni=None, alpn=()):
    """The bytes of a real client hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


class Inspected:
    """One echo server per chain: the first byte that comes back names the chain."""

    def __init__(self, bench, chains, filters, **fields):
        clusters, made = [], []
        for name, match in chains:
            backend = bench.tcp(self.naming(name))
            clusters.append(cluster(name, backend.address))
            made.append(chain(tcp_proxy(name), match=match))
        self.proxy = bench.start(
            bootstrap(
                [listener("in", chains=made, listener_filters=filters, **fields)], clusters
            )
        )

    @staticmethod
    def naming(name):
        def handler(conn):
            conn.send(name.encode() + b"\n")
            echo_bytes(conn)

        return handler

    def which(self, data, size=None):
        """The chain taken by a client that sends this; the backend must get it unchanged."""
        with Client(self.proxy.address("in")) as client:
            if size:
                client.send_split(data, size, 0.0002)
            else:
                client.send(data)
            name = client.reader.until(b"\n", "the name of a chain")
            assert client.read(len(data)) == data
            return name.decode()


SNI_CHAINS = [
    ("exact", {"server_names": ["a.example.com"]}),
    ("star", {"server_names": ["*.example.com"]}),
    ("longer", {"server_names": ["*.b.example.com"]}),
    ("h2", {"transport_protocol": "tls", "application_protocols": ["h2"]}),
    ("tls", {"transport_protocol": "tls"}),
    ("raw", {"transport_protocol": "raw_buffer"}),
]


@pytest.fixture(scope="module")
def sni(shared_bench):
    return Inspected(shared_bench, SNI_CHAINS, [tls_inspector()], listener_filters_timeout="1s")


@pytest.mark.parametrize(
    "name, alpn, wanted",
    [
        ("a.example.com", (), "exact"),
        ("A.EXAMPLE.com", (), "exact"),
        ("x.example.com", (), "star"),
        ("x.b.example.com", (), "longer"),
        ("y.x.b.example.com", (), "longer"),
        ("b.example.com", (), "star"),
        ("example.com", (), "tls"),
        ("other.org", (), "tls"),
        (None, (), "tls"),
        (None, ("h2", "http/1.1"), "h2"),
        ("other.org", ("http/1.1", "h2"), "h2"),
        (None, ("http/1.1",), "tls"),
        ("x.example.com", ("h2",), "star"),
    ],
)
def test_server_name_and_alpn_choose_the_chain(sni, name, alpn, wanted):
    assert sni.which(hello(name, alpn)) == wanted


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_hello_may_be_split_anywhere(sni, size):
    assert sni.which(hello("a.example.com", ("h2",)), size) == "exact"


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03garbage", b"\x16\x03\x01\x00\x05hello", b"\x00" * 50],
)
def test_what_is_not_tls_is_raw(sni, data):
    assert sni.which(data) == "raw"


def test_a_hello_larger_than_any_is_not_waited_for(sni):
    with Client(sni.proxy.address("in")) as client:
        client.send(b"\x16\x03\x01\xff\xff\x01\x00\xff\xfb\x03\x03")
        try:
            for _ in range(64):
                client.send(b"x" * 1024)
        except ConnectionError:
            pass
        rest = client.read_all() if client.closed_within(5) else client.reader.buffer
        assert rest in (b"",) or rest.startswith(b"raw")


def test_a_client_that_sends_nothing_is_closed_after_the_timeout(bench):
    chains = [("tls", {"transport_protocol": "tls"}), ("raw", {})]
    made = Inspected(bench, chains, [tls_inspector()], listener_filters_timeout="0.3s")
    with Client(made.proxy.address("in")) as client:
        started = time.monotonic()
        assert client.closed_within(5)
        assert time.monotonic() - started > 0.2


def test_server_first_works_after_the_timeout(bench):
    chains = [("tls", {"transport_protocol": "tls"}), ("raw", {})]
    made = Inspected(bench, chains, [tls_inspector()], listener_filters_timeout="0.3s",
                     continue_on_listener_filters_timeout=True)
    with Client(made.proxy.address("in")) as client:
        started = time.monotonic()
        assert client.read(4) == b"raw\n"
        assert 0.2 < time.monotonic() - started < 0.3 + 0.3


def test_server_first_works_at_once_without_inspector(bench):
    made = Inspected(bench, [("only", {})], [], listener_filters_timeout="5s")
    with Client(made.proxy.address("in")) as client:
        started = time.monotonic()
        assert client.read(5) == b"only\n"
        assert time.monotonic() - started < 1


def test_server_first_works_at_once_where_the_inspector_is_disabled(bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    disabled = {"destination_port_range": {"start": port, "end": port + 1}}
    made = Inspected(bench, [("only", {})], [tls_inspector(filter_disabled=disabled)],
                     listener_filters_timeout="5s", at=("127.0.0.1", port))
    with Client(made.proxy.address("in")) as client:
        started = time.monotonic()
        assert client.read(5) == b"only\n"
        assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "predicate, inspected",
    [
        ({"not_match": {"any_match": True}}, True),
        ({"any_match": True}, False),
        ({"or_match": {"rules": [{"destination_port_range": {"start": 1, "end": 2}},
                                 {"any_match": True}]}}, False),
        ({"and_match": {"rules": [{"destination_port_range": {"start": 1, "end": 2}},
                                  {"any_match": True}]}}, True),
    ],
)
def test_predicates_disable_the_inspector(bench, predicate, inspected):
    chains = [("tls", {"transport_protocol": "tls"}), ("raw", {})]
    made = Inspected(bench, chains, [tls_inspector(filter_disabled=predicate)])
    assert made.which(hello("a.example.com")) == ("tls" if inspected else "raw")


# HTTP inspector


@pytest.fixture(scope="module")
def http(shared_bench):
    chains = [
        ("http1", {"application_protocols": ["http/1.1"]}),
        ("http10", {"application_protocols": ["http/1.0"]}),
        ("http2", {"application_protocols": ["h2c"]}),
        ("other", {}),
    ]
    return Inspected(
        shared_bench, chains, [tls_inspector(), http_inspector()],
        listener_filters_timeout="0.5s", continue_on_listener_filters_timeout=True,
    )


@pytest.mark.parametrize(
    "data, wanted",
    [
        (build("GET", "/"), "http1"),
        (build("POST", "/a/long/path?" + "q" * 200, body=b"x"), "http1"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "http1"),
        (b"GET / HTTP/1.0\r\n\r\n", "http10"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"SSH-2.0-OpenSSH_9\r\n", "other"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07", "other"),
        (b"EHLO mail\r\n", "other"),
        (b"\r\n\r\n", "other"),
    ],
)
def test_the_first_bytes_choose_the_chain(http, data, wanted):
    assert http.which(data) == wanted


def test_the_first_bytes_may_be_split(http):
    assert http.which(build("GET", "/split"), 1) == "http1"


def test_server_first_passes_both_inspectors_after_the_timeout(http):
    with Client(http.proxy.address("in")) as client:
        started = time.monotonic()
        assert client.read(6) == b"other\n"
        assert time.monotonic() - started < 0.5 + 0.3


def test_listeners_are_listed(bench):
    proxy = bench.start(bootstrap([listener("in", says("x"))], []))
    text = proxy.admin("/listeners").text
    assert f"in::127.0.0.1:{proxy.address('in')[1]}" in text
    assert json.loads(proxy.admin("/listeners?format=json").text)["listener_statuses"]


def test_a_chain_without_filters_closes_what_it_gets(bench):
    none = listener("none", chains=[chain()])
    proxy = bench.start(bootstrap([none, listener("one", says("one"))], []))
    with Client(proxy.address("none")) as client:
        assert client.read_all() == b""
    assert ask(proxy.address("one")) == "one"
