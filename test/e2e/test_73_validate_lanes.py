"""--mode validate-lanes: a lane table checked for people and for CI, with every mistake at its place in the file."""

import json
import re
import subprocess

import pytest
from bench import binary_of

pytestmark = pytest.mark.lanekeeper_only("lane tables are our own")

TABLE = {
    "revision": 42,
    "lanes": [
        {"name": "gray-v2", "kind": "GRAY", "emit_headers": {"x-mse-tag": "gray-v2"}},
        {"name": "dev.p"},
        {"name": "dev.p.local", "parent": "dev.p"},
        {"name": "shadow-load", "kind": "SHADOW", "mode": "STRICT"},
    ],
    "entry": [
        {"match": {"header": {"name": "x-user-id", "in": ["jason"]}}, "lane": "gray-v2"},
        {"split": {"key": [{"header": "x-user-id"}, {"cookie": "lane_uid"}], "salt": "rel",
                   "parts": [{"lane": "gray-v2", "basis_points": 500}],
                   "on_missing_key": "SET_COOKIE"}},
    ],
}
TABLE_TYPE = "type.googleapis.com/lanekeeper.lane.v1.LaneTable"
STRUCT_TYPE = "type.googleapis.com/xds.type.v3.TypedStruct"


@pytest.fixture
def run(proxy_kind, tmp_path):
    """run(*arguments) -> CompletedProcess with text."""
    binary = binary_of(proxy_kind)

    def call(*arguments):
        return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True,
                              timeout=20, cwd=tmp_path, check=False)

    return call


@pytest.fixture
def check(run, tmp_path):
    """check(table as dict or text, name of the file) -> CompletedProcess."""

    def call(table, name="lanes.yaml", *arguments):
        path = tmp_path / name
        path.write_text(table if isinstance(table, str) else json.dumps(table, indent=1))
        return run("--mode", "validate-lanes", path, *arguments)

    return call


def summary(result):
    assert result.returncode == 0, result.stderr
    found = re.search(r"OK: revision (\d+), hash ([0-9a-f]{16}), lanes (\d+), rules (\d+)",
                      result.stdout)
    assert found, result.stdout
    return found.groups()


def test_a_good_table_is_summed_up(check):
    revision, _, lanes, rules = summary(check(TABLE))
    assert (revision, lanes, rules) == ("42", "4", "2")


def test_one_table_has_one_hash_in_every_form(check):
    forms = [
        check(TABLE, "table.json"),
        check({"@type": TABLE_TYPE, **TABLE}),
        check({"name": "lane-table", "typed_config": {"@type": TABLE_TYPE, **TABLE}}),
        check({"name": "lane-table", "typed_config": {
            "@type": STRUCT_TYPE, "type_url": TABLE_TYPE, "value": TABLE}}),
        check({"version_info": "1", "resources": [{"@type": TABLE_TYPE, **TABLE}]}),
    ]
    expected = summary(check(TABLE))
    assert [summary(form) for form in forms] == [expected] * len(forms)
    assert summary(check({**TABLE, "revision": 43}))[1] != expected[1]


def test_a_disabled_table_says_so(check):
    result = check({"enabled": False})
    assert result.returncode == 0
    assert "not enabled" in result.stdout


def test_every_mistake_is_told_with_file_line_and_path(check):
    result = check("""revison: 1
lanes:
- name: Gray
- name: gray
  parent: nobody
- {name: load, kind: SHADOW}
entry:
- lane: other
- split:
    key: {header: u}
    parts:
    - {lane: gray, basis_points: 6000}
    - {lane: gray, basis_points: 6000}
""")
    assert result.returncode == 1
    assert "not valid" in result.stdout
    for line, path, what in [
        (1, "revison", "did you mean"),
        (3, "lanes[0].name", "expected 1 to 63"),
        (5, "lanes[1].parent", "no lane 'nobody'"),
        (6, "lanes[2].name", "shadow-"),
        (8, "entry[0].lane", "no lane 'other'"),
        (13, "entry[1].split.parts[1].basis_points", "expected at most 10000"),
    ]:
        wanted = rf"lanes\.yaml:{line}: {re.escape(path)}: .*{re.escape(what)}"
        assert re.search(wanted, result.stderr), f"{wanted}\n{result.stderr}"
    assert len(result.stderr.splitlines()) == 6, result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{", "a: [", "\0", "- - -", "just text",
                                  '{"@type": "google.protobuf.Empty", "value": {}}'])
def test_what_is_no_table_is_refused(check, text):
    result = check(text)
    assert result.returncode == 1
    assert "lanes.yaml" in result.stderr


def test_unknown_fields_can_be_allowed(check):
    table = {**TABLE, "no_such": 1}
    assert check(table).returncode == 1
    result = check(table, "lanes.yaml", "--allow-unknown-static-fields")
    assert result.returncode == 0
    assert "no_such" in result.stderr


def test_a_missing_file_is_named(run):
    result = run("--mode", "validate-lanes", "/no/such/table.yaml")
    assert result.returncode == 1
    assert "/no/such/table.yaml" in result.stderr


@pytest.mark.parametrize("arguments", [
    ["--mode", "validate-lanes"],
    ["--mode", "validate-lanes", "a.yaml", "b.yaml"],
    ["--mode", "validate", "a.yaml", "-c", "x"],
])
def test_a_wrong_command_line_is_an_error(run, arguments):
    result = run(*arguments)
    assert result.returncode == 1
    assert "--help" in result.stderr


def test_the_file_may_come_first(run, tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("revision: 1\n")
    assert summary(run(path, "--mode", "validate-lanes"))[0] == "1"
