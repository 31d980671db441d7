"""Rows on routing: matching, rewriting, redirecting, answering, and headers with variables."""

from client import build
from config import direct, route, to, vhost
from seen import Row


def rx(regex, substitution):
    return {"pattern": {"regex": regex}, "substitution": substitution}


def header(name, **how):
    return {"name": name, **how}


def exact(value):
    return {"string_match": {"exact": value}}


def add(key, value, action=None, **fields):
    made = {"header": {"key": key, "value": value}, **fields}
    if action:
        made["append_action"] = action
    return made


def matching(ctx):
    """Each route answers with its own name."""

    def named(name, match):
        return route(match, direct(200, name), name=name)

    regex = {"safe_regex": {"regex": "/rx/[a-z]+(/[0-9]{2})?"}}
    hosts = [
        vhost("exact", ["www.example.com"], named("exact", {"prefix": "/"})),
        vhost("suffix", ["*.example.com"], named("suffix", {"prefix": "/"})),
        vhost("longer", ["*.sub.example.com"], named("longer", {"prefix": "/"})),
        vhost("prefix", ["shop.*"], named("prefix", {"prefix": "/"})),
        vhost("empty", ["empty.example"]),
        vhost("only", ["only.example"], named("only", {"path": "/only"})),
        vhost("tls", ["tls.example"], named("tls", {"prefix": "/"}), require_tls="ALL"),
        vhost(
            "all",
            ["*"],
            named("path", {"path": "/path"}),
            named("path-ci", {"path": "/CI", "case_sensitive": False}),
            named("separated", {"path_separated_prefix": "/sep"}),
            named("regex", regex),
            named("h-exact", {"prefix": "/h", "headers": [header("x-h", **exact("a"))]}),
            named("h-prefix", {"prefix": "/h", "headers": [
                header("x-h", string_match={"prefix": "b", "ignore_case": True})]}),
            named("h-range", {"prefix": "/h", "headers": [
                header("x-n", range_match={"start": 1, "end": 5})]}),
            named("h-invert", {"prefix": "/h", "headers": [
                header("x-i", present_match=True, invert_match=True)]}),
            named("h-present", {"prefix": "/h", "headers": [header("x-i", present_match=True)]}),
            named("q-exact", {"prefix": "/q", "query_parameters": [
                {"name": "a", **exact("1")}]}),
            named("q-regex", {"prefix": "/q", "query_parameters": [
                {"name": "b", "string_match": {"safe_regex": {"regex": "[0-9]+"}}}]}),
            named("q-present", {"prefix": "/q", "query_parameters": [
                {"name": "c", "present_match": True}]}),
            named("method", {"prefix": "/m", "headers": [header(":method", **exact("PUT"))]}),
            named("grpc", {"prefix": "/g", "grpc": {}}),
            named("first", {"prefix": "/first"}),
            named("second", {"prefix": "/first/second"}),
            named("rest", {"prefix": "/rest"}),
        ),
    ]
    return ctx.listener(vhosts=hosts)


def acting(ctx):
    def redirect(**fields):
        return {"redirect": fields}

    return ctx.listener(
        route("/pre/", to(ctx.web, prefix_rewrite="/")),
        route({"path_separated_prefix": "/sep"}, to(ctx.web, prefix_rewrite="/new")),
        route("/rx/", to(ctx.web, regex_rewrite=rx("^/rx/([^/]+)/(.*)$", "/\\2/\\1"))),
        route("/hl", to(ctx.web, host_rewrite_literal="new.example:1")),
        route("/hh", to(ctx.web, host_rewrite_header="x-host")),
        route("/hr", to(ctx.web, host_rewrite_path_regex=rx("^/hr/(.+)$", "\\1.example"))),
        route("/xfh", to(ctx.web, host_rewrite_literal="n.example", append_x_forwarded_host=True)),
        route("/r/https", redirect(https_redirect=True)),
        route("/r/host", redirect(host_redirect="h.example", port_redirect=8080)),
        route("/r/path", redirect(path_redirect="/p")),
        route("/r/prefix/", redirect(prefix_rewrite="/q/")),
        route("/r/regex/", redirect(regex_rewrite=rx("regex", "done"))),
        route("/r/strip", redirect(path_redirect="/s", strip_query=True, response_code="FOUND")),
        route("/r/308", redirect(scheme_redirect="ws", response_code="PERMANENT_REDIRECT")),
        route("/d/200", direct(200, "direct body")),
        route("/d/204", direct(204)),
        route("/d/304", direct(304)),
        route("/d/500", direct(500, "five")),
        route("/d/empty", direct(200, "")),
        route("/ch", {"route": {"cluster_header": "x-cluster"}}),
        route("/missing", to("no_such_cluster")),
        route("/missing404", to("no_such_cluster")),
        route("/empty", to("nobody")),
        route("/dead", to("dead")),
        route("/", to(ctx.web, timeout="2s")),
        route_fields={"validate_clusters": False},
    )


def mutating(ctx):
    variables = [
        "%PROTOCOL%", "%REQ(X-Given)%", "%REQ(X-None?X-Given)%", "%REQ(X-Given):2%",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        "%ROUTE_NAME%", "%REQ(:METHOD)%-%REQ(:PATH)%-%REQ(:AUTHORITY)%", "100%%",
        "%RESPONSE_CODE%", "%UPSTREAM_CLUSTER%", "%REQUESTED_SERVER_NAME%",
        "%RESPONSE_FLAGS%", "%RESPONSE_CODE_DETAILS%", "%RESP(X-Backend)%", "%BYTES_RECEIVED%",
        "%REQ(x-none)%", "a %REQ(x-none)% b",
        "%UPSTREAM_REMOTE_ADDRESS%", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "%REQ(:SCHEME)%", "%RESP(:STATUS)%", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    ]
    actions = [
        add("x-append", "new"),
        add("x-over", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
        add("x-absent", "new", "ADD_IF_ABSENT"),
        add("x-exists", "new", "OVERWRITE_IF_EXISTS"),
        add("x-kept", "", keep_empty_value=True),
        add("x-dropped", ""),
    ]
    all_host = vhost(
        "all",
        ["*"],
        route(
            "/vars",
            to(ctx.web),
            name="the-route",
            request_headers_to_add=[add(f"x-{n}", v) for n, v in enumerate(variables)],
            response_headers_to_add=[add(f"x-{n}", v) for n, v in enumerate(variables)],
        ),
        route(
            "/vars-direct",
            direct(202, "here"),
            response_headers_to_add=[add(f"x-{n}", v) for n, v in enumerate(variables)],
        ),
        route(
            "/actions",
            to(ctx.web),
            request_headers_to_add=actions,
            response_headers_to_add=actions,
            request_headers_to_remove=["x-gone", "user-agent"],
            response_headers_to_remove=["content-type", "x-backend"],
        ),
        route(
            "/levels",
            {"route": {"weighted_clusters": {"clusters": [
                {"name": ctx.web, "weight": 1,
                 "request_headers_to_add": [add("x-level", "weighted")],
                 "response_headers_to_add": [add("x-level", "weighted")]}]}}},
            request_headers_to_add=[add("x-level", "route")],
            response_headers_to_add=[add("x-level", "route")],
        ),
        request_headers_to_add=[add("x-level", "vhost")],
        response_headers_to_add=[add("x-level", "vhost")],
        request_headers_to_remove=["x-vhost-gone"],
    )
    return ctx.listener(
        vhosts=[all_host],
        route_fields={
            "request_headers_to_add": [add("x-level", "table")],
            "response_headers_to_add": [add("x-level", "table")],
            "request_headers_to_remove": ["x-table-gone"],
        },
    )


LISTENERS = {"matching": matching, "acting": acting, "mutating": mutating}

MATCHED = [
    ("www.example.com", "/"), ("WWW.EXAMPLE.COM", "/"), ("a.example.com", "/"),
    ("a.sub.example.com", "/"), ("sub.example.com", "/"), ("example.com", "/"),
    ("shop.de", "/"), ("www.example.com:80", "/"), ("empty.example", "/"),
    ("only.example", "/only"), ("only.example", "/other"), ("tls.example", "/a?b"),
    ("tls.example:8080", "/"), ("x", "/path"), ("x", "/path?q"), ("x", "/path/"), ("x", "/Path"),
    ("x", "/ci"), ("x", "/sep"), ("x", "/sep/a"), ("x", "/sep?a"), ("x", "/separate"),
    ("x", "/rx/abc"), ("x", "/rx/abc/12"), ("x", "/rx/abc/123"), ("x", "/rx/abc/12?q"),
    ("x", "/first/second"), ("x", "/firs"), ("x", "/rest"), ("x", "/"), ("x", "/q?a=1"),
    ("x", "/q?a=2&b=7"), ("x", "/q?b=7x"), ("x", "/q?c"), ("x", "/q?c=&d"), ("x", "/q"),
    ("x", "/q?a=1&a=2"), ("x", "/q?a=2&a=1"), ("x", "/q?A=1"), ("x", "/q?a=%31"),
    ("x", "/m"), ("x", "/g"),
]
HEADED = [
    [("X-H", "a")], [("X-H", "b")], [("X-H", "Bcd")], [("X-H", "A")], [("X-N", "3")],
    [("X-N", "5"), ("X-I", "")], [("X-N", "03"), ("X-I", "")], [("X-I", "x")], [],
    [("X-H", "z"), ("X-H", "a")], [("X-N", "3x"), ("X-I", "1")], [("X-N", "-1"), ("X-I", "1")],
]
ACTED = [
    "/pre/a/b?c", "/pre/", "/sep", "/sep/x?y", "/rx/one/two", "/rx/one", "/hl", "/hr/abc",
    "/hr/", "/xfh", "/r/https/a?b=c", "/r/host/x?y", "/r/path?kept", "/r/prefix/a?b",
    "/r/regex/a/regex?regex", "/r/strip?gone", "/r/308/x", "/d/200", "/d/204", "/d/304",
    "/d/500", "/d/empty", "/ch", "/missing", "/empty", "/dead", "/plain",
]


def rows():
    made = [
        Row(f"match-{n:02d}-{host}{target}", "matching", build("GET", target, host=host))
        for n, (host, target) in enumerate(MATCHED)
    ]
    made += [
        Row(f"match-header-{n:02d}", "matching", build("GET", "/h", headers))
        for n, headers in enumerate(HEADED)
    ]
    grpc = [("Content-Type", "application/grpc+proto")]
    made += [
        Row("match-method", "matching", build("PUT", "/m", body=b"x")),
        Row("match-grpc", "matching", build("POST", "/g", grpc, b"")),
        Row("no-route-grpc", "matching", build("POST", "/nowhere", grpc, b"")),
    ]
    made += [Row(f"act-{n:02d}-{t}", "acting", build("GET", t)) for n, t in enumerate(ACTED)]
    made += [
        Row("act-host-header", "acting", build("GET", "/hh", [("X-Host", "from.header")])),
        Row("act-host-header-absent", "acting", build("GET", "/hh")),
        Row("act-cluster-header", "acting", build("GET", "/ch", [("X-Cluster", "web_acting")])),
        Row("act-cluster-header-unknown", "acting", build("GET", "/ch", [("X-Cluster", "x")])),
        Row("act-redirect-port", "acting", build("GET", "/r/https", host="test:80")),
        Row("act-redirect-port-kept", "acting", build("GET", "/r/https", host="test:8080")),
        Row("act-redirect-post", "acting", build("POST", "/r/path", body=b"abc"), responses=None),
        Row("act-direct-post", "acting", build("POST", "/d/200", body=b"abc"), responses=None),
        Row("act-direct-head", "acting", build("HEAD", "/d/200")),
        Row("act-redirect-head", "acting", build("HEAD", "/r/path")),
        Row("act-empty-head", "acting", build("HEAD", "/empty")),
        Row("act-empty-grpc", "acting", build("POST", "/empty", grpc, b"")),
        Row("act-dead-grpc", "acting", build("POST", "/dead", grpc, b"")),
        Row("act-dead-post", "acting", build("POST", "/dead", body=b"abc")),
        Row("act-missing-grpc", "acting", build("POST", "/missing", grpc, b"")),
        Row("act-direct-grpc", "acting", build("POST", "/d/500", grpc, b"")),
    ]
    given = [("X-Given", "given value")]
    old = [(f"X-{n}", "old") for n in ("Append", "Over", "Absent", "Exists", "Kept", "Dropped")]
    gone = [("X-Gone", "1"), ("User-Agent", "me"), ("X-Vhost-Gone", "1"), ("X-Table-Gone", "1")]
    made += [
        Row("vars", "mutating", build("GET", "/vars?q=1", given)),
        Row("vars-body", "mutating", build("POST", "/vars", given, b"12345")),
        Row("vars-direct", "mutating", build("GET", "/vars-direct", given)),
        Row("actions-absent", "mutating", build("GET", "/actions")),
        Row("actions-present", "mutating", build("GET", "/actions", old)),
        Row("actions-removed", "mutating", build("GET", "/actions", gone)),
        Row("levels", "mutating", build("GET", "/levels", gone)),
        Row("mutate-no-route", "mutating", build("GET", "/none")),
        Row("mutate-backend-error", "mutating", build("GET", "/actions/../status/503")),
    ]
    return made
