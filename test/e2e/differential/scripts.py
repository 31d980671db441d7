"""How the recording backend of the differential tests answers, by the path of the request.

    /status/<code>           that status
    /fail/<code>/<n>/...     that status for the first n requests of the path, then 200
    /drop/<n>/...            resets the first n requests of the path, then 200
    /slow/<milliseconds>     answers late
    /hang                    never answers
    /raw/<name>              the bytes of that name
    anything else            200 "ok"
"""

import re
import time

from backend import answer

RAW = {
    "close": b"HTTP/1.1 200 OK\r\n\r\nto the end",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n"
    b"0\r\n\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    b"X-T: 1\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    "204-length": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
    "304-length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "http10": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "http10-close": b"HTTP/1.0 200 OK\r\n\r\nold",
    "hop": b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Named\r\nKeep-Alive: timeout=5\r\n"
    b"Proxy-Connection: keep-alive\r\nX-Named: 1\r\nUpgrade: h2c\r\nTE: trailers\r\n"
    b"Content-Length: 2\r\n\r\nok",
    "bye": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye",
    "dated": b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
    "server": b"HTTP/1.1 200 OK\r\nServer: backend/1\r\nContent-Length: 0\r\n\r\n",
    "envoy": b"HTTP/1.1 200 OK\r\nX-Envoy-Upstream-Service-Time: 77\r\nX-Envoy-Foo: bar\r\n"
    b"X-Envoy-Attempt-Count: 9\r\nContent-Length: 0\r\n\r\n",
    "cookies": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-A: b\r\nSet-Cookie: b=2\r\n"
    b"Content-Length: 0\r\n\r\n",
    "repeated": b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-B: 2\r\nX-A: 3\r\nContent-Length: 0\r\n\r\n",
    "case": b"HTTP/1.1 200 OK\r\nX-MiXed: 1\r\nCONTENT-LENGTH: 0\r\n\r\n",
    "no-reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "empty-reason": b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
    "odd-status": b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
    "999": b"HTTP/1.1 999 High\r\nContent-Length: 2\r\n\r\nok",
    "599": b"HTTP/1.1 599 High\r\nContent-Length: 2\r\n\r\nok",
    "empty-value": b"HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Blank:   \r\nContent-Length: 0\r\n\r\n",
    "high-bytes": b"HTTP/1.1 200 OK\r\nX-High: \xc3\xa9\xff\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "length-zero-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "overloaded": b"HTTP/1.1 503 Busy\r\nX-Envoy-Overloaded: true\r\nContent-Length: 0\r\n\r\n",
    "ratelimited": b"HTTP/1.1 429 Slow\r\nX-Envoy-RateLimited: true\r\nContent-Length: 0\r\n\r\n",
    # What no client may see as it is.
    "garbage": b"this is not http\r\n\r\n",
    "binary": bytes(range(256)),
    "bad-status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status-0": b"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n",
    "status-99": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status-1000": b"HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "same-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    "length-and-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "te-gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "te-unknown": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: magic\r\n\r\nok",
    "te-204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no-colon": b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 0\r\n\r\n",
    "space-colon": b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "control": b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "bare-cr": b"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "fold": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "http2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: upgrade\r\n\r\n",
    "many-headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(120))
    + b"Content-Length: 0\r\n\r\n",
    "long-header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 90000 + b"\r\nContent-Length: 0\r\n\r\n",
    "long-enough": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 50000 + b"\r\nContent-Length: 0\r\n\r\n",
}
CLOSING = {"close", "http10-close", "http10", "te-unknown", "bye", "http2"}
# Sent in part, then the connection is gone.
CUT = {
    "head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    "last": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "nothing": b"",
}


def answer_by_path(backend, conn, request):
    path = request.target.partition("?")[0].strip("/").split("/")
    kind, rest = path[0], path[1:]
    if kind == "status" and rest:
        return answer(f"status {rest[0]}", status=f"{rest[0]} Scripted")
    if kind in ("fail", "drop") and len(rest) > (kind == "fail"):
        return failing(backend, conn, request, kind, rest)
    if kind == "slow" and rest:
        time.sleep(int(rest[0]) / 1000)
        return answer("slow")
    if kind == "hang":
        conn.read_some()
        return conn.close()
    if kind == "raw" and rest and rest[0] in RAW:
        conn.send(RAW[rest[0]])
        return conn.close() if rest[0] in CLOSING else None
    if kind == "cut" and rest and rest[0] in CUT:
        conn.send(CUT[rest[0]])
        return conn.close()
    if kind == "large" and rest:
        return answer("x" * int(rest[0]))
    headers = [("Content-Type", "text/plain"), ("X-Backend", "here")]
    return answer("" if request.method == "HEAD" else "ok", headers=headers)


def failing(backend, conn, request, kind, rest):
    """The count of a path ends with its success, so that a row may be played again."""
    counts = backend.__dict__.setdefault("counts", {})
    times = int(rest[1] if kind == "fail" else rest[0])
    with backend.lock:
        counts[request.target] = counts.get(request.target, 0) + 1
        done = counts[request.target] > times
        if done:
            counts[request.target] = 0
    if done:
        return answer("recovered")
    if kind == "fail":
        return answer(f"failed {rest[0]}", status=f"{rest[0]} Scripted")
    return conn.reset()


assert not [name for name in RAW if not re.fullmatch(r"[\w-]+", name)]
