"""Counts that do not depend on the machine's mood: system calls per request (SYS, by strace) and
instructions per request (INS, by callgrind)."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from lkbench import proc
from lkbench.scenarios.memory import row
from lkbench.topology import Topology

CONNECTIONS = 32
SMALL_RUN, LARGE_RUN = 1000, 11000


def traced(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return not re.search(r"^TracerPid:\t0$", status, re.MULTILINE)


def start_strace(pids, path):
    argv = ["strace", "-c", "-f", "-qq", "-U", "calls,name", "-o", path]
    for pid in pids:
        argv += ["-p", pid]
    tracer = proc.spawn(argv, proc.CLIENT_CPU, stderr=subprocess.DEVNULL)
    proc.wait_until(lambda: all(traced(p) for p in pids), tracer, "strace", 10)
    time.sleep(0.1)
    return tracer


def read_calls(path):
    """Calls by name from strace's summary."""
    calls = {}
    for line in path.read_text().splitlines():
        found = re.match(r"\s*(\d+)\s+(\w+)\s*$", line)
        if found and found.group(2) != "total":
            calls[found.group(2)] = int(found.group(1))
    return calls


def syscalls(bench):
    """System calls per request with 32 keep-alive connections, closed loop."""
    if not shutil.which("strace"):
        bench.note("SYS is skipped: strace is not installed (Debian package strace)")
        return
    requests = max(5000, round(50000 * bench.settings.scale))
    with bench.backend() as backend:
        for profile in ("raw", "sidecar"):
            for peer in bench.peers:
                topology = Topology(proc.free_port(), backend.port, profile=profile)
                with bench.proxy(peer, topology) as running:
                    bench.load(port=topology.port, connections=CONNECTIONS, requests=5000)
                    path = bench.out / f"strace-{peer.name}-{profile}.txt"
                    tracer = start_strace(running.pids, path)
                    bench.load(port=topology.port, connections=CONNECTIONS, requests=requests)
                    proc.stop(tracer)
                calls = read_calls(path)
                print(f"SYS {profile}: {peer.name} {calls}", flush=True)
                most = sorted(calls.items(), key=lambda item: -item[1])[:6]
                bench.rows.append(row(
                    bench, f"SYS {profile}", peer, "calls/request", sum(calls.values()) / requests,
                    calls=calls,
                    remark=" ".join(f"{name} {count / requests:.2f}" for name, count in most)))


def instructions_of(bench, peer, backend, profile, requests):
    """Instructions of a whole life of the proxy that served so many requests."""
    name = f"{peer.name}-{profile}-{requests}"
    out = bench.out / f"callgrind-{name}.out"
    prefix = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
    topology = Topology(proc.free_port(), backend.port, profile=profile, fork=False)
    with bench.proxy(peer, topology, f"callgrind {name}", prefix=prefix):
        result = bench.load(port=topology.port, connections=CONNECTIONS, requests=requests)
        if result["failures"]:
            bench.note(f"INS: {name}: {result['failures']} requests failed")
    if not out.exists():
        raise proc.BenchError(f"callgrind wrote nothing for {name}")
    found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    return int(found.group(1))


def instructions(bench):
    """User-space instructions per request: a long run less a short one; start-up cancels."""
    if not shutil.which("valgrind"):
        bench.note("INS is skipped: valgrind is not installed (Debian package valgrind)")
        return
    with bench.backend() as backend:
        for profile in ("raw", "sidecar"):
            for peer in bench.peers:
                if peer.name == "envoy":
                    continue
                small, large = (
                    instructions_of(bench, peer, backend, profile, n)
                    for n in (SMALL_RUN, LARGE_RUN)
                )
                value = (large - small) / (LARGE_RUN - SMALL_RUN)
                print(f"INS {profile}: {peer.name} {value:.0f}", flush=True)
                bench.rows.append(row(bench, f"INS {profile}", peer, "instructions/request", value,
                                      remark="user space only"))
