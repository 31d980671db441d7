"""Which route a request takes: hosts, paths, headers, query parameters, order."""

import json

import pytest
from client import Client
from config import bootstrap, cluster, direct, hcm, listener, route, vhost


def said(text):
    return direct(200, text)


def rx(regex):
    return {"google_re2": {}, "regex": regex}


DOMAINS = [
    ("exact", ["www.example.com", "api.example.com"]),
    ("suffix-long", ["*.deep.example.com"]),
    ("suffix", ["*.example.com"]),
    ("suffix-dash", ["*-bar.example.org"]),
    ("prefix", ["shop.*"]),
    ("prefix-long", ["shop.eu.*"]),
    ("port", ["ported.example.com:8080"]),
    ("upper", ["UPPER.example.net"]),
    ("rest", ["*"]),
]

# Tried in this order by the proxy.
ROUTES = [
    ({"path": "/exact"}, "exact"),
    ({"path": "/nocase", "case_sensitive": False}, "path-nocase"),
    ({"prefix": "/Prefix-NoCase", "case_sensitive": False}, "prefix-nocase"),
    ({"path_separated_prefix": "/sep"}, "separated"),
    ({"safe_regex": rx("/rx/[0-9]+")}, "regex"),
    ({"prefix": "/first/longer"}, "first-longer"),
    ({"prefix": "/first"}, "first"),
    ({"prefix": "/first/never"}, "never"),
    ({"path": "/first"}, "never"),
]

HEADERS = [
    ("exact", {"string_match": {"exact": "yes"}}),
    ("nocase", {"string_match": {"exact": "yes", "ignore_case": True}}),
    ("prefix", {"string_match": {"prefix": "pre"}}),
    ("prefix-nocase", {"string_match": {"prefix": "pre", "ignore_case": True}}),
    ("suffix", {"string_match": {"suffix": "end"}}),
    ("contains", {"string_match": {"contains": "mid"}}),
    ("regex", {"string_match": {"safe_regex": rx("a+b")}}),
    ("present", {"present_match": True}),
    ("absent", {"present_match": False}),
    ("inverted", {"string_match": {"exact": "no"}, "invert_match": True}),
    ("range", {"range_match": {"start": -10, "end": 10}}),
    ("missing-empty", {"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}),
    ("old-exact", {"exact_match": "old"}),
    ("old-prefix", {"prefix_match": "old"}),
    ("old-suffix", {"suffix_match": "old"}),
    ("old-contains", {"contains_match": "old"}),
    ("old-regex", {"safe_regex_match": rx("old[0-9]")}),
]

QUERIES = [
    ("q-exact", {"string_match": {"exact": "yes"}}),
    ("q-prefix", {"string_match": {"prefix": "pre"}}),
    ("q-regex", {"string_match": {"safe_regex": rx("[0-9]+")}}),
    ("q-present", {"present_match": True}),
    ("q-name", {}),
]


def table():
    routes = [route(match, said(name)) for match, name in ROUTES]
    for name, how in HEADERS:
        match = {"path": f"/header/{name}", "headers": [{"name": "x-h", **how}]}
        routes.append(route(match, said("match")))
    for name, how in QUERIES:
        match = {"path": f"/query/{name}", "query_parameters": [{"name": "q", **how}]}
        routes.append(route(match, said("match")))
    routes.append(
        route(
            {
                "path": "/both",
                "headers": [
                    {"name": "x-a", "string_match": {"exact": "1"}},
                    {"name": "x-b", "present_match": True},
                ],
            },
            said("match"),
        )
    )
    pseudo = [
        ("method", {"name": ":method", "string_match": {"exact": "PUT"}}),
        ("authority", {"name": ":authority", "string_match": {"prefix": "special"}}),
        ("path", {"name": ":path", "string_match": {"suffix": "?end"}}),
        ("scheme", {"name": ":scheme", "string_match": {"exact": "http"}}),
    ]
    for name, matcher in pseudo:
        routes.append(route({"path": f"/pseudo/{name}", "headers": [matcher]}, said("match")))
    for name, numerator in (("none", 0), ("all", 100)):
        fraction = {"default_value": {"numerator": numerator}, "runtime_key": "absent"}
        routes.append(
            route({"path": f"/fraction/{name}", "runtime_fraction": fraction}, said("match"))
        )
    half = {"default_value": {"numerator": 500000, "denominator": "MILLION"}}
    routes.append(route({"path": "/fraction/half", "runtime_fraction": half}, said("match")))
    routes.append(route("/", said("fallback")))
    return routes


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        hosts = [vhost(n, d, route("/", said(n))) for n, d in DOMAINS]
        ignoring = [vhost(n, d, route("/", said(n))) for n, d in DOMAINS if n != "port"]
        many = [route({"path": f"/p/{n}"}, said(f"path {n}")) for n in range(500)]
        many += [route(f"/x/{n}/", said(f"prefix {n}")) for n in range(500)]
        header = [
            route("/", {"route": {"cluster_header": "x-cluster"}}),
        ]
        self.proxy = bench.start(
            bootstrap(
                [
                    listener("hosts", hcm(vhosts=hosts)),
                    listener(
                        "noport",
                        hcm(vhosts=ignoring, route_fields={"ignore_port_in_host_matching": True}),
                    ),
                    listener("table", hcm(*table())),
                    listener("many", hcm(*many)),
                    listener("header", hcm(*header)),
                    listener(
                        "tls",
                        hcm(vhosts=[vhost("tls", ["*"], route("/", said("open")),
                                          require_tls="ALL")]),
                    ),
                    listener("none", hcm(vhosts=[])),
                ],
                [cluster("web", self.backend.address)],
            )
        )
        self.clients = {}

    def reply(self, name, target="/", headers=(), host="test", method="GET"):
        if name not in self.clients:
            self.clients[name] = Client(self.proxy.address(name))
        return self.clients[name].request(method, target, headers, host=host)

    def answer(self, *args, **kwargs):
        response = self.reply(*args, **kwargs)
        return response.text if response.status == 200 else response.status


@pytest.fixture(scope="module")
def web(shared_bench):
    web = Web(shared_bench)
    yield web
    for client in web.clients.values():
        client.close()


@pytest.mark.parametrize(
    "host, wanted",
    [
        ("www.example.com", "exact"),
        ("WWW.Example.COM", "exact"),
        ("api.example.com", "exact"),
        ("other.example.com", "suffix"),
        ("a.deep.example.com", "suffix-long"),
        ("a.b.deep.example.com", "suffix-long"),
        ("deep.example.com", "suffix"),
        ("example.com", "rest"),
        ("foo-bar.example.org", "suffix-dash"),
        ("-bar.example.org", "rest"),
        ("shop.de", "prefix"),
        ("shop.eu.de", "prefix-long"),
        ("shop.", "rest"),
        ("ported.example.com:8080", "port"),
        ("ported.example.com", "suffix"),
        ("www.example.com:8080", "rest"),
        ("www.example.com.", "rest"),
        ("upper.example.net", "upper"),
        ("127.0.0.1", "rest"),
        ("[::1]:80", "rest"),
    ],
)
def test_virtual_hosts(web, host, wanted):
    assert web.answer("hosts", host=host) == wanted


@pytest.mark.parametrize(
    "host, wanted",
    [("www.example.com:8080", "exact"), ("x.example.com:1", "suffix"), ("[::1]:80", "rest")],
)
def test_the_port_of_the_host_can_be_ignored(web, host, wanted):
    assert web.answer("noport", host=host) == wanted


@pytest.mark.parametrize(
    "target, wanted",
    [
        ("/exact", "exact"),
        ("/exact?query", "exact"),
        ("/exact/", "fallback"),
        ("/Exact", "fallback"),
        ("/NoCase", "path-nocase"),
        ("/prefix-nocase/deeper", "prefix-nocase"),
        ("/sep", "separated"),
        ("/sep/", "separated"),
        ("/sep/more", "separated"),
        ("/sep?x", "separated"),
        ("/separate", "fallback"),
        ("/rx/123", "regex"),
        ("/rx/123?x=y", "regex"),
        ("/rx/", "fallback"),
        ("/rx/12a", "fallback"),
        ("/first", "first"),
        ("/first/longer", "first-longer"),
        ("/first/never", "first"),
        ("/firstly", "first"),
        ("/else", "fallback"),
    ],
)
def test_paths(web, target, wanted):
    assert web.answer("table", target) == wanted


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("exact", "yes", True),
        ("exact", "Yes", False),
        ("exact", "yes ", True),
        ("exact", None, False),
        ("nocase", "YES", True),
        ("prefix", "prefix", True),
        ("prefix", "a-prefix", False),
        ("prefix-nocase", "PREfix", True),
        ("suffix", "the end", True),
        ("suffix", "ending", False),
        ("contains", "amidst", True),
        ("contains", "none", False),
        ("regex", "aaab", True),
        ("regex", "aaabc", False),
        ("present", "", True),
        ("present", None, False),
        ("absent", None, True),
        ("absent", "x", False),
        ("inverted", "yes", True),
        ("inverted", "no", False),
        ("inverted", None, False),
        ("range", "-10", True),
        ("range", "9", True),
        ("range", "10", False),
        ("range", "x", False),
        ("missing-empty", None, True),
        ("missing-empty", "x", False),
        ("old-exact", "old", True),
        ("old-prefix", "older", True),
        ("old-suffix", "too old", True),
        ("old-contains", "bolder", True),
        ("old-regex", "old7", True),
        ("old-regex", "old", False),
    ],
)
def test_header_matchers(web, name, value, wanted):
    headers = [("X-H", value)] if value is not None else []
    got = web.answer("table", f"/header/{name}", headers)
    assert got == ("match" if wanted else "fallback")


def test_each_value_of_a_repeated_header_is_matched(web):
    two = [("X-H", "no"), ("X-H", "yes")]
    assert web.answer("table", "/header/exact", two) == "match"
    assert web.answer("table", "/header/inverted", two) == "fallback"
    split = [("X-H", "m"), ("X-H", "id")]
    assert web.answer("table", "/header/contains", split) == "fallback"


@pytest.mark.parametrize(
    "name, query, wanted",
    [
        ("q-exact", "q=yes", True),
        ("q-exact", "a=b&q=yes&c", True),
        ("q-exact", "q=no", False),
        ("q-exact", "", False),
        ("q-exact", "qq=yes", False),
        ("q-exact", "q=no&q=yes", False),
        ("q-prefix", "q=prefix", True),
        ("q-regex", "q=123", True),
        ("q-regex", "q=12x", False),
        ("q-present", "q", True),
        ("q-present", "q=", True),
        ("q-present", "p", False),
        ("q-name", "q=anything", True),
        ("q-name", "x", False),
    ],
)
def test_query_matchers(web, name, query, wanted):
    got = web.answer("table", f"/query/{name}?{query}")
    assert got == ("match" if wanted else "fallback")


def test_all_conditions_of_a_route_must_hold(web):
    assert web.answer("table", "/both", [("X-A", "1"), ("X-B", "")]) == "match"
    assert web.answer("table", "/both", [("X-A", "1")]) == "fallback"
    assert web.answer("table", "/both", [("X-A", "2"), ("X-B", "")]) == "fallback"


def test_pseudo_headers_can_be_matched(web):
    assert web.answer("table", "/pseudo/method", method="PUT") == "match"
    assert web.answer("table", "/pseudo/method") == "fallback"
    assert web.answer("table", "/pseudo/authority", host="special.host") == "match"
    assert web.answer("table", "/pseudo/authority") == "fallback"
    assert web.answer("table", "/pseudo/path?end") == "match"
    assert web.answer("table", "/pseudo/path?other") == "fallback"
    assert web.answer("table", "/pseudo/scheme") == "match"


def test_a_fraction_of_the_requests(web):
    assert web.answer("table", "/fraction/all") == "match"
    assert web.answer("table", "/fraction/none") == "fallback"
    hits = sum(web.answer("table", "/fraction/half") == "match" for _ in range(400))
    assert 120 < hits < 280


def test_the_right_one_of_many_routes(web):
    for n in (0, 1, 10, 250, 499):
        assert web.answer("many", f"/p/{n}") == f"path {n}"
        assert web.answer("many", f"/x/{n}/deep") == f"prefix {n}"
    assert web.answer("many", "/p/500") == 404
    assert web.answer("many", "/x/12") == 404


def test_the_cluster_may_come_from_a_header(web):
    response = web.reply("header", "/", [("X-Cluster", "web")])
    assert json.loads(response.text)["target"] == "/"
    assert web.answer("header", "/", [("X-Cluster", "unknown")]) == 503
    assert web.answer("header", "/") == 503


def test_a_host_may_require_tls(web):
    response = web.reply("tls", "/secret?x", host="secure.example")
    assert response.status == 301
    assert response.headers.get("location") == "https://secure.example/secret?x"


def test_without_virtual_hosts_nothing_is_found(web):
    assert web.answer("none", "/") == 404
