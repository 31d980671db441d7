"""What the proxy answers by itself: body, headers, flags and details, and their rewriting."""

import json

import pytest
from backend import closed_port
from client import Client
from config import bootstrap, cluster, direct, file_log, hcm, listener, route, to, vhost

GRPC = [("Content-Type", "application/grpc")]


class Web:
    def __init__(self, bench):
        self.held, port = closed_port()
        self.backend = bench.http()
        self.backend.on("/reset", lambda conn, _: conn.reset())
        self.backend.on("/close", lambda conn, _: conn.close())
        vhosts = [
            vhost("known", ["known"], route({"path": "/only"}, to("web"))),
            vhost(
                "all",
                ["*"],
                route("/refused", to("refused")),
                route("/empty", to("empty")),
                route("/nothere404", to("missing", cluster_not_found_response_code="NOT_FOUND")),
                route("/nothere500", to("missing",
                      cluster_not_found_response_code="INTERNAL_SERVER_ERROR")),
                route("/nothere", to("missing")),
                route("/direct", direct(200, "hello"), name="greeting"),
                route("/teapot", direct(418)),
                route("/", to("web", timeout="2s")),
            ),
        ]
        logs = [file_log(bench.log_file())]
        mappers = [
            {
                "filter": {"status_code_filter": {"comparison": {
                    "op": "EQ", "value": {"default_value": 404, "runtime_key": "none"}}}},
                "status_code": 410,
                "body": {"inline_string": "gone for good"},
                "headers_to_add": [{"header": {"key": "x-mapped", "value": "yes"}}],
            },
            {
                "filter": {"response_flag_filter": {"flags": ["UF"]}},
                "body_format_override": {"json_format": {
                    "code": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%"}},
            },
        ]
        loose = {"validate_clusters": False}
        self.proxy = bench.start(
            bootstrap(
                [
                    listener("in", hcm(vhosts=vhosts, logs=logs, route_fields=loose)),
                    listener(
                        "mapped",
                        hcm(
                            vhosts=vhosts,
                            logs=logs,
                            route_fields=loose,
                            local_reply_config={
                                "mappers": mappers,
                                "body_format": {"text_format_source": {
                                    "inline_string": "<%LOCAL_REPLY_BODY%:%RESPONSE_CODE%>"},
                                    "content_type": "text/html"},
                            },
                        ),
                    ),
                ],
                [
                    cluster("web", self.backend.address),
                    cluster("refused", ("127.0.0.1", port)),
                    cluster("empty"),
                ],
            )
        )

    def reply(self, target, host="test", headers=(), name="in"):
        with Client(self.proxy.address(name)) as client:
            return client.get(target, headers, host=host)

    def log(self, target):
        return self.proxy.wait_log(path=target)


@pytest.fixture(scope="module")
def web(shared_bench):
    web = Web(shared_bench)
    yield web
    web.held.close()


def test_no_route_is_an_empty_404_nr(web):
    response = web.reply("/other", host="known")
    assert (response.status, response.text) == (404, "")
    entry = web.log("/other")
    assert (entry["flags"], entry["details"]) == ("NR", "route_not_found")


def test_an_unknown_cluster_is_a_503_nc(web):
    response = web.reply("/nothere")
    assert (response.status, response.text) == (503, "")
    entry = web.log("/nothere")
    assert (entry["flags"], entry["details"]) == ("NC", "cluster_not_found")


def test_the_status_of_an_unknown_cluster_can_be_set(web):
    assert web.reply("/nothere404").status == 404
    assert web.reply("/nothere500").status == 500
    assert web.log("/nothere404")["flags"] == "NC"


def test_no_endpoint_is_a_503_uh(web):
    response = web.reply("/empty")
    assert (response.status, response.text) == (503, "no healthy upstream")
    assert response.headers.get("content-type") == "text/plain"
    entry = web.log("/empty")
    assert (entry["flags"], entry["details"]) == ("UH", "no_healthy_upstream")


def test_a_refused_connection_is_a_503_uf(web):
    response = web.reply("/refused")
    assert response.status == 503
    assert response.text.startswith(
        "upstream connect error or disconnect/reset before headers. "
        "reset reason: remote connection failure"
    )
    entry = web.log("/refused")
    assert entry["flags"] == "UF"
    assert entry["details"].startswith(
        "upstream_reset_before_response_started{remote_connection_failure"
    )
    assert entry["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize("how", ["/reset", "/close"])
def test_a_connection_lost_before_the_answer_is_a_503_uc(web, how):
    response = web.reply(how)
    assert response.status == 503
    assert response.text.startswith("upstream connect error or disconnect/reset before headers")
    assert "connection termination" in response.text
    entry = web.log(how)
    assert entry["flags"] == "UC"
    assert entry["details"] == "upstream_reset_before_response_started{connection_termination}"


def test_a_direct_response(web):
    response = web.reply("/direct")
    assert (response.status, response.text) == (200, "hello")
    assert response.headers.get("content-type") == "text/plain"
    entry = web.log("/direct")
    assert (entry["flags"], entry["details"]) == ("-", "direct_response")
    assert entry["route"] == "greeting"


def test_a_direct_response_without_body(web):
    response = web.reply("/teapot")
    assert (response.status, response.text) == (418, "")
    assert response.headers.get("content-length") == "0"


def test_head_of_a_direct_response_has_no_body(web):
    with Client(web.proxy.address("in")) as client:
        response = client.request("HEAD", "/direct")
        assert response.headers.get("content-length") == "5"
        assert client.get("/direct").text == "hello"


def test_a_local_reply_keeps_the_connection(web):
    with Client(web.proxy.address("in")) as client:
        for target in ("/direct", "/empty", "/refused", "/nothere", "/direct"):
            client.get(target)
        assert client.get("/direct").status == 200


def test_a_local_reply_to_a_request_with_body_keeps_the_connection_or_says_close(web):
    with Client(web.proxy.address("in")) as client:
        response = client.request("POST", "/direct", body=b"x" * 1000)
        assert response.status == 200
        if "connection" not in response.headers:
            assert client.get("/direct").text == "hello"


@pytest.mark.parametrize(
    "target, host, code",
    [("/other", "known", "12"), ("/empty", "test", "14"), ("/refused", "test", "14")],
)
def test_a_local_reply_to_grpc_is_a_grpc_status(web, target, host, code):
    response = web.reply(target, host, GRPC)
    assert response.status == 200
    assert response.headers.get("content-type") == "application/grpc"
    assert response.headers.get("grpc-status") == code
    assert response.text == ""


def test_a_mapper_changes_status_body_and_headers(web):
    response = web.reply("/other", host="known", name="mapped")
    assert response.status == 410
    assert response.text == "<gone for good:410>"
    assert response.headers.get("x-mapped") == "yes"
    assert response.headers.get("content-type") == "text/html"


def test_a_mapper_may_answer_in_json(web):
    response = web.reply("/refused", name="mapped")
    assert response.status == 503
    assert response.headers.get("content-type") == "application/json"
    body = json.loads(response.text)
    assert body["code"] == 503
    assert body["text"].startswith("upstream connect error")


def test_a_reply_without_mapper_gets_the_general_format(web):
    response = web.reply("/empty", name="mapped")
    assert response.text == "<no healthy upstream:503>"


def test_an_answer_of_the_backend_is_not_rewritten(web):
    assert web.reply("/plain", name="mapped").text.startswith("{")
