"""Path normalisation: off by default, and each option of the connection manager."""

import json

import pytest
from client import Client
from config import bootstrap, cluster, hcm, listener, route, to

LISTENERS = {
    "plain": {},
    "normal": {"normalize_path": True},
    "merge": {"merge_slashes": True},
    "both": {"normalize_path": True, "merge_slashes": True},
    "reject": {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
    "unescape": {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
    "redirect": {"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
    "dot": {"strip_trailing_host_dot": True},
    "port": {"strip_any_host_port": True},
    "matching": {"strip_matching_host_port": True},
}


class Web:
    def __init__(self, bench):
        self.backend = bench.http()
        made = [
            listener(name, hcm(route("/", to("web")), **fields))
            for name, fields in LISTENERS.items()
        ]
        self.proxy = bench.start(bootstrap(made, [cluster("web", self.backend.address)]))

    def reply(self, name, target, host="test"):
        with Client(self.proxy.address(name)) as client:
            return client.get(target, host=host)


@pytest.fixture(scope="module")
def web(shared_bench):
    return Web(shared_bench)


@pytest.mark.parametrize(
    "name, given, wanted",
    [
        ("plain", "/a/../b", "/a/../b"),
        ("plain", "/a//b", "/a//b"),
        ("plain", "/a%2Fb", "/a%2Fb"),
        ("normal", "/a/./b", "/a/b"),
        ("normal", "/a/../b", "/b"),
        ("normal", "/a/b/..", "/a/"),
        ("normal", "/a/b/.", "/a/b/"),
        ("normal", "/../../b", "/b"),
        ("normal", "/%61%2e%2E/x", "/a../x"),
        ("normal", "/a/%2e%2e/b", "/b"),
        ("normal", "/a/%2E/b", "/a/b"),
        ("normal", "/a\\b", "/a/b"),
        ("normal", "/a%5Cb", "/a%5Cb"),
        ("normal", "/a%2fb", "/a%2fb"),
        ("normal", "/%7Efoo", "/~foo"),
        ("normal", "/a//b", "/a//b"),
        ("normal", "/a/../b?c=/../d", "/b?c=/../d"),
        ("normal", "/a%20b", "/a%20b"),
        ("normal", "/..", "/"),
        ("normal", "/a/b/../../..", "/"),
        ("merge", "/a//b///c", "/a/b/c"),
        ("merge", "//a", "/a"),
        ("merge", "/a//", "/a/"),
        ("merge", "/a//b?c=d//e", "/a/b?c=d//e"),
        ("both", "/a//../b", "/a/b"),
        ("both", "/a/.//b", "/a/b"),
        ("unescape", "/a%2Fb", "/a/b"),
        ("unescape", "/a%2fb%5Cc", "/a/b\\c"),
        ("unescape", "/a?b=%2F", "/a?b=%2F"),
    ],
)
def test_the_backend_receives_the_normalised_path(web, name, given, wanted):
    response = web.reply(name, given)
    assert response.status == 200
    assert json.loads(response.text)["target"] == wanted


def test_a_bad_percent_code_cannot_be_normalised(web):
    assert web.reply("normal", "/a%00b").status == 400


@pytest.mark.parametrize("target", ["/a%2Fb", "/a%2fb", "/a%5Cb"])
def test_escaped_slashes_can_be_refused(web, target):
    response = web.reply("reject", target)
    assert response.status == 400


def test_escaped_slashes_can_be_redirected(web):
    response = web.reply("redirect", "/a%2Fb?c=%2F")
    assert response.status == 307
    assert response.headers.get("location").endswith("/a/b?c=%2F")


def host_of(response):
    assert response.status == 200
    return dict((n.lower(), v) for n, v in json.loads(response.text)["headers"])["host"]


def test_a_trailing_dot_of_the_host_can_be_stripped(web):
    assert host_of(web.reply("dot", "/", "example.com.")) == "example.com"
    assert host_of(web.reply("dot", "/", "example.com.:80")) == "example.com:80"
    assert host_of(web.reply("plain", "/", "example.com.")) == "example.com."


def test_any_port_of_the_host_can_be_stripped(web):
    assert host_of(web.reply("port", "/", "example.com:1234")) == "example.com"
    assert host_of(web.reply("port", "/", "[::1]:1234")) == "[::1]"
    assert host_of(web.reply("plain", "/", "example.com:1234")) == "example.com:1234"


def test_the_matching_port_of_the_host_can_be_stripped(web):
    port = web.proxy.address("matching")[1]
    assert host_of(web.reply("matching", "/", "example.com:1")) == "example.com:1"
    assert host_of(web.reply("matching", "/", f"example.com:{port}")) == "example.com"
