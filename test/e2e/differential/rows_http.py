"""Rows on the semantics of HTTP/1.1: what is forwarded, answered, refused, and in which order."""

from client import build
from config import route, to
from seen import Row
from scripts import CUT, RAW

H = b"Host: test\r\n"


def plain(ctx):
    return ctx.listener(
        route({"path": "/closed-upgrade"}, to(ctx.web, upgrade_configs=[
            {"upgrade_type": "websocket", "enabled": False}])),
        route("/", to(ctx.web, timeout="2s")),
        upgrade_configs=[{"upgrade_type": "websocket"}],
        codec_type="HTTP1",
    )


def trailers(ctx):
    return ctx.listener(
        route("/", to(ctx.web, timeout="2s")),
        http_protocol_options={"enable_trailers": True},
    )


def ten(ctx):
    return ctx.listener(
        route("/", to(ctx.web, timeout="2s")),
        http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "ten.example"},
    )


def default_name(ctx):
    return ctx.listener(route("/", to(ctx.web, timeout="2s")), server_name="")


def stale(ctx):
    return ctx.listener(route("/", to(ctx.web, timeout="2s")))


LANES = 5
LISTENERS = {
    **{f"plain{n}": plain for n in range(LANES)},
    "trailers": trailers,
    "ten": ten,
    "default_name": default_name,
    "stale": stale,
}


def req(head, body=b""):
    """A request from its start line and further header lines."""
    if isinstance(head, str):
        head = head.encode("latin-1")
    lines = head.split(b"|")
    return b"\r\n".join([lines[0], b"Host: test", *lines[1:]]) + b"\r\n\r\n" + body


GOOD = {
    "get": req("GET / HTTP/1.1"),
    "get-query": req("GET /a?b=c&d HTTP/1.1"),
    "head": req("HEAD / HTTP/1.1"),
    "post-empty": req("POST / HTTP/1.1"),
    "post-zero": req("POST / HTTP/1.1|Content-Length: 0"),
    "post-body": req("POST / HTTP/1.1|Content-Length: 5", b"hello"),
    "post-chunked": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    "post-chunked-empty": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"0\r\n\r\n"),
    "post-chunked-upper": req("POST / HTTP/1.1|Transfer-Encoding: CHUNKED", b"1\r\nx\r\n0\r\n\r\n"),
    "post-chunk-extension": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked", b'5;a=b;c="d"\r\nhello\r\n0;z\r\n\r\n'
    ),
    "post-chunk-leading-zeros": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked", b"0005\r\nhello\r\n000\r\n\r\n"
    ),
    "post-chunk-upper-hex": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked", b"A\r\n0123456789\r\n0\r\n\r\n"
    ),
    "post-trailers-dropped": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
    ),
    "get-body": req("GET / HTTP/1.1|Content-Length: 3", b"abc"),
    "get-zero": req("GET / HTTP/1.1|Content-Length: 0"),
    "get-chunked": req("GET / HTTP/1.1|Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
    "delete": req("DELETE / HTTP/1.1"),
    "delete-body": req("DELETE / HTTP/1.1|Content-Length: 1", b"x"),
    "put": req("PUT / HTTP/1.1|Content-Length: 1", b"x"),
    "patch": req("PATCH / HTTP/1.1|Content-Length: 1", b"x"),
    "options": req("OPTIONS /a HTTP/1.1"),
    "options-star": req("OPTIONS * HTTP/1.1"),
    "trace": req("TRACE / HTTP/1.1"),
    "propfind": req("PROPFIND / HTTP/1.1"),
    "connect": b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n",
    "connect-path": req("CONNECT / HTTP/1.1"),
    "absolute": b"GET http://other.example/p?q HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-port": b"GET http://other.example:8080/p HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-no-path": b"GET http://other.example HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-query": b"GET http://other.example?q=1 HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-https": b"GET https://other.example/p HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-upper": b"GET HTTP://OTHER.example/p HTTP/1.1\r\nHost: test\r\n\r\n",
    "absolute-user": b"GET http://user@other.example/p HTTP/1.1\r\nHost: test\r\n\r\n",
    "close": req("GET / HTTP/1.1|Connection: close"),
    "close-list": req("GET / HTTP/1.1|Connection: foo, close"),
    "keep-alive": req("GET / HTTP/1.1|Connection: keep-alive|Keep-Alive: timeout=5"),
    "connection-named": req("GET / HTTP/1.1|Connection: X-Named|X-Named: 1"),
    "proxy-connection": req("GET / HTTP/1.1|Proxy-Connection: keep-alive"),
    "proxy-connection-close": req("GET / HTTP/1.1|Proxy-Connection: close"),
    "te-trailers": req("GET / HTTP/1.1|TE: trailers"),
    "te-gzip": req("GET / HTTP/1.1|TE: gzip"),
    "te-both": req("GET / HTTP/1.1|TE: gzip, trailers"),
    "upgrade-h2c": req("GET / HTTP/1.1|Connection: Upgrade|Upgrade: h2c"),
    "upgrade-unknown": req("GET / HTTP/1.1|Connection: Upgrade|Upgrade: what"),
    "upgrade-no-connection": req("GET / HTTP/1.1|Upgrade: websocket"),
    "upgrade-declined": req("GET / HTTP/1.1|Connection: Upgrade|Upgrade: websocket"),
    "upgrade-404": req("GET /status/404 HTTP/1.1|Connection: Upgrade|Upgrade: websocket"),
    "upgrade-off": req("GET /closed-upgrade HTTP/1.1|Connection: Upgrade|Upgrade: websocket"),
    "upgrade-with-length": req(
        "GET /status/404 HTTP/1.1|Connection: Upgrade|Upgrade: websocket|Content-Length: 0"
    ),
    "request-id": req("GET / HTTP/1.1|X-Request-Id: mine"),
    "xff": req("GET / HTTP/1.1|X-Forwarded-For: 1.2.3.4"),
    "xfp": req("GET / HTTP/1.1|X-Forwarded-Proto: https"),
    "xfp-bad": req("GET / HTTP/1.1|X-Forwarded-Proto: gopher"),
    "envoy-headers": req(
        "GET / HTTP/1.1|X-Envoy-Retry-On: 5xx|X-Envoy-Internal: true|X-Envoy-Max-Retries: 3|"
        "X-Envoy-Original-Path: /x|X-Envoy-Attempt-Count: 7|X-Envoy-Expected-Rq-Timeout-Ms: 5"
    ),
    "envoy-other": req("GET / HTTP/1.1|X-Envoy-Peer-Metadata: abc|X-Envoy-Decorator-Operation: x"),
    "repeated": req("GET / HTTP/1.1|X-A: 1|X-B: 2|X-A: 3"),
    "repeated-cookie": req("GET / HTTP/1.1|Cookie: a=1|Cookie: b=2"),
    "empty-value": req("GET / HTTP/1.1|X-Empty:|X-Blank:    "),
    "inner-blanks": req("GET / HTTP/1.1|X-A:  \t a  b\tc \t "),
    "no-blank": req("GET / HTTP/1.1|X-A:b|X-C:   d"),
    "high-bytes": req(b"GET / HTTP/1.1|X-A: caf\xc3\xa9 \xff"),
    "odd-names": req("GET / HTTP/1.1|x!#$%&'*+-.^_`~0: 1|X_Under: 2"),
    "long-value": req("GET / HTTP/1.1|X-L: " + "v" * 20000),
    "fifty-headers": req("GET / HTTP/1.1|" + "|".join(f"X-{n}: {n}" for n in range(50))),
    "host-upper": b"GET / HTTP/1.1\r\nHOST: Test\r\n\r\n",
    "host-port": b"GET / HTTP/1.1\r\nHost: test:8080\r\n\r\n",
    "host-empty": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "host-last": b"GET / HTTP/1.1\r\nX-A: 1\r\nHost: test\r\n\r\n",
    "host-ipv6": b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "leading-crlf": b"\r\n" + req("GET / HTTP/1.1"),
    "target-encoded": req("GET /a%20b%2Fc/%zz?d=%20 HTTP/1.1"),
    "target-dots": req("GET /a/../b/./c HTTP/1.1"),
    "target-slashes": req("GET //a///b HTTP/1.1"),
    "target-odd": req("GET /a;b=c/(d)'e'~!$&*+,:@ HTTP/1.1"),
    "target-braces": req('GET /{a}|b"c<d>^` HTTP/1.1'.replace("|b", "b")),
    "target-fragment": req("GET /a#b HTTP/1.1"),
    "target-question": req("GET /? HTTP/1.1"),
    "target-high": req(b"GET /caf\xc3\xa9 HTTP/1.1"),
    "target-long": req("GET /" + "x" * 8000 + " HTTP/1.1"),
    "user-agent": req("GET / HTTP/1.1|User-Agent: curl/8|Accept: */*|Referer: http://x/"),
    "content-type": req("POST / HTTP/1.1|Content-Type: a/b|Content-Length: 1", b"x"),
    "transfer-identity": req("GET / HTTP/1.1|Accept-Encoding: gzip"),
    "forwarded": req("GET / HTTP/1.1|Forwarded: for=1.2.3.4|Via: 1.1 x"),
    "grpc-hang": req("POST /status/200 HTTP/1.1|Content-Type: application/grpc|Content-Length: 0"),
    "http-2-settings": req("GET / HTTP/1.1|HTTP2-Settings: abc"),
    "date-header": req("GET / HTTP/1.1|Date: today"),
    "expect-other": req("POST / HTTP/1.1|Expect: something|Content-Length: 1", b"x"),
    "expect-get": req("GET / HTTP/1.1|Expect: 100-continue"),
    "large-body": req("POST / HTTP/1.1|Content-Length: 300000", b"x" * 300000),
    "large-response": req("GET /large/300000 HTTP/1.1"),
}

BAD = {
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "http-10": b"GET / HTTP/1.0\r\nHost: test\r\n\r\n",
    "http-09": b"GET /\r\n\r\n",
    "http-12": req("GET / HTTP/1.2"),
    "http-20": req("GET / HTTP/2.0"),
    "http-lower": req("GET / http/1.1"),
    "version-junk": req("GET / HTTP/1.1x"),
    "version-long": req("GET / HTTP/1.10"),
    "method-lower": req("get / HTTP/1.1"),
    "method-unknown": req("FOO / HTTP/1.1"),
    "method-msearch": req("M-SEARCH / HTTP/1.1"),
    "method-long": req("X" * 100 + " / HTTP/1.1"),
    "method-query": req("QUERY / HTTP/1.1"),
    "target-missing": req("GET  HTTP/1.1"),
    "target-relative": req("GET a HTTP/1.1"),
    "target-star": req("GET * HTTP/1.1"),
    "target-blank": req("GET /a b HTTP/1.1"),
    "target-control": req("GET /a\x01b HTTP/1.1"),
    "target-nul": req("GET /a\0b HTTP/1.1"),
    "target-del": req("GET /a\x7fb HTTP/1.1"),
    "target-backslash": req("GET \\a HTTP/1.1"),
    "target-ftp": req("GET ftp://a/b HTTP/1.1"),
    "target-empty-authority": req("GET http:/// HTTP/1.1"),
    "space-colon": req("GET / HTTP/1.1|X-A : b"),
    "tab-colon": req("GET / HTTP/1.1|X-A\t: b"),
    "no-colon": req("GET / HTTP/1.1|X-A"),
    "empty-name": req("GET / HTTP/1.1|: b"),
    "space-in-name": req("GET / HTTP/1.1|X A: b"),
    "paren-in-name": req("GET / HTTP/1.1|X(A): b"),
    "high-in-name": req(b"GET / HTTP/1.1|X\xe9: b"),
    "nul-in-name": req("GET / HTTP/1.1|X\0A: b"),
    "nul-in-value": req("GET / HTTP/1.1|X-A: a\0b"),
    "cl-te": req("POST / HTTP/1.1|Content-Length: 5|Transfer-Encoding: chunked", b"0\r\n\r\n"),
    "te-cl": req("POST / HTTP/1.1|Transfer-Encoding: chunked|Content-Length: 5", b"0\r\n\r\n"),
    "cl-cl": req("POST / HTTP/1.1|Content-Length: 1|Content-Length: 2", b"xy"),
    "cl-list": req("POST / HTTP/1.1|Content-Length: 1, 2", b"xy"),
    "cl-negative": req("POST / HTTP/1.1|Content-Length: -1", b"x"),
    "cl-plus": req("POST / HTTP/1.1|Content-Length: +1", b"x"),
    "cl-hex": req("POST / HTTP/1.1|Content-Length: 0x1", b"x"),
    "cl-letters": req("POST / HTTP/1.1|Content-Length: one", b"x"),
    "cl-space": req("POST / HTTP/1.1|Content-Length: 1 1", b"x"),
    "cl-empty": req("POST / HTTP/1.1|Content-Length:", b""),
    "cl-huge": req("POST / HTTP/1.1|Content-Length: 99999999999999999999", b"x"),
    "te-gzip-chunked": req("POST / HTTP/1.1|Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    "te-chunked-gzip": req("POST / HTTP/1.1|Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"),
    "te-identity": req("POST / HTTP/1.1|Transfer-Encoding: identity|Content-Length: 1", b"x"),
    "te-unknown": req("POST / HTTP/1.1|Transfer-Encoding: magic", b"0\r\n\r\n"),
    "te-twice": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked|Transfer-Encoding: chunked", b"0\r\n\r\n"
    ),
    "te-empty": req("POST / HTTP/1.1|Transfer-Encoding:", b""),
    "te-quoted": req('POST / HTTP/1.1|Transfer-Encoding: "chunked"', b"0\r\n\r\n"),
    "te-parameter": req("POST / HTTP/1.1|Transfer-Encoding: chunked;a=b", b"0\r\n\r\n"),
    "chunk-not-hex": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"x\r\n"),
    "chunk-negative": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"-1\r\n"),
    "chunk-overflow": req(
        "POST / HTTP/1.1|Transfer-Encoding: chunked", b"fffffffffffffffff\r\n"
    ),
    "chunk-empty-size": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"\r\n"),
    "tls": bytes.fromhex("1603010200010001fc0303") + bytes(100),
    "nuls": b"\0" * 20,
    "spaces": b" " * 20 + b"\r\n\r\n",
    "crlfs": b"\r\n" * 20 + b"X\r\n\r\n",
    "preface-h2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

# What is ambiguous: refused by us, read by Envoy in one of the ways.
AMBIGUOUS = {
    "bare-lf": b"GET / HTTP/1.1\nHost: test\n\n",
    "bare-lf-header": b"GET / HTTP/1.1\r\nHost: test\nX-A: b\r\n\r\n",
    "bare-cr-value": req("GET / HTTP/1.1|X-A: b\rc"),
    "fold": req("GET / HTTP/1.1|X-A: b\r\n c"),
    "fold-tab": req("GET / HTTP/1.1|X-A: b\r\n\tc"),
    "two-hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "control-value": req("GET / HTTP/1.1|X-A: b\x01c"),
    "cl-twice-same": req("POST / HTTP/1.1|Content-Length: 1|Content-Length: 1", b"x"),
    "cl-list-same": req("POST / HTTP/1.1|Content-Length: 1, 1", b"x"),
    "chunk-ext-lf": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1;a\nx\r\n0\r\n\r\n"),
    "chunk-size-lf": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1\nx\r\n0\r\n\r\n"),
    "chunk-0x": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"0x1\r\nx\r\n0\r\n\r\n"),
    "chunk-space": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1 \r\nx\r\n0\r\n\r\n"),
    "chunk-junk": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1\r\nxYY0\r\n\r\n"),
    "chunk-too-long": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1\r\nxyz\r\n0\r\n\r\n"),
    "chunk-data-lf": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"1\r\nx\n0\r\n\r\n"),
    "trailer-no-colon": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"0\r\nX\r\n\r\n"),
    "trailer-space-colon": req("POST / HTTP/1.1|Transfer-Encoding: chunked", b"0\r\nX : y\r\n\r\n"),
    "two-blanks": req("GET  /  HTTP/1.1"),
    "tab-in-line": req("GET\t/ HTTP/1.1"),
    "trailing-blank": req("GET / HTTP/1.1 "),
    "leading-blank": b" " + req("GET / HTTP/1.1"),
    "first-header-fold": b"GET / HTTP/1.1\r\n X: y\r\nHost: test\r\n\r\n",
}

UPGRADE = req("GET /raw/switch HTTP/1.1|Connection: Upgrade|Upgrade: websocket")


def rows():
    made = [Row(f"good-{n}", "plain", data) for n, data in GOOD.items()]
    made += [Row(f"bad-{n}", "plain", data, responses=None) for n, data in BAD.items()]
    made += [Row(f"ambiguous-{n}", "plain", d, responses=None) for n, d in AMBIGUOUS.items()]
    made += [
        Row(f"answer-{n}", "plain", build("GET", f"/raw/{n}"), canary=n != "switch")
        for n in RAW
    ]
    made += [Row(f"answer-to-head-{n}", "plain", build("HEAD", f"/raw/{n}"))
             for n in ("204", "304", "304-length", "case")]
    made += [Row(f"cut-{n}", "plain", build("GET", f"/cut/{n}"), responses=None) for n in CUT]
    made += [Row(f"status-{n}", "plain", build("GET", f"/status/{n}"))
             for n in (200, 201, 206, 301, 400, 401, 404, 418, 429, 500, 503, 511)]
    body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"
    chunked = [("Transfer-Encoding", "chunked")]
    made += [
        Row("trailers-request", "trailers", build("POST", "/", chunked) + body),
        Row("trailers-request-te", "trailers",
            build("POST", "/", chunked + [("TE", "trailers"), ("Trailer", "X-Sum")]) + body),
        Row("trailers-response", "trailers", build("GET", "/raw/trailers", [("TE", "trailers")])),
        Row("trailers-response-unasked", "trailers", build("GET", "/raw/trailers")),
        Row("trailers-bad", "trailers", build("POST", "/", chunked) + b"0\r\nbad\r\n\r\n",
            responses=None),
        Row("trailers-framing-name", "trailers",
            build("POST", "/", chunked) + b"0\r\nContent-Length: 5\r\n\r\n", responses=None),
        Row("pipeline", "plain", b"".join(build("GET", f"/{n}") for n in range(10)), 10),
        Row("pipeline-bodies", "plain",
            b"".join(build("POST", f"/{n}", body=b"x" * n) for n in range(5)), 5),
        Row("pipeline-then-bad", "plain", build("GET", "/1") + b"BAD\r\n\r\n", responses=None),
        Row("pipeline-after-close", "plain",
            build("GET", "/1", [("Connection", "close")]) + build("GET", "/2"), responses=1,
            canary=False),
        Row("split-head", "plain", [b"GET / HT", 0.03, b"TP/1.1\r\nHo", 0.03, b"st: test\r\n\r\n"]),
        Row("split-chunks", "plain", [
            build("POST", "/", chunked) + b"3", 0.03, b"\r\nab", 0.03, b"c\r", 0.03, b"\n0\r\n",
            0.03, b"\r\n"]),
        Row("expect-continue", "plain", [
            build("POST", "/", [("Expect", "100-continue"), ("Content-Length", "4")]), 0.05,
            b"body"]),
        Row("expect-continue-upper", "plain", [
            build("POST", "/", [("Expect", "100-Continue"), ("Content-Length", "4")]), 0.05,
            b"body"]),
        Row("expect-at-once", "plain",
            build("POST", "/", [("Expect", "100-continue"), ("Content-Length", "4")]) + b"body"),
        Row("half-close-after-request", "plain", [build("GET", "/slow/400"), 0.1], responses=None,
            half_close=True),
        Row("half-close-inside-body", "plain", build("POST", "/", [("Content-Length", "9")]) + b"x",
            responses=None, half_close=True),
        Row("half-close-inside-head", "plain", b"GET / HTTP/1.1\r\nHo", responses=None,
            half_close=True),
        Row("nothing-sent", "plain", b"", responses=None, half_close=True),
        Row("leave-inside-body", "plain", build("POST", "/", [("Content-Length", "9")]) + b"x",
            responses=None, canary=False),
        Row("leave-inside-head", "plain", b"GET / HTTP/1.1\r\nHo", responses=None, canary=False),
        Row("leave-before-answer", "plain", build("GET", "/hang"), responses=None, canary=False),
        Row("websocket", "plain", [UPGRADE, 0.05, b"bytes of another protocol"], canary=False,
            responses=None),
        Row("ten-get", "ten", b"GET / HTTP/1.0\r\nHost: test\r\n\r\n"),
        Row("ten-no-host", "ten", b"GET / HTTP/1.0\r\n\r\n"),
        Row("ten-keep-alive", "ten",
            b"GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n"),
        Row("ten-post", "ten", b"POST / HTTP/1.0\r\nHost: test\r\nContent-Length: 1\r\n\r\nx"),
        Row("ten-post-no-length", "ten", b"POST / HTTP/1.0\r\nHost: test\r\n\r\n"),
        Row("ten-chunked-request", "ten",
            b"POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            responses=None),
        Row("ten-chunked-answer", "ten", b"GET /raw/chunked HTTP/1.0\r\nHost: test\r\n\r\n"),
        Row("ten-head", "ten", b"HEAD / HTTP/1.0\r\nHost: test\r\n\r\n"),
        Row("ten-bad", "ten", b"GET / HTTP/1.0\r\nno colon\r\n\r\n", responses=None),
        Row("server-name-default", "default_name", build("GET", "/"), tag="server_name_and_via"),
        Row("server-name-default-error", "default_name", b"BAD\r\n\r\n", responses=None,
            tag="server_name_and_via"),
        Row("case-kept", "plain",
            b"GET /raw/case HTTP/1.1\r\nHOST: test\r\nx-MiXeD: 1\r\nX-Plain: 2\r\n\r\n",
            case=True, tag="header_case_kept"),
        Row("kept-connection-dies", "stale",
            build("GET", "/once") + build("GET", "/drop/1/kept"), 2,
            tag="safer_keepalive_replay"),
    ]
    for number, row in enumerate(r for r in made if r.listener == "plain"):
        row.listener = f"plain{number % LANES}"
    return made
