"""What a route does: rewrites, redirects, direct responses, weights, headers added and removed."""

import collections
import json
import re

import pytest
from backend import answer, fixed
from client import Client
from config import bootstrap, cluster, direct, file_log, hcm, listener, route, to, vhost


def rx(regex, substitution):
    return {"pattern": {"regex": regex}, "substitution": substitution}


def add(key, value, action=None, **fields):
    made = {"header": {"key": key, "value": value}, **fields}
    if action:
        made["append_action"] = action
    return made


REWRITES = [
    route("/prefix/", to("web", prefix_rewrite="/")),
    route({"path": "/path"}, to("web", prefix_rewrite="/other")),
    route({"path_separated_prefix": "/sep"}, to("web", prefix_rewrite="/new")),
    route("/rx/", to("web", regex_rewrite=rx("^/rx/([^/]+)/(.*)$", "/\\2/\\1"))),
    route("/host-literal", to("web", host_rewrite_literal="literal.example:99")),
    route("/host-header", to("web", host_rewrite_header="x-target")),
    route("/host-regex",
          to("web", host_rewrite_path_regex=rx("^/host-regex/(.+)$", "\\1.example"))),
    route("/xfh", to("web", host_rewrite_literal="new.example", append_x_forwarded_host=True)),
    route("/auto", to("named", auto_host_rewrite=True)),
    route("/", to("web")),
]


def redirect(**fields):
    return {"redirect": fields}


REDIRECTS = [
    route("/https", redirect(https_redirect=True)),
    route("/scheme", redirect(scheme_redirect="ftp")),
    route("/host", redirect(host_redirect="new.example")),
    route("/port", redirect(port_redirect=8443)),
    route("/path", redirect(path_redirect="/elsewhere")),
    route("/pathq", redirect(path_redirect="/elsewhere?new=1")),
    route("/prefix/", redirect(prefix_rewrite="/moved/")),
    route("/rx/", redirect(regex_rewrite=rx("^/rx/(.*)$", "/y/\\1"))),
    route("/strip", redirect(path_redirect="/s", strip_query=True)),
    route("/302", redirect(path_redirect="/x", response_code="FOUND")),
    route("/303", redirect(path_redirect="/x", response_code="SEE_OTHER")),
    route("/307", redirect(path_redirect="/x", response_code="TEMPORARY_REDIRECT")),
    route("/308", redirect(path_redirect="/x", response_code="PERMANENT_REDIRECT")),
    route("/all", redirect(https_redirect=True, host_redirect="h.example", port_redirect=1,
                           path_redirect="/p")),
]

MUTATIONS = [
    route(
        "/add",
        to("web"),
        request_headers_to_add=[
            add("x-appended", "two"),
            add("x-over", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
            add("x-absent", "new", "ADD_IF_ABSENT"),
            add("x-exists", "new", "OVERWRITE_IF_EXISTS"),
            add("x-empty-kept", "", keep_empty_value=True),
            add("x-empty-dropped", ""),
            add("x-old-append", "two", append=True),
            add("x-old-set", "two", append=False),
        ],
        request_headers_to_remove=["x-gone", "X-Gone-Too"],
        response_headers_to_add=[
            add("x-back", "two"),
            add("x-over", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
            add("x-absent", "new", "ADD_IF_ABSENT"),
        ],
        response_headers_to_remove=["x-secret"],
    ),
    route(
        "/vars",
        to("web"),
        name="vars-route",
        request_headers_to_add=[
            add("x-protocol", "%PROTOCOL%"),
            add("x-req", "[%REQ(X-Given)%]"),
            add("x-alt", "%REQ(X-None?X-Given)%"),
            add("x-short", "%REQ(X-Given):3%"),
            add("x-missing", "%REQ(X-None)%"),
            add("x-percent", "100%%"),
            add("x-peer", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            add("x-local", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
            add("x-lport", "%DOWNSTREAM_LOCAL_PORT%"),
            add("x-method", "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)%"),
            add("x-time", "%START_TIME(%s)%"),
            add("x-host", "%HOSTNAME%"),
            add("x-route", "%ROUTE_NAME%"),
        ],
        response_headers_to_add=[
            add("x-code", "%RESPONSE_CODE%"),
            add("x-flags", "%RESPONSE_FLAGS%"),
            add("x-cluster", "%UPSTREAM_CLUSTER%"),
            add("x-upstream", "%UPSTREAM_REMOTE_ADDRESS%"),
            add("x-from-request", "%REQ(X-Given)%"),
            add("x-from-response", "%RESP(X-Back)%"),
            add("x-details", "%RESPONSE_CODE_DETAILS%"),
        ],
    ),
    route(
        "/levels",
        {"route": {"weighted_clusters": {"clusters": [
            {"name": "web", "weight": 1,
             "request_headers_to_add": [add("x-level", "weighted")],
             "response_headers_to_add": [add("x-level", "weighted")],
             "request_headers_to_remove": ["x-weighted-gone"]}]}}},
        request_headers_to_add=[add("x-level", "route")],
        response_headers_to_add=[add("x-level", "route")],
    ),
    route(
        "/direct",
        direct(200, "direct"),
        response_headers_to_add=[add("x-direct", "yes")],
    ),
    route(
        "/moved",
        redirect(path_redirect="/x"),
        response_headers_to_add=[add("x-moved", "yes")],
    ),
    route("/", to("web")),
]


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        self.blue, self.green = bench.http("blue"), bench.http("green")
        levels = vhost(
            "all",
            ["*"],
            *MUTATIONS,
            request_headers_to_add=[add("x-level", "vhost")],
            response_headers_to_add=[add("x-level", "vhost")],
        )
        specific = {"most_specific_header_mutations_wins": True}
        outer = {
            "request_headers_to_add": [add("x-level", "table")],
            "response_headers_to_add": [add("x-level", "table")],
            "request_headers_to_remove": ["x-table-gone"],
        }
        weights = [
            route("/even", self.weighted(50, 50)),
            route("/uneven", self.weighted(90, 10)),
            route("/never", self.weighted(100, 0)),
            route("/named", {"route": {"weighted_clusters": {"clusters": [
                {"name": "blue", "weight": 1, "host_rewrite_literal": "blue.example"}]}}}),
        ]
        self.proxy = bench.start(
            bootstrap(
                [
                    listener("rewrites", hcm(*REWRITES, logs=[file_log(bench.log_file())])),
                    listener("redirects", hcm(*REDIRECTS)),
                    listener("mutations", hcm(vhosts=[levels], route_fields=outer)),
                    listener("specific", hcm(vhosts=[levels], route_fields={**outer, **specific})),
                    listener("weights", hcm(*weights)),
                ],
                [
                    cluster("web", self.backend.address),
                    cluster("blue", self.blue.address),
                    cluster("green", self.green.address),
                    cluster(
                        "named",
                        {"endpoint": {
                            "hostname": "endpoint.example",
                            "address": {"socket_address": {
                                "address": "localhost", "port_value": self.backend.port}}}},
                        type="STRICT_DNS",
                        dns_lookup_family="V4_ONLY",
                    ),
                ],
            )
        )

    @staticmethod
    def weighted(blue, green):
        return {"route": {"weighted_clusters": {"clusters": [
            {"name": "blue", "weight": blue}, {"name": "green", "weight": green}]}}}

    def reply(self, name, target, headers=(), host="test"):
        with Client(self.proxy.address(name)) as client:
            return client.get(target, headers, host=host)

    def sent(self, name, target, headers=(), host="test"):
        """What the backend received: target, and lower-case header name to list of values."""
        response = self.reply(name, target, headers, host)
        assert response.status == 200, response
        request = json.loads(response.text)
        values = collections.defaultdict(list)
        for key, value in request["headers"]:
            values[key.lower()].append(value)
        return request["target"], values


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


@pytest.mark.parametrize(
    "given, wanted",
    [
        ("/prefix/a/b?c=d", "/a/b?c=d"),
        ("/prefix/", "/"),
        ("/path?q", "/other?q"),
        ("/sep/a", "/new/a"),
        ("/sep", "/new"),
        ("/rx/one/two?q=/rx/", "/two/one?q=/rx/"),
        ("/untouched", "/untouched"),
    ],
)
def test_path_rewrites(web, given, wanted):
    target, headers = web.sent("rewrites", given)
    assert target == wanted
    assert headers["x-envoy-original-path"] == ([given] if given != wanted else [])


def test_the_log_keeps_the_original_path(web):
    web.sent("rewrites", "/prefix/logged")
    entry = web.proxy.wait_log(original_path="/prefix/logged")
    assert entry["path"] == "/logged"


def test_host_rewrites(web):
    assert web.sent("rewrites", "/host-literal")[1]["host"] == ["literal.example:99"]
    headers = [("X-Target", "from.header")]
    assert web.sent("rewrites", "/host-header", headers)[1]["host"] == ["from.header"]
    assert web.sent("rewrites", "/host-header")[1]["host"] == ["test"]
    assert web.sent("rewrites", "/host-regex/abc?x")[1]["host"] == ["abc.example"]


def test_the_old_host_can_be_kept_in_a_header(web):
    headers = web.sent("rewrites", "/xfh")[1]
    assert headers["host"] == ["new.example"]
    assert headers["x-forwarded-host"] == ["test"]


def test_the_host_may_become_the_name_of_the_endpoint(web):
    assert web.sent("rewrites", "/auto")[1]["host"] == ["endpoint.example"]


@pytest.mark.parametrize(
    "given, location",
    [
        ("/https/a?b", "https://test/https/a?b"),
        ("/scheme", "ftp://test/scheme"),
        ("/host/x?y", "http://new.example/host/x?y"),
        ("/port", "http://test:8443/port"),
        ("/path?kept=1", "http://test/elsewhere?kept=1"),
        ("/pathq?dropped=1", "http://test/elsewhere?dropped=1"),
        ("/prefix/a?b=c", "http://test/moved/a?b=c"),
        ("/rx/a/b?c", "http://test/y/a/b?c"),
        ("/strip?gone=1", "http://test/s"),
        ("/all", "https://h.example:1/p"),
    ],
)
def test_redirects(web, given, location):
    response = web.reply("redirects", given)
    assert response.status == 301
    assert response.headers.get("location") == location
    assert response.headers.get("content-length") == "0"


@pytest.mark.parametrize("status", [302, 303, 307, 308])
def test_the_status_of_a_redirect(web, status):
    assert web.reply("redirects", f"/{status}").status == status


def test_a_redirect_drops_the_default_port(web):
    response = web.reply("redirects", "/https", host="test:80")
    assert response.headers.get("location") == "https://test/https"
    response = web.reply("redirects", "/https", host="test:8080")
    assert response.headers.get("location") == "https://test:8080/https"


def test_request_headers_are_added(web):
    given = [("X-Appended", "one"), ("X-Over", "old"), ("X-Absent", "old"),
             ("X-Old-Append", "one"), ("X-Old-Set", "one")]
    headers = web.sent("mutations", "/add", given)[1]
    assert headers["x-appended"] == ["one", "two"]
    assert headers["x-over"] == ["new"]
    assert headers["x-absent"] == ["old"]
    assert headers["x-exists"] == []
    assert headers["x-empty-kept"] == [""]
    assert headers["x-empty-dropped"] == []
    assert headers["x-old-append"] == ["one", "two"]
    assert headers["x-old-set"] == ["two"]


def test_request_headers_are_added_where_absent(web):
    headers = web.sent("mutations", "/add", [("X-Exists", "old")])[1]
    assert headers["x-appended"] == ["two"]
    assert headers["x-over"] == ["new"]
    assert headers["x-absent"] == ["new"]
    assert headers["x-exists"] == ["new"]


def test_request_headers_are_removed(web):
    given = [("X-Gone", "1"), ("x-gone", "2"), ("X-GONE-TOO", "3"), ("X-Table-Gone", "4")]
    headers = web.sent("mutations", "/add", given)[1]
    assert headers["x-gone"] == headers["x-gone-too"] == headers["x-table-gone"] == []


def test_response_headers_are_added_and_removed(web):
    back = [("X-Back", "one"), ("X-Over", "old"), ("X-Absent", "old"), ("X-Secret", "s")]
    web.backend.on("/add/back", fixed(answer("", headers=back)))
    headers = web.reply("mutations", "/add/back").headers
    assert headers.all("x-back") == ["one", "two"]
    assert headers.all("x-over") == ["new"]
    assert headers.all("x-absent") == ["old"]
    assert headers.all("x-secret") == []


def test_variables_in_request_headers(web):
    headers = web.sent("mutations", "/vars/x", [("X-Given", "given value")])[1]
    assert headers["x-protocol"] == ["HTTP/1.1"]
    assert headers["x-req"] == ["[given value]"]
    assert headers["x-alt"] == ["given value"]
    assert headers["x-short"] == ["giv"]
    assert headers["x-missing"] == []
    assert headers["x-percent"] == ["100%"]
    assert headers["x-peer"] == ["127.0.0.1"]
    assert headers["x-local"] == ["127.0.0.1"]
    assert headers["x-lport"] == [str(web.proxy.address("mutations")[1])]
    assert headers["x-method"] == ["GET /vars/x test"]
    assert re.fullmatch(r"\d{10}", headers["x-time"][0])
    assert headers["x-host"] and headers["x-host"][0]
    assert headers["x-route"] == ["vars-route"]


def test_variables_in_response_headers(web):
    web.backend.on("/vars/back", fixed(answer("", headers=[("X-Back", "from backend")])))
    headers = web.reply("mutations", "/vars/back", [("X-Given", "given")]).headers
    assert headers.get("x-code") == "200"
    assert headers.get("x-flags") in ("-", None)
    assert headers.get("x-cluster") == "web"
    assert headers.get("x-upstream") == f"127.0.0.1:{web.backend.port}"
    assert headers.get("x-from-request") == "given"
    assert headers.get("x-from-response") == "from backend"
    assert headers.get("x-details") == "via_upstream"


def test_all_levels_add_from_the_inside_out(web):
    target, headers = web.sent("mutations", "/levels", [("X-Weighted-Gone", "1")])
    assert headers["x-level"] == ["weighted", "route", "vhost", "table"]
    assert headers["x-weighted-gone"] == []
    assert web.reply("mutations", "/levels").headers.all("x-level") == [
        "weighted", "route", "vhost", "table",
    ]


def test_the_most_specific_level_may_come_last(web):
    """Among table, host and route; what a weighted cluster adds always comes first."""
    order = ["weighted", "table", "vhost", "route"]
    assert web.sent("specific", "/levels")[1]["x-level"] == order
    assert web.reply("specific", "/levels").headers.all("x-level") == order


def test_direct_responses_and_redirects_get_headers_too(web):
    assert web.reply("mutations", "/direct").headers.get("x-direct") == "yes"
    assert web.reply("mutations", "/moved").headers.get("x-moved") == "yes"


def count(web, target, turns):
    counted = collections.Counter()
    with Client(web.proxy.address("weights")) as client:
        for _ in range(turns):
            counted[json.loads(client.get(target).text)["backend"]] += 1
    return counted


def test_weights_share_the_requests(web):
    counted = count(web, "/even", 400)
    assert 120 < counted["blue"] < 280
    counted = count(web, "/uneven", 400)
    assert 5 < counted["green"] < 90


def test_a_weight_of_zero_gets_nothing(web):
    assert count(web, "/never", 100) == {"blue": 100}


def test_a_weighted_cluster_may_rewrite_the_host(web):
    assert web.sent("weights", "/named")[1]["host"] == ["blue.example"]
