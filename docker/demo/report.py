"""Tells what a call of the demo did, from the access logs of the sidecars and nothing else, and
checks it.

Every line that it prints was compared with what must have happened; a difference ends it with
exit code 1 and says which. Commands: `hops` for a call that succeeded, `broken` for one made
while the sidecar of `stock` was stopped, `stats` for the counters of the sidecars, which must
agree with the logs.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

PODS = ("frontend", "orders", "stock")
ADDRESS = {"frontend": "10.77.0.11:8080", "orders": "10.77.0.12:8080", "stock": "[fd77::13]:8080"}
LOG_DEADLINE = 5.0


class Mismatch(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Mismatch(text)


def read_log(state, pod):
    path = Path(state, pod, "access.log")
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def lines_of(state, request_id):
    """The log lines of one request, by pod and way."""
    found = {}
    for pod in PODS:
        for line in read_log(state, pod):
            if line.get("request_id") == request_id:
                check(
                    (pod, line["way"]) not in found,
                    f"{pod}: two {line['way']} lines for request {request_id}",
                )
                found[pod, line["way"]] = line
    return found


def wait_for_lines(state, request_id, expected):
    """Reads the logs until the lines of `expected` are there: a sidecar writes them out every 100
    ms.
    """
    deadline = time.monotonic() + LOG_DEADLINE
    while True:
        found = lines_of(state, request_id)
        if set(found) >= set(expected) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    check(
        set(found) == set(expected),
        f"request {request_id}: log lines of {sorted(found)}, expected {sorted(expected)}",
    )
    return found


def expected_hops(broken):
    """What each sidecar on the way must have logged, in the order of the way."""
    code = 502 if broken else 200
    orders = {
        "cluster": "orders",
        "sent_to": ADDRESS["orders"],
        "code": code,
        "flags": "-",
        "answered_by": "orders",
    }
    hops = {
        ("frontend", "outbound"): orders,
        ("orders", "inbound"): dict(orders, cluster="application"),
    }
    stock = {
        "cluster": "stock",
        "sent_to": ADDRESS["stock"],
        "code": 200,
        "flags": "-",
        "answered_by": "stock",
    }
    if broken:
        hops["orders", "outbound"] = dict(stock, code=503, flags="UF", answered_by=None)
    else:
        hops["orders", "outbound"] = stock
        hops["stock", "inbound"] = dict(stock, cluster="application")
    return hops


# Where an inbound sidecar connects to its application from, so that the rules let the connection
# pass.
FROM_INBOUND = {"orders": "127.0.0.6:", "stock": "[::6]:"}


def check_answer(answer, broken):
    check(answer["service"] == "orders", f"the answer is of {answer['service']}, not of orders")
    check(answer["request_id"], "orders saw no x-request-id: no sidecar was on the way")
    if not broken:
        called = answer["calls"]
        check(called["service"] == "stock", f"orders called {called['service']}, not stock")
        check(
            called["request_id"] == answer["request_id"],
            "orders and stock saw different request ids",
        )
    return answer["request_id"]


def style(code, text):
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\033[{code}m{text}\033[0m" if coloured else text


def dim(text):
    return style(2, text)


def bold(text):
    return style(1, text)


def print_table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        print("     " + (dim(text) if row is head else text))


def show_hops(state, answer_path, broken, quiet):
    answer = json.loads(Path(answer_path).read_text())
    request_id = check_answer(answer, broken)
    expected = expected_hops(broken)
    found = wait_for_lines(state, request_id, expected)
    rows = []
    for (pod, way), want in expected.items():
        line = found[pod, way]
        for key, value in want.items():
            check(
                line[key] == value,
                f"{pod}, {way}: {key} is {line[key]!r}, expected {value!r}: {line}",
            )
        if way == "inbound":
            start = FROM_INBOUND[pod]
            check(
                line["sent_from"].startswith(start),
                f"{pod}: sent from {line['sent_from']}, expected {start}*",
            )
        call = (
            "GET orders:8080/orders/42"
            if line["answered_by"] == "orders"
            else "GET stock:8080/stock"
        )
        check(
            line["request"] == call,
            f"{pod}, {way}: the request is {line['request']!r}, expected {call!r}",
        )
        rows.append(
            (
                f"sidecar of {pod}",
                way,
                call,
                line["cluster"],
                line["sent_to"],
                line["answered_by"] or "nobody",
                str(line["code"]),
                line["flags"],
                str(line["ms"]),
            )
        )
    if quiet:
        print(f"     the same {len(rows)} hops, all {rows[0][6]}   {dim('request ' + request_id)}")
        return
    print(f"     request {bold(request_id)}, found in {len(rows)} access log lines")
    print()
    print_table(
        ("hop", "way", "request", "cluster", "sent to", "answered by", "code", "flags", "ms"), rows
    )
    print()
    print("     " + way_of_call(found))


def way_of_call(found):
    """The call as a line from left to right: a sidecar in brackets, an application by its name, a
    cross where it ended.
    """
    stops = ["curl"]
    for pod in PODS:
        if (pod, "inbound") in found:
            stops += [f"[inbound {pod}]", pod]
        if (pod, "outbound") in found:
            stops.append(f"[outbound {pod}]")
    return dim(" → ").join(stops) + (" → ✗" if stops[-1].startswith("[") else "")


def admin(pod, path):
    command = [
        "ip",
        "netns",
        "exec",
        f"lk-demo-{pod}",
        "curl",
        "-sSf",
        "--noproxy",
        "*",
        "--max-time",
        "5",
        f"http://127.0.0.1:15000{path}",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def counters(pod):
    found = {}
    for line in admin(pod, "/stats").splitlines():
        name, _, value = line.rpartition(": ")
        if value.isdigit():
            found[name] = int(value)
    return found


def private_kilobytes(state, pod):
    pid = Path(state, pod, "sidecar.pid").read_text().strip()
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(
        int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty:")
    )


def show_stats(state):
    """Counters of each sidecar beside its log: what it accepted, sent on and got answered must be
    the same numbers.
    """
    rows = []
    for pod in PODS:
        log, stats = read_log(state, pod), counters(pod)
        row = [f"sidecar of {pod}"]
        for way in ("outbound", "inbound"):
            logged = sum(1 for line in log if line["way"] == way)
            counted = stats.get(f"http.{way}.downstream_rq_total", 0)
            check(counted == logged, f"{pod}: {way} counted {counted} requests, logged {logged}")
            row.append(str(counted))
        for cluster in (*PODS, "application"):
            logged = sum(1 for line in log if line["cluster"] == cluster and line["code"] == 200)
            counted = stats.get(f"cluster.{cluster}.upstream_rq_2xx", 0)
            check(
                counted == logged,
                f"{pod}: cluster {cluster} counted {counted} answers 2xx, logged {logged}",
            )
        sent = [
            f"{name} {stats[f'cluster.{name}.upstream_rq_2xx']}"
            for name in (*PODS, "application")
            if stats.get(f"cluster.{name}.upstream_rq_2xx")
        ]
        row += [", ".join(sent) or "-", f"{private_kilobytes(state, pod) / 1024:.1f} MB"]
        rows.append(row)
    print_table(
        ("", "outbound requests", "inbound requests", "answers 2xx by cluster", "private memory"),
        rows,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("hops", "broken", "stats"))
    parser.add_argument("state", help="folder of the demo, with the logs of each pod")
    parser.add_argument("answer", nargs="?", help="file with what curl got")
    parser.add_argument(
        "--quiet", action="store_true", help="one line instead of the table, the same checks"
    )
    options = parser.parse_args()
    try:
        if options.what == "stats":
            show_stats(options.state)
        else:
            show_hops(options.state, options.answer, options.what == "broken", options.quiet)
    except (Mismatch, KeyError, ValueError, OSError, subprocess.CalledProcessError) as error:
        print(
            f"demo: not as it must be: {error!r}"
            if not isinstance(error, Mismatch)
            else f"demo: not as it must be: {error}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
