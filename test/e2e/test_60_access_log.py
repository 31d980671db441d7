"""Access logs: operators, formats, filters, destinations."""

import json
import re
import time

import pytest
from backend import answer, fixed
from client import Client, build
from config import (
    STDERR_LOG,
    STDOUT_LOG,
    bootstrap,
    cluster,
    direct,
    file_log,
    hcm,
    listener,
    route,
    to,
)

# operator -> regular expression of what it prints for the request below.
OPERATORS = {
    "%REQ(:METHOD)%": "POST",
    "%REQ(:PATH)%": "/log/here\\?q=1",
    "%REQ(:AUTHORITY)%": "log\\.example",
    "%REQ(:SCHEME)%": "http",
    "%REQ(X-One)%": "first",
    "%REQ(x-ONE)%": "first",
    "%REQ(X-None)%": "-",
    "%REQ(X-None?X-One)%": "first",
    "%REQ(X-Long):5%": "long ",
    "%REQ(X-Twice)%": "a",
    "%RESP(X-Back)%": "from backend",
    "%RESP(X-None)%": "-",
    "%RESP(Content-Type)%": "text/plain",
    "%PROTOCOL%": "HTTP/1\\.1",
    "%RESPONSE_CODE%": "201",
    "%RESPONSE_CODE_DETAILS%": "via_upstream",
    "%RESPONSE_FLAGS%": "-",
    "%RESPONSE_FLAGS_LONG%": "-",
    "%BYTES_RECEIVED%": "9",
    "%BYTES_SENT%": "8",
    "%DURATION%": "\\d+",
    "%RESPONSE_DURATION%": "\\d+",
    "%REQUEST_DURATION%": "\\d+",
    "%RESPONSE_TX_DURATION%": "\\d+",
    "%UPSTREAM_HOST%": "127\\.0\\.0\\.1:\\d+",
    "%UPSTREAM_REMOTE_ADDRESS%": "127\\.0\\.0\\.1:\\d+",
    "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "127\\.0\\.0\\.1",
    "%UPSTREAM_REMOTE_PORT%": "\\d+",
    "%UPSTREAM_LOCAL_ADDRESS%": "127\\.0\\.0\\.1:\\d+",
    "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%": "127\\.0\\.0\\.1",
    "%UPSTREAM_CLUSTER%": "web",
    "%UPSTREAM_CLUSTER_RAW%": "web",
    "%UPSTREAM_TRANSPORT_FAILURE_REASON%": "-",
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%": "1",
    "%DOWNSTREAM_REMOTE_ADDRESS%": "127\\.0\\.0\\.1:\\d+",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "127\\.0\\.0\\.1",
    "%DOWNSTREAM_REMOTE_PORT%": "\\d+",
    "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%": "127\\.0\\.0\\.1:\\d+",
    "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%": "127\\.0\\.0\\.1",
    "%DOWNSTREAM_LOCAL_ADDRESS%": "127\\.0\\.0\\.1:\\d+",
    "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%": "127\\.0\\.0\\.1",
    "%DOWNSTREAM_LOCAL_PORT%": "\\d+",
    "%REQUESTED_SERVER_NAME%": "-",
    "%ROUTE_NAME%": "the-route",
    "%VIRTUAL_CLUSTER_NAME%": "-",
    "%CONNECTION_ID%": "\\d+",
    "%CONNECTION_TERMINATION_DETAILS%": "-",
    "%HOSTNAME%": "\\S+",
    "%START_TIME%": "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z",
    "%START_TIME(%Y/%m/%dT%H:%M:%S%z)%": "\\d{4}/\\d\\d/\\d\\dT\\d\\d:\\d\\d:\\d\\d\\+0000",
    "%START_TIME(%s.%3f)%": "\\d{10}\\.\\d{3}",
    "%START_TIME(%s)%": "\\d{10}",
    "%START_TIME(%H:%M:%S.%6f)%": "\\d\\d:\\d\\d:\\d\\d\\.\\d{6}",
    "%BYTES_SENT%/%BYTES_RECEIVED%": "8/9",
    "100%%": "100%",
    "%REQUEST_HEADERS_BYTES%": "\\d+",
    "%RESPONSE_HEADERS_BYTES%": "\\d+",
    "%UPSTREAM_WIRE_BYTES_SENT%": "\\d+",
    "%DOWNSTREAM_WIRE_BYTES_RECEIVED%": "\\d+",
    "%LOCAL_REPLY_BODY%": "-?",
    "%GRPC_STATUS%": "-",
    "%FILTER_CHAIN_NAME%": "the-chain",
    "%ACCESS_LOG_TYPE%": "DownstreamEnd",
    "%STREAM_ID%": "[0-9a-f-]{36}",
    "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)%": "\\d+",
    "%ENVIRONMENT(LOG_TEST_VALUE)%": "from environment",
    "%EMIT_TIME(%s)%": "\\d{10}",
    "%QUERY_PARAM(q)%": "1",
    "%PATH(WQ)%": "/log/here\\?q=1",
    "%PATH(NQ)%": "/log/here",
    "%UPSTREAM_METADATA(a:b)%": "-",
    "%DYNAMIC_METADATA(a:b)%": "-",
    "%CLUSTER_METADATA(a:b)%": "-",
    "%FILTER_STATE(a)%": "-",
}


@pytest.fixture(scope="module")
def operators(shared_bench, request):
    """operator -> what the proxy printed for one request."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("LOG_TEST_VALUE", "from environment")
    request.addfinalizer(monkey.undo)
    bench = shared_bench
    backend = bench.http()
    backend.on(
        "/log/here",
        fixed(answer("12345678", "201 Created",
                     [("X-Back", "from backend"), ("Content-Type", "text/plain")])),
    )
    fmt = "\x1f".join(OPERATORS) + "\n"
    made = listener("in", hcm(route("/", to("web"), name="the-route"),
                              logs=[file_log(bench.log_file(), fmt)]))
    made["filter_chains"][0]["name"] = "the-chain"
    proxy = bench.start(bootstrap([made], [cluster("web", backend.address)]))
    headers = [("X-One", "first"), ("X-Long", "long value"), ("X-Twice", "a"), ("X-Twice", "b")]
    with Client(proxy.address("in")) as client:
        assert client.request("POST", "/log/here?q=1", headers, b"123456789",
                              host="log.example").status == 201
    line = proxy.wait_log_lines(1)[0]
    return dict(zip(OPERATORS, line.split("\x1f")))


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators(operators, operator):
    assert re.fullmatch(OPERATORS[operator], operators[operator])


def start(bench, logs, routes=None, backend=None, **fields):
    backend = backend or bench.http()
    routes = routes or [
        route("/direct", direct(200, "direct")),
        route("/500", direct(500, "five")),
        route("/404", direct(404)),
        route("/timeout", to("web", timeout="0.1s")),
        route("/none", to("none")),
        route("/", to("web", timeout="3s")),
    ]
    return bench.start(
        bootstrap(
            [listener("in", hcm(*routes, logs=logs, **fields))],
            [cluster("web", backend.address), cluster("none")],
        )
    )


def get(proxy, *targets, headers=()):
    with Client(proxy.address("in")) as client:
        return [client.get(t, headers).status for t in targets]


def test_the_default_format_is_envoys(bench):
    proxy = start(bench, [file_log(bench.log_file(), None)])
    get(proxy, "/x")
    line = proxy.wait_log_lines(1)[0]
    assert re.fullmatch(
        r'\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "GET /x HTTP/1\.1" 200 - 0 \d+ \d+ \d+ "-" "-" '
        r'"[0-9a-f-]{36}" "test" "127\.0\.0\.1:\d+"',
        line,
    )


def test_json(bench):
    fields = {
        "code": "%RESPONSE_CODE%",
        "text": "code %RESPONSE_CODE%",
        "none": "%REQ(X-None)%",
        "quoted": "%REQ(X-Quote)%",
        "nested": {"path": "%REQ(:PATH)%", "list": ["%PROTOCOL%", "fixed"]},
        "number": 7,
        "flag": True,
    }
    proxy = start(bench, [file_log(bench.log_file(), fields)])
    get(proxy, "/json", headers=[("X-Quote", 'a "quoted" \\ value\tx')])
    entry = json.loads(proxy.wait_log_lines(1)[0])
    assert entry == {
        "code": 200,
        "text": "code 200",
        "none": None,
        "quoted": 'a "quoted" \\ value\tx',
        "nested": {"path": "/json", "list": ["HTTP/1.1", "fixed"]},
        "number": 7,
        "flag": True,
    }


def test_text_is_not_escaped_into_new_lines(bench):
    """A value can never forge a second line."""
    proxy = start(bench, [file_log(bench.log_file(), "<%REQ(X-V)%>\n")])
    get(proxy, "/", headers=[("X-V", "a%0ab")])
    assert proxy.wait_log_lines(1) == ["<a%0ab>"]


def test_a_format_without_line_end_gets_none(bench):
    proxy = start(bench, [file_log(bench.log_file(), "%RESPONSE_CODE%;")])
    get(proxy, "/direct", "/404", "/direct")
    path = proxy.log_path()
    deadline = time.monotonic() + 5
    while path.read_text() != "200;404;200;" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.read_text() == "200;404;200;"


def test_omit_empty_values(bench):
    log = file_log(bench.log_file())
    log["typed_config"]["log_format"] = {
        "text_format_source": {"inline_string": "[%REQ(X-None)%]\n"},
        "omit_empty_values": True,
    }
    proxy = start(bench, [log])
    get(proxy, "/")
    assert proxy.wait_log_lines(1) == ["[]"]


@pytest.mark.parametrize("type, stream", [(STDOUT_LOG, "stdout"), (STDERR_LOG, "stderr")])
def test_standard_streams(bench, type, stream):
    log = {
        "name": "envoy.access_loggers.stream",
        "typed_config": {"@type": type, "log_format": {
            "text_format_source": {"inline_string": "line of %REQ(:PATH)%\n"}}},
    }
    proxy = start(bench, [log])
    get(proxy, "/here")
    deadline = time.monotonic() + 5
    read = getattr(proxy, stream)
    while "line of /here" not in read() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "line of /here\n" in read()


def test_several_logs(bench):
    logs = [
        file_log(bench.log_file("one.log"), "one %RESPONSE_CODE%\n"),
        file_log(bench.log_file("two.log"), "two %RESPONSE_CODE%\n"),
    ]
    proxy = start(bench, logs)
    get(proxy, "/")
    assert proxy.wait_log_lines(1, "one.log") == ["one 200"]
    assert proxy.wait_log_lines(1, "two.log") == ["two 200"]


def comparison(op, value):
    return {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "none"}}}


@pytest.mark.parametrize(
    "filter, wanted",
    [
        ({"status_code_filter": comparison("GE", 400)}, ["/500", "/404", "/timeout", "/none"]),
        ({"status_code_filter": comparison("EQ", 404)}, ["/404"]),
        ({"status_code_filter": comparison("LE", 200)}, ["/direct", "/ok"]),
        ({"response_flag_filter": {}}, ["/timeout", "/none"]),
        ({"response_flag_filter": {"flags": ["UH"]}}, ["/none"]),
        ({"response_flag_filter": {"flags": ["UT", "NR"]}}, ["/timeout"]),
        ({"duration_filter": comparison("GE", 90)}, ["/timeout"]),
        (
            {"and_filter": {"filters": [
                {"status_code_filter": comparison("GE", 500)},
                {"response_flag_filter": {}}]}},
            ["/timeout", "/none"],
        ),
        (
            {"or_filter": {"filters": [
                {"status_code_filter": comparison("EQ", 404)},
                {"response_flag_filter": {"flags": ["UH"]}}]}},
            ["/404", "/none"],
        ),
        (
            {"header_filter": {"header": {"name": ":path", "string_match": {"prefix": "/d"}}}},
            ["/direct"],
        ),
        ({"not_health_check_filter": {}},
         ["/direct", "/500", "/404", "/timeout", "/none", "/ok"]),
        (
            {"runtime_filter": {"runtime_key": "none",
                                "percent_sampled": {"numerator": 0}}},
            [],
        ),
    ],
)
def test_filters(bench, filter, wanted):
    fmt = "%REQ(:PATH)%\n"
    logs = [
        file_log(bench.log_file("some.log"), fmt, filter=filter),
        file_log(bench.log_file("all.log"), fmt),
    ]
    backend = bench.http().on("/timeout", lambda conn, _: conn.read_some() and None)
    proxy = start(bench, logs, backend=backend)
    get(proxy, "/direct", "/500", "/404", "/timeout", "/none", "/ok")
    assert len(proxy.wait_log_lines(6, "all.log")) == 6
    if wanted:
        proxy.wait_log_lines(len(wanted), "some.log")
    assert proxy.log_lines("some.log") == wanted


def test_an_unknown_operator_is_a_clear_error(bench):
    with pytest.raises(AssertionError) as failure:
        start(bench, [file_log(bench.log_file(), "%NO_SUCH_THING%\n")])
    assert "NO_SUCH_THING" in str(failure.value)


def test_a_log_that_cannot_be_opened_is_a_clear_error(bench):
    with pytest.raises(AssertionError) as failure:
        start(bench, [file_log("/no/such/folder/access.log")])
    assert "/no/such/folder/access.log" in str(failure.value)


def test_every_request_of_many_is_logged_once(bench):
    proxy = start(bench, [file_log(bench.log_file(), "%REQ(:PATH)%\n")])
    wanted = []
    with Client(proxy.address("in")) as client:
        for start_at in range(0, 1000, 50):
            batch = [f"/many/{n}" for n in range(start_at, start_at + 50)]
            client.send(b"".join(build("GET", t) for t in batch))
            for _ in batch:
                assert client.response().status == 200
            wanted += batch
    assert proxy.wait_log_lines(1000) == wanted


def test_early_log_flush(bench):
    """A line may be written when the request arrives, before its end."""
    backend = bench.http().on("/held", lambda conn, _: conn.read_some() and None)
    proxy = start(
        bench,
        [file_log(bench.log_file(), "%ACCESS_LOG_TYPE% %REQ(:PATH)%\n")],
        backend=backend,
        access_log_options={"flush_access_log_on_new_request": True},
    )
    with Client(proxy.address("in")) as client:
        client.send(build("GET", "/held"))
        assert proxy.wait_log_lines(1) == ["DownstreamStart /held"]
