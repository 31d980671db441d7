"""The steps of `docker/demo.sh lanes`: makes the calls, reads from the access logs who served whom,
draws it and checks it. A difference from what must have happened ends it with exit code 1.

`release` is a step of the release: percentages, testers, who stays; `again` checks its logs once
more. `abort` breaks stock gray under load and waits for the guard, `load` is a pressure test, `end`
sums up.
"""

import argparse
import json
import math
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import lane_log
from lane_log import LINES_OF_A_WHOLE_WAY, check_way, log_lines, log_sizes, read_ways
from lane_picture import good, show_graph, show_load_test, show_one_way
from lane_picture import show_served, show_ways
from report import Mismatch, check, dim, print_table, private_kilobytes

USERS = [f"user-{number}" for number in range(1, 401)]
LISTED = ("anna", "ben")
CAROL = ("carol", {"x-preview": "yes"})
MALLORY = ("mallory", {"x-lane": "gray", "baggage": "lane=gray"})  # marks his requests himself
LOAD_CALLS = 100
LOAD_HEADER = {"x-load-test": "not-for-everybody"}
URL = "http://gateway:8080/"
HEALTHY = 10  # requests of gray before it breaks


def in_pod(pod, *command):
    return ["ip", "netns", "exec", f"lk-lanes-{pod}", *command]


def curl(pod, path, *options):
    command = in_pod(pod, "curl", "-sSf", "--noproxy", "*", "--max-time", "5", *options)
    return subprocess.run([*command, f"http://127.0.0.1:{path}"], check=True, capture_output=True,
                          text=True).stdout  # fmt: skip


def start_users(state, calls, repeat=False):
    process = subprocess.Popen(
        in_pod("users", "python3", f"{state}/users.py"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps({"url": URL, "calls": calls, "repeat": repeat}) + "\n")
    process.stdin.flush()
    return process


def end_users(process):
    """How many calls got which status, as the users saw it."""
    output, _ = process.communicate(timeout=60)
    check(process.returncode == 0, "the users failed")
    return {int(code) if code.isdigit() else code: n for code, n in json.loads(output).items()}


def addresses(state):
    lines = Path("/etc/netns/lk-lanes-users/hosts").read_text().splitlines()
    return {name: address for address, name in (line.split() for line in lines) if "." in address}


def make_calls(state, calls, code, lines_each):
    """All of them, once, each with this outcome; the sizes of the logs before and after."""
    begin = log_sizes(state)
    codes = end_users(start_users(state, calls))
    check(codes == {code: len(calls)}, f"the users saw {codes}, expected {len(calls)} times {code}")
    end = lane_log.wait_for_lines(state, begin, len(calls) * lines_each)
    return {"begin": begin, "end": end, "calls": len(calls)}


# --- a step of the release ------------------------------------------------------------------------


def calls_of(options):
    calls = [(user, {}) for user in USERS for _ in range(options.rounds)]
    if options.testers:
        calls += [(user, {}) for user in LISTED] + [CAROL]
    if options.stranger:
        calls.append(MALLORY)
    random.Random(options.step).shuffle(calls)
    return calls


def check_answers(ways, made):
    check(len(ways) == made["calls"], f"{len(ways)} requests in the logs, {made['calls']} made")
    failed = [str(way) for way in ways if any(line["code"] != 200 for line in way.hops.values())]
    check(not failed, f"failed: {', '.join(failed[:5])}")


def gray_users(ways, options):
    """The users of gray, testers apart. Nobody is in two lanes."""
    lanes = {}
    for way in ways:
        lane = lanes.setdefault(way.user, way.lane)
        check(lane == way.lane, f"{way.user} was in {lane}, then in {way.lane}")
    for tester in (*LISTED, CAROL[0]) if options.testers else ():
        check(
            lanes[tester] == options.testers,
            f"tester {tester} was in {lanes[tester]}, not in {options.testers}",
        )
    if options.stranger:
        check(lanes["mallory"] == "base", "mallory marked his requests himself and got to gray")
        flags = [way.entry["flags"] for way in ways if way.user == "mallory"]
        check(flags == ["LX"], f"the mark of mallory was not taken off: flags {flags}")
    return {user for user in USERS if lanes[user] == "gray"}


def check_percent(count, percent):
    """Exact at 0 and 100; else within three standard deviations of the mean."""
    share = percent / 100
    mean = len(USERS) * share
    room = 3 * math.sqrt(mean * (1 - share))
    check(
        abs(count - mean) <= room,
        f"{count} of {len(USERS)} users are in gray, expected {mean:.0f} ± {room:.0f}",
    )


def check_release(state, options, made):
    ways = read_ways(state, made["begin"], made["end"])
    check_answers(ways, made)
    where = addresses(state)
    for way in ways:
        check_way(way, where)
    users = gray_users(ways, options)
    check_percent(len(users), options.percent)
    check_others(state, options, users)
    return ways, users


def check_others(state, options, users):
    """Against earlier steps: nobody leaves gray as it grows, and the same share is the same users."""
    gone = earlier(state, options.after) - users if options.after else ()
    check(not gone, f"users left gray as it grew: {', '.join(sorted(gone)[:5])}")
    same = not options.same_as or earlier(state, options.same_as) == users
    check(same, f"other users are in gray than in step {options.same_as}")


def earlier(state, step):
    return set(json.loads(step_path(state, step).read_text())["gray"])


def step_path(state, step):
    return Path(state, "steps", f"{step}.json")


def show_release(state, options):
    made = make_calls(state, calls_of(options), 200, LINES_OF_A_WHOLE_WAY)
    ways, users = check_release(state, options, made)
    kept = {"options": vars(options), "made": made, "gray": sorted(users)}
    step_path(state, options.step).write_text(json.dumps(kept))
    show_graph(ways)
    show_ways(ways)
    tell_release(state, options, users)
    if options.stranger:
        show_one_way(next(way for way in ways if way.user == "anna"))


def tell_release(state, options, users):
    names = ", ".join((*LISTED, CAROL[0]))
    said = {"gray": f"; the testers {names} are", "base": f"; nor are {names}", None: ""}
    share = f"{len(users)} of {len(USERS)} users are in gray, {100 * len(users) / len(USERS):.1f} %"
    good(share + said[options.testers])
    if options.rounds > 1:
        good(f"each user was in one lane in all of {options.rounds} calls")
    if options.after and (before := earlier(state, options.after)):
        good(f"the {len(before)} users who were in gray before still are")
    if options.same_as:
        good("they are the users who were in gray the first time at this percentage")
    if options.stranger:
        good("mallory sent x-lane: gray himself: the gateway took it off, base served him")
    if users or options.testers == "gray":
        good("no way is mixed: gray is left at orders, for want of a gray version, and nowhere else")


def check_again(state, step):
    kept = json.loads(step_path(state, step).read_text())
    _, users = check_release(state, argparse.Namespace(**kept["options"]), kept["made"])
    check(sorted(users) == kept["gray"], "other users are in gray")
    good(f"step {step}: as it was")


# --- a release that aborts itself -----------------------------------------------------------------

TRIPPED = "its guard has tripped"


def wait_until(seconds, condition, what):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)
    return found


def gateway_lines(state, begin):
    return [json.loads(line) for line in log_lines(state, "gateway")[begin["gateway"] :]]


def guard_line(state):
    text = Path(state, "gateway", "sidecar.log").read_text()
    return next((line for line in text.splitlines() if TRIPPED in line), None)


def load_until_tripped(state, window):
    """The load, stock gray breaking in the middle of it, and as much load again afterwards."""
    check(guard_line(state) is None, "the guard has tripped before anything was wrong")
    begin = log_sizes(state)
    calls = [(user, {}) for user in USERS]
    random.Random("abort").shuffle(calls)
    load = start_users(state, calls, repeat=True)
    try:
        wait_until(
            20,
            lambda: sum(x["requested"] == "gray" for x in gateway_lines(state, begin)) >= HEALTHY,
            "gray gets no requests",
        )
        curl("stock-gray", "8080/-/break?every=2", "-X", "POST")
        line = wait_until(
            window + 2,
            lambda: guard_line(state),
            f"the guard has not tripped {window} s + 2 s after stock gray broke",
        )
        so_far = len(log_lines(state, "gateway"))
        wait_until(
            30,
            lambda: len(log_lines(state, "gateway")) >= so_far + 2 * len(USERS),
            "the load stopped",
        )
    finally:
        codes = end_users(load)
    end = lane_log.wait_for_lines(state, begin, sum(codes.values()) * LINES_OF_A_WHOLE_WAY)
    return read_ways(state, begin, end), line


def show_abort(state, options):
    ways, line = load_until_tripped(state, options.window)
    where = addresses(state)
    for way in ways:
        check_way(way, where)
    of_gray = [way for way in ways if way.lane == "gray"]
    users = {way.user for way in of_gray}
    check(users == earlier(state, "5"), "other users are in gray than the first time at 5 %")
    first_failed = min(way.start for way in of_gray if way.code >= 500)
    last_assigned = max(way.start for way in of_gray)
    tripped = curl("gateway", "15000/stats?filter=^lane.gray.guard_tripped$").split()[-1]
    check(tripped == "1", f"lane.gray.guard_tripped is {tripped}")
    took = last_assigned - first_failed
    check(
        took <= options.window + 1,
        f"gray got requests for {took:.1f} s after the first that failed",
    )
    rows = [
        ("until stock gray broke", [way for way in ways if way.start < first_failed]),
        ("until the guard tripped",
         [way for way in ways if first_failed <= way.start <= last_assigned]),
        ("since then", [way for way in ways if way.start > last_assigned]),
    ]  # fmt: skip
    show_phases(rows)
    print(f"     {dim(re.sub(r'^.*?(?=lane gray)', 'gateway: ', line))}")
    print()
    good(
        f"{took:.1f} s after the first failure gray got its last request"
        f" (window {options.window} s + 1 s at most)"
    )
    since = [way for way in rows[2][1] if way.user in users]
    check({way.user for way in since} == users, "not all users of gray came again")
    check(all(way.code == 200 for way in ways if way.lane == "base"), "base failed too")
    good(f"its {len(users)} users called {len(since)} times since: base served all of it, 200")


def show_phases(rows):
    def text(ways, lane):
        those = [way for way in ways if way.lane == lane]
        return str(len(those)), str(sum(way.code >= 500 for way in those))

    print_table(
        ("", "requests of base", "failed", "requests of gray", "failed"),
        [(name, *text(ways, "base"), *text(ways, "gray")) for name, ways in rows],
    )
    print()


# --- a pressure test ------------------------------------------------------------------------------


def services(state):
    return [pod for service in lane_log.SERVICES for pod in lane_log.pods(state)
            if pod.startswith(service + "-")]  # fmt: skip


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
        good("not one request reached base or gray; lane.shadow-load.leak_blocked, the counter to"
             f" alert on, is {LOAD_CALLS}")  # fmt: skip
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
    good(f"{options.tables} versions of one file, the last of {options.lines} lines; no route, no"
         " cluster was touched")  # fmt: skip
    good(f"{len(pods)} lanekeepers, none started anew; {requests} requests from users;"
         f" {min(memory):.1f} to {max(memory):.1f} MB of private memory each")  # fmt: skip


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
