"""The keep-alive race: a server that closes idle connections just when requests come.

All clients ask at the same moment, again and again, at intervals close to the server's idle limit:
so nearly every request meets a connection that is about to be closed. LANEKEEPER_RACE sets the
number of requests (default 3000 of each kind).
"""

import collections
import os
import random
import threading
import time

import pytest
from backend import answer
from client import Client, build
from config import bootstrap, cluster, hcm, listener, route, to

REQUESTS = int(os.environ.get("LANEKEEPER_RACE", "3000"))
CLIENTS = 40
IDLE = 0.06


def start(bench, kind, received):
    def handler(conn):
        conn.sock.settimeout(IDLE)
        while True:
            try:
                request = conn.reader.request()
            except TimeoutError:
                return
            with conn.server.lock:
                received[request.target] += 1
            conn.send(answer("ok"))

    backend = bench.tcp(handler)
    made = listener("in", hcm(route("/", to("web", timeout="5s"))))
    return bench.start(bootstrap([made], [cluster("web", backend.address)]), kind=kind)


def race(bench, kind, method):
    """(status counts, received counts by target)."""
    received, statuses = collections.Counter(), collections.Counter()
    proxy = start(bench, kind, received)
    rounds = REQUESTS // CLIENTS
    chance = random.Random(11)
    pauses = [chance.uniform(IDLE - 0.02, IDLE + 0.02) for _ in range(rounds)]
    barrier = threading.Barrier(CLIENTS)
    lock = threading.Lock()

    def run(number):
        mine = collections.Counter()
        with Client(proxy.address("in")) as client:
            for turn, pause in enumerate(pauses):
                barrier.wait(20)
                body = b"pay" if method == "POST" else None
                client.send(build(method, f"/{number}/{turn}", body=body))
                mine[client.response().status] += 1
                time.sleep(pause)
        with lock:
            statuses.update(mine)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(statuses.values()) == rounds * CLIENTS
    return statuses, received


@pytest.mark.timeout(600)
@pytest.mark.lanekeeper_only("safer_keepalive_replay")
def test_no_get_fails(bench):
    statuses, _ = race(bench, "lanekeeper", "GET")
    assert set(statuses) == {200}


@pytest.mark.timeout(600)
@pytest.mark.lanekeeper_only("safer_keepalive_replay")
def test_no_post_arrives_twice_and_hardly_any_fails(bench):
    ours, received = race(bench, "lanekeeper", "POST")
    assert max(received.values()) == 1
    theirs, _ = race(bench, "envoy", "POST")
    failed, peer_failed = (c.total() - c[200] for c in (ours, theirs))
    assert peer_failed > 0, "the race did not happen"
    assert failed <= max(1, peer_failed / 10), f"{failed} failed, of Envoy's {peer_failed}"


def test_a_post_is_never_sent_twice(bench, proxy_kind):
    statuses, received = race(bench, proxy_kind, "POST")
    assert max(received.values()) == 1
    assert statuses[200] > statuses.total() / 2
