"""The command line: flags, validation, and how mistakes in a configuration are reported."""

import json
import re
import socket
import subprocess

import pytest
from backend import HttpBackend
from bench import binary_of
from client import fetch
from config import bootstrap, cluster, direct, file_log, hcm, listener, route, tcp_proxy, to

GOOD = bootstrap(
    [listener("in", hcm(route("/", direct(200, "x"))))], [cluster("web", ("127.0.0.1", 1))]
)


@pytest.fixture
def run(proxy_kind, tmp_path):
    """Runs the binary to its end: run(*arguments) -> CompletedProcess with text."""
    binary = binary_of(proxy_kind)

    def call(*arguments, seconds=20):
        return subprocess.run(
            [binary, *map(str, arguments)],
            capture_output=True, text=True, timeout=seconds, cwd=tmp_path, check=False,
        )

    return call


@pytest.fixture
def validate(run, tmp_path):
    """validate(bootstrap as dict or text) -> CompletedProcess of --mode validate."""

    def call(config, suffix=".yaml", *arguments):
        path = tmp_path / f"bootstrap{suffix}"
        path.write_text(json.dumps(config) if isinstance(config, dict) else config)
        return run("--mode", "validate", "-c", path, *arguments)

    return call


def test_version(run):
    result = run("--version")
    assert result.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+|[0-9a-f]{7}", result.stdout)


def test_help(run):
    result = run("--help")
    assert result.returncode == 0
    for flag in ("--config-path", "--config-yaml", "--mode", "--concurrency", "--log-level",
                 "--component-log-level", "--log-path", "--log-format", "--service-cluster",
                 "--service-node", "--drain-time-s", "--drain-strategy",
                 "--local-address-ip-version", "--file-flush-interval-msec",
                 "--disable-hot-restart", "--allow-unknown-static-fields",
                 "--reject-unknown-dynamic-fields", "--version"):
        assert flag in result.stdout, flag


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        ["-c"],
        ["--concurrency", "many", "-c", "x"],
        ["--mode", "dance", "-c", "x"],
        ["--log-level", "loud", "-c", "x"],
        ["--drain-time-s", "-", "-c", "x"],
        ["--drain-strategy", "sudden", "-c", "x"],
        ["--local-address-ip-version", "v5", "-c", "x"],
        ["stray"],
        [],
        ["-c", "/no/such/file.yaml"],
    ],
)
def test_a_wrong_command_line_is_an_error(run, arguments):
    result = run(*arguments)
    assert result.returncode != 0
    assert (result.stderr + result.stdout).strip()


def test_the_unknown_flag_is_named(run):
    result = run("--no-such-flag")
    assert "no-such-flag" in result.stderr + result.stdout


def test_validate_accepts_a_good_file(validate):
    result = validate(GOOD)
    assert result.returncode == 0, result.stderr


def test_validate_refuses_a_bad_file(validate):
    result = validate({"static_resources": {"listeners": [{"name": "x", "no_such": 1}]}})
    assert result.returncode == 1
    assert "no_such" in result.stderr + result.stdout


def test_validate_opens_no_port(validate):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        made = bootstrap([listener("in", tcp_proxy("web"), at=taken.getsockname())],
                         [cluster("web", ("127.0.0.1", 1))])
        assert validate(made).returncode == 0


def test_validate_reads_json(validate):
    assert validate(GOOD, ".json").returncode == 0


def test_config_yaml_stands_alone(run):
    assert run("--mode", "validate", "--config-yaml", json.dumps(GOOD)).returncode == 0


def test_config_yaml_is_merged_over_the_file(bench):
    over = {"node": {"id": "from-the-command-line"}}
    proxy = bench.start(GOOD, args=["--config-yaml", json.dumps(over)])
    node = proxy.admin_json("/server_info")["node"]
    assert node["id"] == "from-the-command-line"
    assert node["cluster"] == "test-cluster"
    assert fetch(proxy.address("in")).text == "x"


def test_service_node_and_cluster(bench):
    made = {k: v for k, v in GOOD.items() if k != "node"}
    args = ["--service-node", "my-node", "--service-cluster", "my-cluster"]
    proxy = bench.start(made, args=args)
    node = proxy.admin_json("/server_info")["node"]
    assert (node["id"], node["cluster"]) == ("my-node", "my-cluster")


def test_log_path_and_level(bench):
    log = bench.next_folder() / "proxy.log"
    proxy = bench.start(GOOD, args=["--log-path", str(log), "-l", "info"])
    assert log.exists() and log.read_text()
    assert fetch(proxy.address("in")).status == 200


def test_log_format(bench):
    args = ["--log-format", "MARK %l %v", "-l", "info"]
    proxy = bench.start(GOOD, args=args)
    assert "MARK info " in proxy.stderr()


def test_component_log_level(bench):
    quiet = bench.start(GOOD, args=["-l", "off"])
    assert quiet.stderr() == ""
    levels = ["-l", "error", "--component-log-level", "config:debug,main:info"]
    proxy = bench.start(GOOD, args=levels)
    assert fetch(proxy.address("in")).status == 200


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_concurrency(bench, workers):
    proxy = bench.start(GOOD, concurrency=workers)
    assert proxy.stat("server.concurrency") == workers


def test_what_pilot_agent_passes_is_accepted(bench):
    args = [
        "--drain-strategy", "immediate", "--local-address-ip-version", "v4",
        "--log-format", "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t",
        "-l", "warning", "--component-log-level", "misc:error",
        "--allow-unknown-static-fields", "--skip-deprecated-logs", "--enable-core-dump",
        "--file-flush-min-size-kb", "64",
    ]
    proxy = bench.start(GOOD, args=args)
    assert fetch(proxy.address("in")).status == 200


# Forms of the file


MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    ".HttpConnectionManager"
)
YAML = """
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
node: {id: a, cluster: b}
static_resources:
  listeners:
  - name: in
    address: {socketAddress: {address: 127.0.0.1, portValue: "0"}}
    filterChains:
    - filters:
      - name: http
        typedConfig:
          "@type": MANAGER
          statPrefix: x
          codec_type: auto
          route_config:
            virtual_hosts:
              name: one
              domains: ["*"]
              routes:
                match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: yaml}}
          http_filters:
            name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    name: c
    type: strict_dns
    lb_policy: 1
    connect_timeout: {seconds: 1, nanos: 500000000}
    load_assignment:
      cluster_name: c
      endpoints:
        lb_endpoints:
          endpoint: {address: {socket_address: {address: localhost, port_value: 0x50}}}
""".replace("MANAGER", MANAGER)


def test_a_lenient_yaml_file_is_served(bench):
    """camelCase beside snake_case, single objects for lists, enums by name or number."""
    proxy = bench.start(YAML)
    assert fetch(proxy.address("in")).text == "yaml"


def test_ignored_keys_and_anchors(bench):
    text = YAML.replace(
        "static_resources:\n",
        "!ignore shared: &addr {address: 127.0.0.1, portValue: 0}\nstatic_resources:\n",
    ).replace('{address: 127.0.0.1, portValue: "0"}', "*addr")
    proxy = bench.start(text)
    assert fetch(proxy.address("in")).text == "yaml"


@pytest.mark.parametrize("kind", ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"])
def test_typed_struct(bench, kind):
    made = json.loads(json.dumps(GOOD))
    chain = made["static_resources"]["listeners"][0]["filter_chains"][0]
    config = chain["filters"][0]["typed_config"]
    chain["filters"][0]["typed_config"] = {
        "@type": f"type.googleapis.com/{kind}",
        "type_url": config.pop("@type"),
        "value": config,
    }
    proxy = bench.start(made)
    assert fetch(proxy.address("in")).text == "x"


def test_unknown_fields_can_be_allowed(validate):
    made = {**GOOD, "no_such_field": {"a": 1}}
    assert validate(made).returncode == 1
    assert validate(made, ".yaml", "--allow-unknown-static-fields").returncode == 0


# Mistakes


def broken(change):
    made = json.loads(json.dumps(GOOD))
    change(made)
    return made


def in_hcm(key, value):
    def change(made):
        chain = made["static_resources"]["listeners"][0]["filter_chains"][0]
        chain["filters"][0]["typed_config"][key] = value

    return change


def in_route(value):
    return in_hcm(
        "route_config",
        {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [value]}]},
    )


def in_cluster(key, value):
    return lambda made: made["static_resources"]["clusters"][0].update({key: value})


def in_listener(key, value):
    return lambda made: made["static_resources"]["listeners"][0].update({key: value})


MISTAKES = {
    "unknown_field": (lambda made: made.update(no_such=1), "no_such"),
    "wrong_type": (in_cluster("connect_timeout", "soon"), "connect_timeout"),
    "text_for_number": (in_listener("per_connection_buffer_limit_bytes", "many"),
                        "per_connection_buffer_limit_bytes"),
    "negative": (in_listener("per_connection_buffer_limit_bytes", -1),
                 "per_connection_buffer_limit_bytes"),
    "unknown_enum": (in_cluster("lb_policy", "BEST"), "BEST"),
    "unknown_cluster_type": (in_cluster("type", "MAGIC"), "MAGIC"),
    "list_for_text": (in_cluster("name", ["a"]), "name"),
    "unknown_filter": (
        in_hcm("http_filters", [{"name": "magic", "typed_config": {
            "@type": "type.googleapis.com/no.such.Filter"}}]),
        "no.such.Filter",
    ),
    "bad_regex": (in_route(route({"safe_regex": {"regex": "("}}, direct(200))), ""),
    "look_ahead": (in_route(route({"safe_regex": {"regex": "a(?=b)"}}, direct(200))), ""),
    "unknown_cluster": (
        lambda made: in_hcm("route_config", {
            "validate_clusters": True,
            "virtual_hosts": [{"name": "v", "domains": ["*"],
                               "routes": [route("/", to("nowhere"))]}]})(made),
        "nowhere",
    ),
    "duplicate_domain": (
        in_hcm("route_config", {"virtual_hosts": [
            {"name": "a", "domains": ["x.com"]}, {"name": "b", "domains": ["x.com"]}]}),
        "x.com",
    ),
    "no_match": (in_route({"direct_response": {"status": 200}}), "match"),
    "no_action": (in_route({"match": {"prefix": "/"}}), "action"),
    "status_out_of_range": (in_route(route("/", direct(99))), "status"),
    "empty_stat_prefix": (in_hcm("stat_prefix", ""), "prefix"),
    "duplicate_cluster": (
        lambda made: made["static_resources"]["clusters"].append(
            cluster("web", ("127.0.0.1", 2))), "web"),
    "port_out_of_range": (
        lambda made: made["static_resources"]["listeners"][0]["address"]["socket_address"]
        .update(port_value=70000), ""),
    "name_for_static_endpoint": (
        lambda made: made["static_resources"]["clusters"].append(
            cluster("named", ("some.name", 1))), "some.name"),
    "bad_operator": (in_hcm("access_log", [file_log("/dev/null", "%BOGUS%")]), "BOGUS"),
    "unclosed_operator": (in_hcm("access_log", [file_log("/dev/null", "%REQ(")]), ""),
    "same_chain_match": (
        lambda made: made["static_resources"]["listeners"][0]["filter_chains"].append(
            made["static_resources"]["listeners"][0]["filter_chains"][0]), ""),
    "no_address": (lambda made: made["static_resources"]["listeners"][0].pop("address"),
                   "address"),
    "weights_of_zero": (
        in_route({"match": {"prefix": "/"}, "route": {"weighted_clusters": {
            "clusters": [{"name": "web", "weight": 0}]}}}), ""),
    "host_header_added": (
        in_route({**route("/", direct(200)), "request_headers_to_add": [
            {"header": {"key": "host", "value": "x"}}]}), "host"),
    "two_of_a_oneof": (in_route(route({"prefix": "/", "path": "/"}, direct(200))), ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_by_name(validate, name):
    change, word = MISTAKES[name]
    result = validate(broken(change))
    assert result.returncode == 1, result.stderr
    assert word.lower() in (result.stderr + result.stdout).lower()


@pytest.mark.lanekeeper_only("the form of an error is our own")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_with_file_line_and_path(validate, name):
    change, _ = MISTAKES[name]
    text = json.dumps(broken(change), indent=2)
    result = validate(text, ".json")
    assert re.search(r"bootstrap\.json:\d+: [\w@\[\]./\"-]*: \S", result.stderr), result.stderr


@pytest.mark.lanekeeper_only("the form of an error is our own")
def test_the_line_of_a_mistake_is_right(validate):
    text = "node:\n  id: a\nadmin:\n  addres: {}\n"
    result = validate(text)
    assert re.search(r"bootstrap\.yaml:4: admin\.addres: ", result.stderr), result.stderr


@pytest.mark.lanekeeper_only("Envoy stops at the first mistake")
def test_all_mistakes_are_reported_in_one_run(validate):
    made = broken(in_cluster("connect_timeout", "soon"))
    made["no_such"] = 1
    made["static_resources"]["listeners"][0]["also_not"] = 2
    result = validate(made)
    for word in ("connect_timeout", "no_such", "also_not"):
        assert word in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "", "just text", "[]", "{", "a: [b", "\t: x", "\0", "{\"a\": }",
        "static_resources: 5", "- - -", "%YAML 9.9\n---\nx: y",
        "a: " + "[" * 2000, "admin: {address: {socket_address: 7}}",
    ],
)
def test_a_broken_file_is_refused(validate, text):
    result = validate(text)
    if text == "":
        assert result.returncode in (0, 1)
    else:
        assert result.returncode == 1
        assert (result.stderr + result.stdout).strip()


@pytest.mark.lanekeeper_only("Envoy crashes")
def test_a_file_that_contains_itself_is_refused(validate):
    assert validate("a: &a [*a]").returncode == 1


def test_a_good_file_is_silent_about_what_it_uses(bench):
    """Nothing in the plain configuration of these tests deserves a warning."""
    backend = HttpBackend()
    proxy = bench.start(
        bootstrap([listener("in", hcm(route("/", "web")))], [cluster("web", backend.address)]),
        args=["-l", "warning"],
    )
    assert fetch(proxy.address("in")).status == 200
    backend.stop()
    lines = [line for line in proxy.stderr().splitlines() if "web" in line or "listener" in line]
    assert lines == []
