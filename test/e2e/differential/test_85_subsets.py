"""Subsets on both proxies: the same endpoints for every policy, request and panic threshold."""

import contextlib
import json
import threading

import pytest
from backend import HttpBackend, answer
from bench import Bench, binary_of
from client import Client, wait_for
from config import bootstrap, cluster, endpoint, hcm, listener
from explained import ask
from health import check
from rows_subsets import ASKS, ENDPOINTS, PANIC, POLICIES, asked, cluster_name, filters, members
from rows_subsets import routes
from subsets import panic

TURNS = len(ENDPOINTS)
STATS = ("lb_subsets_selected", "lb_subsets_fallback", "lb_subsets_fallback_panic")
ROWS = [(policy, percent, row)
        for policy in POLICIES for percent in PANIC for row in asked(policy, percent)]


class Player:
    """One proxy: what each row was answered, and by whom."""

    def __init__(self, bench, groups, policies=POLICIES, rows=ROWS, **fields):
        made = [
            cluster(cluster_name(policy, percent), **POLICIES[policy], **panic(percent), **fields,
                    load_assignment={"cluster_name": "x", "endpoints": groups})
            for policy in policies for percent in PANIC
        ]
        for one in made:  # Envoy's workers would hear of health up to a second later
            one["common_lb_config"]["update_merge_window"] = "0s"
        manager = hcm(*routes(policies), filters=filters())
        self.proxy = bench.start(bootstrap([listener("in", manager)], made))
        self.seen = {row: set() for row in rows}

    def play(self, rows, turns):
        with Client(self.proxy.address("in")) as client:
            for row in rows:
                policy, percent, name = row
                path = f"/{cluster_name(policy, percent)}{ASKS[name].path}"
                headers = list(ASKS[name].headers.items())
                self.seen[row].update(self.who(client.get(path, headers)) for _ in range(turns))

    def explain(self, row):
        """Whom /explain says the row would be answered by, in the words of who()."""
        policy, percent, name = row
        answer = ask(self.proxy, {
            "listener": "in", "authority": "test", "headers": ASKS[name].headers,
            "path": f"/{cluster_name(policy, percent)}{ASKS[name].path}"})
        if "host" in answer["result"]:
            return self.names[answer["result"]["host"]]
        body = next(s for s in answer["decisions"] if s["step"] == "answer")["body"]
        return f"{answer['result']['status']} {body}"

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
        players = {kind: Player(bench, members(addresses)) for kind, bench in benches.items()}
        ours, theirs = players[proxy_kind], players["envoy"]
        ours.names = {f"{host}:{port}": name for name, (host, port) in addresses.items()}
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


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("percent", PANIC)
@pytest.mark.parametrize("policy", POLICIES)
def test_requests_are_explained(both, policy, percent):
    ours, _ = both
    wrong = {}
    for row in ROWS:
        if row[:2] == (policy, percent) and (said := ours.explain(row)) not in ours.seen[row]:
            wrong[row[2]] = {"explained": said, "served": sorted(ours.seen[row])}
    assert wrong == {}


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


# Endpoints that are checked for real: who fails, one state after the other.
CHECKED = ("base-1", "base-2", "gray-1", "gray-2", "none-1")
CHECKED_POLICIES = ("no", "any", "default", "list", "list-any", "list-default")
CHECKED_ROWS = [(policy, percent, row) for policy in CHECKED_POLICIES for percent in PANIC
                for row in ("nothing", "base", "gray", "blue", "list", "list-absent-first")
                if row in asked(policy, 0)]
STATES = {
    "well": (),
    "gray ill": ("gray-1", "gray-2"),
    "one gray ill": ("gray-1",),
    "one of each ill": ("gray-1", "base-1"),
    "labelled ill": ("base-1", "base-2", "gray-1", "gray-2"),
    "base ill": ("base-1", "base-2"),
    "all ill": CHECKED,
    "well again": (),
}


class Checked:
    """Backends that pass or fail the health checks of both proxies, as wanted."""

    def __init__(self, bench):
        self.ill = ()
        self.backends = {n: bench.keep(HttpBackend(n)).on("/healthz", self.answers(n)) for n in CHECKED}

    def answers(self, name):
        return lambda _conn, _request: answer("", status="503 Ill" if name in self.ill else "200 OK")

    def groups(self):
        made = []
        for name, backend in self.backends.items():
            metadata = ENDPOINTS[name][0]
            made.append(endpoint(backend.address, **({"metadata": metadata} if metadata else {})))
        return [{"lb_endpoints": made}]

    def set(self, ill, players):
        self.ill = ill
        for player in players:
            wait_for(lambda p=player: set(p.proxy.stats("membership_healthy").values())
                     == {len(CHECKED) - len(ill)}, f"{ill} are seen to be ill")


@pytest.fixture(scope="module")
def checked(proxy_kind, tmp_path_factory):
    """What every row saw in every state, on both proxies."""
    binary_of("envoy")
    quick = check(interval="0.3s", no_traffic_interval="0.3s", unhealthy_threshold=1, healthy_threshold=1)
    with contextlib.ExitStack() as stack:
        benches = [stack.enter_context(Bench(kind, tmp_path_factory.mktemp(f"checked-{kind}")))
                   for kind in dict.fromkeys((proxy_kind, "envoy"))]
        scene = Checked(benches[0])
        players = [Player(bench, scene.groups(), CHECKED_POLICIES, CHECKED_ROWS, **quick)
                   for bench in benches]
        seen = {}
        for state, ill in STATES.items():
            scene.set(ill, players)
            play(players, CHECKED_ROWS, len(CHECKED))
            seen[state] = [player.seen for player in players]
            for player in players:
                player.seen = {row: set() for row in CHECKED_ROWS}
        yield seen


@pytest.mark.parametrize("state", STATES)
def test_endpoints_that_fail_their_checks_are_left_alike(checked, state):
    ours, theirs = checked[state][0], checked[state][-1]
    assert all(theirs.values())
    different = {row: (sorted(ours[row]), sorted(theirs[row]))
                 for row in CHECKED_ROWS if ours[row] != theirs[row]}
    assert different == {}


def test_checks_and_panic_threshold_decide_in_these_states(checked):
    """That the states do make a difference: else the test above would prove nothing."""
    ours = {state: seen[0] for state, seen in checked.items()}
    assert ours["well"]["list", 0, "list"] == {"gray-1", "gray-2"}
    assert ours["gray ill"]["list", 0, "list"] == {"base-1", "base-2"}
    assert ours["gray ill"]["default", 50, "gray"] == {"gray-1", "gray-2"}  # panic
    assert ours["one gray ill"]["default", 0, "gray"] == {"gray-2"}
    assert len(ours["all ill"]["default", 0, "gray"]) == 1  # 503
    assert ours["well again"] == ours["well"]
