"""Route tables with their expected results, driven as real routes on both proxies."""

import json
import re

import peers
import pytest
import yaml
from client import build
from engine import Row, Scene, check_explained, compare

TABLES = ("ClusterHeader", "ComprehensiveRoutes", "ContentType", "DirectResponse",
          "HeaderMatchedRouting", "Redirect", "Weighted")


def load_cases():
    data = peers.shared_data()
    folder = data / "router-check" if data else None
    if not folder or not folder.is_dir():
        return {}, {}
    tables, cases = {}, {}
    for name in TABLES:
        tables[name] = yaml.safe_load((folder / f"{name}.yaml").read_text())
        text = re.sub(r",(\s*[}\]])", r"\1", (folder / f"{name}.golden.proto.json").read_text())
        for case in json.loads(text)["tests"]:
            cases[f"{name}-{case['test_name'].replace(' ', '_')}"] = (name, case)
    return tables, cases


def clusters_of(value):
    """The names of the clusters that a table mentions."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "cluster" and isinstance(inner, str):
                found.add(inner)
            elif key == "weighted_clusters":
                found |= {c["name"] for c in inner["clusters"]}
            else:
                found |= clusters_of(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= clusters_of(inner)
    return found


def row_of(name, table, case):
    given = case["input"]
    headers = [(h["key"], h["value"]) for h in given.get("additional_request_headers", [])]
    if given.get("ssl"):
        headers.append(("X-Forwarded-Proto", "https"))
    if given.get("internal"):
        headers.append(("X-Forwarded-For", "10.0.0.1"))
    method = given.get("method", "GET")
    body = b"" if method in ("PUT", "POST") else None
    sent = build(method, given["path"], headers, body, host=given["authority"])
    row = Row(name, table, sent)
    if table == "Weighted":
        row.ignore = ("cluster",)
    return row


TABLES_READ, CASES = load_cases()
ROWS = {name: row_of(name, *case) for name, case in CASES.items()}


def listener_for(table):
    def make(ctx):
        hosts = [dict(h) for h in TABLES_READ[table]["virtual_hosts"]]
        rest = {k: v for k, v in TABLES_READ[table].items() if k not in ("virtual_hosts", "name")}
        return ctx.listener(
            vhosts=hosts,
            route_fields={**rest, "validate_clusters": False},
            internal_address_config={
                "cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]
            },
        )

    return make


@pytest.fixture(scope="module")
def compared(proxy_kind, tmp_path_factory):
    if not CASES:
        pytest.skip("no router-check: set LANEKEEPER_SHARED")
    named = set().union(*(clusters_of(t) for t in TABLES_READ.values())) | {"some_cluster"}
    scene = Scene({t: listener_for(t) for t in TABLES}, answering=sorted(named))
    with compare(proxy_kind, tmp_path_factory, scene, ROWS) as comparison:
        yield comparison


@pytest.mark.parametrize("name", CASES or ["-"])
def test_both_agree(compared, name):
    problem = compared.difference(ROWS[name])
    assert problem is None, problem


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("name", CASES or ["-"])
def test_row_is_explained(compared, name):
    check_explained(compared, ROWS[name])


@pytest.mark.parametrize("name", CASES or ["-"])
def test_the_expected_result(compared, name):
    table, case = CASES[name]
    seen = compared.results[name]["ours"]
    wanted = case["validate"]
    response, entry = seen.responses[0], seen.log[0]
    cluster_name = wanted.get("cluster_name")
    if cluster_name and "random_value" not in case["input"]:
        assert entry["cluster"] == cluster_name
    elif cluster_name:
        assert entry["cluster"] in clusters_of(TABLES_READ[table])
    elif cluster_name == "" and "code_redirect" not in wanted:
        assert response.status in (301, 302, 307, 308, 404, 503)
    check_redirect(wanted, case, response)
    if wanted.get("path_rewrite") and wanted.get("cluster_name"):
        assert entry["path"] == wanted["path_rewrite"]
    if wanted.get("host_rewrite") and wanted.get("cluster_name"):
        assert entry["authority"] == wanted["host_rewrite"]
    for matcher in wanted.get("response_header_matches", []):
        check_header(matcher, response)


def check_redirect(wanted, case, response):
    location = wanted.get("path_redirect")
    if "code_redirect" in wanted:
        assert response.status == wanted["code_redirect"]
    if location and response.status != 200:
        assert dict(response.headers).get("location") == location
    elif location == "":
        assert response.status not in (301, 302, 303, 307, 308), case


def check_header(matcher, response):
    values = [v for n, v in response.headers if n.lower() == matcher["name"]]
    if matcher.get("present_match"):
        # The router's own tables know nothing of content-length: 0, which the codec adds.
        if matcher["name"] != "content-length":
            assert bool(values) != matcher.get("invert_match", False)
        return
    exact = matcher["string_match"]["exact"]
    # The tool that made the tables joins an appended content-type; on the wire there is one.
    assert ",".join(values) in (exact, exact.rpartition(",")[2])
