"""THE closed list of deliberate differences between lanekeeper and Envoy.

A row of the differential tests is either equal on both, or carries the name of one entry here and
then differs exactly in the way that the entry's check allows. A tagged row that turns out equal
fails too: the tag has become stale.
"""

import copy


def strict_framing(ours, theirs, _row):
    """An ambiguity of framing is a 400 and a closed connection, and is never forwarded; one in an
    answer of the backend is a 502."""
    if ours.forwarded() == theirs.forwarded() and ours.statuses()[:1] == [502]:
        return ours.log[0]["flags"] == "UPE" and ours.statuses()[1:] == theirs.statuses()[1:]
    return (
        bool(ours.responses)
        and ours.responses[-1].status == 400
        and ours.closed
        and ours.statuses()[:-1] == theirs.statuses()[: len(ours.responses) - 1]
        and ours.forwarded() == theirs.forwarded()[: len(ours.upstream)]
    )


def http10_accepted(ours, theirs, _row):
    """HTTP/1.0 is served where Envoy demands an upgrade."""
    return 426 in theirs.statuses() and 426 not in ours.statuses() and bool(ours.responses)


def header_case_kept(ours, theirs, _row):
    """The names of headers keep their case from HTTP/1 to HTTP/1; all else is equal."""
    return lowered(ours) == lowered(theirs)


def server_name_and_via(ours, theirs, _row):
    """The default of `server` is our own name; all else is equal."""
    return without(ours, "server", "via") == without(theirs, "server", "via")


def buffer_limits(ours, theirs, row):
    """Other sizes of what is kept of a body: the status is one that the row names."""
    return ours.statuses()[-1:] == [row.ours] and theirs.statuses() != ours.statuses()


def safer_keepalive_replay(ours, theirs, _row):
    """An idempotent request lost on a dying kept connection is sent once more: it is answered where
    Envoy says 503 UC, or, where that connection is lost too, only the backend sees a difference."""
    if 503 in theirs.statuses() and 503 not in ours.statuses():
        return bool(ours.responses)
    once_more = len(ours.upstream) == len(theirs.upstream) + 1
    return once_more and ours.statuses() == theirs.statuses() and ours.closed == theirs.closed


DIFFERENCES = {
    check.__name__: check
    for check in (
        strict_framing,
        http10_accepted,
        header_case_kept,
        server_name_and_via,
        buffer_limits,
        safer_keepalive_replay,
    )
}


def lowered(seen):
    seen = copy.deepcopy(seen)
    for message in seen.responses + seen.upstream:
        message.headers = [(n.lower(), v) for n, v in message.headers]
    return seen.lines()


def without(seen, *names):
    seen = copy.deepcopy(seen)
    for message in seen.responses + seen.upstream:
        message.headers = [(n, v) for n, v in message.headers if n.lower() not in names]
    return seen.lines()
