"""The dry run of /lanes: what would become of a mark, and why; nothing is counted."""

import json
import urllib.parse

import pytest
from lanes_page import KEY, SECRET, Pod, parsed

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")


@pytest.fixture(scope="module")
def pod(shared_bench):
    return Pod(shared_bench)


ROWS = [  # peer, headers, outcome, trusted, mark, its header, lane, source, flags
    ("10.1.2.3", ["x-lane:gray"], "kept", True, "gray", "x-lane", "gray", "explicit", []),
    ("10.1.2.3", ["baggage:k=v,lane=gray"], "kept", True, "gray", "baggage", "gray", "explicit", []),
    ("10.1.2.3", ["x-mse-tag:gray"], "kept", True, "gray", "x-mse-tag", "gray", "explicit", []),
    ("10.1.2.3", ["x-lane:zz"], "kept", True, "zz", "x-lane", "zz", "explicit", ["LU"]),
    ("10.1.2.3", [], "none", True, "", "", "dev", "pod", []),
    ("10.1.2.3", ["x-lane:gray", "baggage:lane=old"], "dropped", True, "", "", "dev", "pod", []),
    ("10.1.2.3", ["x-lane:GRAY"], "dropped", True, "", "", "dev", "pod", []),
    ("192.0.2.1", ["x-lane:gray"], "stripped", False, "gray", "x-lane", "dev", "pod", ["LX"]),
    ("2001:db8::1", ["x-lane:gray"], "stripped", False, "gray", "x-lane", "dev", "pod", ["LX"]),
    ("192.0.2.1", ["x-lane:gray", f"x-let-me:{SECRET}"], "kept", False, "gray", "x-lane", "gray",
     "explicit", []),
    ("192.0.2.1", ["x-lane:gray", "x-let-me:wrong"], "stripped", False, "gray", "x-lane", "dev", "pod",
     ["LX"]),
    ("192.0.2.1", ["x-lane:shadow-l1"], "refused", False, "shadow-l1", "x-lane", "shadow-l1", "none",
     ["LS"]),
    ("10.1.2.3", ["x-lane:shadow-zz"], "refused", True, "shadow-zz", "x-lane", "shadow-zz", "explicit",
     ["LU", "LS"]),
    ("10.1.2.3", ["x-lane:Shadow-L1"], "refused", True, "", "", "base", "none", ["LS"]),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r[0]}-{'-'.join(r[1])[:30]}")
def test_dry_run(pod, row):
    peer, headers, outcome, trusted, mark, where, lane, source, flags = row
    run = pod.dry(*headers, peer=peer)
    assert (run["outcome"], run["trust"]["trusted"]) == (outcome, trusted)
    assert (run["mark"]["lane"], run["mark"]["header"]) == (mark, where)
    assert (run["lane"], run["source"]) == (lane, source)
    assert sorted(run["flags"]) == sorted(flags)
    if outcome == "refused":
        assert run["reply"] == {"status": 503, "details": "lane_shadow_refused"}
        assert run["forwarded"] is None
    else:
        told = [v for n, v in run["forwarded"] if n == "x-lane"]
        assert run["reply"] is None
        assert told == [lane]  # what is on a pod of dev gets its lane: recolor
        assert SECRET not in json.dumps(run["forwarded"])


def test_dry_run_tells_every_candidate(pod):
    run = pod.dry("x-lane:shadow-l1", peer="192.0.2.1")
    assert run["trust"]["reason"] == "no identity, and address not in plaintext_cidrs"
    assert run["trust"]["candidates"] == [{"rule": "plaintext_cidrs", "index": 0, "holds": False,
                                           "why": "the peer's address lies outside"}]
    assert run["allow"] == {"result": "refuse", "candidates": [
        {"rule": "allow", "index": 0, "holds": False, "why": "the rule does not name the shadow lane"},
        {"rule": "allow", "index": 1, "holds": False, "why": "the peer's address lies outside"}]}
    assert pod.dry("x-lane:gray")["allow"] is None
    assert pod.dry("x-lane:gray", identity="spiffe://x/y")["trust"]["trusted"] is False


def test_dry_run_of_entry_rules(pod):
    run = pod.dry("x-user:ann", f"x-key:{KEY}", listener="gw", cluster="stock")
    assert (run["lane"], run["source"], run["outcome"]) == ("gray", "entry", "none")
    assert run["entry"]["rule"] == 0 and run["entry"]["name"] == "testers"
    assert run["entry"]["asked"] == [{"rule": 0, "taken": True, "fell": ""}]
    assert run["serves"]["lane"] == "gray"
    assert run["serves"]["asked"] == [{"lane": "gray", "total": 1, "healthy": 1, "reason": "ok"}]
    run = pod.dry("x-user:ann", "x-user-id:u1", listener="gw")
    assert run["entry"]["asked"] == [{"rule": 0, "taken": False, "fell": "secret_header"},
                                     {"rule": 1, "taken": True, "fell": ""}]
    assert 0 <= run["entry"]["bucket"] < 10000


def test_dry_run_of_what_leaves(pod):
    assert pod.dry("x-lane:gray", listener="out")["outcome"] == "open"
    inside = pod.dry("x-lane:gray", listener="out", cluster="stock")
    assert (inside["outcome"], inside["serves"]["lane"]) == ("kept", "gray")
    outside = pod.dry("x-lane:gray", "baggage:a=b", listener="out", cluster="internet")
    assert (outside["outcome"], outside["flags"], outside["serves"]) == ("stripped", ["LX"], None)
    assert [x for x in outside["forwarded"] if x[0] in ("x-lane", "baggage")] == [["baggage", "a=b"]]
    shadow = pod.dry("x-lane:shadow-l1", listener="out", cluster="orders")
    assert shadow["serves"]["refused"] and shadow["serves"]["reason"] == "shadow_refused"


def test_dry_run_counts_nothing(pod):
    watched = "^lane\\.(?!assoc.misses|.*in_cluster)"
    before = pod.proxy.stats(watched)
    for _ in range(3):
        pod.dry("x-lane:gray", "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        pod.dry("x-lane:gray", peer="192.0.2.1")
        pod.dry("x-lane:shadow-l1", peer="192.0.2.1")
        pod.dry("x-user:ann", f"x-key:{KEY}", listener="gw", cluster="orders")
    assert pod.proxy.stats(watched) == before
    assert pod.json()["in_flight"] == {"marked": 0, "unmarked": 0, "probes": 0}
    assert pod.json()["association"]["size"] == 0


@pytest.mark.parametrize("query, text", [
    ("", "listener: there is more than one, expected a name; listeners with a lane filter: in, out, gw"),
    ("listener=nope", "listener: no such one has a lane filter; listeners with a lane filter: in, out, gw"),
    ("listener=in&filter=1", "filter: there are 1, expected a number below that"),
    ("listener=in&filter=x", "filter: expected a number from 0"),
    ("listener=in&peer=10.1.2", "peer: expected an IP address, such as 10.1.2.3, without a port"),
    ("listener=in&peer=10.1.2.3:80", "peer: expected an IP address, such as 10.1.2.3, without a port"),
    ("listener=in&header=x-lane", "header: expected NAME:VALUE"),
    ("listener=in&header=:path:/x", "header: a name may not begin with ':'; use method, host and path"),
    ("listener=in&header=x%20y:z", "header: expected a name of letters, digits and !#$%&'*+-.^_`|~"),
    ("listener=in&header=x-lane:a%00b", "header x-lane: control characters are not allowed in its value"),
    ("listener=in&header=x-lane:a%0d%0ab:c", "header x-lane: control characters are not allowed in its value"),
    ("listener=in&" + "header=a:b&" * 101, "header: more than 100"),
    ("listener=in&method=BREW", "method: expected one of HTTP's, in capital letters"),
    ("listener=in&host=a%20b", "host: there are characters in it that no host has"),
    ("listener=in&path=x", "path: expected '/' and then visible ASCII"),
    ("listener=in&identity=%01", "identity: control characters are not allowed"),
    ("listener=out&cluster=nope", "cluster: there is none of this name"),
])
def test_a_dry_run_that_cannot_be(pod, query, text):
    assert pod.bad(query) == text + "\n"
    assert pod.bad(query + "&format=html") == text + "\n"


def test_whatever_a_header_holds_is_escaped(pod):
    value = "\"><script>alert('1')</script>&amp;\xff"
    query = urllib.parse.urlencode({"listener": "in", "header": "x-odd:" + value, "path": "/<i>'\"",
                                    "format": "html"}, encoding="latin-1")
    text = pod.page("/lanes?dry_run&" + query.replace("+", "%20")).body.decode()
    texts = parsed(text).texts
    assert "\"><script>alert('1')</script>&amp;\ufffd" in texts
    fields = {a["name"]: a["value"] for t, a in parsed(text).elements if t == "input"}
    assert fields["path"] == "/<i>'\""
    run = pod.dry("x-odd:\"\\\u00e9")
    assert ["x-odd", "\"\\\u00e9"] in run["forwarded"]
