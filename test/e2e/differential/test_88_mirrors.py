"""The same mirror policies on both proxies: what the mirror sees of each request, and what is counted of it."""

import contextlib
import re

import pytest
from backend import answer, fixed
from bench import Bench, binary_of
from client import Client, build, wait_for
from config import bootstrap, cluster, hcm, listener, route, vhost
from seen import UUID

COUNTED = """upstream_rq_total upstream_rq_completed upstream_rq_200 upstream_rq_2xx upstream_rq_500
upstream_rq_503 upstream_rq_504 upstream_rq_5xx upstream_rq_timeout internal.upstream_rq_completed
internal.upstream_rq_2xx internal.upstream_rq_5xx external.upstream_rq_completed
upstream_rq_pending_failure_eject upstream_cx_none_healthy upstream_cx_connect_fail
upstream_rq_retry retry_or_shadow_abandoned""".split()
MIRROR = {"cluster": "mirror"}


def mirrored(path, *policies, fields=None, **action):
    return route(path, {"route": {"cluster": "main", "request_mirror_policies": list(policies),
                                  **action}}, **(fields or {}))


def share(numerator):
    return {"runtime_fraction": {"default_value": {"numerator": numerator}}}


added = {"request_headers_to_add": [{"header": {"key": "x-added", "value": "%PROTOCOL%"}}],
         "request_headers_to_remove": ["x-removed"]}
ROUTES = [
    mirrored("/plain", {**MIRROR, "disable_shadow_host_suffix_append": True}),
    mirrored("/never", {**MIRROR, **share(0)}),
    mirrored("/always", {**MIRROR, **share(100)}),
    mirrored("/twice", MIRROR, {**MIRROR, "disable_shadow_host_suffix_append": True}),
    mirrored("/header", {"cluster_header": "x-to"}),
    mirrored("/rewrite", MIRROR, fields=added, prefix_rewrite="/new",
             host_rewrite_literal="other.test"),
    mirrored("/regex", MIRROR, regex_rewrite={"pattern": {"regex": "^/regex/(.*)$"},
                                              "substitution": "/\\1"}),
    mirrored("/retry", MIRROR, retry_policy={"retry_on": "5xx", "num_retries": 1}),
    mirrored("/slow", MIRROR, timeout="0.5s"),
    mirrored("/forever", MIRROR, timeout="0s"),
    mirrored("/empty", {"cluster": "empty"}),
    mirrored("/gone", {"cluster": "gone"}),
    mirrored("/lost", {"cluster_header": "x-to"}, fields={
        "request_headers_to_add": [{"header": {"key": "x-to", "value": "mirror"}}]}),
    route("/redirect", {"redirect": {"path_redirect": "/x"}}),
    route("/", {"route": {"cluster": "main"}}),
]
HOSTS = [vhost("quiet", ["quiet.test"], route("/", {"route": {"cluster": "main"}})),
         vhost("all", ["*"], *ROUTES, request_mirror_policies=[MIRROR])]
# The table's policies would hold for the host "quiet", which has none of its own.
TABLE = {"request_mirror_policies": [{**MIRROR, "disable_shadow_host_suffix_append": True}]}


def get(path, *headers, host="web.test", method="GET", body=None):
    return build(method, path, headers, body, host)


def chunked(*pieces, trailers=b""):
    return (get("/plain", ("transfer-encoding", "chunked"), method="POST")
            + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailers + b"\r\n")


XFF = ("x-forwarded-for", "1.2.3.4, 5.6.7.8")
ROWS = {
    "get": get("/"),
    "head": get("/", method="HEAD"),
    "put": get("/", method="PUT", body=b"put"),
    "delete": get("/", method="DELETE"),
    "options": get("/", method="OPTIONS"),
    "post": get("/", method="POST", body=b"hello"),
    "post-empty": get("/", method="POST", body=b""),
    "post-large": get("/", method="POST", body=b"x" * 100_000),
    "chunked": chunked(b"one", b"two", b"three" * 5000),
    "query": get("/a/b?c=d&e"),
    "port": get("/", host="web.test:8080"),
    "v6": get("/", host="[::1]"),
    "v6-port": get("/", host="[fd00::1]:80"),
    "upper": get("/", host="WEB.Test"),
    "ip": get("/", host="10.0.0.1:9"),
    "xff": get("/", XFF),
    "xff-twice": get("/", XFF, ("x-forwarded-for", "9.9.9.9")),
    "internal": get("/", ("x-envoy-internal", "true")),
    "internal-no": get("/", ("x-envoy-internal", "no")),
    "request-id": get("/", ("x-request-id", "an-id-of-their-own")),
    "timeout": get("/", ("x-envoy-upstream-rq-timeout-ms", "700")),
    "headers": get("/", ("x-a", "1"), ("x-a", "2"), ("X-MiXed", "Case"), ("cookie", "a=b"),
                   ("cookie", "c=d")),
    "hop-by-hop": get("/", ("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5")),
    "traceparent": get("/", ("traceparent",
                             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    "plain": get("/plain"),
    "never": get("/never"),
    "always": get("/always"),
    "twice": get("/twice"),
    "twice-body": get("/twice", method="POST", body=b"to both"),
    "header": get("/header", ("x-to", "mirror")),
    "header-none": get("/header"),
    "header-empty": get("/header", ("x-to", "")),
    "header-unknown": get("/header", ("x-to", "nowhere")),
    "header-twice": get("/header", ("x-to", "mirror"), ("x-to", "nowhere")),
    "header-added": get("/lost"),
    "rewrite": get("/rewrite/x?y", ("x-removed", "r")),
    "regex": get("/regex/abc"),
    "retry": get("/retry"),
    "quiet": get("/", host="quiet.test"),
    "redirect": get("/redirect"),
    "error": get("/error"),
    "retried-error": get("/retry/error"),
    "close": get("/close"),
    "slow": get("/slow/wait"),
    "forever": get("/forever"),
    "empty": get("/empty"),
    "empty-body": get("/empty", method="POST", body=b"x"),
    "gone": get("/gone"),
    "gone-body": get("/gone", method="POST", body=b"x"),
    "no-answer": get("/silent"),
    "large-answer": get("/large"),
}


def wait_over(conn, _request):
    """Until the proxy has had enough."""
    conn.read_some()


def scripted(bench, name):
    return (bench.http(name).on("/error", fixed(answer("e", status="500 No")))
            .on("/retry/error", fixed(answer("e", status="500 No")))
            .on("/large", fixed(answer(b"x" * 300_000))))


class Side:
    """A proxy, and for each row what its backends saw."""

    def __init__(self, bench):
        self.mirror = scripted(bench, "mirror")
        self.mirror.on("/slow/wait", wait_over).on("/silent", lambda conn, _r: conn.close())
        self.main = bench.http("main")
        closed = bench.http("closed")
        closed.stop()
        self.proxy = bench.start(bootstrap(
            [listener("in", hcm(vhosts=HOSTS, route_fields=TABLE))],
            [cluster("main", self.main.address), cluster("mirror", self.mirror.address),
             cluster("empty"), cluster("gone", closed.address)]))
        self.seen = {name: self.play(data) for name, data in ROWS.items()}
        self.counts = {f"{name}.{stat}": self.proxy.stat(f"cluster.{name}.{stat}")
                       for name in ("mirror", "empty", "gone") for stat in COUNTED}

    def total(self, stat):
        return self.proxy.stat(f"cluster.mirror.{stat}")

    def play(self, data):
        before = self.total("upstream_rq_completed")
        with Client(self.proxy.address("in")) as client:
            status = client.send(data).response(to_head=data.startswith(b"HEAD")).status
        # A copy that will come is under way by now, since its connect began before the answer.
        wait_for(lambda: self.total("upstream_rq_active") == 0
                 and self.total("upstream_rq_pending_active") == 0, "the copies are over")
        wait_for(lambda: self.proxy.stat("cluster.gone.upstream_rq_pending_active") == 0, "as well")
        copies = self.total("upstream_rq_completed") - before
        return [f"status {status}", f"{copies} answered"] + sorted(
            line for who, host in (("main", self.main), ("mirror", self.mirror))
            for request in host.take() for line in [describe(who, request)])


def describe(who, request):
    """One line; names in lower case and by name, since their order and case are other rows' matter."""
    headers = sorted((n.lower(), UUID.sub("<uuid>", v)) for n, v in request.headers)
    forwarded = re.sub(r"[^,]+$", "<own>", dict(headers).get("x-forwarded-for", ""))
    kept = [(n, v) for n, v in headers if n != "x-forwarded-for"]
    return f"{who}: {request.method} {request.target} {forwarded if who == 'mirror' else ''} " \
        f"{kept} {len(request.body)} {request.body[:40]}"


@pytest.fixture(scope="module")
def sides(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with contextlib.ExitStack() as stack:
        yield [Side(stack.enter_context(Bench(kind, tmp_path_factory.mktemp(f"mirrors-{kind}"))))
               for kind in (proxy_kind, "envoy")]


@pytest.mark.parametrize("name", ROWS)
def test_the_mirror_sees_the_same(sides, name):
    ours, theirs = (side.seen[name] for side in sides)
    assert ours == theirs


def test_the_same_is_counted(sides):
    ours, theirs = (side.counts for side in sides)
    assert ours == theirs
    assert ours["mirror.upstream_rq_completed"] > 30
