"""Our own rows on both proxies: HTTP semantics, routing, headers, trust, limits, retries."""

import pytest
import rows_edge
import rows_http
import rows_routes
from backend import closed_port
from config import cluster
from engine import Scene, check_explained, compare
from tags import TAGS

ROWS = {row.id: row for part in (rows_http, rows_routes, rows_edge) for row in part.rows()}
for name, tag in TAGS.items():
    if name in ROWS:
        ROWS[name].tag = tag


@pytest.fixture(scope="module")
def compared(proxy_kind, tmp_path_factory):
    held, port = closed_port()
    scene = Scene(
        {**rows_http.LISTENERS, **rows_routes.LISTENERS, **rows_edge.LISTENERS},
        clusters=[cluster("dead", ("127.0.0.1", port)), cluster("nobody")],
    )
    with held, compare(proxy_kind, tmp_path_factory, scene, ROWS) as comparison:
        yield comparison


def test_there_are_more_than_150_rows():
    assert len(ROWS) >= 150


@pytest.mark.parametrize("name", ROWS)
def test_row(compared, name):
    problem = compared.difference(ROWS[name])
    assert problem is None, problem


@pytest.mark.lanekeeper_only("/explain is our own")
@pytest.mark.parametrize("name", ROWS)
def test_row_is_explained(compared, name):
    check_explained(compared, ROWS[name])


def test_every_tag_names_a_row():
    own = [t for t in TAGS if not t.startswith(("llhttp-", "smuggling-"))]
    assert [t for t in own if t not in ROWS] == []
