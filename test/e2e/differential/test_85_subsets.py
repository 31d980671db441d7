"""Subsets on both proxies: the same endpoints for every policy, request and panic threshold."""

import contextlib
import json
import threading

import pytest
from backend import HttpBackend
from bench import Bench, binary_of
from client import Client
from config import bootstrap, cluster, hcm, listener
from rows_subsets import ASKS, ENDPOINTS, PANIC, POLICIES, asked, cluster_name, filters, members
from rows_subsets import routes
from subsets import panic

TURNS = len(ENDPOINTS)
STATS = ("lb_subsets_selected", "lb_subsets_fallback", "lb_subsets_fallback_panic")
ROWS = [(policy, percent, row)
        for policy in POLICIES for percent in PANIC for row in asked(policy, percent)]


class Player:
    """One proxy: what each row was answered, and by whom."""

    def __init__(self, bench, addresses):
        made = [
            cluster(cluster_name(policy, percent), **fields, **panic(percent),
                    load_assignment={"cluster_name": "x", "endpoints": members(addresses)})
            for policy, fields in POLICIES.items() for percent in PANIC
        ]
        manager = hcm(*routes(), filters=filters())
        self.proxy = bench.start(bootstrap([listener("in", manager)], made))
        self.seen = {row: set() for row in ROWS}

    def play(self, rows, turns):
        with Client(self.proxy.address("in")) as client:
            for row in rows:
                policy, percent, name = row
                path = f"/{cluster_name(policy, percent)}{ASKS[name].path}"
                headers = list(ASKS[name].headers.items())
                self.seen[row].update(self.who(client.get(path, headers)) for _ in range(turns))

    @staticmethod
    def who(response):
        """The endpoint's name, or the whole answer when it came from the proxy."""
        if response.status == 200:
            return json.loads(response.text)["backend"]
        return f"{response.status} {response.text}"


def play(players, rows, turns):
    threads = [threading.Thread(target=p.play, args=(rows, turns)) for p in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(scope="module")
def both(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with contextlib.ExitStack() as stack:
        benches = {
            kind: stack.enter_context(Bench(kind, tmp_path_factory.mktemp(f"subsets-{kind}")))
            for kind in dict.fromkeys((proxy_kind, "envoy"))
        }
        shared = benches[proxy_kind]
        addresses = {name: shared.keep(HttpBackend(name)).address for name in ENDPOINTS}
        players = {kind: Player(bench, addresses) for kind, bench in benches.items()}
        ours, theirs = players[proxy_kind], players["envoy"]
        play(players.values(), ROWS, TURNS)
        # Where chance has its part (priorities, degraded endpoints), more turns on both.
        differing = [row for row in ROWS if ours.seen[row] != theirs.seen[row]]
        play(players.values(), differing, 5 * TURNS)
        for player in players.values():
            player.totals = player.proxy.stats()
        yield ours, theirs


@pytest.mark.parametrize("percent", PANIC)
@pytest.mark.parametrize("policy", POLICIES)
def test_requests_go_to_the_same_endpoints(both, policy, percent):
    different = {}
    for row in ROWS:
        ours, theirs = (sorted(player.seen[row]) for player in both)
        assert ours and theirs
        if row[:2] == (policy, percent) and ours != theirs:
            different[row[2]] = {"ours": ours, "envoy": theirs}
    assert different == {}


@pytest.mark.parametrize("name", STATS)
def test_choices_are_counted_alike(both, name):
    ours, theirs = (
        {
            cluster_name(policy, percent): player.totals[
                f"cluster.{cluster_name(policy, percent)}.{name}"]
            for policy in POLICIES for percent in PANIC
        }
        for player in both
    )
    assert ours == theirs


def test_the_filter_counts_alike(both):
    ours, theirs = (
        {n: v for n, v in player.totals.items() if n.startswith("http_filter_name.")}
        for player in both
    )
    assert ours == theirs
    assert ours["http_filter_name.subsets.request_metadata_added"] > 0


def test_subsets_are_counted_once_where_envoy_counts_them_for_each_thread(both):
    ours, theirs = both
    if ours is theirs:
        pytest.skip("Envoy against itself")
    for policy in POLICIES:
        name = f"cluster.{cluster_name(policy, 0)}.lb_subsets_active"
        assert theirs.totals[name] == 2 * ours.totals[name]  # main and one worker
