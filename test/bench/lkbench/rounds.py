"""Interleaved rounds: in each, every subject is measured on the way there and on the way back
(A B C C B A), so that slow drifts of the machine hit all alike. Proxies are started anew per round,
so that a lucky memory layout does not last."""

import contextlib
from dataclasses import dataclass, field

from lkbench import proc, stats

STEAL_LIMIT = 0.01
SATURATED = 0.93
FOREIGN_LIMIT = 0.1  # share of the proxy's core that went to neither the proxy nor idling


@dataclass
class Subject:
    """A proxy doing one thing under one load. `peer` None: the client talks to the backend."""

    label: str
    peer: object
    topology: object  # callable: (port, backend_port) -> Topology
    load: dict  # options of the client
    backend: object
    running: object = None
    rounds: list = field(default_factory=list)

    def start(self, bench, stack):
        if not self.peer:
            return
        topology = self.topology(proc.free_port(), self.backend.port)
        self.running = stack.enter_context(bench.proxy(self.peer, topology, self.label))

    @property
    def port(self):
        return self.running.topology.port if self.running else self.backend.port

    @property
    def pids(self):
        return self.running.pids if self.running else []


def http_visit(bench, subject):
    """One measurement of HTTP load: the JSON of the client."""
    flags = []
    for pid in subject.pids:
        flags += ["--cpu-of", pid]
    if subject.load.get("jitter"):
        flags.append("--jitter")
    options = {k: v for k, v in subject.load.items() if k != "jitter"}
    result = bench.load(*flags, port=subject.port, warmup=bench.settings.warmup,
                        duration=bench.settings.seconds, **options)
    if result["failures"] or result["unfinished"]:
        bench.note(f"{subject.label}: {result['failures']} failed, "
                   f"{result['unfinished']} unfinished requests")
    return result


def http_combine(visits):
    """One round of one subject: its visits together."""
    requests = sum(v["requests"] for v in visits)
    seconds = sum(v["seconds"] for v in visits)
    if not requests:
        raise proc.BenchError("a visit completed no request")
    cores = len(visits[0]["cores"])
    return {
        "us_per_request": sum(v["cpu_ns"] for v in visits) / requests / 1e3,
        "user_ms": sum(v["user_ms"] for v in visits),
        "system_ms": sum(v["system_ms"] for v in visits),
        "rps": requests / seconds,
        "proxy_share": sum(v["cpu_ns"] for v in visits) / seconds / 1e9,
        "busy": [sum(v["cores"][c]["busy"] for v in visits) / len(visits) for c in range(cores)],
        "steal": max(c["steal"] for v in visits for c in v["cores"]),
        "latency_us": {
            name: sum(v["latency_us"][name] for v in visits) / len(visits)
            for name in visits[0]["latency_us"]
        },
    }


def run_rounds(bench, subjects, title, visit=http_visit, combine=http_combine):
    """Measures all subjects; afterwards each has the same number of rounds, in step. `visit` makes
    one measurement, `combine` makes one round of a subject's visits."""
    count = bench.settings.rounds
    for number in range(count):
        print(f"{title}: round {number + 1} of {count}", flush=True)
        with contextlib.ExitStack() as stack:
            for subject in subjects:
                subject.start(bench, stack)
            visits = {subject.label: [] for subject in subjects}
            for subject in [*subjects, *reversed(subjects)]:
                visits[subject.label].append(visit(bench, subject))
        for subject in subjects:
            subject.rounds.append(combine(visits[subject.label]))
    drop_stolen(bench, subjects, title)


def drop_stolen(bench, subjects, title):
    """Leaves out the rounds in which the hypervisor took the cores away, unless too few remain."""
    total = len(subjects[0].rounds)
    good = [
        i for i in range(total) if all(s.rounds[i]["steal"] <= STEAL_LIMIT for s in subjects)
    ]
    if len(good) == total:
        return
    if len(good) < max(3, total // 2):
        bench.note(f"{title}: {total - len(good)} of {total} rounds had steal above 1 %; kept")
        return
    bench.note(f"{title}: {total - len(good)} of {total} rounds dropped (steal above 1 %)")
    for subject in subjects:
        subject.rounds = [subject.rounds[i] for i in good]


def values(subject, name):
    return [r[name] for r in subject.rounds]


def saturated(subject):
    """Names the core that limits the rate, from how busy each was."""
    client = stats.median([r["busy"][proc.CLIENT_CPU] for r in subject.rounds])
    proxy = stats.median([r["busy"][proc.PROXY_CPU] for r in subject.rounds])
    full = [
        name
        for name, busy in (("cpu0 client+backend", client), ("cpu1 proxy", proxy))
        if busy >= SATURATED
    ]
    named = " and ".join(full) or f"none ({client:.2f}, {proxy:.2f})"
    foreign = proxy - stats.median([r["proxy_share"] for r in subject.rounds])
    if subject.peer and foreign > FOREIGN_LIMIT:
        named += f", others {foreign:.2f}"
    return {"client_core": client, "proxy_core": proxy, "foreign": foreign, "saturated": named}


def ratio(left, right, name="us_per_request"):
    return stats.paired_ratio(values(left, name), values(right, name))
