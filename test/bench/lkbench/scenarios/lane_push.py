"""PUSH: what a gray release costs to push: the same routing by a lane table and, on Envoy, by routes and subset
clusters for every lane. Bytes, memory, and the time from moving the files into place until a request is
answered by the gray endpoint."""

import socket
import time

from lkbench import lane_mesh, lane_pod, proc, stats
from lkbench.topology import Topology

LANES = (1, 16, 64, 256)
PUSHES = 5
SETTLE = 3
LIMIT = 20
GRAY_SIZE, BASE_SIZE = 64, 128


class Client:
    """One kept connection that asks for the first service in the last lane."""

    def __init__(self, port, lanes):
        self.conn = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.request = (f"GET / HTTP/1.1\r\nhost: {lane_mesh.service(0)}\r\n"
                        f"x-lane: {lane_pod.lane_name(lanes - 1)}\r\n\r\n").encode()
        self.failed = 0

    def body_size(self):
        """0 where the answer is no 200."""
        self.conn.sendall(self.request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.conn.recv(65536)
        head, body = data.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        while len(body) < length:
            body += self.conn.recv(65536)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
            return 0
        return length

    def until(self, size):
        """Seconds until an answer of that size, asked for without a pause."""
        start = time.monotonic()
        while self.body_size() != size:
            if time.monotonic() - start > LIMIT:
                raise proc.BenchError("PUSH: the change never came into force")
        return time.monotonic() - start


def push_times(mesh, port):
    """Adds the last lane and takes it away again, some times over."""
    client = Client(port, mesh.lanes)
    client.until(BASE_SIZE)
    times, sizes = [], {}
    for _ in range(PUSHES):
        start = time.monotonic()
        sizes = mesh.push(mesh.lanes)
        written = time.monotonic() - start
        times.append((client.until(GRAY_SIZE) + written) * 1000)
        mesh.push(mesh.lanes - 1)
        client.until(BASE_SIZE)
    return times, sizes, client.failed


def measure(bench, mesh, lanes):
    topology = Topology(proc.free_port(), mesh.base_port)
    label = f"push-{mesh.way}-{lanes}".replace(" ", "-")
    with bench.proxy(mesh, topology, label) as running:
        times, sizes, failed = [], {}, 0
        if hasattr(mesh, "push"):
            times, sizes, failed = push_times(mesh, topology.port)
        elif Client(topology.port, lanes).body_size() != GRAY_SIZE:
            raise proc.BenchError(f"PUSH: {mesh.way} does not route by lane")
        memory = proc.settled_memory_kb(running.pids, SETTLE)
    return memory, times, sizes, failed


def record(bench, mesh, lanes, memory, times, sizes, failed):
    name = f"PUSH {mesh.way}, {lanes} lanes"
    pushed = ", ".join(f"{what} {size:,} B" for what, size in sizes.items()) or "nothing is pushed"
    remark = f"{pushed}; {memory['own'] / 1024:.1f} MB private"
    if failed:
        remark += f"; {failed} requests failed meanwhile"
    print(f"{name}: {stats.median(times) if times else 0:.1f} ms, {remark}", flush=True)
    bench.rows.append({
        "scenario": name, "proxy": mesh.name, "version": bench.versions[mesh.name],
        "unit": "ms to force", "value": stats.summary(times or [0.0]), "memory_kb": memory,
        "bytes": sizes, "failed": failed, "remark": remark})


def push(bench):
    names = {peer.name for peer in bench.peers}
    with bench.backend(size=BASE_SIZE) as base, bench.backend(size=GRAY_SIZE) as gray:
        for lanes in LANES:
            for way in lane_mesh.WAYS:
                if way.name not in names:
                    continue
                mesh = way(base.port, gray.port, lanes)
                record(bench, mesh, lanes, *measure(bench, mesh, lanes))
