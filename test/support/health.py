"""Hosts that are checked or watched: how a cluster is configured, how they behave, what is seen."""

import collections

from backend import HttpBackend, answer
from client import fetch, wait_for
from config import bootstrap, cluster, file_log, hcm, listener, route, to

CALM = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


def check(**fields):
    """A quick HTTP check; its connections are short, so that none is left at the end."""
    return {"health_checks": [{
        "timeout": "1s", "interval": "0.05s", "no_traffic_interval": "0.05s",
        "unhealthy_threshold": 2, "healthy_threshold": 2, "reuse_connection": False,
        **({} if "tcp_health_check" in fields else {"http_health_check": {"path": "/healthz"}}),
        **fields,
    }]}


def outlier(**fields):
    return {"outlier_detection": {
        "consecutive_5xx": 3, "interval": "0.05s", "base_ejection_time": "0.4s",
        "max_ejection_percent": 50, "enforcing_success_rate": 0, **fields,
    }}


class Answers:
    """What a backend answers to checks and to requests; changed by the test at any time."""

    def __init__(self, name):
        self.name = name
        self.health = answer("fine")
        self.work = None

    def on_check(self, _conn, _request):
        return self.health

    def on_request(self, conn, _request):
        if callable(self.work):
            return self.work(conn)
        return self.work or answer(self.name)


class Host:
    """A backend that can be stopped and started again on its port."""

    def __init__(self, bench, name):
        self.bench = bench
        self.answers = Answers(name)
        self.backend = None
        self.port = 0
        self.start()

    def start(self):
        self.backend = HttpBackend(self.answers.name, default=self.answers.on_request, port=self.port)
        self.backend.on("/healthz", self.answers.on_check)
        self.bench.keep(self.backend)
        self.port = self.backend.port

    def stop(self):
        self.backend.stop()

    @property
    def address(self):
        return ("127.0.0.1", self.port)


def start(bench, members, routes=None, name="web", **fields):
    options = fields.pop("options", {})
    manager = hcm(*(routes or [route("/", to(name, timeout="3s"))]),
                  logs=[file_log(bench.log_file())])
    addresses = [m.address if isinstance(m, Host) else m for m in members]
    return bench.start(bootstrap([listener("in", manager)], [cluster(name, *addresses, **fields)]),
                       **options)


def flags(proxy, address, name="web"):
    prefix = f"{name}::{address[0]}:{address[1]}::health_flags::"
    for line in proxy.admin("/clusters").text.splitlines():
        if line.startswith(prefix):
            return line[len(prefix):]
    return None


def wait_flags(proxy, address, wanted, name="web"):
    wait_for(lambda: flags(proxy, address, name) == wanted, f"{address} has flags {wanted}")


def spread(proxy, turns):
    """Who answered; each on a connection of its own."""
    counted = collections.Counter()
    for _ in range(turns):
        response = fetch(proxy.address("in"))
        assert response.status == 200, response
        counted[response.text] += 1
    return counted
