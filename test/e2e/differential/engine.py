"""Plays rows of raw bytes on two proxies with one bootstrap and tells where they differ.

The rows of one listener run one after the other; listeners, and the two proxies, side by side. A
row that differs is played again with more patience before it counts.
"""

import contextlib
import dataclasses
import difflib
import threading

import pytest
from bench import Bench, binary_of
from differences import DIFFERENCES
from explained import REASONS, LeftOut, ask, body_of, disagreement
from seen import Cleaner, Row, Seen
from side import Side

__all__ = ["Comparison", "Row", "Scene", "check_explained", "compare"]


@dataclasses.dataclass
class Scene:
    """listeners: name -> function(Context) -> listener. clusters: those without an own backend.
    answering: names of further clusters behind which a backend answers."""

    listeners: dict
    clusters: list = dataclasses.field(default_factory=list)
    answering: list = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def compare(kind, tmp_path_factory, scene, rows):
    """The Comparison of rows (id -> Row) on the proxy of that kind and on Envoy."""
    binary_of("envoy")
    with (
        Bench(kind, tmp_path_factory.mktemp("ours")) as ours,
        Bench("envoy", tmp_path_factory.mktemp("theirs")) as theirs,
    ):
        yield Comparison(Side(ours, kind, scene), Side(theirs, "envoy", scene), rows)


def check_explained(comparison, row):
    """Fails where /explain and what was served differ; a row that cannot be asked is skipped by a
    named reason."""
    try:
        problem = comparison.unexplained(row)
    except LeftOut as reason:
        pytest.skip(f"{reason}: {REASONS[str(reason)]}")
    assert problem is None, (row.id, problem)


class Comparison:
    """difference(row) tells the result of a row, results[id] what both did."""

    def __init__(self, ours, theirs, rows):
        self.sides = {"ours": ours, "theirs": theirs}
        self.results = {}
        self.problems = []
        self.run(rows.values())
        again = [row for row in rows.values() if self.difference(row)]
        if again:
            self.run(again, patience=4.0)

    def run(self, rows, patience=1.0):
        by_listener = {}
        for row in rows:
            by_listener.setdefault(row.listener, []).append(row)
        threads = [
            threading.Thread(target=self.play, args=(which, name, mine, patience))
            for name, mine in by_listener.items()
            for which in self.sides
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def play(self, which, listener, rows, patience):
        side, played = self.sides[which], []
        try:
            for row in rows:
                played.append((row, side.play(row, patience)))
            side.attach_log(listener, played)
        except Exception as error:
            last = played[-1][0].id if played else "none"
            self.problems.append(f"{which}, listener {listener}, after row {last}: {error!r}")
        for row, seen in played:
            self.results.setdefault(row.id, {})[which] = seen

    def unexplained(self, row):
        """None when POST /explain says of the row what was served, else how they differ; raises
        LeftOut for a row that cannot be asked."""
        seen = self.results.get(row.id, {}).get("ours")
        assert isinstance(seen, Seen), f"the row was not played; {'; '.join(self.problems[:3])}"
        side = self.sides["ours"]
        answer = ask(side.proxy, body_of(row.data(), row.listener))
        ports = {**side.ports, str(side.proxy.address(row.listener)[1]): "<listener>"}
        return disagreement(answer, seen, Cleaner(row, ports).text)

    def difference(self, row):
        """None when the row passes, else a readable account."""
        result = self.results.get(row.id, {})
        for which in self.sides:
            if not isinstance(result.get(which), Seen):
                return f"the row was not played on {which}; {'; '.join(self.problems[:3])}"
        ours, theirs = result["ours"].lines(), result["theirs"].lines()
        if ours == theirs:
            stale = row.tag and self.sides["ours"].proxy.kind != "envoy"
            return f"tagged {row.tag}, but equal: remove the tag" if stale else None
        if row.tag and DIFFERENCES[row.tag](result["ours"], result["theirs"], row):
            return None
        diff = difflib.unified_diff(theirs, ours, "envoy", "lanekeeper", lineterm="", n=100)
        tag = f" (tagged {row.tag}, which does not allow this)" if row.tag else ""
        return "\n".join([f"row {row.id}{tag}", f"sent: {row.data()[:1500]!r}", *diff])
