"""Checks of the benchmark itself: that its tools count right and its sums are right.

Run with: LK_BENCH_TOOLS=<folder of the tools> python3 -m unittest test_bench (in this folder)."""

import os
import socket
import tempfile
import unittest
from pathlib import Path

from lkbench import proc, stats, targets, topology
from lkbench.bench import Bench, Settings
from lkbench.peers.relay import Relay
from lkbench.topology import Topology

TOOLS = Path(os.environ.get("LK_BENCH_TOOLS", "build"))


def exchange(port, requests):
    """Sends requests on one connection and returns all that comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as conn:
        conn.sendall(requests)
        answer = b""
        while part := conn.recv(65536):
            answer += part
    return answer


class Tools(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        settings = Settings(rounds=1, seconds=0.2, warmup=0.1, scale=1, only=[])
        self.bench = Bench(settings, TOOLS.resolve(), Path(self.folder.name))

    def test_client_and_backend_count_the_same_requests(self):
        with self.bench.backend() as backend:
            result = self.bench.load(port=backend.port, connections=8, requests=1234)
        self.assertEqual((result["requests"], result["failures"]), (1234, 0))
        self.assertEqual(backend.counts["requests"], 1234)
        self.assertEqual(backend.counts["connections"], 8)

    def test_open_loop_keeps_its_rate(self):
        with self.bench.backend() as backend:
            result = self.bench.load(port=backend.port, connections=4, rate=500, duration=1)
        self.assertAlmostEqual(result["requests"], 500, delta=5)

    def test_backend_notices_a_number_that_arrives_twice(self):
        post = b"POST /n/000007 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nxx"
        last = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        with self.bench.backend(size=1, numbers=10) as backend:
            answer = exchange(backend.port, post + post + last)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 3)
        self.assertEqual((backend.counts["numbered"], backend.counts["duplicates"]), (1, 1))

    def test_backend_closes_idle_connections(self):
        with self.bench.backend(idle_close=50, jitter=10) as backend:
            self.assertEqual(exchange(backend.port, b""), b"")
        self.assertEqual(backend.counts["idle_closes"], 1)

    def test_relay_carries_bodies_larger_than_its_buffer(self):
        size = 1 << 20
        with self.bench.backend(size=size) as backend:
            topo = Topology(proc.free_port(), backend.port)
            with self.bench.proxy(Relay(self.bench.tools), topo):
                result = self.bench.load(port=topo.port, connections=4, requests=40,
                                         method="POST", body=size)
        self.assertEqual((result["requests"], result["failures"]), (40, 0))

    def test_client_reports_a_refused_request_as_failed(self):
        chunked = "transfer-encoding: chunked"
        with self.bench.backend() as backend:
            result = self.bench.load(port=backend.port, connections=1, requests=3, header=chunked)
        self.assertEqual(result["failures"], 3)


class Sums(unittest.TestCase):
    def test_interval_holds_the_median(self):
        found = stats.paired_ratio([2, 4, 6, 9], [1, 2, 3, 4])
        self.assertEqual(found["median"], 2)
        self.assertTrue(found["low"] <= 2 <= found["high"])

    def test_last_route_is_the_last_of_the_last_host(self):
        host, routes = topology.virtual_hosts(1000)[-1]
        self.assertEqual((len(routes), routes[-1][0] + "x"), (100, topology.last_route()[1]))
        self.assertEqual(host, topology.last_route()[0])

    def test_a_missed_target_is_called_missed(self):
        def row(value):
            return {"scenario": "MEM idle", "proxy": "lanekeeper", "value": {"median": value}}

        self.assertTrue(targets.check([row(2.4)])[0]["kept"])
        self.assertFalse(targets.check([row(2.6)])[0]["kept"])


if __name__ == "__main__":
    unittest.main()
