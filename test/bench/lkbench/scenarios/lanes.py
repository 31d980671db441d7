"""LANES: what the lane filter costs. Instructions per request of a sidecar with the filter against the same sidecar
without it: the same listeners, clusters and requests; the worker's alone, since a timer on the main thread belongs
to no request. Inbound and outbound are counted apart: a request passes each of them by itself. Beside
them the times of a decision and of a push, without a request around them."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from lkbench import lane_pod, proc, stats
from lkbench.scenarios.counts import CONNECTIONS

WARMUP, REQUESTS = 1000, 5000
PROFILES = ("raw", "sidecar")
FEW, MANY = 4, 256
# Every request of a chain has ids of its own, as behind a gateway that gives them.
IDS = (
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e%N-00f067aa0ba902b7-01",
    "x-request-id: 3f1c7a52-9d4e-4b8a-9c1d-7e5fa0%N",
)
MARKED = (*IDS, f"x-lane: {lane_pod.LANE}", f"baggage: lane={lane_pod.LANE},userId=alice")


@dataclass(frozen=True)
class Pass:
    """One way through the sidecar. before: what comes in first, so that the pod remembers it."""

    name: str
    outbound: bool
    headers: tuple
    before: tuple = ()


PASSES = (
    Pass("unmarked in", False, IDS),
    Pass("unmarked out", True, IDS, IDS),
    Pass("marked in", False, MARKED),
    Pass("marked out", True, MARKED, MARKED),
)


def send(bench, port, headers, requests):
    lines = [part for line in headers for part in ("--header", line)]
    result = bench.load(*lines, port=port, connections=CONNECTIONS, requests=requests)
    if result["failures"]:
        bench.note(f"LANES: {result['failures']} requests failed")


def dump(running):
    """Callgrind writes what it has counted, and begins anew."""
    subprocess.run(["callgrind_control", "-d", str(running.process.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def worker_total(out, part):
    """Of all threads but the first, which is the main thread."""
    total = 0
    for path in out.parent.glob(f"{out.name}.{part}-*"):
        if not path.name.endswith("-01"):
            found = re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
            total += int(found.group(1)) if found else 0
    if not total:
        raise proc.BenchError(f"callgrind wrote nothing to {out}")
    return total


def per_request(bench, lanes, profile, ports, what):
    pod = lane_pod.LanePod(lanes, ports[1:])
    topology = lane_pod.pod_topology(profile, ports[0])
    label = f"lanes-{what.name}-{profile}-{lanes}".replace(" ", "-")
    out = bench.out / f"{label}.callgrind"
    prefix = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes",
              f"--callgrind-out-file={out}"]
    with bench.proxy(pod, topology, label, prefix=prefix) as running:
        port = pod.out_port if what.outbound else topology.port
        if what.before:
            send(bench, topology.port, what.before, REQUESTS)
        send(bench, port, what.headers, WARMUP)
        dump(running)
        send(bench, port, what.headers, REQUESTS)
        dump(running)
    return worker_total(out, 2) / REQUESTS


def compare(bench, profile, ports, what):
    without = per_request(bench, None, profile, ports, what)
    for lanes in (FEW, MANY) if profile == "sidecar" else (FEW,):
        value = per_request(bench, lanes, profile, ports, what)
        more = value - without
        name = f"LANES {profile} {what.name}, {lanes} lanes"
        print(f"{name}: {without:.0f} + {more:.0f} ({more / without:+.1%})", flush=True)
        bench.rows.append({
            "scenario": name, "proxy": "lanekeeper", "version": bench.versions["lanekeeper"],
            "unit": "% more instr.", "value": stats.summary([100 * more / without]),
            "without": without, "with_filter": value,
            "remark": f"{without:.0f} without, {value:.0f} with the filter"})


def instructions(bench):
    if not shutil.which("valgrind"):
        bench.note("LANES: no instruction counts: valgrind is not installed (Debian package valgrind)")
        return
    with bench.backend() as app, bench.backend() as base, bench.backend() as gray:
        for profile in PROFILES:
            for what in PASSES:
                compare(bench, profile, (app.port, base.port, gray.port), what)


def times(bench):
    program = os.environ.get("LANE_TIMES")
    if not program or not os.access(program, os.X_OK):
        bench.note("LANES: no times: set LANE_TIMES to lk-bench-lane-times, or let run.sh build it")
        return
    with proc.pinned(proc.PROXY_CPU):
        done = subprocess.run([program], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout)
    print(f"LANES times: {found}", flush=True)
    size = f"{found['lanes']} lanes x {found['endpoints']} endpoints"
    for name, key, scale, unit, remark in (
            ("decision, base", "decision_base_ns", 1, "ns", size),
            ("decision, lane", "decision_lane_ns", 1, "ns", size),
            ("push, table made", "table_made_us", 1000, "ms", "from its bytes"),
            ("push, in force", "table_in_force_us", 1000, "ms", f"on {found['workers']} workers")):
        bench.rows.append({
            "scenario": f"LANES {name}", "proxy": "lanekeeper", "unit": unit, "remark": remark,
            "version": bench.versions["lanekeeper"], "value": stats.summary([found[key] / scale])})


def lanes(bench):
    if any(peer.name == "lanekeeper" for peer in bench.peers):
        times(bench)
        instructions(bench)
