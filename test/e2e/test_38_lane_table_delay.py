"""How long a new lane table takes from the rename of its file until every worker obeys it."""

import contextlib
import json
import os
import pathlib
import re
import time

import pytest
from client import Client, build
from config import bootstrap, direct, hcm, listener, route
from mesh import lane_filters
from table_file import MountedFile, RenamedFile

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

WORKERS, CONNECTIONS, TRIES = 4, 32, 10
AIM, LIMIT = 0.05, 1.0  # seconds: of the best try, of every try


def table(lane, others):
    lanes = [{"name": lane}] + [{"name": f"other-{i}"} for i in range(others)]
    return json.dumps({"lanes": lanes, "entry": [{"lane": lane}]})


def start(bench, file):
    """Answers by itself and says which lane the request got."""
    told = {"header": {"key": "x-got", "value": "%LANE_REQUESTED%"}}
    lanes = lane_filters(role="ENTRY", table_source={"path": str(file.path)})
    manager = hcm(route("/", direct(200, "here")), filters=lanes,
                  route_fields={"response_headers_to_add": [told]})
    return bench.start(bootstrap([listener("in", manager)], []), concurrency=WORKERS)


def sockets_by_loop(proxy):
    """For each event loop of the process the descriptors of sockets that it watches."""
    base = pathlib.Path(f"/proc/{proxy.process.pid}")
    kinds = {}
    for fd in (base / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            kinds[int(fd.name)] = os.readlink(fd)
    found = {}
    for loop in (fd for fd, kind in kinds.items() if kind == "anon_inode:[eventpoll]"):
        watched = re.findall(r"tfd:\s+(\d+)", (base / "fdinfo" / str(loop)).read_text())
        found[loop] = {fd for fd in map(int, watched) if kinds.get(fd, "").startswith("socket:")}
    return found


def connect_to_every_worker(proxy, stack):
    """CONNECTIONS of them, or more until each worker has its share."""
    before = set().union(*sockets_by_loop(proxy).values())
    clients = []
    while len(clients) < 20 * CONNECTIONS:
        clients.append(stack.enter_context(Client(proxy.address("in"))))
        assert clients[-1].get("/").status == 200
        loops = [fds - before for fds in sockets_by_loop(proxy).values()]
        if len(clients) >= CONNECTIONS and sum(len(fds) > 0 for fds in loops) == WORKERS:
            return clients
    raise AssertionError(f"connections of the workers: {[len(fds) for fds in loops]}")


def ask_all(clients):
    for client in clients:
        client.send(build("GET", "/"))
    return {client.response().headers.get("x-got") for client in clients}


def delay(file, clients, lane, others):
    """Seconds from the rename, or a little before, to the first time that all connections agree."""
    text = table(lane, others)
    begin = time.monotonic()
    file.replace(text)
    while (got := ask_all(clients)) != {lane}:
        assert time.monotonic() < begin + 10 and len(got) <= 2
    return time.monotonic() - begin


@pytest.mark.parametrize("others", [0, 250])
@pytest.mark.parametrize("kind", [RenamedFile, MountedFile])
def test_a_new_table_is_in_force_on_every_worker_at_once(bench, capsys, kind, others):
    file = kind(bench.folder / "lanes.json")
    file.replace(table("first", others))
    with contextlib.ExitStack() as stack:
        clients = connect_to_every_worker(start(bench, file), stack)
        assert ask_all(clients) == {"first"}
        delays = [delay(file, clients, f"try-{serial}", others) for serial in range(TRIES)]
    ordered = [round(1000 * d, 1) for d in sorted(delays)]
    with capsys.disabled():
        print(f"\n{kind.__name__}, {others + 1} lanes, in force after ms: {ordered} ", end="")
    assert ordered[0] <= 1000 * AIM and ordered[-1] <= 1000 * LIMIT
