"""Rows of the differential tests, asked of POST /explain: what it says must be what was served.

The head of a row's first request goes into the body as an operator would write it, and as its bytes
where it is no list of names and values. What is left out is left out by a reason of REASONS and by
no other way.
"""

import base64
import json
import re

REASONS = {
    "no head": "the bytes hold no whole head: nothing was decided",
    "not read": "the proxy answered or closed before it had this head",
}
START = re.compile(rb"([^ \r\n\0]+) ([^\r\n\0]+) (HTTP/1\.[01])")
FIELD = re.compile(rb"([^:\r\n\0\t ][^:\r\n\0]*):[ \t]*([^\r\n\0]*?)[ \t]*")
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


def members_of(data):
    """The first request in these bytes as members of the body; None where they cannot say it."""
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    start = START.fullmatch(lines[0])
    fields = [FIELD.fullmatch(line) for line in lines[1:]]
    if b"\r\n\r\n" not in data or not start or not all(fields):
        return None
    try:
        method, target, version = (part.decode() for part in start.groups())
        pairs = [[f.group(1).decode(), f.group(2).decode()] for f in fields]
    except UnicodeDecodeError:
        return None
    for text in (method, *(name for name, _ in pairs)):
        if any(ord(c) < 32 or ord(c) == 127 for c in text):
            return None
    return {"method": method, "path": target, "protocol": version, "headers": pairs}


def body_of(data, listener):
    """The body of /explain for the first request in these bytes; raises LeftOut."""
    if not data:
        raise LeftOut("no head")
    members = members_of(data) or {"head_base64": base64.b64encode(data).decode()}
    return {"listener": listener, "source": "127.0.0.1:50000", **members}


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
    result = answer["result"]
    finals = [r for r in seen.responses if r.status >= 200 or r.status == 101]
    if ("request_head", "incomplete") in [(d["step"], d["verdict"]) for d in answer["decisions"]]:
        raise LeftOut("no head")
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
