"""LANES: what the lane filter costs. User-space instructions per request, by callgrind, of a sidecar with the
filter against the same sidecar without it: the same listeners, clusters and requests. Inbound and outbound
are measured apart, since a request passes each of them by itself."""

import re
import shutil
from dataclasses import dataclass

from lkbench import lane_pod, proc
from lkbench.scenarios.counts import CONNECTIONS
from lkbench.scenarios.memory import row

SMALL_RUN, LARGE_RUN = 1000, 6000
PROFILES = ("raw", "sidecar")
FEW, MANY = 4, 256
# Every request of a chain has ids of its own, as behind a gateway that gives them.
IDS = (
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e%N-00f067aa0ba902b7-01",
    "x-request-id: 3f1c7a52-9d4e-4b8a-9c1d-7e5fa0%N",
)
UNMARKED = IDS
MARKED = (*IDS, f"x-lane: {lane_pod.LANE}", f"baggage: lane={lane_pod.LANE},userId=alice")


@dataclass(frozen=True)
class Pass:
    """One way through the sidecar. before: what came in first, so that the pod remembers it."""

    name: str
    outbound: bool
    headers: tuple
    before: tuple = ()


PASSES = (
    Pass("unmarked in", False, UNMARKED),
    Pass("unmarked out", True, UNMARKED, UNMARKED),
    Pass("marked in", False, MARKED),
    Pass("marked out", True, MARKED, MARKED),
)


def send(bench, port, headers, requests):
    lines = [part for line in headers for part in ("--header", line)]
    result = bench.load(*lines, port=port, connections=CONNECTIONS, requests=requests)
    if result["failures"]:
        bench.note(f"LANES: {result['failures']} requests failed")


def count(bench, pod, profile, app_port, what, requests):
    """Instructions of a whole life of the sidecar."""
    label = f"{what.name}-{profile}-{pod.lanes}-{requests}".replace(" ", "-")
    out = bench.out / f"callgrind-{label}.out"
    prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
    topology = lane_pod.pod_topology(profile, app_port)
    with bench.proxy(pod, topology, f"callgrind {label}", prefix=prefix):
        if what.before:
            send(bench, topology.port, what.before, LARGE_RUN)
        send(bench, pod.out_port if what.outbound else topology.port, what.headers, requests)
    if not out.exists():
        raise proc.BenchError(f"callgrind wrote nothing for {label}")
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE).group(1))


def per_request(bench, lanes, profile, ports, what):
    small, large = (
        count(bench, lane_pod.LanePod(lanes, ports[1:]), profile, ports[0], what, requests)
        for requests in (SMALL_RUN, LARGE_RUN)
    )
    return (large - small) / (LARGE_RUN - SMALL_RUN)


def compare(bench, profile, ports, what):
    without = per_request(bench, None, profile, ports, what)
    for lanes in (FEW, MANY) if profile == "sidecar" else (FEW,):
        value = per_request(bench, lanes, profile, ports, what)
        more = value - without
        name = f"LANES {profile} {what.name}, {lanes} lanes"
        print(f"{name}: {without:.0f} + {more:.0f} ({more / without:+.1%})", flush=True)
        bench.rows.append(row(
            bench, name, lane_pod.LanePod(lanes, ports[1:]), "% more instr.", 100 * more / without,
            without=without, with_filter=value,
            remark=f"{without:.0f} without, {value:.0f} with the filter"))


def instructions(bench):
    if not shutil.which("valgrind"):
        bench.note("LANES: no instruction counts: valgrind is not installed (Debian package valgrind)")
        return
    if not any(peer.name == "lanekeeper" for peer in bench.peers):
        return
    with bench.backend() as app, bench.backend() as base, bench.backend() as gray:
        for profile in PROFILES:
            for what in PASSES:
                compare(bench, profile, (app.port, base.port, gray.port), what)


def lanes(bench):
    instructions(bench)
