"""The body of POST /explain: what it may say, and every mistake told at its path."""

import http.client
import json
import socket
import threading
import urllib.parse

import pytest
from config import bootstrap, direct, hcm, listener, route
from explain import explain, mistakes, post

pytestmark = pytest.mark.lanekeeper_only("/explain is our own")


@pytest.fixture(scope="module")
def small(shared_bench):
    return shared_bench.start(bootstrap(
        [listener("in", hcm(route("/", direct(200, "x"))))], []), concurrency=2)


def test_every_mistake_is_reported_at_its_path(small):
    assert mistakes(small, {
        "lisener": "in", "destination": "1.2.3.4:5", "zzzzzzzz": 1, "path": 3, "source": "here",
        "headers": [["a"], ["b", "1"], ["c", 2], ["x:y", "z"], "d"], "random": -1, "worker": "x",
        "alpn": "h2", "sni": [], "protocol": "HTTP/2", "transport": "udp",
        "metadata": {"envoy.lb": 3},
    }) == {
        "lisener": 'unknown, did you mean "listener"?',
        "destination": 'unknown, did you mean "original_destination"?',
        "zzzzzzzz": "unknown",
        "path": "expected a path with query, got a number",
        "source": 'expected an address and port, "10.0.0.1:80" or "[::1]:80"',
        "headers[0]": "expected a pair [name, value]",
        "headers[2]": "expected the value of a header, got a number",
        "headers[3]": "expected the name of a header; pseudo-headers have members of their own",
        "headers[4]": "expected a pair [name, value]",
        "random": "expected a whole number from 0 to 18446744073709551615, as a number or string",
        "worker": "expected the number of a worker, from 0",
        "alpn": 'expected a list of at most 16 protocols, such as ["http/1.1"]',
        "sni": "expected a server name, got a list",
        "protocol": 'expected "HTTP/1.1" or "HTTP/1.0"',
        "transport": 'expected "raw_buffer" or "tls"',
        'metadata["envoy.lb"]': "expected an object of keys and values, got a number",
        "": "expected listener or original_destination, or both: where does the request come in?",
    }
    assert list(mistakes(small, {"listener": 1})) == ["listener"]


@pytest.mark.parametrize("body, path, what", [
    ("", "", "expected a JSON object in the body, got nothing"),
    ("{", "", "expected a JSON object: line 1"),
    ("[]", "", "expected a JSON object, got a list"),
    ('{"listener":"in","listener":"in"}', "", "duplicate"),
    (b"\xff\xfe", "", "expected a JSON object: line 1"),
    ("[" * 100000, "", "maximum parsing depth"),
    ({"listener": "in", "path": "x" * 300000}, "", "expected at most 262144 bytes"),
    ({"listener": "in", "path": "/\r\nx: y"}, "path", "without line breaks"),
    ({"listener": "in", "method": ""}, "method", "expected a method"),
    ({"listener": "in", "headers": {"a": "b\r\nc"}}, 'headers["a"]', "without line breaks"),
    ({"listener": "in", "headers": {"a": ["b", 1]}}, 'headers["a"][1]', "got a number"),
    ({"listener": "in", "headers": 1}, "headers", "expected an object of names and values"),
    ({"listener": "in", "headers": [["a", "b"]] * 1001}, "headers[1000]", "at most 1000"),
    ({"listener": "in", "authority": "a", "headers": {"Host": "b"}}, 'headers["Host"]',
     "either authority or a header host"),
    ({"listener": "in", "worker": 2}, "worker", "expected a number below 2"),
    ({"listener": "in", "original_destination": "1.2.3.4"}, "original_destination", "and port"),
    ({"listener": "in", "original_destination": "::1:80"}, "original_destination", "and port"),
    ({"listener": "in", "head_base64": "***"}, "head_base64", "in base64"),
    ({"listener": "in", "head_base64": "R0VU", "path": "/"}, "path", "either this or head_base64"),
    ({"listener": "in", "metadata": {"m": {"k": json.loads("[" * 20 + "]" * 20)}}}, "metadata",
     "at most 16 levels"),
])
def test_a_body_that_cannot_be_read(small, body, path, what):
    found = mistakes(small, body)
    assert what in found[path], found
    assert post(small, body, "?format=text").text.startswith(f"{path}: " if path else "expected")


def test_only_post_and_known_formats(small):
    assert small.admin("/explain").status == 405
    assert post(small, {"listener": "in"}, "?format=xml").status == 400
    assert post(small, {"listener": "in"}, "?format=json").status == 200
    assert "/explain" in small.admin("/help").text


def test_the_form_of_the_start_page(small):
    page = small.admin("/").text
    assert "action='explain'" in page and "<textarea name='body'" in page
    body = urllib.parse.urlencode(
        {"format": "text", "body": '{"listener": "in", "authority": "a+b", "path": "/"}'})
    connection = http.client.HTTPConnection(*small.admin_address, timeout=8)
    connection.request("POST", "/explain", body,
                       {"Content-Type": "application/x-www-form-urlencoded"})
    text = connection.getresponse().read().decode()
    connection.close()
    assert "authority: a+b" in text


def test_a_page_of_another_site_may_not_ask(small):
    connection = http.client.HTTPConnection(*small.admin_address, timeout=8)
    connection.request("POST", "/explain", "{}", {"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_a_unix_listener_and_an_ipv6_one(bench):
    path = str(bench.folder / "in.sock")
    unix = listener("unix", hcm(route("/", direct(200, "u"))))
    unix["address"] = {"pipe": {"path": path}}
    proxy = bench.start(bootstrap(
        [unix, listener("six", hcm(route("/", direct(200, "6"))), at=("::1", 0))], []))
    assert explain(proxy, "unix").step("listener")["destination"] == path
    assert explain(proxy, "unix").result["status"] == 200
    assert explain(proxy, "six").step("listener")["source"] == "[::1]:0"


def test_a_listener_that_is_not_there(small):
    said = explain(small, "nobody")
    assert said.step("listener")["verdict"] == "none" and said.result == {}
    said = explain(small, original_destination="1.2.3.4:5")
    assert said.order("original_destination", "listener") == ["original_destination", "listener"]
    assert said.step("listener")["verdict"] == "none"


def test_the_random_number_is_said_and_kept_whole(small):
    assert explain(small, "in").answer["random"] == 0
    assert explain(small, "in", random=7).answer["random"] == 7
    most = str(2**64 - 1)
    assert explain(small, "in", random=most).answer["random"] == most


def test_headers_may_come_as_an_object_or_as_pairs(small):
    for headers in ({"x-a": ["1", "2"]}, [["x-a", "1"], ["x-a", "2"]]):
        assert explain(small, "in", headers=headers).result["status"] == 200


def test_many_ask_at_once_and_some_leave(small):
    body = json.dumps({"listener": "in", "authority": "a", "worker": 1}).encode()
    head = b"POST /explain HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    for _ in range(30):
        leaver = socket.create_connection(small.admin_address)
        leaver.sendall(head + body)
        leaver.close()
    replies = []

    def run():
        replies.extend(post(small, body).status for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(replies) == {200}
