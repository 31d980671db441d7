"""Lane tables that come early, late, wrong, and a hundred times a second, under load."""

import time

import pytest
from client import wait_for
from dns_server import DnsServer, resolver
from lane_mesh import fast, marks, trail
from lane_scenarios import BASE, GRAY_PATH
from mesh import log

GRAY = {"lanes": [{"name": "g"}]}
PODS = [fast("a"), fast("b"), fast("c"), fast("a", "g"), fast("c", "g")]
SECONDS, PER_SECOND = 3, 100


def results(replies):
    return {(r.status, *trail(r)) for r in replies}


def test_marks_and_endpoints_that_come_before_their_table_are_base(build):
    mesh = build(None, PODS)
    with mesh.load("g", connections=2) as load:
        load.wait_more(50)
        push, in_force = mesh.push_timed(GRAY)
        load.wait_more(50)
    early, late = [r for r in load.replies if r.done < push], load.since(in_force)
    assert results(early) == {(200, *BASE)} and {tuple(marks(r)) for r in early} == {("g",) * 3}
    assert results(late) == {(200, *GRAY_PATH)}
    assert {r.status for r in load.replies} == {200}
    for proxy in (mesh.gateway, *(mesh.pod(name).proxy for name in BASE)):
        assert proxy.stat("lane._other.unknown") > 0
    line = log(mesh.gateway, "gw.log", requested="g", served="base")
    assert (line["flags"], line["reason"]) == ("LU", "unknown")


def test_a_table_that_comes_before_endpoints_leaves_base_until_they_come(build, ground):
    with ground.street.entered():
        dns = DnsServer(host=ground.street.v4)
    dns.records.update({"c-base.pod": [ground.pods[0].v4], "c-g.pod": []})
    find = {"type": "STRICT_DNS", "dns_refresh_rate": "0.05s", "dns_lookup_family": "V4_ONLY"}
    mesh = build(GRAY, PODS, clusters={"c": {**find, **resolver(dns)}},
                 egress={"mesh": {"clusters": ["a", "b", "c"]}})  # fmt: skip
    with mesh.load("g", connections=2) as load:
        load.wait_more(50)
        dns.records["c-g.pod"] = [mesh.pod("c-g").place.v4]
        begin = time.monotonic()
        wait_for(lambda: trail(load.replies[-1]) == GRAY_PATH, "the new pod serves")
        end = time.monotonic()
        load.wait_more(50)
    dns.stop()
    assert results(r for r in load.replies if r.done < begin) == {(200, "a-g", "b-base", "c-base")}
    assert results(load.since(end)) == {(200, *GRAY_PATH)}
    assert {r.status for r in load.replies} == {200}


def churn(proxy):
    """What would change if a push touched a connection, a cluster, a route or a listener."""
    names = ("_cx_destroy", "_cx_connect_fail", "cluster_", "listener_", "membership_change",
             "update_success", "update_attempt", "config_reload", "workers_started")  # fmt: skip
    return {n: v for n, v in proxy.stats().items()
            if any(part in n for part in names) and "admin" not in n}  # fmt: skip


def differences(before, after):
    return {n: (was.get(n), now[n]) for was, now in zip(before, after) for n in now if now[n] != was.get(n)}


def bad(serial):
    """A table with a mistake, one of three."""
    lanes = ({"name": "g", "parent": "nobody"}, {"name": "NO"}, {"name": "g", "mode": "?"})
    return {"lanes": [lanes[serial % 3]]}


def storm(mesh):
    """Good tables, each with other lanes beside g, every tenth one bad; returns tables per second."""
    begin, serial = time.monotonic(), 0
    while (now := time.monotonic()) < begin + SECONDS:
        if serial % 10 == 5:
            mesh.push(bad(serial), wait=False)
        else:
            others = [{"name": f"x{serial % 7}-{i}", "emit_headers": {"x-v": "1"}} for i in range(20)]
            mesh.push({"lanes": [*GRAY["lanes"], *others]}, wait=False)
        serial += 1
        time.sleep(max(0, begin + serial / PER_SECOND - now))  # the rate
    return serial / SECONDS


def test_a_hundred_tables_a_second_disturb_nothing(build, capsys):
    mesh = build(GRAY, PODS, kept=True)
    gray, later = mesh.load("g", connections=3), mesh.load("later")
    plain = mesh.load(connections=3)
    loads = (gray, later, plain)
    proxies = [mesh.gateway, *(pod.proxy for pod in mesh.pods)]
    with gray, later, plain:
        for load in loads:
            load.wait_more(100)
        for _ in range(2):  # what tables did, they would do again; a connection may also end by itself
            before = [churn(proxy) for proxy in proxies]
            begin = time.monotonic()
            rate = storm(mesh)
            end = time.monotonic()
            after = [churn(proxy) for proxy in proxies]
            if (changed := differences(before, after)) == {}:
                break
        later_on, in_force = mesh.push_timed({"lanes": [{"name": "later"}]})
        for load in loads:
            load.wait_more(50)
    total = sum(begin <= r.done < end for load in loads for r in load.replies) / (end - begin)
    with capsys.disabled():
        print(f"\n{rate:.0f} tables/s of {len(mesh.tables)} pods, {total:.0f} requests/s: ", end="")
    assert rate >= 20  # whatever else the machine has to do
    assert changed == {}
    until = [[r for r in load.replies if r.done < later_on] for load in loads]
    assert [results(part) for part in until] == [{(200, *GRAY_PATH)}, {(200, *BASE)}, {(200, *BASE)}]
    assert {r.status for load in loads for r in load.replies} == {200}
    # g is unknown then, and later is known but has no pod
    assert results(gray.since(in_force)) == results(later.since(in_force)) == {(200, *BASE)}
    for proxy in proxies:
        assert proxy.stat("lane.table_refused") > 0
        assert proxy.stat("lane.table_accepted") > SECONDS
    assert log(mesh.gateway, "gw.log", requested="g", served="base")["flags"] == "LU"
    assert log(mesh.gateway, "gw.log", requested="later", reason="absent")["flags"] == "LF"


@pytest.mark.parametrize("serial", range(3))
def test_a_bad_table_leaves_the_last_good_one(build, serial):
    mesh = build(GRAY, PODS)
    mesh.push(bad(serial), wait=False)
    for proxy in mesh.proxies:
        proxy.wait_stat("lane.table_refused", 1)
        assert proxy.stat("lane.table_info.revision") == 1
    assert trail(mesh.get(lane="g")) == GRAY_PATH
    mesh.push(GRAY)
    assert trail(mesh.get(lane="g")) == GRAY_PATH
