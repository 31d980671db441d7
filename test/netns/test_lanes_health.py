"""Lanes whose pods are ill, stopped, restarted or gone, under load: what base has to bear of it."""

import time

import pytest
from backend import answer
from client import wait_for
from dns_server import DnsServer, resolver
from health import check, wait_flags
from lane_mesh import fast, trail
from lane_scenarios import GRAY_PATH
from mesh import log

RATE = 100  # of each of the two loads, per second
CAP = {"percent": 20, "min_rps": 0, "window": "1s"}
CALLERS = [fast("a"), fast("a", "g"), fast("b")]


def served(pod):
    """Requests of its application without health checks, as the times of their coming."""
    return [request for request in pod.app.requests if request.target != "/healthz"]


def loads(mesh):
    return mesh.load(connections=2, rate=RATE), mesh.load("g", connections=2, rate=RATE)


def result(reply):
    return (reply.status, *trail(reply)[2:])


def assert_capped(plain, gray, begin, end):
    """In every second base got at most a fifth more than what is its own, and nobody was refused who
    was not capped. Base requests that count lie up to half a second back, and a reply is seen later
    than the decision: so much slack.
    """
    fallen = [r for r in gray.since(begin) if r.done < end and r.status == 200]
    assert {result(r) for r in fallen} == {(200, "c-base")}
    at = begin
    while at + 1 <= end:
        own = sum(at - 0.75 <= r.done < at + 1 for r in plain.replies) / 1.75
        more = sum(at <= r.done < at + 1 for r in fallen)
        assert more <= 0.2 * own * 1.1 + 2, (at - begin, own, more)
        at += 0.25
    return len(fallen)


@pytest.mark.parametrize("how", ["unfit", "stopped"])
def test_what_falls_back_from_pods_that_fail_their_checks_is_capped(build, how):
    lane = {"name": "g", "cap": CAP}
    # short checks on connections of their own, answered by the application behind the sidecar
    mesh = build({"lanes": [lane]}, [*CALLERS, "c", ("c", "g"), {"service": "c", "lane": "g"}],
                 clusters={"c": check(interval="0.1s", no_traffic_interval="0.1s")})  # fmt: skip
    b, ill = mesh.pod("b-base"), [pod for pod in mesh.pods if pod.name == "c-g"]
    for pod in ill:
        wait_flags(b.proxy, pod.address, "healthy", name="c")
    plain, gray = loads(mesh)
    with plain, gray:
        gray.wait_more(RATE // 2)
        assert {result(r) for r in gray.replies} == {(200, "c-g")}
        if how == "unfit":
            for pod in ill:
                pod.app.on("/healthz", lambda _c, _r: answer("ill", status="503 Ill"))
        else:
            for pod in ill:
                pod.kill()
        for pod in ill:
            wait_flags(b.proxy, pod.address, "/failed_active_hc", name="c")
        begin = time.monotonic()
        gray.wait_more(1)  # what was under way has ended
        before = [len(served(pod)) for pod in ill]
        gray.wait_more(3 * RATE)
        end = time.monotonic()
    assert {r.status for r in plain.replies} == {200}
    fell = assert_capped(plain, gray, begin + 0.1, end)
    assert fell >= 0.1 * RATE * (end - begin)
    assert {result(r) for r in gray.since(begin)} == {(200, "c-base"), (503,)}
    assert [len(served(pod)) for pod in ill] == before
    assert {r.text for r in gray.since(begin) if r.status == 503} == {"lane_capped"}
    over = log(b.proxy, "out.log", requested="g", code="503")
    assert (over["flags"], over["reason"], over["served"]) == ("LC", "capped", "-")
    under = log(b.proxy, "out.log", requested="g", served="base")
    assert (under["flags"], under["reason"]) == ("LF", "unhealthy")
    capped = sum(r.status == 503 for r in gray.since(begin))
    assert b.proxy.stat("lane.g.capped") >= capped > 0


def test_a_strict_lane_whose_pods_fail_their_checks_leaves_base_alone(build):
    mesh = build({"lanes": [{"name": "g", "mode": "STRICT"}]},
                 [*[fast(s, "g") for s in "ab"], "c", ("c", "g")],
                 clusters={"c": check()})  # fmt: skip
    b, c = mesh.pod("b-g"), mesh.pod("c-g")
    assert trail(mesh.get(lane="g")) == ["a-g", "b-g", "c-g"]
    c.app.on("/healthz", lambda _c, _r: answer("ill", status="503 Ill"))
    wait_flags(b.proxy, c.address, "/failed_active_hc", name="c")
    before = len(served(c))
    with mesh.load("g", connections=2) as gray:
        gray.wait_more(200)
    assert {r.status for r in gray.replies} == {503}
    assert len(served(c)) == before and served(mesh.pod("c-base")) == []
    line = log(b.proxy, "out.log", code="503")
    assert (line["flags"], line["reason"], line["served"]) == ("UH", "strict", "-")
    c.app.on("/healthz", c.app.default)
    wait_flags(b.proxy, c.address, "healthy", name="c")
    assert mesh.get(lane="g").status == 200


@pytest.fixture
def dns(ground):
    with ground.street.entered():
        server = DnsServer(host=ground.street.v4)
    yield server
    server.stop()


def found_by(dns):
    """Cluster c knows its pods by name, so that they come and go."""
    fields = {"type": "STRICT_DNS", "dns_refresh_rate": "0.05s", "dns_lookup_family": "V4_ONLY"}
    return {"clusters": {"c": {**fields, **resolver(dns)}},
            "egress": {"mesh": {"clusters": ["a", "b", "c"]}}}  # fmt: skip


def start(build, dns, ground, table, pods):
    """The pods of c are known from the start; c is the first service that is started."""
    for place, pod in zip(ground.pods, [p for p in pods if p["service"] == "c"]):
        dns.records[f"c-{pod.get('lane') or 'base'}.pod"] = [place.v4]
    mesh = build(table, pods, **found_by(dns))
    b = mesh.pod("b-base")
    wait_members(b, len([p for p in pods if p["service"] == "c"]))
    return mesh, b


def wait_members(pod, count):
    wait_for(lambda: pod.proxy.stat("cluster.c.membership_total") == count, f"c has {count} pods")


def test_a_rolling_restart_of_the_only_pod_keeps_to_the_cap(build, ground, dns):
    lane = {"name": "g", "cap": CAP}
    pods = [*CALLERS, {"service": "c"}, {"service": "c", "lane": "g"}]
    mesh, b = start(build, dns, ground, {"lanes": [lane]}, pods)
    plain, gray = loads(mesh)
    c = mesh.pod("c-g")
    with plain, gray:
        gray.wait_more(2 * RATE)
        dns.records["c-g.pod"] = []
        wait_members(b, 1)
        begin = time.monotonic()
        c.stop()
        wait_for(lambda: time.monotonic() >= begin + 2, "the gap is over")
        end = time.monotonic()
        c.restart()
        dns.records["c-g.pod"] = [c.place.v4]
        wait_members(b, 2)
        back = time.monotonic()
        gray.wait_more(RATE)
    assert {r.status for r in plain.replies} == {200}
    assert {result(r) for r in gray.replies if r.done < begin - 0.2} == {(200, "c-g")}
    assert assert_capped(plain, gray, begin + 0.1, end) >= 0.1 * RATE * 2
    assert {result(r) for r in gray.since(begin) if r.done < end} == {(200, "c-base"), (503,)}
    assert {result(r) for r in gray.since(back)} == {(200, "c-g")}
    assert log(b.proxy, "out.log", requested="g", served="base")["reason"] == "unhealthy"
    assert log(b.proxy, "out.log", requested="g", code="503")["flags"] == "LC"


def test_after_the_grace_a_lane_that_is_gone_is_absent_and_free(build, ground, dns):
    lane = {"name": "g", "cap": {"percent": 0, "min_rps": 0}, "absent_grace": "0.5s"}
    mesh, b = start(build, dns, ground, {"lanes": [lane]}, [*CALLERS, fast("c"), fast("c", "g")])
    assert trail(mesh.get(lane="g")) == GRAY_PATH
    dns.records["c-g.pod"] = []
    wait_members(b, 1)
    assert mesh.get(lane="g").status == 503
    wait_for(lambda: mesh.get(lane="g").status == 200, "the grace is over")
    assert trail(mesh.get(lane="g")) == ["a-g", "b-base", "c-base"]
    assert b.out_log(requested="g", served="base")["reason"] == "absent"


def test_with_no_base_pod_left_only_a_rescue_meets_a_lane(build, ground, dns):
    table = {"lanes": [{"name": "g"}]}
    mesh, b = start(build, dns, ground, table, [*CALLERS, fast("c"), fast("c", "g")])
    with mesh.load(connections=2) as load:
        load.wait_more(50)
        dns.records["c-base.pod"] = []
        wait_members(b, 1)
        gone = time.monotonic()
        load.wait_more(200)
        push, rescued = mesh.push_timed({**table, "base_rescue": True})
        load.wait_more(50)
    assert {result(r) for r in load.replies if r.done < gone - 0.2} <= {(200, "c-base"), (503,)}
    assert {result(r) for r in load.since(gone) if r.done < push} == {(503,)}
    assert {result(r) for r in load.since(rescued)} == {(200, "c-g")}
    got = sum(result(r) == (200, "c-g") for r in load.replies)
    assert b.proxy.stat("lane.g.base_rescue") == mesh.pod("c-g").served() == got
    assert log(b.proxy, "out.log", served="g")["reason"] == "base_rescue"
