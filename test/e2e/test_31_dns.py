"""Clusters found by DNS: STRICT_DNS, LOGICAL_DNS, families, TTLs, failures."""

import json

import pytest
from client import Client, wait_for
from config import bootstrap, cluster, endpoint, hcm, listener, route, to
from dns_server import DnsServer, resolver


@pytest.fixture
def dns():
    with DnsServer() as server:
        yield server


def start(bench, dns, type, *endpoints, **fields):
    fields = {"dns_lookup_family": "V4_ONLY", "dns_refresh_rate": "0.1s", **fields}
    made = cluster("web", *endpoints, type=type, **resolver(dns), **fields)
    return bench.start(
        bootstrap([listener("in", hcm(route("/", to("web", timeout="3s"))))], [made])
    )


def names(proxy, turns):
    with Client(proxy.address("in")) as client:
        replies = [client.get("/") for _ in range(turns)]
    assert {r.status for r in replies} == {200}
    return {json.loads(r.text)["backend"] for r in replies}


def status(proxy):
    with Client(proxy.address("in")) as client:
        return client.get("/").status


def pair(bench):
    """Two backends with one port on two addresses."""
    a = bench.http("a", host="127.0.0.1")
    b = bench.http("b", host="127.0.0.2", port=a.port)
    return a, b


def test_strict_dns_uses_every_address(bench, dns):
    a, _ = pair(bench)
    dns.records["app.test"] = ["127.0.0.1", "127.0.0.2"]
    proxy = start(bench, dns, "STRICT_DNS", ("app.test", a.port))
    assert names(proxy, 10) == {"a", "b"}


def test_logical_dns_uses_one_address(bench, dns):
    a, _ = pair(bench)
    dns.records["app.test"] = ["127.0.0.1", "127.0.0.2"]
    proxy = start(bench, dns, "LOGICAL_DNS", ("app.test", a.port), dns_refresh_rate="100s")
    assert len(names(proxy, 10)) == 1


@pytest.mark.parametrize("type", ["STRICT_DNS", "LOGICAL_DNS"])
def test_a_change_of_address_is_followed(bench, dns, type):
    a, _ = pair(bench)
    dns.records["app.test"] = ["127.0.0.1"]
    proxy = start(bench, dns, type, ("app.test", a.port))
    assert names(proxy, 3) == {"a"}
    dns.records["app.test"] = ["127.0.0.2"]
    wait_for(lambda: names(proxy, 1) == {"b"}, "the new address is used")
    assert names(proxy, 6) == {"b"}


def test_the_ttl_is_respected(bench, dns):
    a, _ = pair(bench)
    dns.ttl = 1
    dns.records["app.test"] = ["127.0.0.1"]
    proxy = start(
        bench, dns, "STRICT_DNS", ("app.test", a.port), respect_dns_ttl=True,
        dns_refresh_rate="100s",
    )
    assert names(proxy, 1) == {"a"}
    dns.records["app.test"] = ["127.0.0.2"]
    wait_for(lambda: names(proxy, 1) == {"b"}, "the new address is used after its TTL")


def test_an_unknown_name_is_uh_until_it_appears(bench, dns):
    a, _ = pair(bench)
    proxy = start(bench, dns, "STRICT_DNS", ("app.test", a.port),
                  dns_failure_refresh_rate={"base_interval": "0.1s", "max_interval": "0.1s"})
    assert status(proxy) == 503
    dns.records["app.test"] = ["127.0.0.1"]
    wait_for(lambda: status(proxy) == 200, "the name is found")


def test_a_silent_server_does_not_take_away_the_known_addresses(bench, dns):
    a, _ = pair(bench)
    dns.records["app.test"] = ["127.0.0.1"]
    proxy = start(bench, dns, "STRICT_DNS", ("app.test", a.port))
    assert names(proxy, 1) == {"a"}
    dns.mute = True
    asked = dns.count("app.test")
    wait_for(lambda: dns.count("app.test") > asked, "the name is asked for again")
    assert names(proxy, 3) == {"a"}


def test_several_names_in_one_cluster(bench, dns):
    a, b = bench.http("a"), bench.http("b")
    dns.records.update({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    proxy = start(bench, dns, "STRICT_DNS", ("a.test", a.port), endpoint(("b.test", b.port)))
    wait_for(lambda: names(proxy, 4) == {"a", "b"}, "both names are resolved")


@pytest.mark.parametrize(
    "family, records, wanted",
    [
        ("V4_ONLY", ["127.0.0.1", "::1"], {"v4"}),
        ("V6_ONLY", ["127.0.0.1", "::1"], {"v6"}),
        ("V4_PREFERRED", ["127.0.0.1", "::1"], {"v4"}),
        ("V4_PREFERRED", ["::1"], {"v6"}),
        ("AUTO", ["127.0.0.1", "::1"], {"v6"}),
        ("AUTO", ["127.0.0.1"], {"v4"}),
        ("ALL", ["127.0.0.1", "::1"], {"v4", "v6"}),
    ],
)
def test_families(bench, dns, family, records, wanted):
    v4 = bench.http("v4", host="127.0.0.1")
    bench.http("v6", host="::1", port=v4.port)
    dns.records["app.test"] = records
    proxy = start(bench, dns, "STRICT_DNS", ("app.test", v4.port), dns_lookup_family=family)
    wait_for(lambda: status(proxy) == 200, "the name is resolved")
    assert names(proxy, 8) == wanted


def test_an_address_needs_no_lookup(bench, dns):
    a = bench.http("a")
    proxy = start(bench, dns, "STRICT_DNS", ("127.0.0.1", a.port))
    assert names(proxy, 1) == {"a"}


def test_localhost_comes_from_the_hosts_file(bench):
    a = bench.http("a")
    made = cluster("web", ("localhost", a.port), type="STRICT_DNS", dns_lookup_family="V4_ONLY")
    proxy = bench.start(bootstrap([listener("in", hcm(route("/", "web")))], [made]))
    assert names(proxy, 1) == {"a"}
