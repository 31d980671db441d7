"""The same hosts, good and bad, behind both proxies: the same health, answers and statistics."""

import json

import pytest
from backend import answer, closed_port
from bench import Bench, binary_of
from client import fetch, wait_for
from config import bootstrap, cluster, file_log, hcm, listener, parse_log, route, to
from health import Host, check, outlier

NAMES = """attempt success failure network_failure passive_failure healthy degraded
ejections_active ejections_enforced_total ejections_enforced_consecutive_5xx ejections_overflow
ejections_detected_consecutive_5xx ejections_detected_consecutive_gateway_failure
ejections_enforced_consecutive_gateway_failure ejections_total ejections_consecutive_5xx
membership_total membership_healthy membership_degraded membership_excluded
lb_healthy_panic upstream_cx_none_healthy""".split()


class Scene:
    """One proxy in front of hosts of every kind, checked once, then asked for things."""

    def __init__(self, bench, kind):
        self.hosts = {n: Host(bench, n) for n in ("good", "bad", "tired", "out", "flaky", "gate")}
        self.hosts["bad"].answers.health = answer("", status="500 Bad")
        self.hosts["tired"].answers.health = answer("", headers=[("x-envoy-degraded", "1")])
        leave = ("x-envoy-immediate-health-check-fail", "1")
        self.hosts["out"].answers.health = answer("", status="503 Out", headers=[leave])
        self.hosts["flaky"].answers.work = answer("", status="500 Bad")
        self.hosts["gate"].answers.work = answer("", status="503 Busy")
        self.held, port = closed_port()
        at = {name: host.address for name, host in self.hosts.items()}
        at["dead"] = ("127.0.0.1", port)
        once = check(interval="60s", no_traffic_interval="60s", unhealthy_threshold=3)
        eject = outlier(base_ejection_time="60s", interval="60s")
        new = {"common_lb_config": {"ignore_new_hosts_until_first_hc": True}}
        never = {"healthy_panic_threshold": {"value": 0}}
        clusters = [
            cluster("mixed", *[at[n] for n in ("good", "bad", "dead", "tired", "out")], **once),
            cluster("panic", at["bad"], at["dead"], **once),
            cluster("calm", at["bad"], at["dead"], common_lb_config=never, **once),
            cluster("excluded", at["good"], at["out"], **once),
            cluster("new", at["good"], at["bad"], **new, **once),
            cluster("ejected", at["flaky"], at["good"], **eject),
            cluster("gateway", at["gate"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", consecutive_5xx=9,
                consecutive_gateway_failure=2, enforcing_consecutive_gateway_failure=100)),
            cluster("overflow", at["flaky"], at["good"], **outlier(max_ejection_percent=10)),
            cluster("always", at["flaky"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", max_ejection_percent=10,
                always_eject_one_host=True)),
            cluster("split", at["dead"], at["good"], **outlier(
                base_ejection_time="60s", interval="60s", consecutive_5xx=9,
                split_external_local_origin_errors=True, consecutive_local_origin_failure=2)),
        ]
        self.clusters = [c["name"] for c in clusters]
        names = {f"{host}:{where[1]}": name for name, where in at.items() for host in [where[0]]}
        routes = [route(f"/{name}/", to(name, timeout="3s")) for name in self.clusters]
        manager = hcm(*routes, logs=[file_log(bench.log_file())])
        self.proxy = bench.start(bootstrap([listener("in", manager)], clusters), kind=kind)
        self.seen = {}
        for name in self.clusters:
            self.play(name)
        self.seen["flags"] = self.flags(names)
        self.seen["json"] = self.json_flags(names)
        self.seen["page"] = self.keys("ejected", names)
        self.seen["stats"] = {n: v for n, v in self.proxy.stats().items()
                              if n.rpartition(".")[2] in NAMES and n.startswith("cluster.")}
        self.held.close()

    def play(self, name):
        """Enough requests for every ejection, then what four more meet."""
        for _ in range(12):
            fetch(self.proxy.address("in"), target=f"/{name}/early")
        total = f"cluster.{name}.outlier_detection.ejections_enforced_total"
        if name in ("ejected", "gateway", "always", "split"):
            self.proxy.wait_stat(total, 1)
        for _ in range(4):
            fetch(self.proxy.address("in"), target=f"/{name}/late")
        lines = wait_for(lambda: self.logged(name), f"{name} is in the log")
        late = [parse_log(line) for line in lines]
        # in panic the balancer's start decides who comes first
        self.seen[name] = sorted((e["code"], e["flags"]) for e in late)

    def logged(self, name):
        lines = [line for line in self.proxy.log_lines() if f"/{name}/late" in line]
        return lines if len(lines) == 4 else None

    def flags(self, names):
        found = {}
        for line in self.proxy.admin("/clusters").text.splitlines():
            parts = line.split("::")
            if len(parts) == 4 and parts[2] == "health_flags":
                found[parts[0], names[parts[1]]] = parts[3]
        return found

    def keys(self, cluster_name, names):
        """What /clusters says of a cluster, line by line, without counters and values."""
        found = []
        for line in self.proxy.admin("/clusters").text.splitlines():
            parts = line.split("::")
            if parts[0] == cluster_name and not parts[-2].startswith(("cx_", "rq_")):
                found.append([names.get(p, p) for p in parts[1:-1]])
        return found

    def json_flags(self, names):
        found = {}
        for status in self.proxy.admin_json("/clusters?format=json")["cluster_statuses"]:
            for host in status["host_statuses"]:
                where = host["address"]["socket_address"]
                found[status["name"], names[f"127.0.0.1:{where['port_value']}"]] = json.dumps(
                    host["health_status"], sort_keys=True)
        return found


@pytest.fixture(scope="module")
def both(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with (Bench(proxy_kind, tmp_path_factory.mktemp("ours")) as ours,
          Bench("envoy", tmp_path_factory.mktemp("theirs")) as theirs):
        yield Scene(ours, proxy_kind), Scene(theirs, "envoy")


@pytest.mark.parametrize("what", ["flags", "json", "page", "mixed", "panic", "calm", "excluded", "new",
                                  "ejected", "gateway", "overflow", "always", "split"])
def test_as_on_envoy(both, what):
    ours, theirs = (scene.seen[what] for scene in both)
    assert ours == theirs


def test_stats_as_on_envoy(both):
    ours, theirs = (scene.seen["stats"] for scene in both)
    shared = {n for n in theirs if n in ours}
    assert len(shared) > 60
    assert {n: ours[n] for n in shared} == {n: theirs[n] for n in shared}
