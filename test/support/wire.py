"""HTTP/1 bytes, read exactly as they stand on the wire.

Both the raw client and the scripted backends parse with these functions. They are strict about
framing and keep everything a test may want to see: header case and order, repeated names, chunk
sizes, trailers, the bytes of the head.
"""

import dataclasses


class WireError(Exception):
    """The peer sent bytes that are not the HTTP/1 message that was expected."""


class Closed(WireError):
    """The peer closed (or reset) the connection before the message was complete."""

    def __init__(self, what, got=b""):
        super().__init__(f"{what}; received so far: {got[:300]!r}")
        self.got = got


class Headers(list):
    """An ordered list of (name, value) pairs, as sent."""

    def all(self, name):
        return [v for n, v in self if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        if len(values) > 1:
            raise WireError(f"header {name} is there {len(values)} times: {values}")
        return values[0] if values else default

    def __contains__(self, name):
        return bool(self.all(name)) if isinstance(name, str) else list.__contains__(self, name)

    def names(self):
        return [n for n, _ in self]


@dataclasses.dataclass
class Message:
    start_line: str
    headers: Headers
    body: bytes = b""
    trailers: Headers = dataclasses.field(default_factory=Headers)
    framing: str = "none"  # none, length, chunked, close
    chunks: list = dataclasses.field(default_factory=list)
    head: bytes = b""


@dataclasses.dataclass
class Request(Message):
    connection: int = 0  # which accepted connection of the backend, from 1
    serial: int = 0  # which request on that connection, from 1
    backend: str = ""

    @property
    def method(self):
        return self.start_line.split(" ")[0]

    @property
    def target(self):
        return self.start_line.split(" ")[1]

    @property
    def version(self):
        return self.start_line.split(" ")[2]


@dataclasses.dataclass
class Response(Message):
    @property
    def status(self):
        return int(self.start_line.split(" ")[1])

    @property
    def reason(self):
        parts = self.start_line.split(" ", 2)
        return parts[2] if len(parts) > 2 else ""

    @property
    def text(self):
        return self.body.decode("latin-1")


def parse_headers(lines):
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise WireError(f"header line without colon: {line!r}")
        headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return headers


class Reader:
    """Reads messages from anything with recv(n) -> bytes (empty at the end)."""

    def __init__(self, recv):
        self._recv = recv
        self.buffer = b""
        self.eof = False

    def fill(self):
        """One more read; False at end of stream."""
        if self.eof:
            return False
        try:
            data = self._recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.eof = True
            return False
        self.buffer += data
        return True

    def until(self, mark, what):
        while mark not in self.buffer:
            if not self.fill():
                raise Closed(f"closed while waiting for {what}", self.buffer)
        data, _, self.buffer = self.buffer.partition(mark)
        return data

    def exactly(self, count, what):
        while len(self.buffer) < count:
            if not self.fill():
                raise Closed(f"closed inside {what}", self.buffer)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def head(self, kind):
        raw = self.until(b"\r\n\r\n", "the end of a head")
        lines = raw.split(b"\r\n")
        return kind(
            start_line=lines[0].decode("latin-1"),
            headers=parse_headers(lines[1:]),
            head=raw + b"\r\n\r\n",
        )

    def chunk(self):
        """The bytes of one chunk, b"" for the last one."""
        line = self.until(b"\r\n", "a chunk size")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return b""
        data = self.exactly(size, "a chunk")
        if self.exactly(2, "the end of a chunk") != b"\r\n":
            raise WireError("chunk data not followed by CRLF")
        return data

    def trailers(self):
        lines = []
        while True:
            line = self.until(b"\r\n", "trailers")
            if not line:
                return parse_headers(lines)
            lines.append(line)

    def body(self, message, bodiless=False, may_close=False):
        """Reads the body into message, by its own framing headers."""
        encodings = message.headers.all("transfer-encoding")
        lengths = message.headers.all("content-length")
        if bodiless:
            message.framing = "none"
        elif encodings and encodings[-1].lower().endswith("chunked"):
            message.framing = "chunked"
            while data := self.chunk():
                message.chunks.append(len(data))
                message.body += data
            message.trailers = self.trailers()
        elif lengths:
            message.framing = "length"
            message.body = self.exactly(int(lengths[0]), "a body of known length")
        elif may_close:
            message.framing = "close"
            message.body = self.rest()
        return message

    def request(self, read_body=True):
        message = self.head(Request)
        return self.body(message) if read_body else message

    def response(self, to_head=False, read_body=True, closable=True):
        """closable: whether a body may end with the connection (as far as the caller knows)."""
        message = self.head(Response)
        status = message.status
        bodiless = to_head or status < 200 or status in (204, 304)
        return self.body(message, bodiless, may_close=closable) if read_body else message
