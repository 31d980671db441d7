"""A step of the release in `docker/demo.sh lanes`: which users are in gray, and that they stay."""

import argparse
import json
import math
import random
from pathlib import Path

from lane_calls import USERS, addresses, make_calls
from lane_log import LINES_OF_A_WHOLE_WAY, check_way, read_ways
from lane_picture import good, show_graph, show_one_way, show_ways
from report import check

LISTED = ("anna", "ben")
CAROL = ("carol", {"x-preview": "yes"})
MALLORY = ("mallory", {"x-lane": "gray", "baggage": "lane=gray"})  # marks his requests himself


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
    """Against earlier steps: nobody leaves gray as it grows; the same share, the same users."""
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
        good("no way is mixed: gray is left at orders, which has no gray version, and nowhere else")


def check_again(state, step):
    kept = json.loads(step_path(state, step).read_text())
    _, users = check_release(state, argparse.Namespace(**kept["options"]), kept["made"])
    check(sorted(users) == kept["gray"], "other users are in gray")
    good(f"step {step}: as it was")
