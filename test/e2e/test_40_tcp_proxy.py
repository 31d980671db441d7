"""The TCP proxy: bytes both ways, half-close, timeouts, weights, large transfers."""

import collections
import hashlib
import random
import socket
import threading
import time

import pytest
from backend import closed_port, echo_bytes
from client import Client, wait_for
from config import bootstrap, cluster, endpoint, file_log, listener, tcp_proxy

FIELDS = {
    "flags": "%RESPONSE_FLAGS%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "host": "%UPSTREAM_HOST%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "duration": "%DURATION%",
    "code": "%RESPONSE_CODE%",
    "protocol": "%PROTOCOL%",
    "peer": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "local": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}
FORMAT = "\t".join(FIELDS.values()) + "\n"


def start(bench, clusters, name="tcp", fields=None, listener_fields=None, **options):
    proxy_fields = {"access_log": [file_log(bench.log_file(), FORMAT)], **(fields or {})}
    if "weighted_clusters" not in proxy_fields:
        proxy_fields["cluster"] = name
    made = listener("in", tcp_proxy(**proxy_fields), **(listener_fields or {}))
    return bench.start(bootstrap([made], clusters), **options)


def connect(proxy, **options):
    return Client(proxy.address("in"), **options)


def last_log(proxy, count=1):
    from config import parse_log

    return parse_log(proxy.wait_log_lines(count)[count - 1], FIELDS)


def test_bytes_pass_both_ways(bench):
    backend = bench.tcp(echo_bytes)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        for data in (b"a", b"hello\r\n", bytes(range(256)) * 100):
            client.send(data)
            assert client.read(len(data)) == data


def test_the_server_may_speak_first(bench):
    backend = bench.tcp(lambda conn: conn.send(b"220 welcome\r\n") or conn.read_some())
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        assert client.read(13) == b"220 welcome\r\n"


def test_half_close_of_the_client_is_passed_on(bench):
    def answer_at_end(conn):
        data = conn.reader.rest()
        conn.send(b"got %d" % len(data))

    backend = bench.tcp(answer_at_end)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        client.send(b"x" * 1000)
        client.finish_sending()
        assert client.read_all() == b"got 1000"


def test_half_close_of_the_server_is_passed_on(bench):
    got = []

    def close_first(conn):
        conn.send(b"bye")
        conn.finish_sending()
        got.append(conn.reader.rest())

    backend = bench.tcp(close_first)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        assert client.read_all() == b"bye"
        client.send(b"still here")
        client.finish_sending()
        wait_for(lambda: got == [b"still here"], "the client's bytes arrive")


def test_a_reset_of_the_server_ends_the_client(bench):
    backend = bench.tcp(lambda conn: conn.read_some() and conn.reset())
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        client.send(b"x")
        assert client.closed_within(5)


def test_a_reset_of_the_client_ends_the_server(bench):
    ended = threading.Event()

    def wait_end(conn):
        conn.send(b"hi")
        while conn.read_some():
            pass
        ended.set()

    backend = bench.tcp(wait_end)
    proxy = start(bench, [cluster("tcp", backend.address)])
    client = connect(proxy)
    client.read(2)
    client.reset()
    assert ended.wait(5)


def test_a_dead_server_closes_the_client(bench):
    held, port = closed_port()
    proxy = start(bench, [cluster("tcp", ("127.0.0.1", port))])
    with connect(proxy) as client:
        assert client.closed_within(5)
    entry = last_log(proxy)
    assert set(entry["flags"].split(",")) <= {"UF", "URX"} and "UF" in entry["flags"]
    held.close()


def test_no_endpoint_closes_the_client(bench):
    proxy = start(bench, [cluster("tcp")])
    with connect(proxy) as client:
        assert client.closed_within(5)
    assert last_log(proxy)["flags"] == "UH"


def test_an_unknown_cluster_closes_the_client(bench):
    proxy = start(bench, [cluster("tcp")], name="other")
    with connect(proxy) as client:
        assert client.closed_within(5)
    assert last_log(proxy)["flags"] == "NC"


def test_connecting_is_tried_again(bench):
    held, port = closed_port()
    backend = bench.tcp(echo_bytes)
    members = [endpoint(("127.0.0.1", port)), endpoint(backend.address)]
    proxy = start(bench, [cluster("tcp", *members)], fields={"max_connect_attempts": 3})
    for _ in range(10):
        with connect(proxy) as client:
            client.send(b"ok")
            assert client.read(2) == b"ok"
    held.close()


def test_idle_timeout(bench):
    backend = bench.tcp(echo_bytes)
    proxy = start(bench, [cluster("tcp", backend.address)], fields={"idle_timeout": "0.3s"})
    with connect(proxy) as client:
        for _ in range(4):
            time.sleep(0.1)
            client.send(b"x")
            assert client.read(1) == b"x"
        started = time.monotonic()
        assert client.closed_within(5)
        assert time.monotonic() - started > 0.15
    backend.wait(lambda: not backend.live, "the upstream connection is closed")


def test_max_duration(bench):
    backend = bench.tcp(echo_bytes)
    fields = {"max_downstream_connection_duration": "0.4s"}
    proxy = start(bench, [cluster("tcp", backend.address)], fields=fields)
    started = time.monotonic()
    with connect(proxy) as client:
        try:
            while time.monotonic() - started < 5:
                client.send(b"x")
                client.read(1)
        except (ConnectionError, AssertionError):
            pass
        except Exception as error:
            assert "closed" in str(error)
    assert 0.3 < time.monotonic() - started < 3
    assert last_log(proxy)["flags"] == "DT"


def test_weighted_clusters(bench):
    a = bench.tcp(lambda conn: conn.send(b"a"))
    b = bench.tcp(lambda conn: conn.send(b"b"))
    weights = {
        "weighted_clusters": {
            "clusters": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]
        }
    }
    clusters = [cluster("a", a.address), cluster("b", b.address)]
    proxy = start(bench, clusters, fields=weights)
    counted = collections.Counter()
    for _ in range(120):
        with connect(proxy) as client:
            counted[client.read_all()] += 1
    assert 60 < counted[b"a"] < 115 and counted[b"a"] + counted[b"b"] == 120


@pytest.mark.parametrize("direction, megabytes", [("down", 1024), ("up", 128), ("both", 128)])
def test_a_large_transfer_arrives_unchanged(bench, direction, megabytes):
    size = megabytes << 20
    block = random.Random(7).randbytes(1 << 20)
    down, up = hashlib.sha256(), hashlib.sha256()
    counts = collections.Counter()

    def send_all(sock):
        for _ in range(size >> 20):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)

    def receive_all(sock, digest, name):
        buffer = bytearray(1 << 18)
        while got := sock.recv_into(buffer):
            digest.update(memoryview(buffer)[:got])
            counts[name] += got

    def serve(conn):
        reader = threading.Thread(target=receive_all, args=(conn.sock, up, "up"))
        reader.start()
        if direction != "up":
            send_all(conn.sock)
        else:
            conn.finish_sending()
        reader.join()

    backend = bench.tcp(serve)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy, timeout=30) as client:
        reader = threading.Thread(target=receive_all, args=(client.sock, down, "down"))
        reader.start()
        if direction != "down":
            send_all(client.sock)
        else:
            client.finish_sending()
        reader.join(40)
        backend.wait(lambda: not backend.live, "the server has read everything", 30)
    whole = hashlib.sha256()
    for _ in range(megabytes):
        whole.update(block)
    wanted = whole.digest()
    if direction != "up":
        assert (counts["down"], down.digest()) == (size, wanted)
    if direction != "down":
        assert (counts["up"], up.digest()) == (size, wanted)


def test_a_client_that_does_not_read_is_bounded(bench):
    sent, blocked = [0], threading.Event()

    def flood(conn):
        conn.sock.settimeout(1.0)
        try:
            while sent[0] < 300 << 20:
                conn.sock.sendall(b"x" * 65536)
                sent[0] += 65536
        except TimeoutError:
            blocked.set()

    backend = bench.tcp(flood)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy):
        assert blocked.wait(20)
    assert sent[0] < 40 << 20


def test_the_log_counts_bytes_and_names_the_host(bench):
    backend = bench.tcp(echo_bytes)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        local = client.local_address
        client.send(b"12345")
        assert client.read(5) == b"12345"
        client.finish_sending()
        client.read_all()
    entry = last_log(proxy)
    assert (entry["received"], entry["sent"]) == ("5", "5")
    assert entry["flags"] == "-"
    assert entry["host"] == f"127.0.0.1:{backend.port}"
    assert entry["cluster"] == "tcp"
    assert (entry["code"], entry["protocol"]) == ("0", "-")
    assert entry["peer"] == f"127.0.0.1:{local[1]}"
    assert entry["local"] == f"127.0.0.1:{proxy.address('in')[1]}"


def test_many_connections_on_two_workers(bench):
    backend = bench.tcp(echo_bytes)
    proxy = start(bench, [cluster("tcp", backend.address)], concurrency=2)
    clients = [connect(proxy) for _ in range(200)]
    for number, client in enumerate(clients):
        client.send(b"%04d" % number)
    for number, client in enumerate(clients):
        assert client.read(4) == b"%04d" % number
    for client in clients:
        client.close()
    backend.wait(lambda: not backend.live, "all connections are closed")


def test_connections_are_counted(bench):
    backend = bench.tcp(echo_bytes)
    proxy = start(bench, [cluster("tcp", backend.address)])
    with connect(proxy) as client:
        client.send(b"x")
        client.read(1)
        assert proxy.stat("tcp.tcp.downstream_cx_total") == 1
        assert proxy.stat("cluster.tcp.upstream_cx_active") == 1
    wait_for(lambda: proxy.stat("cluster.tcp.upstream_cx_active") == 0, "the close is counted")
