"""Every request of llhttp's own test files, as raw bytes, on both proxies."""

import base64
import hashlib
import json
import re

import peers
import pytest
from engine import Row, Scene, check_explained, compare
from rows_http import plain
from tags import TAGS

LANES = 8


def restored(sent, events):
    """The data was stored without its final line ends. The offsets of the events count them, up to
    the first error; behind an error the end of a head is put back."""
    offsets = [int(m.group(1)) for e in events if (m := re.match(r"off=(\d+)", e))]
    missing = max(offsets, default=0) - len(sent)
    if missing <= 0 and any("error" in e for e in events):
        missing = 4
    return sent + b"\r\n\r\n"[: max(missing, 0)]


def load():
    data = peers.shared_data()
    path = data / "http/llhttp-request.jsonl" if data else None
    if not path or not path.exists():
        return {}
    made = {}
    for line in path.read_text().splitlines():
        case = json.loads(line)
        sent = restored(base64.b64decode(case["input_b64"]), case["events"])
        slug = re.sub(r"[^a-z0-9]+", "-", case["title"].lower()).strip("-")
        name = f"llhttp-{slug}-{hashlib.sha1(sent).hexdigest()[:8]}"
        lane = f"raw{len(made) % LANES}"
        made.setdefault(name, Row(name, lane, sent, responses=None, tag=TAGS.get(name)))
    return made


ROWS = load()


@pytest.fixture(scope="module")
def compared(proxy_kind, tmp_path_factory):
    scene = Scene({f"raw{n}": plain for n in range(LANES)})
    with compare(proxy_kind, tmp_path_factory, scene, ROWS) as comparison:
        yield comparison


@pytest.mark.parametrize("name", ROWS or ["-"])
def test_row(request, name):
    if not ROWS:
        pytest.skip("no http/llhttp-request.jsonl: set LANEKEEPER_SHARED")
    problem = request.getfixturevalue("compared").difference(ROWS[name])
    assert problem is None, problem


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("name", ROWS or ["-"])
def test_row_is_explained(request, name):
    if not ROWS:
        pytest.skip("no http/llhttp-request.jsonl: set LANEKEEPER_SHARED")
    check_explained(request.getfixturevalue("compared"), ROWS[name])


def test_every_tag_names_a_row():
    if not ROWS:
        pytest.skip("the data is absent: set LANEKEEPER_SHARED")
    assert [t for t in TAGS if t.startswith("llhttp-") and t not in ROWS] == []
