"""The headers that the proxy itself adds, rewrites, trusts and removes."""

import json
import re
import subprocess

import pytest
from backend import answer, fixed
from client import Client, build
from config import bootstrap, cluster, hcm, listener, route, router_filter, to

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def own_addresses():
    """The IPv4 addresses of this machine, without loopback ones if there are others."""
    found = json.loads(subprocess.check_output(["ip", "-j", "-4", "address"]))
    own = [info["local"] for link in found for info in link["addr_info"]]
    return [a for a in own if not a.startswith("127.")] or own


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        scheme = {"header": {"key": "x-scheme", "value": "%REQ(:SCHEME)%"}}
        plain = (
            route("/no-timeout", to("web", timeout="0s")),
            route("/", to("web", timeout="5s"), request_headers_to_add=[scheme]),
        )
        made = [
            self.listener("in", *plain),
            self.listener("edge", *plain, use_remote_address=True),
            self.listener("hops", *plain, use_remote_address=True, xff_num_trusted_hops=1),
            self.listener("trust", *plain, xff_num_trusted_hops=1),
            self.listener("noxff", *plain, use_remote_address=True, skip_xff_append=True),
            self.listener(
                "inside",
                *plain,
                use_remote_address=True,
                internal_address_config={
                    "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]
                },
            ),
            self.listener("noid", *plain, generate_request_id=False),
            self.listener("keepid", *plain, use_remote_address=True,
                          preserve_external_request_id=True),
            self.listener("showid", *plain, always_set_request_id_in_response=True),
            self.listener("via", *plain, via="gate"),
            self.listener("name", *plain, server_name="custom"),
            self.listener(
                "absent", *plain, server_header_transformation="APPEND_IF_ABSENT"
            ),
            self.listener("pass", *plain, server_header_transformation="PASS_THROUGH"),
            self.listener("agent", *plain, add_user_agent=True),
            self.listener(
                "quiet", *plain, filters=router_filter(suppress_envoy_headers=True)
            ),
            self.listener("proxied", *plain, proxy_100_continue=True),
            self.listener(
                "scheme",
                *plain,
                scheme_header_transformation={"scheme_to_overwrite": "https"},
            ),
        ]
        self.proxy = bench.start(bootstrap(made, [cluster("web", self.backend.address)]))

    @staticmethod
    def listener(name, *routes, **fields):
        return listener(name, hcm(*routes, **fields))

    def client(self, name="in"):
        return Client(self.proxy.address(name))

    def sent(self, name="in", headers=(), target="/"):
        """What the backend received for a request with these headers: lower-case name to value."""
        with self.client(name) as client:
            response = client.get(target, headers)
            assert response.status == 200, response
        pairs = [(n.lower(), v) for n, v in json.loads(response.text)["headers"]]
        assert len(pairs) == len(dict(pairs)), pairs
        return dict(pairs)

    def reply(self, name="in", target="/", headers=()):
        with self.client(name) as client:
            return client.get(target, headers)


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


# Forwarded-for and proto


def test_xff_is_left_alone_by_default(web):
    assert "x-forwarded-for" not in web.sent()
    assert web.sent(headers=[("X-Forwarded-For", "1.2.3.4")])["x-forwarded-for"] == "1.2.3.4"


def test_xff_is_appended_at_the_edge(web):
    """A loopback peer is the pod itself: an address of its own stands for it."""
    own = web.sent("edge")["x-forwarded-for"]
    assert own in own_addresses()
    got = web.sent("edge", [("X-Forwarded-For", "1.2.3.4")])["x-forwarded-for"]
    assert got == f"1.2.3.4,{own}"


def test_xff_append_can_be_skipped(web):
    assert "x-forwarded-for" not in web.sent("noxff")


def test_xfp_is_set_from_the_connection(web):
    assert web.sent()["x-forwarded-proto"] == "http"


def test_xfp_of_the_client_is_replaced_at_the_edge(web):
    assert web.sent("edge", [("X-Forwarded-Proto", "https")])["x-forwarded-proto"] == "http"


def test_xfp_is_kept_inside(web):
    assert web.sent("in", [("X-Forwarded-Proto", "https")])["x-forwarded-proto"] == "https"


def test_xfp_is_kept_behind_a_trusted_hop(web):
    headers = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "1.1.1.1, 2.2.2.2")]
    assert web.sent("hops", headers)["x-forwarded-proto"] == "https"


def test_the_scheme_can_be_overwritten(web):
    assert web.sent("scheme")["x-scheme"] == "https"
    assert web.sent("in")["x-scheme"] == "http"


# Internal and external requests


def test_an_internal_address_is_marked_internal(web):
    assert web.sent("inside")["x-envoy-internal"] == "true"


def test_an_external_request_is_not_marked(web):
    headers = web.sent("edge", [("X-Envoy-Internal", "true")])
    assert "x-envoy-internal" not in headers
    assert headers["x-envoy-external-address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "name",
    [
        "x-envoy-retry-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-force-trace",
        "x-envoy-decorator-operation",
        "x-envoy-original-path",
    ],
)
def test_an_external_request_cannot_command_the_proxy(web, name):
    assert name not in web.sent("edge", [(name, "1")])


def test_an_external_request_cannot_set_its_timeout(web):
    headers = web.sent("edge", [("X-Envoy-Upstream-Rq-Timeout-Ms", "77")])
    assert headers["x-envoy-expected-rq-timeout-ms"] == "5000"


def test_an_internal_request_may_set_its_timeout(web):
    headers = web.sent("inside", [("X-Envoy-Upstream-Rq-Timeout-Ms", "777")])
    assert headers["x-envoy-expected-rq-timeout-ms"] == "777"
    assert "x-envoy-upstream-rq-timeout-ms" not in headers


# Request id


def test_a_request_id_is_made(web):
    first, second = web.sent()["x-request-id"], web.sent()["x-request-id"]
    assert UUID.fullmatch(first) and UUID.fullmatch(second)
    assert first != second


def test_a_request_id_of_an_internal_client_is_kept(web):
    assert web.sent("in", [("X-Request-Id", "mine")])["x-request-id"] == "mine"


def test_a_request_id_of_an_edge_client_is_replaced(web):
    given = "11111111-1111-4111-8111-111111111111"
    assert UUID.fullmatch(web.sent("edge", [("X-Request-Id", given)])["x-request-id"])
    assert web.sent("edge", [("X-Request-Id", given)])["x-request-id"] != given


def test_a_request_id_of_an_edge_client_can_be_preserved(web):
    assert web.sent("keepid", [("X-Request-Id", "mine")])["x-request-id"] == "mine"


def test_making_request_ids_can_be_turned_off(web):
    assert "x-request-id" not in web.sent("noid")


def test_the_request_id_can_be_shown_to_the_client(web):
    with web.client("showid") as client:
        response = client.get("/")
    sent = {n.lower(): v for n, v in json.loads(response.text)["headers"]}
    assert response.headers.get("x-request-id") == sent["x-request-id"]


def test_the_request_id_is_not_shown_by_default(web):
    assert "x-request-id" not in web.reply().headers


# Server, via, date, user agent


@pytest.mark.lanekeeper_only("server_name_and_via")
def test_the_server_is_lanekeeper(web):
    assert web.reply().headers.get("server") == "lanekeeper"


def test_the_server_name_can_be_set(web):
    assert web.reply("name").headers.get("server") == "custom"


def test_the_server_of_the_backend_is_overwritten(web):
    web.backend.on("/server", fixed(answer("", headers=[("Server", "theirs")])))
    assert web.reply("name", "/server").headers.get("server") == "custom"


def test_the_server_of_the_backend_can_win(web):
    web.backend.on("/server", fixed(answer("", headers=[("Server", "theirs")])))
    assert web.reply("absent", "/server").headers.get("server") == "theirs"
    assert "server" in web.reply("absent").headers


def test_the_server_header_can_be_passed_through(web):
    web.backend.on("/server", fixed(answer("", headers=[("Server", "theirs")])))
    assert web.reply("pass", "/server").headers.get("server") == "theirs"
    assert "server" not in web.reply("pass").headers


def test_via_is_added_where_configured(web):
    with web.client("via") as client:
        response = client.get("/")
    sent = {n.lower(): v for n, v in json.loads(response.text)["headers"]}
    assert sent["via"] == "gate"
    assert response.headers.get("via") == "gate"


def test_via_is_appended(web):
    assert web.sent("via", [("Via", "1.1 other")])["via"] == "1.1 other, gate"


def test_via_is_not_added_by_default(web):
    assert "via" not in web.sent()


def test_a_response_has_a_date(web):
    date = web.reply().headers.get("date")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)


def test_the_date_of_the_backend_is_kept(web):
    web.backend.on("/date", fixed(answer("", headers=[("Date", "a long time ago")])))
    assert web.reply(target="/date").headers.get("date") == "a long time ago"


def test_a_user_agent_can_be_added(web):
    headers = web.sent("agent")
    assert headers["user-agent"] == "test-cluster"
    assert headers["x-envoy-downstream-service-cluster"] == "test-cluster"
    assert web.sent("agent", [("User-Agent", "mine")])["user-agent"] == "mine"


# Hop-by-hop


@pytest.mark.parametrize(
    "name, value",
    [
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip"),
        ("Upgrade", "h2c"),
    ],
)
def test_hop_by_hop_headers_are_not_forwarded(web, name, value):
    assert name.lower() not in web.sent("in", [(name, value)])


def test_te_trailers_is_forwarded(web):
    assert web.sent("in", [("TE", "trailers")])["te"] == "trailers"


@pytest.mark.parametrize(
    "name, value",
    [("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close")],
)
def test_hop_by_hop_headers_are_not_sent_back(web, name, value):
    web.backend.on("/hop", fixed(answer("", headers=[(name, value)])))
    assert name.lower() not in [n.lower() for n, _ in web.reply(target="/hop").headers]


def test_headers_named_by_connection_are_not_special(web):
    """As Envoy: a client cannot strip a header that another hop set."""
    headers = web.sent("in", [("Connection", "close, x-keep"), ("X-Keep", "1")])
    assert "connection" not in headers


# What the router adds


def test_the_backend_learns_the_timeout(web):
    assert web.sent()["x-envoy-expected-rq-timeout-ms"] == "5000"
    assert "x-envoy-expected-rq-timeout-ms" not in web.sent(target="/no-timeout")


def test_the_client_learns_the_service_time(web):
    assert web.reply().headers.get("x-envoy-upstream-service-time").isdigit()


def test_added_headers_can_be_suppressed(web):
    with web.client("quiet") as client:
        response = client.get("/")
    assert "x-envoy-upstream-service-time" not in response.headers
    sent = {n.lower() for n, _ in json.loads(response.text)["headers"]}
    assert not [n for n in sent if n.startswith("x-envoy-")]


def test_expect_is_forwarded_where_proxied(web):
    def continued(conn, request):
        assert request.headers.get("expect") == "100-continue"
        conn.send("HTTP/1.1 100 Continue\r\n\r\n")
        conn.reader.body(request)
        return answer(request.body)

    web.backend.on("/continue", continued, read_body=False)
    with web.client("proxied") as client:
        client.send("POST /continue HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n")
        client.send("Content-Length: 4\r\n\r\n")
        assert client.response().status == 100
        client.send("body")
        assert client.response().text == "body"


# Case


@pytest.mark.lanekeeper_only("header_case_kept")
def test_the_case_of_names_is_kept_both_ways(web):
    web.backend.on("/case", fixed(answer("", headers=[("X-MiXed-Back", "1")])))
    web.backend.take()
    with web.client() as client:
        client.send("GET /case HTTP/1.1\r\nHoSt: test\r\nX-MiXed: 1\r\nAccept: */*\r\n\r\n")
        response = client.response()
    assert "X-MiXed-Back" in response.headers.names()
    names = web.backend.last().headers.names()
    assert "X-MiXed" in names and "Accept" in names


def test_names_are_compared_without_case(web):
    assert web.sent("edge", [("x-FORWARDED-for", "9.9.9.9")])["x-forwarded-for"].startswith("9.9")


def test_many_pipelined_requests_get_ids_of_their_own(web):
    with web.client() as client:
        client.send(build("GET", "/") * 10)
        ids = set()
        for _ in range(10):
            sent = {n.lower(): v for n, v in json.loads(client.response().text)["headers"]}
            ids.add(sent["x-request-id"])
    assert len(ids) == 10
