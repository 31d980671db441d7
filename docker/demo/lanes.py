"""The steps of `docker/demo.sh lanes`: makes the calls, reads from the access logs who served whom,
draws it and checks it. A difference from what must have happened ends it with exit code 1.

`release` is a step of the release: percentages, testers, who stays; `again` checks its logs once
more. `abort` breaks stock gray under load and waits for the guard, `load` is a pressure test, `end`
sums up.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import lane_log
from lane_abort import show_abort
from lane_calls import addresses, curl, make_calls
from lane_log import check_way, log_lines, read_ways
from lane_picture import good, show_load_test, show_served
from lane_release import check_again, show_release
from report import Mismatch, check, private_kilobytes

LOAD_CALLS = 100
LOAD_HEADER = {"x-load-test": "not-for-everybody"}

# --- a pressure test ------------------------------------------------------------------------------


def services(state):
    return [
        pod
        for service in lane_log.SERVICES
        for pod in lane_log.pods(state)
        if pod.startswith(service + "-")
    ]


def served_counts(state):
    return {pod: json.loads(curl(pod, "8080/-/served"))["served"] for pod in services(state)}


# What becomes of each call: log lines, status that the caller sees, which services see it, and
# which line says that it was refused.
OUTCOMES = {
    "refused": (3, 502, ("shop-shadow",), ("shop-shadow", "outbound")),
    "flows": (6, 200, ("shop-shadow", "orders-shadow", "stock-shadow"), None),
    "off": (1, 503, (), ("gateway", "entry")),
}


def show_load(state, options):
    lines, code, reached, refused_at = OUTCOMES[options.expect]
    before = served_counts(state)
    calls = [(f"load-{number}", LOAD_HEADER) for number in range(LOAD_CALLS)]
    made = make_calls(state, calls, code, lines)
    served = {pod: count - before[pod] for pod, count in served_counts(state).items()}
    ways = read_ways(state, made["begin"], made["end"])
    where = addresses(state)
    for way in ways:
        check(way.lane == "shadow-load", f"{way} is of {way.lane}, not of shadow-load")
        if refused_at is None:
            check_way(way, where)
        else:
            check(tuple(way.served_by()) == reached, f"{way} was served by {way.served_by()}")
            line = way.hops[refused_at]
            check((line["code"], line["flags"]) == (503, "LS"), f"{way}: not refused: {line}")
    for pod, count in served.items():
        expected = LOAD_CALLS if pod in reached else 0
        check(count == expected, f"the service of {pod} got {count} requests, not {expected}")
    tell_load(options, ways, served)


def tell_load(options, ways, served):
    if options.expect == "refused":
        blocked = curl("shop-shadow", "15000/stats?filter=shadow-load.leak_blocked").split()[-1]
        check(blocked == str(LOAD_CALLS), f"lane.shadow-load.leak_blocked is {blocked}")
        show_load_test(LOAD_CALLS, ways, "orders", "503 LS")
    elif options.expect == "off":
        show_load_test(LOAD_CALLS, ways, "shop", "503 LS")
    else:
        show_load_test(LOAD_CALLS, ways)
    show_served(served)
    if options.expect == "refused":
        good(
            "not one request reached base or gray; lane.shadow-load.leak_blocked, the counter to"
            f" alert on, is {LOAD_CALLS}"
        )
    elif options.expect == "off":
        good("the pressure test is refused where it enters, base does not get it instead")
    else:
        good("the whole way is served by shadow pods; base and gray got nothing of it")


# --- the end --------------------------------------------------------------------------------------


def show_end(state, options):
    pods = lane_log.pods(state)
    for pod in pods:
        pid = Path(state, pod, "sidecar.pid").read_text().strip()
        check(Path("/proc", pid).exists(), f"the lanekeeper of {pod} has ended")
    memory = [private_kilobytes(state, pod) / 1024 for pod in pods]
    requests = len(log_lines(state, "gateway"))
    good(
        f"{options.tables} versions of one file, the last of {options.lines} lines; no route, no"
        " cluster was touched"
    )
    good(
        f"{len(pods)} lanekeepers, none started anew; {requests} requests from users;"
        f" {min(memory):.1f} to {max(memory):.1f} MB of private memory each"
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("state", help="folder of the demo, with the logs of each pod")
    commands = parser.add_subparsers(dest="what", required=True)
    release = commands.add_parser("release")
    release.add_argument("--step", required=True)
    release.add_argument("--percent", type=int, required=True)
    release.add_argument("--rounds", type=int, default=1)
    release.add_argument("--testers", choices=("gray", "base"), help="call too; who serves them")
    release.add_argument("--stranger", action="store_true", help="mallory calls too")
    release.add_argument("--after", help="the step before, whose users of gray must still be there")
    release.add_argument("--same-as", help="a step with the same users of gray")
    commands.add_parser("again").add_argument("step")
    commands.add_parser("abort").add_argument("--window", type=int, required=True)
    commands.add_parser("load").add_argument("--expect", choices=OUTCOMES, required=True)
    end = commands.add_parser("end")
    end.add_argument("--tables", required=True)
    end.add_argument("--lines", required=True)
    return parser.parse_args()


def main():
    options = parse()
    try:
        if options.what == "release":
            show_release(options.state, options)
        elif options.what == "again":
            check_again(options.state, options.step)
        elif options.what == "abort":
            show_abort(options.state, options)
        elif options.what == "load":
            show_load(options.state, options)
        else:
            show_end(options.state, options)
    except Mismatch as error:
        print(f"demo: not as it must be: {error}", file=sys.stderr)
        return 1
    except (KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
        print(f"demo: not as it must be: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
