"""header_to_metadata on both proxies: the same values out of the same headers and cookies."""

import contextlib

import pytest
from bench import Bench, binary_of
from client import Client
from config import bootstrap, cluster, direct, file_log, hcm, listener, route
from explained import ask
from subsets import header_to_metadata, packed, rule

KINDS = {
    "text": rule("x-text", "text", namespace="m"),
    "fixed": rule("x-fixed", "fixed", namespace="m", value="always"),
    "missing": rule("x-missing", "missing", missing="absent", namespace="m"),
    "number": rule("x-number", "number", namespace="m", type="NUMBER"),
    "base64": rule("x-base64", "base64", namespace="m", encode="BASE64"),
    "packed": rule("x-packed", "packed", namespace="m", type="PROTOBUF_VALUE", encode="BASE64"),
    "rewritten": rule("x-rewritten", "rewritten", namespace="m", regex_value_rewrite={
        "pattern": {"regex": "([a-z]+)-([0-9]+)"}, "substitution": "\\2:\\1"}),
    "emptied": rule("x-emptied", "emptied", namespace="m", regex_value_rewrite={
        "pattern": {"regex": ".*"}, "substitution": ""}),
    "cookie": {"cookie": "lane", "on_header_present": {"metadata_namespace": "m", "key": "cookie"},
               "on_header_missing": {"metadata_namespace": "m", "key": "cookie", "value": "none"}},
    "host": rule("host", "host", namespace="m"),
    "path": rule(":path", "path", namespace="m"),
}
VALUES = {
    "text": ["gray", "", "  gray  ", "a,b", 'q"uote', "x" * 8191, "x" * 8192],
    "fixed": ["gray", ""],
    "missing": ["gray", ""],
    "number": ["1", "-1", "+1", "1.5", ".5", "5.", "1e3", "1E-3", "0x10", "1 2", "one", "", "-",
               "1_000", "1,5", "0.1", "123456789012", "-0", "00012", "1e", "0x", "0x1p4",
               "0X1F", "1e-400", "- 1", "--1", "1f", "1d"],
    "base64": ["Z3JheQ==", "Z3JheQ", "Z3JheQ=", "Z3Jh", "Z3J", "Z", "=", "Z3JheQ===", "*",
               "Z3 JheQ",
               "_-_-", "8J+YgA==", "8J+YgA=", "8J+YgB==", "Zm9v", "Zm9vYg",
               "Zm9vYh", "====", "Zg==="],
    "packed": [packed("gray"), packed(["a", "b"]), packed({"k": "v"}), packed([{"a": "b"}, "c"]),
               packed([]), "AAAA", "GgRncmE=", "***", "EQAAAAAAAPg/", "IAE="],
    "rewritten": ["abc-123", "abc-123 def-4", "nothing", "ABC-1"],
    "emptied": ["gray"],
}
ROWS = [(kind, {f"x-{kind}": value}) for kind, values in VALUES.items() for value in values] + [
    ("cookie", {"cookie": value})
    for value in ("lane=gray", "a=b; lane=gray; c=d", "lane=gray; lane=base", "lane=", "lane",
                  'lane="quoted"', 'lane="', "lane =gray", " lane=gray ", "lane=a=b", "LANE=gray",
                  ";;lane=gray", "xlane=1", "lane= gray", "a=b;lane=gray")
] + [("missing", {}), ("cookie", {}), ("host", {}), ("path", {}), ("text", {})]
FORMAT = "".join(f"%DYNAMIC_METADATA(m:{kind})%\t" for kind in KINDS) + "\n"


def explained(proxy, headers):
    """The values that /explain tells, in the words of the log."""
    answer = ask(proxy, {"listener": "in", "authority": "test", "path": "/path", "headers": headers})
    told = next((s["values"] for s in answer["decisions"] if s["step"] == "dynamic_metadata"), [])
    values = {v["key"]: v["value"] for v in told if v["namespace"] == "m"}
    return "\t".join(values.get(kind, "-") for kind in KINDS)


def play(bench):
    """For each row, the values in the order of KINDS, and what /explain makes of it."""
    log = file_log(bench.log_file(), FORMAT)
    manager = hcm(route("/", direct(200, "x")), logs=[log],
                  filters=header_to_metadata(*KINDS.values()))
    proxy = bench.start(bootstrap([listener("in", manager)], [cluster("none")]))
    with Client(proxy.address("in")) as client:
        for _, headers in ROWS:
            assert client.get("/path", list(headers.items())).status == 200
    lines = proxy.wait_log_lines(len(ROWS))
    said = [explained(proxy, h) for _, h in ROWS] if proxy.kind == "lanekeeper" else None
    return lines, said


@pytest.fixture(scope="module")
def lines(proxy_kind, tmp_path_factory):
    binary_of("envoy")
    with contextlib.ExitStack() as stack:
        yield [
            play(stack.enter_context(Bench(kind, tmp_path_factory.mktemp(f"h2m-{kind}"))))
            for kind in (proxy_kind, "envoy")
        ]


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda n: f"{n}-{ROWS[n][0]}")
def test_the_same_metadata(lines, number):
    ours, theirs = (dict(zip(KINDS, side[number].split("\t"))) for side, _ in lines)
    assert ours == theirs, ROWS[number]


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda n: f"{n}-{ROWS[n][0]}")
def test_the_metadata_is_explained(lines, number):
    ours, said = lines[0]
    assert said[number].split("\t") == ours[number].split("\t")[:len(KINDS)], ROWS[number]
