"""Retries: on what, how often, where to, and with which body."""

import json
import threading
import time

import pytest
from backend import answer, closed_port
from client import Client, build
from config import PREVIOUS_HOSTS, bootstrap, cluster, file_log, hcm, listener, route, to, vhost


def policy(retry_on, num_retries=1, **fields):
    fields.setdefault(
        "retry_back_off", {"base_interval": "0.001s", "max_interval": "0.002s"}
    )
    return {"retry_on": retry_on, "num_retries": num_retries, **fields}


class Script:
    """Answers the given bytes one after the other, then 200; None resets the connection."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.seen = []
        self.lock = threading.Lock()

    def __call__(self, conn, request):
        with self.lock:
            self.seen.append(request)
            step = self.steps.pop(0) if self.steps else answer("ok")
        if step is None:
            conn.reset()
            return None
        if callable(step):
            return step(conn, request)
        return step


def status(code):
    return answer(f"backend {code}", status=f"{code} Text")


ROUTES = {
    "5xx": policy("5xx", 2),
    "gateway": policy("gateway-error", 2),
    "reset": policy("reset", 2),
    "before": policy("reset-before-request", 2),
    "connect": policy("connect-failure", 2),
    "codes": policy("retriable-status-codes", 2, retriable_status_codes=[418, 429]),
    "4xx": policy("retriable-4xx", 2),
    "headers": policy("retriable-headers", 2,
                      retriable_headers=[{"name": "x-again", "present_match": True}]),
    "several": policy("gateway-error,connect-failure,retriable-status-codes", 2,
                      retriable_status_codes=[404]),
    "unknown": policy("no-such-condition,5xx", 1),
    "once": {"retry_on": "5xx"},
    "none": policy("5xx", 0),
    "slow": policy("5xx", 2, retry_back_off={"base_interval": "0.2s", "max_interval": "0.4s"}),
    "per-try": policy("gateway-error", 1, per_try_timeout="0.2s"),
    "per-try-idle": policy("gateway-error", 1, per_try_idle_timeout="0.2s"),
}


class Web:
    def __init__(self, bench):
        self.backend = bench.http("good")
        self.held, dead_port = closed_port()
        dead = ("127.0.0.1", dead_port)
        routes = [
            route(f"/{name}/", to("web", timeout="3s", retry_policy=fields))
            for name, fields in ROUTES.items()
        ]
        routes += [
            route("/total", to("web", timeout="0.4s", retry_policy=policy(
                "5xx", 1000, per_try_timeout="0.1s"))),
            route("/two", to("half", retry_policy=policy(
                "connect-failure", 3,
                retry_host_predicate=[{
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": PREVIOUS_HOSTS}}],
                host_selection_retry_max_attempts=5))),
            route("/dead", to("dead", retry_policy=policy("connect-failure", 2))),
            route("/mixed", to("web", timeout="3s")),
        ]
        inherited = vhost(
            "inherited", ["inherited"],
            route("/own/", to("web", retry_policy=policy("gateway-error", 2))),
            route("/", to("web")),
            retry_policy=policy("5xx", 1),
            include_request_attempt_count=True,
            include_attempt_count_in_response=True,
        )
        self.proxy = bench.start(
            bootstrap(
                [
                    listener(
                        "in",
                        hcm(
                            vhosts=[inherited, vhost("all", ["*"], *routes)],
                            logs=[file_log(bench.log_file())],
                        ),
                    ),
                    listener(
                        "inside",
                        hcm(
                            route("/", to("web", timeout="3s")),
                            use_remote_address=True,
                            internal_address_config={
                                "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]
                            },
                        ),
                    ),
                ],
                [
                    cluster("web", self.backend.address),
                    cluster("half", dead, self.backend.address),
                    cluster("dead", dead),
                ],
            )
        )

    def run(self, name, *steps, method="GET", body=None, headers=(), host="test", path="/x",
            into="in"):
        """One request on a route; the steps are the backend's answers, in turn."""
        script = Script(*steps)
        target = f"/{name}{path}"
        self.backend.on(target, script)
        with Client(self.proxy.address(into)) as client:
            response = client.request(method, target, headers, body, host=host)
        return response, script.seen


@pytest.fixture(scope="module")
def web(shared_bench):
    web = Web(shared_bench)
    yield web
    web.held.close()


@pytest.mark.parametrize(
    "name, step, retried",
    [
        ("5xx", status(500), True),
        ("5xx", status(503), True),
        ("5xx", None, True),
        ("5xx", status(404), False),
        ("gateway", status(502), True),
        ("gateway", status(503), True),
        ("gateway", status(504), True),
        ("gateway", status(500), False),
        ("reset", None, True),
        ("reset", status(503), False),
        ("connect", status(503), False),
        ("connect", None, False),
        ("codes", status(418), True),
        ("codes", status(429), True),
        ("codes", status(500), False),
        ("4xx", status(409), True),
        ("4xx", status(404), False),
        ("headers", answer("x", headers=[("X-Again", "1")]), True),
        ("several", status(502), True),
        ("several", status(404), True),
        ("several", status(500), False),
        ("unknown", status(500), True),
        ("none", status(500), False),
        ("mixed", status(500), False),
    ],
)
def test_what_is_retried(web, name, step, retried):
    """By POST: what is not idempotent is never sent again without being told to."""
    response, seen = web.run(name, step, method="POST", body=b"once")
    assert len(seen) == (2 if retried else 1)
    assert (response.text == "ok") == retried


def test_the_number_of_retries_is_a_limit(web):
    response, seen = web.run("5xx", *[status(500)] * 10)
    assert response.status == 500
    assert len(seen) == 3
    entry = web.proxy.wait_log(path="/5xx/x", code="500")
    assert entry["flags"] == "URX"
    assert entry["attempts"] == "3"


def test_one_retry_is_the_default(web):
    response, seen = web.run("once", *[status(500)] * 10)
    assert (response.status, len(seen)) == (500, 2)


def test_the_last_answer_reaches_the_client(web):
    response, _ = web.run("5xx", status(500), status(501), status(503))
    assert (response.status, response.text) == (503, "backend 503")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_the_body_is_sent_again(web, framing):
    body = b"0123456789" * 500
    if framing == "length":
        response, seen = web.run("5xx", status(500), method="POST", body=body, path="/body")
    else:
        script = Script(status(500))
        web.backend.on("/5xx/chunked", script)
        with Client(web.proxy.address("in")) as client:
            client.send(build("POST", "/5xx/chunked", [("Transfer-Encoding", "chunked")]))
            client.send(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
            response, seen = client.response(), script.seen
    assert response.text == "ok"
    assert [r.body for r in seen] == [body, body]


def test_the_headers_of_a_retry_are_the_same(web):
    _, seen = web.run("5xx", status(500), headers=[("X-Mine", "1")])
    assert seen[0].head == seen[1].head


def test_a_retry_after_connect_failure_finds_the_other_host(web):
    with Client(web.proxy.address("in")) as client:
        for _ in range(20):
            assert client.get("/two").status == 200


def test_retries_of_a_dead_cluster_end_with_uf_and_urx(web):
    with Client(web.proxy.address("in")) as client:
        assert client.get("/dead").status == 503
    entry = web.proxy.wait_log(path="/dead")
    assert set(entry["flags"].split(",")) == {"UF", "URX"}
    assert entry["attempts"] == "3"


def test_the_back_off_is_bounded(web):
    started = time.monotonic()
    _, seen = web.run("slow", status(500), status(500))
    assert len(seen) == 3
    assert time.monotonic() - started < 0.2 + 0.4 + 1


def test_a_try_has_its_own_timeout(web):
    def hang(conn, _request):
        conn.read_some()

    response, seen = web.run("per-try", hang)
    assert (response.text, len(seen)) == ("ok", 2)
    response, seen = web.run("per-try", hang, hang, path="/twice")
    assert (response.status, len(seen)) == (504, 2)
    entry = web.proxy.wait_log(path="/per-try/twice")
    assert set(entry["flags"].split(",")) == {"UT", "URX"}
    assert entry["details"] == "upstream_per_try_timeout"


def test_a_try_has_its_own_idle_timeout(web):
    response, seen = web.run("per-try-idle", lambda conn, _request: conn.read_some() and None)
    assert (response.text, len(seen)) == ("ok", 2)


def test_the_route_timeout_includes_all_tries(web):
    script = Script(*[lambda conn, _request: conn.read_some() and None] * 100)
    web.backend.on("/total", script)
    started = time.monotonic()
    with Client(web.proxy.address("in")) as client:
        assert client.get("/total").status == 504
    assert time.monotonic() - started < 2
    assert 2 <= len(script.seen) <= 5
    assert "UT" in web.proxy.wait_log(path="/total")["flags"].split(",")


def test_a_virtual_host_gives_its_routes_a_policy(web):
    response, seen = web.run("any", status(500), host="inherited")
    assert (response.text, len(seen)) == ("ok", 2)
    response, seen = web.run("own", status(500), host="inherited")
    assert (response.status, len(seen)) == (500, 1)


def test_the_attempt_is_counted_in_both_directions(web):
    response, seen = web.run("any", status(500), host="inherited", path="/count")
    assert [r.headers.get("x-envoy-attempt-count") for r in seen] == ["1", "2"]
    assert response.headers.get("x-envoy-attempt-count") == "2"


def test_an_internal_request_may_ask_for_retries_by_header(web):
    headers = [("X-Envoy-Retry-On", "5xx"), ("X-Envoy-Max-Retries", "3")]
    response, seen = web.run("mixed", *[status(500)] * 3, headers=headers, path="/asked",
                             into="inside")
    assert (response.text, len(seen)) == ("ok", 4)
    assert "x-envoy-retry-on" not in seen[0].headers


def test_an_internal_request_may_ask_for_status_codes_by_header(web):
    headers = [("X-Envoy-Retry-On", "retriable-status-codes"),
               ("X-Envoy-Retriable-Status-Codes", "418")]
    response, seen = web.run("mixed", status(418), headers=headers, path="/code",
                             into="inside")
    assert (response.text, len(seen)) == ("ok", 2)


def test_a_response_that_began_is_never_retried(web):
    def half(conn, _request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        conn.reset()

    script = Script(half)
    web.backend.on("/5xx/half", script)
    with Client(web.proxy.address("in")) as client:
        client.send(build("GET", "/5xx/half"))
        assert client.response(read_body=False).status == 200
        assert client.read_all() in (b"half", b"")
    assert len(script.seen) == 1
    entry = web.proxy.wait_log(path="/5xx/half")
    assert (entry["code"], entry["attempts"]) == ("200", "1")
    assert entry["flags"] in ("UC", "UPE")


def test_a_reset_after_the_request_was_sent_is_not_before_request(web):
    response, seen = web.run("before", None, method="POST", body=b"once")
    assert response.status == 503
    assert len(seen) == 1


def test_a_body_too_large_to_keep_is_not_retried(web):
    body = b"x" * (3 << 20)
    response, seen = web.run("5xx", status(500), method="POST", body=body, path="/huge")
    assert response.status == 500
    assert len(seen) == 1


def test_retries_are_counted(web):
    before = web.proxy.stat("cluster.web.upstream_rq_retry")
    web.run("5xx", status(500))
    assert web.proxy.stat("cluster.web.upstream_rq_retry") == before + 1
    assert web.proxy.stat("cluster.web.upstream_rq_retry_success") >= 1


def test_each_try_of_a_pipelined_series_keeps_order(web):
    web.backend.on("/5xx/a", Script(status(500), answer("a")))
    web.backend.on("/5xx/b", Script(answer("b")))
    with Client(web.proxy.address("in")) as client:
        client.send(build("GET", "/5xx/a") + build("GET", "/5xx/b"))
        assert [client.response().text for _ in range(2)] == ["a", "b"]


def test_what_the_backend_saw_is_what_the_client_sent(web):
    with Client(web.proxy.address("in")) as client:
        response = client.request("PUT", "/mixed/echo", [("X-A", "1")], b"body")
    assert json.loads(response.text)["body"] == "body"
