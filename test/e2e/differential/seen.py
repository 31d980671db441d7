"""A row of the differential tests, and what one proxy did with it, cleaned for comparison."""

import dataclasses
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LOCAL_PORT = re.compile(r"(127\.0\.0\.\d+):(\d{4,5})\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@dataclasses.dataclass
class Row:
    """send: bytes, or a list of bytes and of seconds to pause. responses: how many are waited for,
    None where nobody can know (then silence is the end). canary: ask once more afterwards on the
    same connection. case: compare the case of header names too. tag: see differences.py. ours: a
    status that the tag's check asks for. ignore: headers and log fields left out."""

    id: str
    listener: str
    send: object
    responses: int = 1
    canary: bool = True
    half_close: bool = False
    case: bool = False
    tag: str = None
    ours: int = None
    ignore: tuple = ()

    def steps(self):
        return self.send if isinstance(self.send, list) else [self.send]

    def data(self):
        return b"".join(step for step in self.steps() if isinstance(step, bytes))


@dataclasses.dataclass
class Seen:
    """responses: whole ones, interim ones too. leftover: bytes that are no whole response.
    upstream: the requests that reached the backend whole. log: entries as dictionaries."""

    responses: list = dataclasses.field(default_factory=list)
    leftover: bytes = b""
    closed: bool = False
    upstream: list = dataclasses.field(default_factory=list)
    log: list = dataclasses.field(default_factory=list)
    case: bool = False
    ignore: tuple = ()

    def statuses(self):
        return [r.status for r in self.responses]

    def forwarded(self):
        return [(r.start_line, r.body) for r in self.upstream]

    def lines(self):
        """All that is compared, one fact a line."""
        out = []
        for number, message in enumerate(self.responses, 1):
            version = message.start_line.split(" ")[0]
            out.append(f"response {number}: {version} {message.status}")
            out += self._message(message)
        if self.leftover:
            out.append(f"unfinished bytes: {self.leftover[:200]!r}")
        out.append(f"connection: {'closed' if self.closed else 'open'}")
        for number, message in enumerate(self.upstream, 1):
            out.append(f"upstream {number}: {message.start_line}")
            out += self._message(message)
        for entry in self.log:
            shown = {k: v for k, v in entry.items() if k not in self.ignore}
            out.append("log: " + " ".join(f"{k}={v}" for k, v in shown.items()))
        return out

    def _message(self, message):
        named = message.headers if self.case else [(n.lower(), v) for n, v in message.headers]
        out = [f"    {n}: {v}" for n, v in named if n.lower() not in self.ignore]
        if message.body:
            out.append(f"    body of {len(message.body)} bytes: {message.body[:300]!r}")
        return out + [f"    trailer {n.lower()}: {v}" for n, v in message.trailers]


class Cleaner:
    """Replaces what differs from run to run (ids, dates, ports) by its name."""

    def __init__(self, row, ports):
        self.sent = row.data().decode("latin-1")
        self.case = row.case
        self.ports = ports

    def text(self, text):
        text = UUID.sub(lambda m: m.group() if m.group() in self.sent else "<uuid>", text)
        text = LOCAL_PORT.sub(
            lambda m: f"{m.group(1)}:{self.ports.get(m.group(2), '<client>')}", text
        )
        return TIME.sub("<time>", text)

    def field(self, name, value):
        """Of a log: flags are a set, whatever their order."""
        return ",".join(sorted(value.split(","))) if name == "flags" else self.text(value)

    def value(self, name, value):
        if name.lower() == "date" and value not in self.sent:
            return "<date>"
        if name.lower() == "x-envoy-upstream-service-time" and value.isdigit():
            return "<milliseconds>"
        return self.text(value)

    def unfinished(self, data):
        text = self.text(data.decode("latin-1"))
        text = re.sub(r"(?i)(\r\ndate: )[^\r\n]+", r"\1<date>", text)
        text = re.sub(r"(?i)(upstream-service-time: )\d+", r"\1<milliseconds>", text)
        if not self.case:
            head, blank, body = text.partition("\r\n\r\n")
            head = re.sub(r"(?m)^[\w-]+(?=:)", lambda m: m.group().lower(), head)
            text = head + blank + body
        return text.encode("latin-1")

    def seen(self, seen):
        for message in seen.responses + seen.upstream:
            message.headers = [(n, self.value(n, v)) for n, v in message.headers]
            message.body = self.text(message.body.decode("latin-1")).encode("latin-1")
        seen.leftover = self.unfinished(seen.leftover)
