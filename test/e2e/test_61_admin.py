"""The admin server and the statistics it shows."""

import re

import pytest
from backend import answer, closed_port
from client import Client, fetch, wait_for
from config import bootstrap, cluster, direct, hcm, listener, route, tcp_proxy, to


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        self.held, port = closed_port()
        self.backend.on("/404", lambda _c, _r: answer("", "404 Not Found"))
        self.backend.on("/500", lambda _c, _r: answer("", "500 Oops"))
        routes = [
            route("/direct", direct(204)),
            route("/dead", to("dead")),
            route("/", to("web", timeout="3s")),
        ]
        self.proxy = bench.start(
            bootstrap(
                [
                    listener("in", hcm(*routes, stat_prefix="my_in")),
                    listener("tcp", tcp_proxy("web", stat_prefix="my_tcp")),
                ],
                [
                    cluster("web", self.backend.address),
                    cluster("dead", ("127.0.0.1", port)),
                    cluster("idle", self.backend.address),
                ],
            )
        )

    def get(self, target):
        return fetch(self.proxy.address("in"), target=target).status


@pytest.fixture(scope="module")
def web(shared_bench):
    web = Web(shared_bench)
    yield web
    web.held.close()


def test_ready(web):
    response = web.proxy.admin("/ready")
    assert (response.status, response.text) == (200, "LIVE\n")


def test_server_info(web):
    info = web.proxy.admin_json("/server_info")
    assert info["state"] == "LIVE"
    assert info["node"]["id"] == "test-node"
    assert info["node"]["cluster"] == "test-cluster"
    assert info["command_line_options"]["concurrency"] == 1
    assert info["version"]
    assert re.fullmatch(r"\d+s", info["uptime_current_epoch"])


def test_help_lists_the_pages(web):
    text = web.proxy.admin("/help").text
    for page in ("/ready", "/stats", "/config_dump", "/clusters", "/listeners", "/logging",
                 "/quitquitquit", "/healthcheck/fail", "/drain_listeners", "/reset_counters",
                 "/server_info", "/memory", "/stats/prometheus"):
        assert page in text


def test_the_front_page_is_html(web):
    response = web.proxy.admin("/")
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/html")
    for page in ("stats", "config_dump", "clusters", "listeners", "logging", "memory"):
        assert re.search(rf"""(href|action)=["']/?{page}""", response.text), page


def test_an_unknown_page_is_a_404(web):
    assert web.proxy.admin("/no/such/page").status == 404


@pytest.mark.parametrize(
    "page",
    ["/quitquitquit", "/healthcheck/fail", "/healthcheck/ok", "/drain_listeners",
     "/reset_counters", "/logging?level=info"],
)
def test_what_changes_something_needs_post(web, page):
    assert web.proxy.admin(page).status in (400, 405)
    assert web.proxy.alive()


def test_memory(web):
    memory = web.proxy.admin_json("/memory")
    assert int(memory["allocated"]) > 0 or web.proxy.sanitized()


def test_clusters(web):
    web.get("/one")
    text = web.proxy.admin("/clusters").text
    host = f"127.0.0.1:{web.backend.port}"
    assert "web::default_priority::max_connections::1024" in text
    assert "web::default_priority::max_retries::3" in text
    assert f"web::{host}::health_flags::healthy" in text
    assert f"web::{host}::weight::1" in text
    total = re.search(rf"web::{re.escape(host)}::rq_total::(\d+)", text)
    assert int(total.group(1)) >= 1


def test_clusters_as_json(web):
    statuses = web.proxy.admin_json("/clusters?format=json")["cluster_statuses"]
    by_name = {s["name"]: s for s in statuses}
    assert set(by_name) == {"web", "dead", "idle"}
    address = by_name["web"]["host_statuses"][0]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": web.backend.port}


def test_config_dump(web):
    dump = web.proxy.admin_json("/config_dump")
    kinds = [c["@type"].rpartition(".")[2] for c in dump["configs"]]
    assert "BootstrapConfigDump" in kinds
    assert "ClustersConfigDump" in kinds
    assert "ListenersConfigDump" in kinds
    boot = dump["configs"][kinds.index("BootstrapConfigDump")]["bootstrap"]
    names = [c["name"] for c in boot["static_resources"]["clusters"]]
    assert names == ["web", "dead", "idle"]
    found = dump["configs"][kinds.index("ClustersConfigDump")]["static_clusters"]
    assert {c["cluster"]["name"] for c in found} == {"web", "dead", "idle"}
    found = dump["configs"][kinds.index("ListenersConfigDump")]["static_listeners"]
    assert {c["listener"]["name"] for c in found} == {"in", "tcp"}


def test_config_dump_keeps_typed_configs(web):
    text = web.proxy.admin("/config_dump").text
    assert "HttpConnectionManager" in text
    assert '"stat_prefix": "my_in"' in text


def test_config_dump_of_one_resource(web):
    dump = web.proxy.admin_json("/config_dump?resource=static_clusters")
    assert {c["cluster"]["name"] for c in dump["configs"]} == {"web", "dead", "idle"}


def test_logging_levels(web):
    assert web.proxy.admin("/logging?level=debug", "POST").status == 200
    assert "debug" in web.proxy.admin("/logging", "POST").text
    assert web.proxy.admin("/logging?level=warning", "POST").status == 200
    assert web.proxy.admin("/logging?level=nonsense", "POST").status in (400, 404)


# Statistics


def counts(web, action, *names):
    before = web.proxy.stats()
    action()
    wanted = {}
    for name, more in names:
        wanted[name] = before.get(name, 0) + more

    def reached():
        stats = web.proxy.stats()
        return all(stats.get(n, 0) == v for n, v in wanted.items())

    try:
        wait_for(reached, "", 3)
    except AssertionError:
        stats = web.proxy.stats()
        assert {n: stats.get(n) for n in wanted} == wanted


def test_a_request_is_counted_where_it_passes(web):
    counts(
        web,
        lambda: web.get("/"),
        ("http.my_in.downstream_rq_total", 1),
        ("http.my_in.downstream_rq_2xx", 1),
        ("http.my_in.downstream_rq_http1_total", 1),
        ("http.my_in.downstream_rq_completed", 1),
        ("http.my_in.downstream_cx_total", 1),
        ("http.my_in.downstream_cx_http1_total", 1),
        ("cluster.web.upstream_rq_total", 1),
        ("cluster.web.upstream_rq_200", 1),
        ("cluster.web.upstream_rq_2xx", 1),
        ("cluster.web.upstream_rq_completed", 1),
        ("cluster.web.upstream_rq_active", 0),
        ("http.my_in.downstream_rq_active", 0),
        ("http.my_in.downstream_cx_active", 0),
    )


@pytest.mark.parametrize("code", [404, 500])
def test_codes_are_counted(web, code):
    counts(
        web,
        lambda: web.get(f"/{code}"),
        (f"http.my_in.downstream_rq_{code // 100}xx", 1),
        (f"cluster.web.upstream_rq_{code}", 1),
        (f"cluster.web.upstream_rq_{code // 100}xx", 1),
    )


def test_direct_responses_are_counted(web):
    counts(
        web,
        lambda: web.get("/direct"),
        ("http.my_in.rq_direct_response", 1),
        ("http.my_in.downstream_rq_2xx", 1),
    )


def test_failed_connections_are_counted(web):
    counts(
        web,
        lambda: web.get("/dead"),
        ("cluster.dead.upstream_cx_connect_fail", 1),
        ("cluster.dead.upstream_cx_total", 1),
        ("cluster.dead.upstream_rq_pending_failure_eject", 1),
        ("cluster.dead.upstream_rq_503", 1),
        ("http.my_in.downstream_rq_5xx", 1),
    )


def test_a_bad_request_is_counted(web):
    def bad():
        with Client(web.proxy.address("in")) as client:
            client.send("GET / HTTP/1.1\r\nno colon\r\n\r\n")
            client.response()

    counts(
        web, bad,
        ("http.my_in.downstream_cx_protocol_error", 1),
        ("http.my_in.downstream_rq_4xx", 1),
    )


def test_cluster_membership_is_shown(web):
    stats = web.proxy.stats("membership")
    assert stats["cluster.web.membership_total"] == 1
    assert stats["cluster.web.membership_healthy"] == 1


def test_server_stats(web):
    stats = web.proxy.stats("^server")
    assert stats["server.live"] == 1
    assert stats["server.concurrency"] == 1
    assert stats["server.state"] == 0
    assert "server.uptime" in stats
    assert web.proxy.stats("listener_manager")["listener_manager.total_listeners_active"] == 2
    assert web.proxy.stats("cluster_manager")["cluster_manager.active_clusters"] == 3


def test_listener_stats(web):
    name = "listener.127.0.0.1_0"
    counts(
        web,
        lambda: web.get("/"),
        (f"{name}.downstream_cx_total", 1),
        (f"{name}.http.my_in.downstream_rq_2xx", 1),
    )


def test_stats_can_be_filtered(web):
    text = web.proxy.admin("/stats?filter=^cluster\\.web\\.upstream_rq_total$").text
    assert re.fullmatch(r"cluster\.web\.upstream_rq_total: \d+\n", text)


def test_only_used_stats(web):
    web.get("/")
    used = web.proxy.admin("/stats?usedonly").text
    assert "cluster.web.upstream_rq_total" in used
    assert "cluster.idle.upstream_rq_total" not in used
    assert "cluster.idle.upstream_rq_total: 0" in web.proxy.admin("/stats").text


def test_stats_as_json(web):
    web.get("/")
    stats = web.proxy.admin_json("/stats?format=json&filter=cluster.web.upstream_rq_total")["stats"]
    assert {"name", "value"} == set(stats[0])
    assert stats[0]["name"] == "cluster.web.upstream_rq_total"


def test_histograms(web):
    web.get("/")

    def text():
        return web.proxy.admin("/stats?filter=cluster.web.upstream_rq_time").text

    wait_for(lambda: "P0" in text(), "the histogram is merged", 8)
    assert re.search(r"cluster\.web\.upstream_rq_time: P0\(.*P50\(.*P99\(.*P100\(", text())


def test_a_bad_filter_is_an_error(web):
    assert web.proxy.admin("/stats?filter=%5B").status == 400


def test_prometheus(web):
    web.get("/")
    response = web.proxy.admin("/stats/prometheus")
    assert response.headers["content-type"].startswith("text/plain")
    text = response.text
    assert "# TYPE envoy_cluster_upstream_rq_total counter" in text
    assert re.search(
        r'^envoy_cluster_upstream_rq_total\{envoy_cluster_name="web"\} \d+$', text, re.M
    )
    assert re.search(
        r'^envoy_http_downstream_rq_xx\{envoy_response_code_class="2",'
        r'envoy_http_conn_manager_prefix="my_in"\} \d+$', text, re.M
    )
    assert "# TYPE envoy_server_live gauge" in text
    assert web.proxy.admin("/stats?format=prometheus").text.count("envoy_server_live") > 0


def test_prometheus_histograms_are_cumulative(web):
    web.get("/")

    def buckets():
        text = web.proxy.admin("/stats/prometheus").text
        return re.findall(
            r"^envoy_cluster_upstream_rq_time_bucket"
            r'\{envoy_cluster_name="web",le="([^"]+)"\} (\d+)', text, re.M,
        )

    wait_for(lambda: buckets() and int(buckets()[-1][1]) > 0, "the histogram is shown", 8)
    found = buckets()
    assert [b for b, _ in found] == [
        "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
        "30000", "60000", "300000", "600000", "1800000", "3600000", "+Inf",
    ]
    numbers = [int(n) for _, n in found]
    assert numbers == sorted(numbers)


def test_prometheus_can_be_parsed(web):
    """Every line is a comment or name{labels} value, every type is declared once."""
    types = {}
    for line in web.proxy.admin("/stats/prometheus").text.splitlines():
        if not line:
            continue
        if line.startswith("#"):
            _, word, name, *rest = line.split(" ")
            if word == "TYPE":
                assert name not in types, f"{name} is declared twice"
                types[name] = rest[0]
            continue
        matched = re.fullmatch(
            r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z_]+="[^"]*",?)*)\} [-+0-9.eInfNa]+', line
        )
        assert matched, line


def test_counters_can_be_reset(bench):
    backend = bench.http()
    proxy = bench.start(
        bootstrap([listener("in", hcm(route("/", "web")))], [cluster("web", backend.address)])
    )
    assert fetch(proxy.address("in")).status == 200
    proxy.wait_stat("cluster.web.upstream_rq_total", 1)
    assert proxy.admin("/reset_counters", "POST").status == 200
    assert proxy.stat("cluster.web.upstream_rq_total") == 0


def test_health_can_be_failed_and_restored(bench):
    proxy = bench.start(bootstrap([listener("in", hcm(route("/", direct(200))))], []))
    assert proxy.admin("/healthcheck/fail", "POST").status == 200
    response = proxy.admin("/ready")
    assert (response.status, response.text) == (503, "DRAINING\n")
    assert fetch(proxy.address("in")).status == 200
    assert proxy.stat("server.live") == 0
    assert proxy.admin("/healthcheck/ok", "POST").status == 200
    assert proxy.admin("/ready").status == 200


def test_many_admin_requests_on_one_connection(web):
    import http.client

    connection = http.client.HTTPConnection(*web.proxy.admin_address, timeout=8)
    for _ in range(30):
        connection.request("GET", "/stats")
        response = connection.getresponse()
        assert response.status == 200 and response.read()
    connection.close()


def test_bad_bytes_do_not_harm_the_admin_server(web):
    with Client(web.proxy.admin_address) as client:
        client.send(b"\x00\xff garbage\r\n\r\n")
        client.read_all()
    assert web.proxy.admin("/ready").status == 200


def test_the_address_file_names_the_admin_server(web):
    text = (web.proxy.folder / "admin-address").read_text()
    host, port = web.proxy.admin_address
    assert text.strip() == f"{host}:{port}"
