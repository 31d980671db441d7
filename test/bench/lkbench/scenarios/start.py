"""B11: from exec to the first 200 through the listener."""

import socket
import time

from lkbench import proc, stats
from lkbench import topology as topo
from lkbench.topology import Topology

RUNS = {1: 20, 1000: 7, 10000: 3}
LIMIT = 120
REQUEST = b"GET / HTTP/1.1\r\nhost: bench.test\r\nx-cluster: c-000000\r\nconnection: close\r\n\r\n"


def answered(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as conn:
            conn.sendall(REQUEST)
            return conn.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start_once(bench, peer, topology):
    """(milliseconds to the first 200, CPU milliseconds until then)."""
    folder = bench.folder(f"{peer.name} start")
    argv = peer.configure(topology, folder)
    begin = time.monotonic()
    running = peer.launch(topology, folder, argv)
    try:
        while not answered(topology.port):
            if running.process.poll() is not None or time.monotonic() - begin > LIMIT:
                raise proc.BenchError(f"{peer.name} did not start (logs: {folder})")
            time.sleep(0.0003)
        taken = time.monotonic() - begin
        return taken * 1e3, proc.cpu_ns(running.pids) / 1e6
    finally:
        running.stop()


def b11(bench):
    with bench.backend() as backend:
        for clusters, full_runs in RUNS.items():
            runs = max(2, round(full_runs * max(bench.settings.scale, 0.25)))
            layout = topo.ONE if clusters == 1 else topo.BY_HEADER
            for peer in bench.peers:
                if peer.refusal(Topology(0, 0, layout=layout)):
                    continue
                samples = [
                    start_once(bench, peer, Topology(proc.free_port(), backend.port, layout=layout,
                                                     clusters=clusters))
                    for _ in range(runs)
                ]
                print(f"B11: {peer.name}, {clusters} clusters: {samples[-1][0]:.1f} ms", flush=True)
                cpu = stats.median([s[1] for s in samples])
                bench.rows.append({
                    "scenario": f"B11 {clusters}", "proxy": peer.name,
                    "version": bench.versions[peer.name], "unit": "ms to first 200",
                    "value": stats.summary([s[0] for s in samples]), "samples": samples,
                    "remark": f"CPU {cpu:.1f} ms; {runs} starts",
                })
