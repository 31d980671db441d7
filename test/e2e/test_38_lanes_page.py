"""The admin page /lanes: what it says of a known configuration, word by word; the gauges beside it."""

import json
import os
import re
import urllib.parse

import pytest
from backend import answer
from client import fetch, wait_for
from config import bootstrap, cluster, hcm, listener, route, to
from health import Host, check
from lanes_page import KEY, SECRET, TABLE, Pod, member, parsed
from mesh import TRACE, Mesh, lane_filters

pytestmark = pytest.mark.lanekeeper_only("lanes are our own")

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
                       f"&header=x-key:{KEY}&header=x-user:ann&header=x-let-me:{SECRET}&header=x-lane:gray",
                       f"/lanes?dry_run&format={form}&listener=out&header=x-key:{KEY}&header=X-Let-Me:{SECRET}"):
            response = pod.page(target)
            assert response.status == 200
            assert KEY not in response.text and SECRET not in response.text


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
