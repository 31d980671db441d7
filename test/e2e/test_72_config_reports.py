"""What a configuration is told about itself: refusals that protect, warnings, their counts."""

import resource

import pytest
from client import fetch
from config import bootstrap, cluster, direct, hcm, listener, route

TLS = {
    "name": "envoy.transport_sockets.tls",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    },
}


def plain(**extra):
    made = bootstrap(
        [listener("in", hcm(route("/", direct(200, "x"))))], [cluster("web", ("127.0.0.1", 1))]
    )
    made["static_resources"]["clusters"][0].update(extra)
    return made


@pytest.mark.lanekeeper_only("Envoy has TLS")
def test_what_is_meant_to_be_encrypted_is_refused_and_never_sent_in_the_clear(bench):
    with pytest.raises(AssertionError, match="UpstreamTlsContext.* is not built"):
        bench.start(plain(transport_socket=TLS))


@pytest.mark.lanekeeper_only("/config_warnings is our own")
def test_a_field_without_effect_is_named_once(bench):
    unused = {"locality_weighted_lb_config": {}}
    proxy = bench.start(plain(preconnect_policy={}, common_lb_config=unused))
    page = proxy.admin("/config_warnings").text
    for field in ("preconnect_policy", "locality_weighted_lb_config"):
        assert page.count(f"static_resources.clusters[0].{field}: ") <= 1
        assert field in page
        assert field in proxy.stderr()
    assert fetch(proxy.address("in")).text == "x"


@pytest.mark.lanekeeper_only("the text of a warning is our own")
def test_an_unknown_field_let_pass_is_reported_and_counted(bench):
    proxy = bench.start(plain(no_such_field=1), args=["--allow-unknown-static-fields"])
    assert "no_such_field" in proxy.admin("/config_warnings").text
    assert "no_such_field" in proxy.stderr()
    assert proxy.stat("server.static_unknown_fields") == 1


@pytest.mark.lanekeeper_only("Envoy's flag needs a build option")
def test_core_dumps_are_as_long_as_they_may_be_when_asked_for(bench):
    proxy = bench.start(plain(), args=["--enable-core-dump"])
    soft, hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_CORE)
    assert soft == hard
