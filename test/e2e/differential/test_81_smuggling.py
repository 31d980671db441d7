"""Every template of a request-smuggling scanner, followed by a canary on the same connection."""

import base64
import json

import peers
import pytest
from engine import Row, Scene, check_explained, compare
from rows_http import plain
from tags import TAGS

LANES = 8
# By its length this body has six bytes; by chunks it ends before the X, which then would be the
# beginning of the canary's method.
BODY = b"0\r\n\r\nX"


def load():
    data = peers.shared_data()
    path = data / "http/smuggler-default.jsonl" if data else None
    if not path or not path.exists():
        return {}
    made = {}
    for line in path.read_text().splitlines():
        case = json.loads(line)
        sent = base64.b64decode(case["b64"])
        for mark, value in (
            (b"__METHOD__", b"POST"),
            (b"__ENDPOINT__", b"/smuggle"),
            (b"__RANDOM__", b"1"),
            (b"__HOST__", b"test"),
            (b"__REPLACE_CL__", b"%d" % len(BODY)),
        ):
            sent = sent.replace(mark, value)
        name = f"smuggling-{case['name']}"
        lane = f"raw{len(made) % LANES}"
        made[name] = Row(name, lane, sent + b"\r\n" + BODY, responses=None, tag=TAGS.get(name))
    return made


ROWS = load()


@pytest.fixture(scope="module")
def compared(proxy_kind, tmp_path_factory):
    scene = Scene({f"raw{n}": plain for n in range(LANES)})
    with compare(proxy_kind, tmp_path_factory, scene, ROWS) as comparison:
        yield comparison


@pytest.fixture(scope="module")
def rows(request):
    if not ROWS:
        pytest.skip("no http/smuggler-default.jsonl: set LANEKEEPER_SHARED")
    return request.getfixturevalue("compared")


@pytest.mark.parametrize("name", ROWS or ["-"])
def test_row(rows, name):
    problem = rows.difference(ROWS[name])
    assert problem is None, problem


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("name", ROWS or ["-"])
def test_row_is_explained(rows, name):
    check_explained(rows, ROWS[name])


@pytest.mark.parametrize("name", ROWS or ["-"])
def test_nothing_is_smuggled(rows, name):
    """Whatever we forward, the backend sees no request that the client did not mean: the POST
    with its whole body and the canary, or the canary not at all."""
    seen = rows.results[name]["ours"].forwarded()
    for start_line, body in seen:
        assert start_line in ("POST /smuggle?cb=1 HTTP/1.1", "GET /canary HTTP/1.1")
        if start_line.startswith("POST"):
            assert body == BODY


def test_every_tag_names_a_row():
    if not ROWS:
        pytest.skip("the data is absent: set LANEKEEPER_SHARED")
    assert [t for t in TAGS if t.startswith("smuggling-") and t not in ROWS] == []
