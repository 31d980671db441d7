"""Rows of the differential tests, asked of POST /explain: what it says must be what was served.

The head of a row's first request is put into the body as JSON. What cannot be said there, or is no
decision of ours, is left out by a reason of REASONS and by no other way.
"""

import json
import re

REASONS = {
    "no head": "the bytes hold no whole head: nothing was decided",
    "not lines": "a head that is no list of lines 'name: value' ended by CRLF cannot be written"
                 " as pairs; its bytes are the codec's business",
    "not text": "bytes that are no UTF-8 do not go into JSON",
    "not read": "the proxy answered or closed before it had this head",
}
START = re.compile(rb"([^ \r\n\0]+) ([^\r\n\0]+) (HTTP/1\.[01])")
FIELD = re.compile(rb"([^:\r\n\0]+):[ \t]*([^\r\n\0]*?)[ \t]*")
# Answers that come from behind the decision: of a host, of the lack of one that answers, of a
# request that went wrong after its head.
LATER = re.compile(
    r"via_upstream|upstream_.*|response_.*|websocket_handshake_unsuccessful|downstream_.*|"
    r"http1\..*|stream_idle_timeout|request_overall_timeout|request_payload_too_large|"
    r"max_duration_timeout|request_header_timeout"
)


class LeftOut(Exception):
    """With a key of REASONS."""

    def __init__(self, reason):
        assert reason in REASONS
        super().__init__(reason)


def body_of(data, listener):
    """The first request in these bytes as the body of /explain; raises LeftOut."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        raise LeftOut("no head")
    lines = head.split(b"\r\n")
    start = START.fullmatch(lines[0])
    fields = [FIELD.fullmatch(line) for line in lines[1:]]
    if not start or not all(fields) or any(f.group(1)[:1] in b" \t" for f in fields):
        raise LeftOut("not lines")
    try:
        method, target, version = (part.decode() for part in start.groups())
        pairs = [[f.group(1).decode(), f.group(2).decode()] for f in fields]
    except UnicodeDecodeError:
        raise LeftOut("not text") from None
    if any(ord(c) < 32 or ord(c) == 127 for text in (method, *(n for n, _ in pairs)) for c in text):
        raise LeftOut("not lines")
    return {"listener": listener, "source": "127.0.0.1:50000", "method": method, "path": target,
            "protocol": version, "headers": pairs}


def ask(proxy, body):
    """The answer of /explain, which takes what it is given."""
    response = proxy.admin("/explain", method="POST", body=json.dumps(body))
    assert response.status == 200, (response.status, response.text, body)
    return json.loads(response.text)


def weighted(answer):
    """The clusters that the draw decides between; None where none does."""
    for step in answer["decisions"]:
        if step["step"] == "action" and "weighted_clusters" in step:
            return {c["cluster"] for c in step["weighted_clusters"] if c["weight"] > 0}
    return None


def disagreement(answer, seen, clean):
    """None, or how the answer and what was served differ. clean: of texts with addresses."""
    result, finals = answer["result"], [r for r in seen.responses if r.status >= 200 or r.status == 101]
    if not seen.log:
        raise LeftOut("not read")
    entry = seen.log[0]
    said, served = {}, {}
    if "status" in result:
        said.update(details=result["details"], code=str(result["status"]))
        served.update(details=entry["details"], code=entry["code"])
        if finals and "location" in result:
            said["location"] = clean(result["location"])
            served["location"] = dict((n.lower(), v) for n, v in finals[0].headers).get("location")
    elif not LATER.fullmatch(re.sub(r"\{.*", "", entry["details"])) and entry["details"] != "-":
        said["details"], served["details"] = "forwarded", entry["details"]
    else:
        said.update(path=result.get("upstream_path"), authority=result.get("upstream_authority"))
        served.update(path=entry["path"], authority=entry["authority"])
    said["route"] = result.get("route") or "-"
    served["route"] = entry["route"]
    drawn = weighted(answer)
    if "cluster" in entry and (entry["cluster"] != "-" or "status" not in result):
        said["cluster"], served["cluster"] = result.get("cluster", "-"), entry["cluster"]
        if drawn and served["cluster"] in drawn:
            said["cluster"] = served["cluster"]
    return None if said == served else {"explained": said, "served": served}
