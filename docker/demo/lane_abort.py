"""The release of `docker/demo.sh lanes` that aborts itself: stock gray breaks under load, and the
guard of the gateway is waited for.
"""

import random
import re
import time
from pathlib import Path

from lane_calls import USERS, addresses, curl, end_users, start_users
from lane_log import (
    LINES_OF_A_WHOLE_WAY,
    check_way,
    log_lines,
    log_sizes,
    read_ways,
    wait_for_lines,
)
from lane_picture import good, show_phases
from lane_release import earlier
from report import check, dim

EVERYBODY = len(USERS) + 50  # so many calls, and each user has made one
TRIPPED = "its guard has tripped"


def wait_until(seconds, condition, what):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)
    return found


def wait_for_calls(state, count):
    """Until the gateway has served so many more."""
    wanted = len(log_lines(state, "gateway")) + count
    wait_until(40, lambda: len(log_lines(state, "gateway")) >= wanted, "the load stopped")


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
        wait_for_calls(state, EVERYBODY)
        curl("stock-gray", "8080/-/break?every=2", "-X", "POST")
        line = wait_until(
            window + 2,
            lambda: guard_line(state),
            f"the guard has not tripped {window} s + 2 s after stock gray broke",
        )
        wait_for_calls(state, 2 * EVERYBODY)
    finally:
        codes = end_users(load)
    end = wait_for_lines(state, begin, sum(codes.values()) * LINES_OF_A_WHOLE_WAY)
    return read_ways(state, begin, end), line


def show_abort(state, options):
    ways, line = load_until_tripped(state, options.window)
    where = addresses(state)
    for way in ways:
        check_way(way, where)
    of_gray = [way for way in ways if way.lane == "gray"]
    users = {way.user for way in of_gray}
    check(users == earlier(state, "5"), "other users are in gray than in step 5")
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
        (
            "until the guard tripped",
            [way for way in ways if first_failed <= way.start <= last_assigned],
        ),
        ("since then", [way for way in ways if way.start > last_assigned]),
    ]
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
