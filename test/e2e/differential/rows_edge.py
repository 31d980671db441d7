"""Rows on trust and identity at the edge, path normalisation, limits, timeouts and retries."""

from client import build
from config import PREVIOUS_HOSTS, route, to, vhost
from seen import Row

LOCAL = {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}


def simple(**fields):
    return lambda ctx: ctx.listener(route("/", to(ctx.web, timeout="2s")), **fields)


def limits(ctx):
    return ctx.listener(
        route("/short", to(ctx.web, timeout="0.15s")),
        route("/hang/idle", to(ctx.web, timeout="5s", idle_timeout="0.15s")),
        route("/hang", to(ctx.web, timeout="0.15s")),
        route("/slow", to(ctx.web, timeout="0.15s")),
        route("/", to(ctx.web, timeout="2s")),
        max_request_headers_kb=4,
        request_headers_timeout="0.2s",
        request_timeout="0.5s",
        common_http_protocol_options={"max_headers_count": 20},
    )


def policy(retry_on, num_retries=1, **fields):
    back_off = {"base_interval": "0.001s", "max_interval": "0.002s"}
    return {"retry_on": retry_on, "num_retries": num_retries, "retry_back_off": back_off, **fields}


def retrying(ctx):
    hosts = [
        vhost(
            "counted", ["counted"],
            route("/", to(ctx.web, retry_policy=policy("5xx,reset", 2))),
            include_request_attempt_count=True,
            include_attempt_count_in_response=True,
        ),
        vhost(
            "gateway", ["gateway"],
            route("/", to(ctx.web, retry_policy=policy("gateway-error", 2))),
        ),
        vhost(
            "codes", ["codes"],
            route("/", to(ctx.web, retry_policy=policy(
                "retriable-status-codes", 1, retriable_status_codes=[418]))),
        ),
        vhost(
            "try", ["try"],
            route("/", to(ctx.web, timeout="1s", retry_policy=policy(
                "5xx", 1, per_try_timeout="0.15s"))),
        ),
        vhost(
            "connect", ["connect"],
            route("/", to("dead", retry_policy=policy(
                "connect-failure", 2,
                retry_host_predicate=[{
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": PREVIOUS_HOSTS}}],
                host_selection_retry_max_attempts=3))),
        ),
        vhost("none", ["none"], route("/", to(ctx.web))),
        vhost("all", ["*"], route("/", to(ctx.web, retry_policy=policy("5xx,reset", 2)))),
    ]
    return ctx.listener(vhosts=hosts)


def mapped(ctx):
    mappers = [
        {
            "filter": {"status_code_filter": {"comparison": {
                "op": "EQ", "value": {"default_value": 404, "runtime_key": "none"}}}},
            "status_code": 410,
            "body": {"inline_string": "gone %RESPONSE_CODE%"},
            "headers_to_add": [{"header": {"key": "x-mapped", "value": "%RESPONSE_FLAGS%"}}],
        },
        {
            "filter": {"response_flag_filter": {"flags": ["UF", "UH"]}},
            "body_format_override": {"json_format": {
                "code": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%", "path": "%REQ(:PATH)%"}},
        },
    ]
    return ctx.listener(
        route("/dead", to("dead")),
        route("/empty", to("nobody")),
        route({"path": "/ok"}, to(ctx.web)),
        route("/hang", to(ctx.web, timeout="0.1s")),
        local_reply_config={
            "mappers": mappers,
            "body_format": {
                "text_format_source": {"inline_string": "<%LOCAL_REPLY_BODY%:%RESPONSE_CODE%>"},
                "content_type": "text/html; charset=UTF-8",
            },
        },
    )


LISTENERS = {
    "edge": simple(use_remote_address=True),
    "inside": simple(use_remote_address=True, internal_address_config=LOCAL),
    "hops": simple(use_remote_address=True, xff_num_trusted_hops=1),
    "trusting": simple(xff_num_trusted_hops=1),
    "noxff": simple(use_remote_address=True, skip_xff_append=True),
    "keepid": simple(use_remote_address=True, preserve_external_request_id=True),
    "showid": simple(always_set_request_id_in_response=True),
    "noid": simple(generate_request_id=False),
    "via": simple(via="gate"),
    "passing": simple(server_header_transformation="PASS_THROUGH"),
    "agent": simple(add_user_agent=True),
    "normal": simple(normalize_path=True, merge_slashes=True),
    "reject": simple(path_with_escaped_slashes_action="REJECT_REQUEST"),
    "unescape": simple(path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD"),
    "bounce": simple(path_with_escaped_slashes_action="UNESCAPE_AND_REDIRECT"),
    "ports": simple(strip_any_host_port=True, strip_trailing_host_dot=True),
    "under": simple(common_http_protocol_options={
        "headers_with_underscores_action": "REJECT_REQUEST"}),
    "limits": limits,
    "retrying": retrying,
    "mapped": mapped,
}

IDENTITY = {
    "none": [],
    "xff": [("X-Forwarded-For", "1.2.3.4")],
    "xff-two": [("X-Forwarded-For", "1.2.3.4, 5.6.7.8")],
    "xff-local": [("X-Forwarded-For", "127.0.0.5")],
    "xff-bad": [("X-Forwarded-For", "not an address")],
    "proto": [("X-Forwarded-Proto", "https")],
    "id": [("X-Request-Id", "mine")],
    "internal": [("X-Envoy-Internal", "true"), ("X-Envoy-External-Address", "9.9.9.9")],
    "timeouts": [("X-Envoy-Upstream-Rq-Timeout-Ms", "700"),
                 ("X-Envoy-Expected-Rq-Timeout-Ms", "1")],
    "commands": [("X-Envoy-Retry-On", "5xx"), ("X-Envoy-Max-Retries", "2"),
                 ("X-Envoy-Decorator-Operation", "op"),
                 ("X-Envoy-Downstream-Service-Cluster", "c")],
    "forwarded": [("X-Forwarded-Host", "h"), ("X-Forwarded-Port", "1"), ("X-Real-Ip", "1.1.1.1")],
}
PATHS = [
    "/a/../b", "/a/./b//c", "/%61%2f", "/a%5Cb", "/a\\b", "/..", "/a%00", "/%7e", "/a?b=../c//d",
    "/a/%2e%2E/b", "/%zz", "/caf%c3%a9", "/a//..//b",
]


def rows():
    made = []
    for name in ("edge", "inside", "hops", "trusting"):
        made += [Row(f"{name}-{key}", name, build("GET", "/", headers))
                 for key, headers in IDENTITY.items()]
    for name in ("noxff", "keepid", "showid", "noid", "via", "passing", "agent"):
        made += [
            Row(f"{name}-plain", name, build("GET", "/")),
            Row(f"{name}-given", name, build("GET", "/raw/server", [
                ("X-Request-Id", "mine"), ("Via", "1.1 a"), ("User-Agent", "ua"),
                ("X-Forwarded-For", "1.2.3.4")])),
            Row(f"{name}-error", name, b"BAD\r\n\r\n", responses=None),
        ]
    for name in ("normal", "reject", "unescape", "bounce"):
        made += [Row(f"{name}-{n:02d}-{p}", name, build("GET", p)) for n, p in enumerate(PATHS)]
    hosts = ["a.example:80", "a.example.", "a.example.:80", "[::1]:80", "a.example:x", "a:"]
    made += [Row(f"ports-{h}", "ports", build("GET", "/", host=h)) for h in hosts]
    made += [
        Row("under-refused", "under", build("GET", "/", [("x_under", "1")])),
        Row("under-fine", "under", build("GET", "/", [("x-over", "1")])),
        Row("limits-fine", "limits", build("GET", "/", [("X-L", "x" * 3000)])),
        Row("limits-large", "limits", build("GET", "/", [("X-L", "x" * 5000)])),
        Row("limits-many", "limits", build("GET", "/", [(f"X-{n}", "1") for n in range(30)])),
        Row("limits-target", "limits", build("GET", "/" + "x" * 6000)),
        Row("limits-route-timeout", "limits", build("GET", "/hang")),
        Row("limits-route-timeout-post", "limits", build("POST", "/hang", body=b"abc")),
        Row("limits-slow-answer", "limits", build("GET", "/slow/400")),
        Row("limits-idle", "limits", build("GET", "/hang/idle")),
        Row("limits-head-stalls", "limits", [b"GET / HTTP/1.1\r\nHos"], 1, canary=False),
        Row("limits-body-stalls", "limits",
            build("POST", "/", [("Content-Length", "5")]) + b"ab", 1, canary=False),
        Row("limits-chunk-stalls", "limits",
            build("POST", "/", [("Transfer-Encoding", "chunked")]) + b"5\r\nab", 1, canary=False),
        Row("limits-grpc-timeout", "limits",
            build("POST", "/hang", [("Content-Type", "application/grpc")], b"")),
        Row("mapped-none", "mapped", build("GET", "/nowhere")),
        Row("mapped-dead", "mapped", build("GET", "/dead")),
        Row("mapped-empty", "mapped", build("GET", "/empty")),
        Row("mapped-ok", "mapped", build("GET", "/ok")),
        Row("mapped-timeout", "mapped", build("GET", "/hang")),
        Row("mapped-grpc", "mapped",
            build("POST", "/nowhere", [("Content-Type", "application/grpc")], b"")),
        Row("mapped-head", "mapped", build("HEAD", "/nowhere")),
        Row("mapped-bad", "mapped", b"BAD\r\n\r\n", responses=None),
    ]
    for name, host, target in [
        ("recovers", "all", "/fail/500/1/a"),
        ("recovers-late", "all", "/fail/503/2/b"),
        ("gives-up", "all", "/fail/500/999/c"),
        ("not-4xx", "all", "/fail/404/1/d"),
        ("drop", "all", "/drop/1/e"),
        ("drop-all", "all", "/drop/999/f"),
        ("counted", "counted", "/fail/500/1/g"),
        ("counted-first", "counted", "/ok"),
        ("counted-gives-up", "counted", "/fail/503/999/h"),
        ("gateway-502", "gateway", "/fail/502/1/i"),
        ("gateway-500", "gateway", "/fail/500/1/j"),
        ("gateway-drop", "gateway", "/drop/1/j"),
        ("code-418", "codes", "/fail/418/1/k"),
        ("code-503", "codes", "/fail/503/1/l"),
        ("try-hang", "try", "/hang"),
        ("try-slow", "try", "/slow/300"),
        ("connect-dead", "connect", "/"),
        ("none-500", "none", "/fail/500/1/m"),
        ("none-drop", "none", "/drop/1/n"),
        ("overloaded", "all", "/raw/overloaded"),
        ("ratelimited", "all", "/raw/ratelimited"),
        ("garbage", "all", "/raw/garbage"),
    ]:
        ignore = ("x-envoy-expected-rq-timeout-ms",)
        made.append(Row(f"retry-{name}", "retrying", build("GET", target, host=host),
                        ignore=ignore))
        if name in ("recovers", "gives-up", "drop-all", "try-hang", "none-drop"):
            post = build("POST", target + "-post", body=b"kept body", host=host)
            made.append(Row(f"retry-post-{name}", "retrying", post, ignore=ignore))
    return made
