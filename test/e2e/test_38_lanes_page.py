"""The admin page /lanes: what it says of a known configuration, word by word; the dry run; the gauges."""

import html.parser
import json
import os
import re
import urllib.parse

import pytest
from backend import answer
from client import fetch, wait_for
from config import bootstrap, cluster, endpoint, hcm, listener, route, to
from health import Host, check
from mesh import TRACE, Mesh, lane_filters

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

SECRET, KEY = "never-to-be-seen-1", "never-to-be-seen-2"
TABLE = {
    "revision": 42,
    "lanes": [
        {"name": "gray", "owner": "<b>shop</b> & co", "emit_headers": {"x-version": "2"},
         "on": {"overload": True}, "min_healthy_percent": 40, "absent_grace": "3s",
         "cap": {"percent": 7, "min_rps": 3, "window": "5s"},
         "guard": {"max_5xx_delta": 0.25, "max_p99_ratio": 3, "min_requests": 9, "window": "2s"}},
        {"name": "dev"},
        {"name": "dev.local", "parent": "dev", "state": "DRAINING"},
        {"name": "old", "mode": "STRICT", "expires": "2020-01-01T00:00:00Z"},
        {"name": "shadow-l1", "kind": "SHADOW"},
    ],
    "entry": [
        {"name": "testers", "lane": "gray",
         "match": {"header": [{"name": "x-user", "in": ["jason", "ann"]}], "cidr": ["10.0.0.0/8"],
                   "secret_header": {"name": "x-key", "value": KEY}}},
        {"split": {"key": [{"header": "x-user-id"}, {"cookie": "uid"}], "salt": "s1",
                   "parts": [{"lane": "gray", "basis_points": 500}], "on_missing_key": "RANDOM"}},
    ],
    "service": {"stock": {"mode": "STRICT", "base_rescue": True}, "orders": {"target": "dev"}},
}
TRUST = {"plaintext_cidrs": ["10.0.0.0/8"],
         "allow": [{"secret_header": {"name": "x-let-me", "value": SECRET}, "lanes": ["*"]},
                   {"cidrs": ["192.0.2.9/32"], "lanes": ["shadow-l1"], "shadow": True}]}


def member(where, health=None, **labels):
    return endpoint(where, metadata={"filter_metadata": {"envoy.lb": labels}},
                    **({"health_status": health} if health else {}))


class Pod:
    """A pod of lane dev with a table in a file, and an entry beside it with the same table."""

    def __init__(self, bench, table=TABLE, **fields):
        self.table_path = bench.folder / "lanes.yaml"
        self.write(table)
        lane = {"table_source": {"path": str(self.table_path)}, "trust": TRUST,
                "carriers": {"aliases": ["x-mse-tag"]},
                "egress": {"mesh": {"external_clusters": ["app", "internet"]}},
                "pod_lane": {"lane": "dev", "recolor": True}, **fields}
        app = bench.http("app", default=lambda _c, _r: answer("fine"))
        entry = {**lane, "role": "ENTRY", "pod_lane": {"enabled": False}}
        at = app.address
        self.proxy = bench.start(bootstrap(
            [listener("in", hcm(route("/", to("app")), filters=lane_filters(**lane)),
                      traffic_direction="INBOUND"),
             listener("out", hcm(route("/", to("orders")), filters=lane_filters(**lane)),
                      traffic_direction="OUTBOUND"),
             listener("gw", hcm(route("/", to("orders")), filters=lane_filters(**entry)))],
            [cluster("app", at), cluster("internet", at),
             cluster("orders", endpoint(at), member(("127.0.0.1", 2), lane="gray"),
                     member(("127.0.0.1", 3), "UNHEALTHY", lane="gray")),
             cluster("stock", member(("127.0.0.1", 4), shadow_ok=True),
                     member(("127.0.0.1", 5), lane=["dev", "gray"])),
             cluster("<i>odd</i>", endpoint(at))]))

    def write(self, table):
        new = self.table_path.with_suffix(".new")
        new.write_text(table if isinstance(table, str) else json.dumps(table))
        os.replace(new, self.table_path)

    def page(self, target="/lanes", accept=None, **request):
        headers = [("accept", accept)] if accept else []
        return fetch(self.proxy.admin_address, target=target, headers=headers, **request)

    def json(self):
        return self.proxy.admin_json("/lanes?format=json")

    def dry(self, *headers, listener="in", peer="10.1.2.3", **params):
        pairs = [("dry_run", ""), ("format", "json"), ("listener", listener), ("peer", peer)]
        pairs += [("header", h) for h in headers] + list(params.items())
        query = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)
        return self.proxy.admin_json("/lanes?" + query)["dry_run"]

    def bad(self, query):
        response = self.page("/lanes?dry_run&" + query)
        assert response.status == 400, response.text
        return response.text


@pytest.fixture(scope="module")
def pod(shared_bench):
    return Pod(shared_bench)


# --- JSON ---------------------------------------------------------------------------------------

def test_filters(pod):
    pod_lane = {"lane": "dev", "from": "pod_lane.lane", "recolor": True, "shadow_ok": False}
    off = {"lane": "base", "from": "", "recolor": False, "shadow_ok": False}
    assert pod.json()["configured"] is True
    assert pod.json()["filters"] == [
        {"listener": "in", "direction": "INBOUND", "role": "SIDECAR", "table": 0, "pod_lane": pod_lane},
        {"listener": "out", "direction": "OUTBOUND", "role": "SIDECAR", "table": 0, "pod_lane": pod_lane},
        {"listener": "gw", "direction": "UNSPECIFIED", "role": "ENTRY", "table": 0, "pod_lane": off}]


def test_the_table(pod):
    tables = pod.json()["tables"]
    assert len(tables) == 1
    table = tables[0]
    known = {k: table[k] for k in ("source", "path", "resource", "in_force", "revision", "enabled", "base_mode",
                                   "unknown", "base_rescue", "accepted", "refused", "last_refused")}
    assert known == {"source": "file", "path": str(pod.table_path), "resource": "lane-table", "in_force": True,
                     "revision": 42, "enabled": True, "base_mode": "UNTAGGED_ONLY",
                     "unknown": "TREAT_AS_BASE", "base_rescue": False, "accepted": 1, "refused": 0,
                     "last_refused": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", table["since"])
    assert 0 <= table["age_s"] < 300
    assert int(table["hash"], 16) & 0xffffffffffff == pod.proxy.stat("lane.table_info.hash") != 0
    assert pod.proxy.stat("lane.table_info.revision") == 42


def test_lanes(pod):
    lanes = {lane["name"]: lane for lane in pod.json()["tables"][0]["lanes"]}
    assert list(lanes) == ["gray", "dev", "dev.local", "old", "shadow-l1"]
    gray = lanes["gray"]
    assert gray["emit_headers"] == {"x-version": "2"}
    assert gray["owner"] == "<b>shop</b> & co"
    assert gray["on"] == {"unhealthy": True, "overload": True, "retry": False}
    assert (gray["min_healthy_percent"], gray["absent_grace_s"]) == (40, 3)
    assert gray["cap"] == {"percent": 7, "min_rps": 3, "window_s": 5, "in_use": []}
    guard = gray["guard"]
    assert (guard["state"], guard["max_5xx_delta"], guard["max_p99_ratio"]) == ("armed", 0.25, 3)
    assert (guard["min_requests"], guard["window_s"]) == (9, 2)
    assert guard["verdict"] in ("not_judged_yet", "too_few_requests")
    assert gray["counters"]["rq_in"] == 0
    assert lanes["dev"]["guard"] is None
    told = {n: (x["kind"], x["mode"], x["state"], x["standing"], x["parents"], x["expires"])
            for n, x in lanes.items()}
    assert told == {
        "gray": ("GRAY", "PERMISSIVE", "ACTIVE", "active", [], None),
        "dev": ("GRAY", "PERMISSIVE", "ACTIVE", "active", [], None),
        "dev.local": ("GRAY", "PERMISSIVE", "DRAINING", "draining", ["dev"], None),
        "old": ("GRAY", "STRICT", "ACTIVE", "expired", [], "2020-01-01T00:00:00Z"),
        "shadow-l1": ("SHADOW", "STRICT", "ACTIVE", "active", [], None)}


def test_entry_rules_and_services(pod):
    table = pod.json()["tables"][0]
    assert table["entry"] == [
        {"name": "testers", "lane": "gray", "match": {
            "cidr": ["10.0.0.0/8"], "secret_header": "x-key",
            "header": [{"name": "x-user", "is": "in 2 values: ann, jason"}]}},
        {"name": "", "match": {}, "split": {
            "key": [{"header": "x-user-id"}, {"cookie": "uid"}], "salt": "s1",
            "parts": [{"lane": "gray", "basis_points": 500, "start_bp": 0}],
            "on_missing_key": "RANDOM"}}]
    assert table["service"] == {"orders": {"target": "dev", "base_rescue": False},
                                "stock": {"mode": "STRICT", "base_rescue": True}}


def test_membership_and_coverage(pod):
    groups = pod.json()["membership"]
    assert len(groups) == 1  # both senders see the same
    group = groups[0]
    assert group["listeners"] == "out, gw"
    none = {"total": 0, "healthy": 0}
    one = {"total": 1, "healthy": 1}
    assert group["clusters"] == [
        {"cluster": "orders", "base": one, "shadow_ok": none,
         "lanes": {"gray": {"total": 2, "healthy": 1}}},
        {"cluster": "stock", "base": one, "shadow_ok": one, "lanes": {"gray": one, "dev": one}},
        {"cluster": "<i>odd</i>", "base": one, "shadow_ok": none, "lanes": {}}]
    assert group["outside"] == ["app", "internet"]
    coverage = {x["lane"]: (x["kind"], x["clusters"], x["covered"], x["missing_count"], x["missing"])
                for x in group["coverage"]}
    assert coverage == {  # only lanes that requests may be assigned to
        "gray": ("GRAY", 3, 2, 1, ["<i>odd</i>"]),
        "dev": ("GRAY", 3, 1, 2, ["orders", "<i>odd</i>"]),
        "shadow-l1": ("SHADOW", 3, 1, 2, ["orders", "<i>odd</i>"])}


def test_counts_of_the_process(pod):
    page = pod.json()
    assert page["in_flight"] == {"marked": 0, "unmarked": 0, "probes": 0}
    assert page["association"]["capacity"] == 65536
    assert set(page["association"]) == {"size", "capacity", "inserts", "hits", "misses", "ambiguous",
                                        "conflicts", "expired", "evictions", "refused"}
    assert page["carry"]["verdict"].startswith("Nothing is known yet")


def test_requests_in_flight_and_what_is_carried(bench):
    mesh = Mesh(bench, {"lanes": [{"name": "g"}]}, ["a", ("a", "g"), "b"], forwards=TRACE)
    seen = []

    def look(_request):
        seen.append(mesh.pod("a-g").proxy.admin_json("/lanes?format=json"))

    mesh.pod("a-g").gate = look
    assert mesh.walk(lane="g") == ["a-g", "b-base", 404]  # there is no c
    assert seen[0]["in_flight"] == {"marked": 1, "unmarked": 0, "probes": 0}
    assert seen[0]["association"]["size"] == 2
    page = mesh.pod("a-g").proxy.admin_json("/lanes?format=json")
    assert page["association"]["hits"] == 1
    counters = page["tables"][0]["lanes"][0]["counters"]
    told = {k: v for k, v in counters.items() if v}
    assert told == {"rq_in": 1, "rq_out_base": 1, "fallback_absent": 1, "assoc_hit": 1}


def test_an_application_that_drops_marks_is_named(bench):
    mesh = Mesh(bench, {"lanes": [{"name": "g"}]}, ["a", "b"], forwards=())
    mesh.walk(lane="g")
    carry = mesh.pod("a-base").proxy.admin_json("/lanes?format=json")["carry"]
    assert (carry["carried"], carry["lost"], carry["suspect_lost"]) == (0, 0, 1)
    assert "seems to drop marks" in carry["verdict"]
    assert "seems to drop marks" in mesh.pod("a-base").proxy.admin("/lanes").text


def test_a_refused_table_is_shown_and_the_last_good_one_stays(bench):
    pod = Pod(bench)
    pod.write({"revision": 43, "lanes": [{"name": "NOT A NAME"}]})
    wait_for(lambda: pod.json()["tables"][0]["refused"] == 1, "the table is refused")
    table = pod.json()["tables"][0]
    assert (table["revision"], table["last_refused"]["replaced"]) == (42, False)
    assert "lanes[0].name" in table["last_refused"]["error"]
    text = pod.page().text
    assert re.search(r"newest table was refused \d+ s ago, revision 42 stays in force: .*lanes\[0\]\.name", text)
    pod.write({**TABLE, "revision": 44, "enabled": False})
    wait_for(lambda: pod.json()["tables"][0]["revision"] == 44, "the table is in force")
    table = pod.json()["tables"][0]
    assert (table["enabled"], table["last_refused"]["replaced"]) == (False, True)
    assert {x["standing"] for x in table["lanes"]} == {"table_off"}
    assert pod.json()["membership"][0]["coverage"] == []
    assert "lanes are: switched off" in pod.page().text


def test_a_tripped_guard_is_shown_with_both_figures(bench):
    table = {"lanes": [{"name": "g", "guard": {"max_5xx_delta": 0.1, "min_requests": 5, "window": "2s"}}],
             "entry": [{"split": {"key": [{"header": "x-user"}], "salt": "s",
                                  "parts": [{"lane": "g", "basis_points": 5000}]}}]}
    mesh = Mesh(bench, table, ["a", ("a", "g")])
    mesh.pod("a-g").app.default = lambda _c, _r: answer("broken", status="500 No")

    def guard():
        for i in range(30):
            mesh.get({"x-user": f"u{i}"})
        return mesh.gateway.admin_json("/lanes?format=json")["tables"][0]["lanes"][0]["guard"]

    wait_for(lambda: guard()["state"] == "tripped", "the guard trips")
    shown = guard()
    assert shown["verdict"] == "5xx"
    assert shown["lane"]["5xx"] == shown["lane"]["requests"] >= 5
    assert shown["base"]["requests"] >= 5 and shown["base"]["5xx"] == 0
    assert shown["tripped_ago_s"] < 60
    assert re.search(r"tripped \d+ s ago: 5xx 100\.0% of \d+ \(base 0\.0% of \d+", mesh.gateway.admin("/lanes").text)


def test_without_a_filter_the_page_says_so(bench):
    proxy = bench.start(bootstrap([listener("in", hcm(route("/", to("a"))))],
                                  [cluster("a", ("127.0.0.1", 1))]))
    assert proxy.admin_json("/lanes?format=json") == {"configured": False, "membership": []}
    assert "No lane filter is configured here" in proxy.admin("/lanes").text
    assert proxy.admin("/lanes?dry_run").status == 400
    parsed(proxy.admin("/lanes?format=html").text)


def test_several_tables_are_told_apart(bench):
    inline = [{"inline": {"revision": n, "lanes": [{"name": f"lane{n}"}]}} for n in (9, 3)]
    proxy = bench.start(bootstrap(
        [listener(f"l{i}", hcm(route("/", to("a")), filters=lane_filters(**fields)))
         for i, fields in enumerate(inline + [{}])], [cluster("a", ("127.0.0.1", 1))]))
    page = proxy.admin_json("/lanes?format=json")
    assert [x["table"] for x in page["filters"]] == [0, 1, 2]
    assert [(x["source"], x["in_force"]) for x in page["tables"]] == [
        ("inline", True), ("inline", True), ("none", False)]
    assert [x.get("revision") for x in page["tables"]] == [9, 3, None]
    assert [x["listeners"] for x in page["membership"]] == ["l0", "l1", "l2"]
    assert proxy.stat("lane.table_info.revision") == 9  # the highest


# --- for people ---------------------------------------------------------------------------------

VOID = {"meta", "link", "input", "br"}


class Tree(html.parser.HTMLParser):
    """Every element is closed where it belongs; keeps texts and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.elements = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    for tag, attrs in tree.elements:
        assert tag not in ("script", "img", "iframe", "i") and (tag != "b" or "class" in attrs)
        assert not any(str(attrs.get(a, "")).startswith(("http", "//")) for a in ("href", "src", "action"))
    return tree


def test_html_is_well_formed_and_names_are_escaped(pod):
    response = pod.page(accept="text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
    assert response.headers.get("content-type") == "text/html; charset=UTF-8"
    tree = parsed(response.text)
    texts = " ".join(tree.texts)
    assert "<i>odd</i>" in tree.texts and "<b>shop</b> & co" in tree.texts
    for expected in ("1 of 2", "missing", "shadow_ok 1 of 1", "dev.local", "armed", "5.00 % gray",
                     "outside of the mesh: app, internet"):
        assert expected in texts, expected


def test_the_form_of_the_page_works(pod):
    body = urllib.parse.urlencode({"dry_run": "1", "format": "html", "listener": "in", "peer": "10.1.2.3",
                                   "headers": "x-lane: gray\r\nbaggage: a=b c\r\n\r\n"})
    response = fetch(pod.proxy.admin_address, method="POST", target="/lanes", body=body.encode(),
                     headers=[("content-type", "application/x-www-form-urlencoded")])
    texts = parsed(response.text).texts
    assert response.status == 200
    assert "The mark is kept." in texts
    assert "lane=gray,a=b c" in texts


def test_how_the_form_of_the_reply_is_chosen(pod):
    kinds = {None: "text/plain; charset=UTF-8", "*/*": "text/plain; charset=UTF-8",
             "application/json": "application/json", "text/html": "text/html; charset=UTF-8"}
    for accept, kind in kinds.items():
        assert pod.page(accept=accept).headers.get("content-type") == kind
        assert pod.page("/lanes?format=text", accept=accept).headers.get("content-type") == kinds[None]
    response = pod.page("/lanes?format=xml")
    assert (response.status, response.text) == (400, "usage: ?format=(text|json|html)\n")
    assert "  /lanes: " in pod.proxy.admin("/help").text
    assert "<a href='lanes'>" in pod.proxy.admin("/").text


def test_text(pod):
    text = pod.page().text
    assert re.search(r"^  orders +1 of 1 +1 of 2 +missing +missing", text, re.M)
    assert "dev: 1 of 3 clusters have it, missing in orders, <i>odd</i>" in text
    assert "secret header x-key" in text


def test_secrets_are_nowhere(pod):
    for form in ("text", "json", "html"):
        for target in (f"/lanes?format={form}",
                       f"/lanes?dry_run&format={form}&listener=gw&peer=10.1.2.3&cluster=orders"
                       f"&header=x-key:{KEY}&header=x-user:ann&header=x-let-me:{SECRET}&header=x-lane:gray"):
            response = pod.page(target)
            assert response.status == 200
            assert KEY not in response.text and SECRET not in response.text


# --- dry run ------------------------------------------------------------------------------------

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


# --- gauges -------------------------------------------------------------------------------------

def gauge(proxy, lane, name, what="endpoints"):
    return proxy.stat(f"lane.{lane}.in_cluster.{name}.{what}")


def test_gauges_are_labelled_for_prometheus(pod):
    wait_for(lambda: gauge(pod.proxy, "gray", "orders") == 2, "the gauges are there")
    assert gauge(pod.proxy, "gray", "orders", "endpoints_healthy") == 1
    text = pod.proxy.admin("/stats/prometheus?filter=in_cluster").text
    assert 'envoy_lane_endpoints{lane="gray",cluster="orders"} 2' in text
    assert 'envoy_lane_endpoints_healthy{lane="gray",cluster="orders"} 1' in text
    assert 'envoy_lane_endpoints{lane="dev.local",cluster="<i>odd</i>"} 0' in text
    assert 'envoy_lane_endpoints{lane="base",cluster="stock"} 1' in text
    assert "internet" not in text and 'cluster="app"' not in text


def test_gauges_follow_the_health_of_an_endpoint_and_the_table(bench):
    host = Host(bench, "g1")
    table = bench.folder / "lanes.yaml"
    table.write_text(json.dumps({"revision": 1, "lanes": [{"name": "g"}]}))
    lane = {"table_source": {"path": str(table)}, "role": "ENTRY"}
    proxy = bench.start(bootstrap(
        [listener("gw", hcm(route("/", to("web")), filters=lane_filters(**lane)))],
        [cluster("web", member(host.address, lane="g"), member(("127.0.0.1", 1), "UNHEALTHY", lane="h"),
                 **check())]))
    wait_for(lambda: gauge(proxy, "g", "web", "endpoints_healthy") == 1, "the endpoint is healthy")
    host.answers.health = answer("no", status="503 No")
    wait_for(lambda: gauge(proxy, "g", "web", "endpoints_healthy") == 0, "the endpoint is ill")
    assert gauge(proxy, "g", "web") == 1
    page = proxy.admin_json("/lanes?format=json")["membership"][0]["clusters"][0]
    assert page["lanes"] == {"g": {"total": 1, "healthy": 0}}
    host.answers.health = answer("fine")
    wait_for(lambda: gauge(proxy, "g", "web", "endpoints_healthy") == 1, "it is well again")
    new = table.with_suffix(".new")
    new.write_text(json.dumps({"revision": 2, "lanes": [{"name": "h"}]}))
    os.replace(new, table)
    wait_for(lambda: gauge(proxy, "h", "web") == 1, "the new lane is counted")
    assert gauge(proxy, "h", "web", "endpoints_healthy") == 0
    assert gauge(proxy, "g", "web") == 0
    assert proxy.stat("lane.table_info.revision") == 2
