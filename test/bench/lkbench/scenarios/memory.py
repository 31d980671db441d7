"""Memory in user space: idle (MEM), of idle connections (B9), of configured clusters (B10).

Counted is what one more proxy costs the machine, its private dirty pages: those of the binary and
of libraries are shared."""

import json
import subprocess
from functools import partial

from lkbench import proc, stats
from lkbench import topology as topo
from lkbench.topology import Topology

SETTLE = 10
CONNECTIONS = 10000
CLUSTERS = (1000, 10000)


def one_value(value):
    return stats.summary([value])


def row(bench, scenario, peer, unit, value, **more):
    return {"scenario": scenario, "proxy": peer.name, "version": bench.versions[peer.name],
            "unit": unit, "value": one_value(value), **more}


def idle(bench):
    """One listener, one cluster, nothing has happened yet."""
    with bench.backend() as backend:
        for peer in bench.peers:
            topology = Topology(proc.free_port(), backend.port, profile="sidecar")
            with bench.proxy(peer, topology) as running:
                memory = proc.settled_memory_kb(running.pids, SETTLE)
            print(f"MEM: {peer.name} {memory}", flush=True)
            remark = f"PSS {memory['Pss'] / 1024:.1f}, RSS {memory['Rss'] / 1024:.1f} MB"
            bench.rows.append(row(bench, "MEM idle", peer, "MB private",
                                  memory["own"] / 1024, memory_kb=memory, remark=remark))


def hold_connections(bench, port, count):
    """Opens `count` connections, one request each; returns the client that holds them."""
    argv = [bench.tools / "lk-bench-load", "--mode", "idle", "--port", port,
            "--connections", count, "--in-flight", 16]
    client = proc.spawn(argv, proc.CLIENT_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line = client.stdout.readline()
    if not line:
        raise proc.BenchError("the client ended before it had opened its connections")
    failures = json.loads(line)["failures"]
    if failures:
        bench.note(f"{failures} of {count} requests failed while connections were opened")
    return client


def release_connections(client):
    """Lets the client go; the number of connections that were still open."""
    out, _ = client.communicate()
    return json.loads(out)["still_open"]


def connections(bench):
    """10,000 keep-alive connections that are idle after one request each."""
    count = min(CONNECTIONS, (proc.file_limit() - 1000) // 2 * 2)
    with bench.backend() as backend:
        for peer in bench.peers:
            if peer.name == "relay":  # it holds one upstream connection for each: not comparable
                continue
            topology = Topology(proc.free_port(), backend.port, profile="sidecar",
                                connections=count)
            with bench.proxy(peer, topology) as running:
                release_connections(hold_connections(bench, topology.port, 64))
                before = proc.settled_memory_kb(running.pids, SETTLE)
                client = hold_connections(bench, topology.port, count)
                after = proc.settled_memory_kb(running.pids, SETTLE)
                still_open = release_connections(client)
            print(f"B9: {peer.name} {before} -> {after}", flush=True)
            if still_open != count:
                bench.note(f"B9: {peer.name} closed {count - still_open} of {count} connections")
            grown = (after["own"] - before["own"]) * 1024 / count
            bench.rows.append(row(
                bench, "B9 10k idle", peer, "B/connection", grown, before_kb=before, after_kb=after,
                still_open=still_open, remark=f"{still_open} still open"))


def cluster_memory(bench, peer, backend, count):
    """(idle, after one request through each cluster) in kB of Private_Dirty."""
    topology = Topology(proc.free_port(), backend.port, profile="sidecar",
                        layout=topo.BY_HEADER, clusters=count,
                        connections=max(1024, count))
    with bench.proxy(peer, topology) as running:
        before = proc.settled_memory_kb(running.pids, SETTLE)["own"]
        result = bench.load(port=topology.port, connections=4, requests=count,
                            header="x-cluster: c-%N")
        if result["failures"]:
            bench.note(f"B10: {peer.name}: {result['failures']} of {count} requests failed")
        after = proc.settled_memory_kb(running.pids, SETTLE)["own"]
    print(f"B10: {peer.name}, {count} clusters: {before} kB idle, {after} kB used", flush=True)
    return before, after


def clusters(bench):
    """1,000 and 10,000 static clusters: what each costs, idle and after one request through it."""
    with bench.backend() as backend:
        for peer in bench.peers:
            base_topology = partial(Topology, layout=topo.BY_HEADER)
            if peer.refusal(base_topology(0, 0)):
                continue
            base = cluster_memory(bench, peer, backend, 1)
            for count in CLUSTERS:
                used = cluster_memory(bench, peer, backend, count)
                for name, now, then in (("idle", used[0], base[0]), ("used", used[1], base[1])):
                    bench.rows.append(row(
                        bench, f"B10 {count} {name}", peer, "kB/cluster", (now - then) / count,
                        total_kb=now, remark=f"{now / 1024:.1f} MB private in all"))
