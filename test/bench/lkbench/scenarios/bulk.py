"""B7: bytes through the TCP proxy, driven by iperf3."""

import json
import subprocess
import time
from functools import partial

from lkbench import proc, rounds, stats
from lkbench.bench import BackendHandle
from lkbench.scenarios.http import subjects_for
from lkbench.topology import Topology

STREAMS = (1, 4)


def run_iperf(argv, label):
    """iperf3's own account of a run. Its server takes one client at a time, and a
    moment between two: a client that comes too early is told so, and tries again."""
    for _ in range(20):
        client = proc.spawn(argv, proc.CLIENT_CPU, stdout=subprocess.PIPE)
        out, _ = client.communicate(timeout=120)
        document = json.loads(out)
        if "busy" not in document.get("error", ""):
            break
        time.sleep(0.2)
    if "error" in document:
        raise proc.BenchError(f"iperf3 through {label}: {document['error']}")
    return document["end"]["sum_received"]


def iperf_visit(bench, subject):
    argv = [proc.find_program("iperf3"), "-c", "127.0.0.1", "-p", subject.port, "-J",
            "-t", max(1, round(bench.settings.seconds)), "-P", subject.load["streams"]]
    before = proc.cpu_ns(subject.pids)
    busy = proc.CoreMeter()
    total = run_iperf(argv, subject.label)
    cores = busy.stop()
    spent = proc.cpu_ns(subject.pids) - before
    return {"bytes": total["bytes"], "seconds": total["seconds"], "cpu_ns": spent, "cores": cores}


def iperf_combine(visits):
    size = sum(v["bytes"] for v in visits)
    seconds = sum(v["seconds"] for v in visits)
    count = len(visits)
    return {
        "cpu_s_per_gb": sum(v["cpu_ns"] for v in visits) / size,
        "gbit_per_s": size * 8 / seconds / 1e9,
        "proxy_share": sum(v["cpu_ns"] for v in visits) / seconds / 1e9,
        "busy": [sum(v["cores"][c]["busy"] for v in visits) / count for c in (0, 1)],
        "steal": max(c["steal"] for v in visits for c in v["cores"]),
    }


def bulk_row(bench, subject, scenario, others):
    rate = stats.summary(rounds.values(subject, "gbit_per_s"))
    costs = rounds.values(subject, "cpu_s_per_gb")
    compared = [o for o in others if o is not subject and o.peer]
    ratios = {o.label: rounds.ratio(subject, o, "cpu_s_per_gb") for o in compared if subject.peer}
    rates = {o.label: rounds.ratio(subject, o, "gbit_per_s") for o in others if o is not subject}
    text = "  ".join(f"{r['median']:.2f}x {name}" for name, r in rates.items())
    return {
        "scenario": scenario,
        "proxy": subject.label,
        "version": bench.versions[subject.peer.name] if subject.peer else "",
        "unit": "Gbit/s",
        "value": rate,
        "cpu_s_per_gb": stats.summary(costs),
        "ratios": ratios,
        "rate_ratios": rates,
        **rounds.saturated(subject),
        "remark": f"CPU {stats.median(costs):.3f} s/GB; rate {text}",
        "rounds": subject.rounds,
    }


def b7(bench):
    server_program = proc.find_program("iperf3")
    if not server_program:
        bench.note("B7 is skipped: iperf3 is not installed (Debian package iperf3)")
        return
    port = proc.free_port()
    argv = [server_program, "-s", "-B", "127.0.0.1", "-p", port]
    server = proc.spawn(argv, proc.CLIENT_CPU, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        proc.wait_until(lambda: proc.listening(port), server, "iperf3")
        backend = BackendHandle(port)
        for streams in STREAMS:
            load = {"streams": streams}
            topology = partial(Topology, kind="tcp")
            subjects = [rounds.Subject("direct", None, None, load, backend)]
            subjects += subjects_for(bench, backend, load, topology)
            title = f"B7 -P {streams}"
            rounds.run_rounds(bench, subjects, title, iperf_visit, iperf_combine)
            bench.rows += [bulk_row(bench, s, title, subjects) for s in subjects]
    finally:
        proc.stop(server)
