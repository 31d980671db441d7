"""Inbound by TPROXY: a real proxy with a transparent listener and no capability but the one that
this needs.
"""

import json

import pytest
from client import wait_for
from sidecar import chain, hcm, route, sidecar, tcp_proxy, virtual_inbound

ANY = {"v4": "0.0.0.0", "v6": "::"}


@pytest.fixture
def start(pair, binary):
    def start(listener, rules=(), **options):
        pair.server.intercept("--mode=tproxy", *rules)
        return pair.proxy(pair.server, sidecar([listener]), capabilities=["net_admin"], **options)

    return start


def own(pair, family):
    return getattr(pair.server, family)


def transparent(*filters, **fields):
    return virtual_inbound(*filters, transparent=True, **fields)


def test_the_application_is_reached_at_the_port_that_was_called(pair, start, family):
    for port in (8080, 9090):
        pair.says(pair.server, ANY[family], port, f"port {port}")
    start(transparent(tcp_proxy("application")))
    for port in (8080, 9090):
        with pair.client.connect(own(pair, family), port) as client:
            assert client.read_all().decode() == f"port {port}"


def test_http_passes_and_the_client_is_seen_with_its_own_address(pair, start, family):
    pair.http(pair.server, ANY[family], 8080)
    start(transparent(hcm(route("/", "application"), use_remote_address=True)))
    with pair.client.connect(own(pair, family), 8080) as client:
        response = client.get("/")
        assert response.status == 200
        headers = dict(json.loads(response.body)["headers"])
        assert headers["x-forwarded-for"] == getattr(pair.client, family)
        assert client.get("/again").status == 200


def test_filter_chains_are_matched_by_the_original_destination(pair, start, family):
    pair.says(pair.server, ANY[family], 7000, "raw")
    pair.http(pair.server, ANY[family], 8080)
    start(
        transparent(
            chains=[chain(hcm(route("/", "application")), match={"destination_port": 8080})],
            default=tcp_proxy("application"),
        )
    )
    with pair.client.connect(own(pair, family), 8080) as client:
        assert client.get("/").status == 200
    with pair.client.connect(own(pair, family), 7000) as client:
        assert client.read_all() == b"raw"


def test_an_excluded_port_does_not_pass_the_proxy(pair, start, family):
    pair.says(pair.server, ANY[family], 9090, "direct")
    rules = ["--exclude-inbound-ports=9090"]
    start(transparent(tcp_proxy("application")), rules=rules, captures=False)
    with pair.client.connect(own(pair, family), 9090) as client:
        assert client.read_all() == b"direct"


def test_without_the_capability_a_transparent_listener_is_refused_with_the_reason(pair, binary):
    proxy = pair.make_proxy(pair.server, sidecar([transparent(tcp_proxy("application"))]))
    with pytest.raises(AssertionError):
        proxy.start()
    wait_for(lambda: not proxy.alive(), "the proxy has ended")
    assert proxy.wait_exit() != 0
    assert "virtual_inbound" in proxy.stderr() or "15006" in proxy.stderr()
    pair.proxies.remove(proxy)
