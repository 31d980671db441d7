"""Tracing: which requests are sampled, what their ids say, and which context goes upstream."""

import base64
import json
import re

import pytest
from backend import answer, fixed
from client import Client
from config import bootstrap, cluster, file_log, hcm, listener, route, to

TYPE = "type.googleapis.com/envoy.config.trace.v3."
ZIPKIN = {
    "@type": TYPE + "ZipkinConfig",
    "collector_cluster": "collector",
    "collector_endpoint": "/api/v2/spans",
    "collector_endpoint_version": "HTTP_JSON",
}
OTEL = {
    "@type": TYPE + "OpenTelemetryConfig",
    "http_service": {
        "http_uri": {"uri": "http://collector/", "cluster": "collector", "timeout": "1s"}
    },
}
SKYWALKING = {
    "@type": TYPE + "SkyWalkingConfig",
    "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}},
    "client_config": {"service_name": "svc", "instance_name": "inst"},
}
UUID_CONFIG = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"

TRACE = "0af7651916cd43dd8448eb211c80319c"
NARROW = "8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = "00f067aa0ba902b7"
W3C = f"00-{TRACE}-{SPAN}-01"
LOG = "%TRACE_ID%\t%SPAN_ID%\t%REQ(X-KEY)%\n"

NONE, RANDOM, SERVICE, CLIENT = "49ab"


def request_id(sample, reason=NONE):
    """The id whose sampling value is `sample`, of 10000."""
    return f"{sample:08x}-0000-{reason}000-8000-000000000000"


def provider(config, **fields):
    name = {"Z": "zipkin", "O": "opentelemetry", "S": "skywalking"}[config["@type"][len(TYPE)]]
    return {"name": f"envoy.tracers.{name}", "typed_config": {**config, **fields}}


INTERNAL = {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}
NO_RANDOM = {"random_sampling": {"value": 0}}
ROUTES = (
    route("/named", to("web"), decorator={"operation": "op"}),
    route("/quiet", to("web"), decorator={"operation": "op", "propagate": False}),
    route("/never", to("web"), tracing={
        "client_sampling": {"numerator": 0}, "random_sampling": {"numerator": 0}}),
    route("/", to("web")),
)
# name -> tracing, fields of the manager, fields of the listener
LISTENERS = {
    "off": (None, {}, {}),
    "all": ({}, {}, {}),
    "half": ({"random_sampling": {"value": 50}}, {}, {}),
    "none": (NO_RANDOM, {}, {}),
    "no-client": ({**NO_RANDOM, "client_sampling": {"value": 0}}, {}, {}),
    "overall": ({"overall_sampling": {"value": 50}}, {}, {}),
    "edge": (NO_RANDOM, {"use_remote_address": True, "preserve_external_request_id": True}, {}),
    "no-pack": ({}, {"request_id_extension": {"typed_config": {
        "@type": UUID_CONFIG, "pack_trace_reason": False}}}, {}),
    "no-use": ({"provider": provider(ZIPKIN), **NO_RANDOM}, {"request_id_extension": {
        "typed_config": {"@type": UUID_CONFIG, "use_request_id_for_trace_sampling": False}}}, {}),
    "zipkin": ({"provider": provider(ZIPKIN)}, {}, {}),
    "zipkin-none": ({"provider": provider(ZIPKIN), **NO_RANDOM}, {}, {}),
    "zipkin-wide": ({"provider": provider(ZIPKIN, trace_id_128bit=True,
                                          shared_span_context=False)}, {}, {}),
    "zipkin-out": ({"provider": provider(ZIPKIN)}, {}, {"traffic_direction": "OUTBOUND"}),
    "zipkin-split": ({"provider": provider(ZIPKIN), "spawn_upstream_span": True}, {}, {}),
    "otel": ({"provider": provider(OTEL)}, {}, {}),
    "otel-none": ({"provider": provider(OTEL), **NO_RANDOM}, {}, {}),
    "otel-split": ({"provider": provider(OTEL), "spawn_upstream_span": True}, {}, {}),
    "otel-named": ({"provider": provider(OTEL), "operation": "%REQ(:METHOD)%"}, {},
                   {"traffic_direction": "OUTBOUND"}),
    "sky": ({"provider": provider(SKYWALKING), "spawn_upstream_span": True}, {}, {}),
    "sky-none": ({"provider": provider(SKYWALKING), "spawn_upstream_span": True, **NO_RANDOM},
                 {}, {}),
    "in": ({}, {}, {"traffic_direction": "INBOUND"}),
    "out": ({}, {}, {"traffic_direction": "OUTBOUND"}),
}


class Traced:
    def __init__(self, bench):
        self.backend = bench.http()
        self.log = bench.log_file()
        self.backend.on("/theirs", fixed(answer(
            b'{"headers": []}', headers=[("x-envoy-decorator-operation", "theirs")])))
        made = [self.listener(name, *fields) for name, fields in LISTENERS.items()]
        clusters = [cluster("web", self.backend.address), cluster("collector", ("127.0.0.1", 1))]
        self.proxy = bench.start(bootstrap(made, clusters))

    def listener(self, name, tracing, fields, of_listener):
        fields = {**fields, "internal_address_config": INTERNAL}
        if tracing is not None:
            fields["tracing"] = tracing
        return listener(name, hcm(*ROUTES, logs=[file_log(self.log, LOG)], **fields), **of_listener)

    def get(self, name, headers=(), target="/"):
        with Client(self.proxy.address(name)) as client:
            response = client.get(target, list(dict(headers).items()))
        assert response.status == 200, response
        return response

    def sent(self, name, headers=(), target="/"):
        """What the backend received: lower-case name to value."""
        pairs = [(n.lower(), v)
                 for n, v in json.loads(self.get(name, headers, target).text)["headers"]]
        assert len(pairs) == len(dict(pairs)), pairs
        return dict(pairs)

    def reason(self, name, id, headers=(), target="/"):
        got = self.sent(name, {"x-request-id": id, **dict(headers)}, target)["x-request-id"]
        assert got[:14] + "4" + got[15:] == id[:14] + "4" + id[15:]
        return got[14]


@pytest.fixture(scope="module")
def traced(shared_bench):
    return Traced(shared_bench)


# Sampling, and the reason in the request id

# Only an internal client may force.
FORCE = {"x-envoy-force-trace": "true", "x-forwarded-for": "10.0.0.1"}
ASK = {"x-client-trace-id": "mine"}
LOW, HIGH = request_id(4999), request_id(5000)


@pytest.mark.parametrize("name,id,headers,reason", [
    ("off", LOW, {}, NONE),
    ("off", request_id(1, RANDOM), {**FORCE, **ASK}, RANDOM),
    ("all", LOW, {}, RANDOM),
    ("half", LOW, {}, RANDOM),
    ("half", HIGH, {}, NONE),
    ("none", LOW, {}, NONE),
    ("none", LOW, FORCE, SERVICE),
    ("none", LOW, ASK, CLIENT),
    ("none", LOW, {**ASK, **FORCE}, CLIENT),
    ("no-client", LOW, ASK, NONE),
    ("no-client", LOW, {**ASK, **FORCE}, SERVICE),
    ("none", request_id(1, RANDOM), {}, RANDOM),
    ("none", request_id(1, SERVICE), ASK, SERVICE),
    ("none", request_id(1, CLIENT), {}, CLIENT),
    ("overall", LOW, {}, RANDOM),
    ("overall", HIGH, {}, NONE),
    ("overall", request_id(5000, SERVICE), {}, NONE),
    ("overall", HIGH, {**ASK, **FORCE}, NONE),
    ("overall", request_id(10000), {}, RANDOM),
    ("no-pack", LOW, {**ASK, **FORCE}, NONE),
    ("no-use", LOW, ASK, NONE),
    ("edge", request_id(1, SERVICE), {}, NONE),
    ("edge", LOW, FORCE, NONE),
    ("edge", LOW, ASK, CLIENT),
])
def test_the_request_id_tells_why_its_request_is_traced(traced, name, id, headers, reason):
    assert traced.reason(name, id, headers) == reason


def test_percentages_of_a_route_count_before_those_of_the_manager(traced):
    assert traced.reason("all", LOW, target="/never") == NONE
    assert traced.reason("all", LOW, ASK, target="/never") == NONE
    assert traced.reason("all", LOW, FORCE, target="/never") == SERVICE


@pytest.mark.parametrize("id", ["short", "not-hexadecimal-but-36-characters-ok"])
def test_an_id_that_gives_no_number_is_left_alone(traced, id):
    assert traced.sent("all", {"x-request-id": id, **FORCE})["x-request-id"] == id


def test_an_empty_id_is_none(traced):
    assert len(traced.sent("all", {"x-request-id": ""})["x-request-id"]) == 36


def test_a_made_id_carries_its_reason(traced):
    assert traced.sent("all")["x-request-id"][14] == RANDOM
    assert traced.sent("none")["x-request-id"][14] == NONE


def test_decisions_are_counted(traced):
    def count(name):
        return traced.proxy.stat(f"http.ingress.tracing.{name}")

    names = ("random_sampling", "service_forced", "client_enabled", "not_traceable")
    before = [count(name) for name in names]
    traced.sent("all")
    traced.sent("none", FORCE)
    traced.sent("none", ASK)
    traced.sent("none")
    assert [count(name) for name in names] == [n + 1 for n in before]


def test_a_forced_trace_shows_its_id(traced):
    assert "x-request-id" not in dict(traced.get("off").headers)
    shown = {n.lower(): v for n, v in traced.get("off", {"x-request-id": LOW, **FORCE}).headers}
    assert shown["x-request-id"] == LOW


# Context without a tracer


def test_without_a_tracer_trace_headers_pass_untouched(traced):
    headers = {"traceparent": "bad", "tracestate": "@", "b3": "x", "sw8": "1-"}
    for name in ("off", "all"):
        sent = traced.sent(name, headers)
        assert {n: sent[n] for n in headers} == headers
    assert "traceparent" not in traced.sent("all")


# W3C


def w3c(sent):
    version, trace, span, flags = sent["traceparent"].split("-")
    assert version == "00" and re.fullmatch("[0-9a-f]{32}", trace)
    assert re.fullmatch("[0-9a-f]{16}", span)
    return trace, span, int(flags, 16) & 1


@pytest.mark.parametrize("name", ["otel", "otel-split"])
def test_w3c_is_continued_with_a_new_span(traced, name):
    sent = traced.sent(name, {"traceparent": W3C, "tracestate": "a=1,b=2"})
    trace, span, sampled = w3c(sent)
    assert (trace, sampled, sent["tracestate"]) == (TRACE, 1, "a=1,b=2")
    assert span != SPAN


def test_a_trace_begins_where_none_came(traced):
    first, second = w3c(traced.sent("otel")), w3c(traced.sent("otel"))
    assert first[0] != second[0] and first[1] != second[1]
    assert first[2] == second[2] == 1
    assert w3c(traced.sent("otel-none"))[2] == 0


@pytest.mark.parametrize("name,flags,sampled", [
    ("otel", "01", 1), ("otel", "00", 0), ("otel-none", "01", 0), ("otel-none", "00", 0),
])
def test_a_received_decision_holds_and_the_local_one_may_drop(traced, name, flags, sampled):
    assert w3c(traced.sent(name, {"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}))[2] == sampled


@pytest.mark.lanekeeper_only("W3C Trace Context level 2, where Envoy keeps to level 1 or passes")
def test_w3c_level_2(traced):
    assert traced.sent("otel", {"traceparent": f"00-{TRACE}-{SPAN}-03"})["traceparent"][-2:] == "03"
    assert traced.sent("otel")["traceparent"][-2:] == "03"
    assert "tracestate" not in traced.sent("otel")
    for malformed in ("bad", W3C + "-", W3C.upper(), f"ff-{TRACE}-{SPAN}-01"):
        sent = traced.sent("otel", {"traceparent": malformed, "tracestate": "a=1"})
        assert w3c(sent)[0] != TRACE and "tracestate" not in sent
    sent = traced.sent("otel", {"traceparent": W3C, "tracestate": "@a=1,b=2"})
    assert w3c(sent)[0] == TRACE and "tracestate" not in sent


# B3

MULTI = {"x-b3-traceid": NARROW, "x-b3-spanid": SPAN}


def test_b3_shares_the_span_of_the_caller(traced):
    sent = traced.sent("zipkin", {**MULTI, "x-b3-parentspanid": PARENT, "x-b3-sampled": "1"})
    assert (sent["x-b3-traceid"], sent["x-b3-spanid"]) == (NARROW, SPAN)
    assert (sent["x-b3-parentspanid"], sent["x-b3-sampled"]) == (PARENT, "1")


@pytest.mark.parametrize("name", ["zipkin-out", "zipkin-wide", "zipkin-split"])
def test_b3_gets_a_child_span(traced, name):
    sent = traced.sent(name, {**MULTI, "x-b3-sampled": "0"})
    assert (sent["x-b3-traceid"], sent["x-b3-parentspanid"]) == (NARROW, SPAN)
    assert re.fullmatch("[0-9a-f]{16}", sent["x-b3-spanid"]) and sent["x-b3-spanid"] != SPAN
    assert sent["x-b3-sampled"] == "0"


def test_b3_in_one_header_is_answered_in_one_header(traced):
    value = f"{TRACE}-{SPAN}-1-{PARENT}"
    sent = traced.sent("zipkin", {"b3": value})
    assert sent["b3"] == value and "x-b3-traceid" not in sent
    sent = traced.sent("zipkin-out", {"b3": value})
    assert re.fullmatch(f"{TRACE}-[0-9a-f]{{16}}-1-{SPAN}", sent["b3"])


def test_b3_decisions(traced):
    assert traced.sent("zipkin")["x-b3-sampled"] == "1"
    assert traced.sent("zipkin-none")["x-b3-sampled"] == "0"
    assert traced.sent("zipkin-none", MULTI)["x-b3-sampled"] == "0"
    assert traced.sent("zipkin-none", {**MULTI, "x-b3-sampled": "1"})["x-b3-sampled"] == "1"
    assert re.fullmatch("[0-9a-f]{16}-[0-9a-f]{16}-0", traced.sent("zipkin", {"b3": "0"})["b3"])


def test_b3_without_the_request_id_every_request_is_sampled(traced):
    assert traced.sent("no-use")["x-b3-sampled"] == "1"


def test_b3_widths_of_new_traces(traced):
    narrow, wide = traced.sent("zipkin"), traced.sent("zipkin-wide")
    assert narrow["x-b3-traceid"] == narrow["x-b3-spanid"]
    assert re.fullmatch("[0-9a-f]{32}", wide["x-b3-traceid"])


@pytest.mark.parametrize("headers", [
    {"b3": "bad"}, {"b3": ""}, {"x-b3-traceid": "x", "x-b3-spanid": "y"},
])
def test_malformed_b3_passes_and_nothing_is_traced(traced, headers):
    sent = traced.sent("zipkin", headers)
    assert {n: v for n, v in sent.items() if "b3" in n} == headers


# SkyWalking


def b64(text):
    return base64.b64encode(text.encode()).decode()


def sw8(sent):
    fields = sent["sw8"].split("-")
    assert len(fields) == 8
    return [fields[0], base64.b64decode(fields[1]).decode(), base64.b64decode(fields[2]).decode(),
            fields[3], *(base64.b64decode(f).decode() for f in fields[4:])]


CALLER = "-".join([b64("1.2.3"), b64("1.2.4"), "4", b64("s"), b64("i"), b64("/e"), b64("x:1")])


def test_sw8_tells_trace_segment_and_who_calls_whom(traced):
    sample, trace, segment, span, service, instance, endpoint, target = sw8(
        traced.sent("sky", {"sw8": "1-" + CALLER}, "/named?q=1"))
    assert (sample, trace, span) == ("1", "1.2.3", "1")
    assert segment and segment != "1.2.4"
    assert (service, instance, endpoint) == ("svc", "inst", "/named?q=1")
    assert target == "127.0.0.1:%d" % traced.backend.port


def test_sw8_begins_only_where_the_request_is_sampled(traced):
    assert sw8(traced.sent("sky"))[1]
    assert "sw8" not in traced.sent("sky-none")
    assert sw8(traced.sent("sky-none", {"sw8": "1-" + CALLER}))[1] == "1.2.3"
    assert sw8(traced.sent("sky", {"sw8": "bad"}))[1]


def test_sw8_mode_and_correlation_go_along(traced):
    extra = {"sw8-x": "1-", "sw8-correlation": "YQ==:Yg=="}
    sent = traced.sent("sky", {"sw8": "1-" + CALLER, **extra})
    assert {n: sent[n] for n in extra} == extra


@pytest.mark.lanekeeper_only("Envoy writes every sw8 as sampled")
def test_sw8_that_is_not_sampled_stays_so(traced):
    assert sw8(traced.sent("sky", {"sw8": "0-" + CALLER}))[0] == "0"


# Operations


def operation(pairs):
    return {n.lower(): v for n, v in pairs}.get("x-envoy-decorator-operation")


@pytest.mark.parametrize("name,told,target,sent,shown", [
    ("out", None, "/named", "op", None),
    ("out", "told", "/named", "op", None),
    ("out", None, "/quiet", None, None),
    ("out", "told", "/", "told", None),
    ("in", None, "/named", None, "op"),
    ("in", None, "/quiet", None, None),
    ("in", "told", "/named", None, None),
    ("in", "told", "/", None, None),
    ("off", "told", "/named", "told", None),
    ("otel-named", None, "/named", None, None),
    ("otel-named", "told", "/named", "told", None),
])
def test_decorators(traced, name, told, target, sent, shown):
    headers = {} if told is None else {"x-envoy-decorator-operation": told}
    response = traced.get(name, headers, target)
    assert operation(json.loads(response.text)["headers"]) == sent
    assert operation(response.headers) == shown


@pytest.mark.parametrize("name,shown", [
    ("out", None), ("in", "theirs"), ("off", "theirs"), ("otel-named", "theirs"),
])
def test_the_operation_of_a_callee_stops_at_the_caller(traced, name, shown):
    assert operation(traced.get(name, target="/theirs").headers) == shown


# Logs


def test_logs_show_the_ids(traced):
    traced.sent("otel", {"x-key": "w3c", "traceparent": W3C})
    traced.sent("zipkin", {"x-key": "b3", **MULTI})
    traced.sent("off", {"x-key": "off", "traceparent": W3C})

    def ids(key):
        entry = traced.proxy.wait_log(fields=("trace", "span", "key"), key=key)
        return entry["trace"], entry["span"]

    trace, span = ids("w3c")
    assert trace == TRACE and re.fullmatch("[0-9a-f]{16}", span)
    assert ids("b3")[0] == NARROW
    assert ids("off") == ("-", "-")


@pytest.mark.lanekeeper_only("OTEL_PROPAGATORS is not read by Envoy")
def test_the_environment_chooses_the_formats(bench, monkeypatch):
    monkeypatch.setenv("OTEL_PROPAGATORS", "jaeger,b3")
    web = bench.http()
    manager = hcm(route("/", to("web")), tracing={"provider": provider(OTEL)})
    proxy = bench.start(bootstrap([listener("in", manager)], [cluster("web", web.address)]))
    with Client(proxy.address("in")) as client:
        given = [("uber-trace-id", f"{NARROW}%3A{SPAN}%3A0%3A3"), ("traceparent", W3C)]
        got = {n.lower(): v for n, v in json.loads(client.get("/", given).text)["headers"]}
    assert got["traceparent"] == W3C
    trace, span, parent, flags = got["uber-trace-id"].split(":")
    assert (trace, parent, flags) == (NARROW, "0", "3") and span != SPAN
    assert got["b3"] == f"{NARROW}-{span}-d-{SPAN}"
