"""Real bootstraps of other projects: our verdict beside Envoy's.

What we accept, Envoy accepts. What Envoy accepts and we do not is refused by the name of a type or
a field that is not built; nothing crashes and nothing hangs.
"""

import pathlib
import re
import sys

import pytest
from bench import binary_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "config_corpus"))

import corpus  # noqa: E402

FILES = corpus.files()
NOT_BUILT = re.compile(r"not (built|supported|implemented)|unsupported", re.I)


@pytest.fixture(scope="module")
def binary(proxy_kind):
    if not FILES:
        pytest.skip("no configs: set LANEKEEPER_SHARED")
    return binary_of(proxy_kind)


def test_the_corpus_is_whole():
    if not FILES:
        pytest.skip("no configs: set LANEKEEPER_SHARED")
    assert len(FILES) >= 270


@pytest.mark.parametrize("name", FILES or ["-"])
def test_verdict(binary, tmp_path, name):
    path = FILES[name]
    accepted, code, text = corpus.validate(binary, path, tmp_path)
    assert code in (0, 1), f"crashed or hung: exit code {code}\n{text[-3000:]}"
    theirs = corpus.envoy_accepts(path, tmp_path)
    if theirs is None:
        pytest.skip("no cached verdict of Envoy and no Envoy")
    if accepted:
        assert theirs, "accepted, but Envoy refuses it"
        return
    assert text.strip(), "refused without a word"
    if theirs:
        assert NOT_BUILT.search(text), f"Envoy accepts it; our reason:\n{text[:3000]}"
