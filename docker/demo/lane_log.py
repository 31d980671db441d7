"""The access logs of `docker/demo.sh lanes`: from lines of many pods to the way of each request.

shop forwards nothing but x-request-id and orders nothing but traceparent, so no single id runs
through a request; each sidecar saw the id that came in and the one that went out, and that joins
the lines.
"""

import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from report import check

SERVICES = ("shop", "orders", "stock")
LINES_OF_A_WHOLE_WAY = 6  # the gateway, in and out of shop and orders, in of stock
LOG_DEADLINE = 10.0


def pods(state):
    """Those that have a sidecar by now."""
    return sorted(path.parent.name for path in Path(state).glob("*/sidecar.pid"))


def log_lines(state, pod):
    path = Path(state, pod, "access.log")
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n")]


def log_sizes(state):
    return {pod: len(log_lines(state, pod)) for pod in pods(state)}


def wait_for_lines(state, begin, expected):
    """Sizes of the logs once `expected` lines came after `begin`: sidecars write every 100 ms."""
    deadline = time.monotonic() + LOG_DEADLINE
    while True:
        end = log_sizes(state)
        count = sum(end.values()) - sum(begin.values())
        if count >= expected or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    check(count == expected, f"{count} lines in the access logs, expected {expected}")
    return end


class Way:
    """One request, from the gateway to where it ended: the log lines by pod and way."""

    def __init__(self, entry):
        self.hops = {("gateway", "entry"): entry}
        self.entry = entry
        self.user, self.code, self.ms = entry["user"], entry["code"], entry["ms"]
        self.lane = entry["requested"] or "base"
        self.start = float(entry["start"])

    def add(self, pod, line):
        key = (pod, line["way"])
        check(key not in self.hops, f"{self}: {pod} logged {line['way']} twice")
        self.hops[key] = line

    def served_by(self):
        """The pods, in the order of the call graph."""
        return [
            pod
            for service in SERVICES
            for pod, way in self.hops
            if way == "inbound" and pod.startswith(service + "-")
        ]

    def __str__(self):
        return f"request {self.entry['request_id']} of {self.user}"


def ids_of(line):
    found = [line["request_id"]] if line["request_id"] else []
    if line["traceparent"]:
        found.append(line["traceparent"].split("-")[1])
    return found


def read_ways(state, begin, end):
    """Every request that came between two sizes of the logs. No line may be left over."""
    lines = []
    for pod, last in end.items():
        texts = log_lines(state, pod)[begin.get(pod, 0) : last]
        lines += [(pod, json.loads(text)) for text in texts]
    by_id = defaultdict(list)
    for number, (_, line) in enumerate(lines):
        for name in ids_of(line):
            by_id[name].append(number)
    ways, taken = [], set()
    for number, (pod, line) in enumerate(lines):
        if pod == "gateway":
            ways.append(follow(lines, by_id, number, taken))
    left = len(lines) - len(taken)
    check(left == 0, f"{left} log lines have no id that leads to a request of a user")
    return ways


def follow(lines, by_id, first, taken):
    way = Way(lines[first][1])
    check(first not in taken, f"{way} has the id of another one")
    taken.add(first)
    open_lines = [first]
    while open_lines:
        for name in ids_of(lines[open_lines.pop()][1]):
            for number in by_id[name]:
                if number not in taken:
                    taken.add(number)
                    way.add(*lines[number])
                    open_lines.append(number)
    return way


# --- what a sidecar must have thought of a request ------------------------------------------------


def expected_line(lane, pod, way):
    """Of a lane of which orders has no pod: base serves there, and the lane goes on behind it."""
    version = pod.split("-")[-1]
    if lane == "base":
        return {"requested": None, "served": "base", "source": "none", "reason": "ok"}
    if way == "entry":
        return {"requested": lane, "served": lane, "source": "entry", "reason": "ok"}
    if way == "inbound":
        served = "base" if version == "base" else lane
        return {"requested": lane, "served": served, "source": "explicit", "reason": "ok"}
    source = "reqid" if pod.startswith("shop-") else "trace"
    if lane == "gray" and pod.startswith("shop-"):
        return {"requested": lane, "served": "base", "source": source, "reason": "absent"}
    return {"requested": lane, "served": lane, "source": source, "reason": "ok"}


WAYS = {
    "base": ["shop-base", "orders-base", "stock-base"],
    "gray": ["shop-gray", "orders-base", "stock-gray"],
    "shadow-load": ["shop-shadow", "orders-shadow", "stock-shadow"],
}


def check_way(way, addresses):
    """It was served by its lane all the way, and each sidecar knew why."""
    served_by = way.served_by()
    check(
        served_by == WAYS[way.lane],
        f"{way} is of {way.lane}, but was served by {' → '.join(served_by)}",
    )
    hops = [("gateway", "entry")]
    for pod in served_by:
        hops += [(pod, "inbound"), (pod, "outbound")]
    hops.pop()  # the last one calls nobody
    check(set(way.hops) == set(hops), f"{way}: lines of {sorted(way.hops)}, expected {hops}")
    for (pod, direction), next_pod in zip(hops[::2], served_by):
        sent_to = way.hops[pod, direction]["sent_to"]
        check(
            sent_to == f"{addresses[next_pod]}:8080",
            f"{way}: {pod} sent it to {sent_to}, not to {next_pod}",
        )
    for pod, direction in hops:
        line = way.hops[pod, direction]
        for key, value in expected_line(way.lane, pod, direction).items():
            check(
                line[key] == value,
                f"{way}: {pod}, {direction}: {key} is {line[key]!r}, expected {value!r}",
            )


def edges(ways):
    """How often who called whom."""
    count = Counter()
    for way in ways:
        stops = ["gateway", *way.served_by()]
        count.update(zip(stops, stops[1:]))
    return count
