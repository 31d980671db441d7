"""RACE: a server that closes connections within 20 ms of its idle timeout, and requests that come
just then. Counts failed GETs, failed POSTs, and POSTs that arrived twice."""

from lkbench import proc
from lkbench.scenarios.memory import row
from lkbench.topology import Topology

IDLE_MS, JITTER_MS, DELAY_MS = 100, 20, 50
CONNECTIONS = 400
REQUESTS = 100000


def race_once(bench, peer, requests):
    """(the client's counts, the server's counts)."""
    times = {"idle_close": IDLE_MS, "jitter": JITTER_MS, "delay": DELAY_MS}
    with bench.backend(numbers=requests, **times) as backend:
        topology = Topology(proc.free_port(), backend.port, connections=4 * CONNECTIONS)
        with bench.proxy(peer, topology, f"{peer.name} race"):
            client = bench.load(mode="race", port=topology.port, connections=CONNECTIONS,
                                requests=requests, period=IDLE_MS + DELAY_MS,
                                spread=2 * JITTER_MS)
    return client, backend.counts


def race(bench):
    requests = max(4000, round(REQUESTS * bench.settings.scale))
    for peer in bench.peers:
        if peer.name == "relay":  # one upstream connection for each client: it has no pool to race
            continue
        client, server = race_once(bench, peer, requests)
        print(f"RACE: {peer.name} {client} {server}", flush=True)
        remark = (f"GET failures {client['get_failures']}, duplicates {server['duplicates']} "
                  f"of {requests} each; server closed {server['idle_closes']} idle connections")
        bench.rows.append(row(bench, "RACE", peer, "failed POSTs", client["post_failures"],
                              client=client, server=server, remark=remark))
