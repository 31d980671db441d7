"""HTTP/1.1 forwarding: CPU per request (B1, B2, B8) and latency at a fixed rate (B1R)."""

from functools import partial

from lkbench import rounds, stats
from lkbench import topology as topo
from lkbench.topology import Topology

PROFILES = ("raw", "sidecar")
SMALL = 128
LARGE = 65536


def subjects_for(bench, backend, load, topology):
    """One subject for each proxy that can do it."""
    found = []
    for peer in bench.peers:
        refusal = peer.refusal(topology(0, 0))
        if not refusal:
            found.append(rounds.Subject(peer.name, peer, topology, load, backend))
    return found


def cpu_row(bench, subject, scenario, others):
    """A row of the table: cost per request, and its ratio to every other subject."""
    costs = rounds.values(subject, "us_per_request")
    return {
        "scenario": scenario,
        "proxy": subject.label,
        "version": bench.versions.get(subject.peer.name, ""),
        "unit": "us/request",
        "value": stats.summary(costs),
        "rps": stats.median(rounds.values(subject, "rps")),
        "proxy_share": stats.median(rounds.values(subject, "proxy_share")),
        **rounds.saturated(subject),
        "ratios": {o.label: rounds.ratio(subject, o) for o in others if o is not subject},
        "rounds": subject.rounds,
    }


def measure_cpu(bench, scenario, backend, load, topology):
    subjects = subjects_for(bench, backend, load, topology)
    rounds.run_rounds(bench, subjects, scenario)
    bench.rows += [cpu_row(bench, s, scenario, subjects) for s in subjects]


def b1(bench):
    """Small keep-alive requests, closed loop, 32 connections."""
    with bench.backend(SMALL) as backend:
        for profile in PROFILES:
            topology = partial(Topology, profile=profile)
            measure_cpu(bench, f"B1 {profile}", backend, {"connections": 32}, topology)


def b1_rate(bench):
    """The mesh's usual test: 1 kB, 16 connections, 1000 requests per second, open loop. What a hop
    adds to the latency, and what a request costs when the proxy sleeps in between."""
    load = {"connections": 16, "rate": 1000, "jitter": True}
    with bench.backend(1024) as backend:
        for profile in PROFILES:
            topology = partial(Topology, profile=profile)
            subjects = subjects_for(bench, backend, load, topology)
            direct = rounds.Subject("direct", None, None, load, backend)
            rounds.run_rounds(bench, [direct, *subjects], f"B1R {profile}")
            bench.rows += [latency_row(bench, s, f"B1R {profile}", direct) for s in subjects]


def added(subject, direct, point):
    """Summary of the latency that the hop adds at one point of the distribution."""
    pairs = zip(rounds.values(subject, "latency_us"), rounds.values(direct, "latency_us"))
    return stats.summary([a[point] - b[point] for a, b in pairs])


def latency_row(bench, subject, scenario, direct):
    points = {p: added(subject, direct, p) for p in ("p50", "p90", "p99")}
    cost = stats.summary(rounds.values(subject, "us_per_request"))
    return {
        "scenario": scenario,
        "proxy": subject.label,
        "version": bench.versions[subject.peer.name],
        "unit": "us added p50",
        "value": points["p50"],
        "added_us": points,
        "cpu_us_per_request": cost,
        "rps": stats.median(rounds.values(subject, "rps")),
        **rounds.saturated(subject),
        "remark": f"p90 +{points['p90']['median']:.0f}, p99 +{points['p99']['median']:.0f} us; "
        f"CPU {cost['median']:.1f} us/request",
        "rounds": subject.rounds,
    }


def b2(bench):
    """1000 clusters, 50 virtual hosts, 100 routes in the last, its last route: against one route,
    in the same rounds."""
    host, path = topo.last_route()
    load = {"connections": 32, "host": host, "path": path}
    with bench.backend(SMALL) as backend:
        many = partial(Topology, layout=topo.MANY, clusters=1000)
        subjects = subjects_for(bench, backend, load, many)
        pairs = []
        for subject in subjects:
            label = f"{subject.label} one-route"
            pairs += [rounds.Subject(label, subject.peer, Topology, load, backend), subject]
        rounds.run_rounds(bench, pairs, "B2")
        for one, subject in zip(pairs[::2], subjects):
            row = cpu_row(bench, subject, "B2", [*subjects, one])
            row["over_one_route"] = rounds.ratio(subject, one)
            bench.rows.append(row)


def b8(bench):
    """64 kB bodies: GETs of them, and POSTs of them that are answered with as much."""
    with bench.backend(LARGE) as backend:
        topology = partial(Topology, large_bodies=True)
        for method, body in (("GET", 0), ("POST", LARGE)):
            load = {"connections": 16, "method": method, "body": body}
            measure_cpu(bench, f"B8 {method}", backend, load, topology)
