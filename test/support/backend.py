"""Scripted servers that stand behind the proxy: raw TCP, and HTTP/1.1 with any answer wanted.

Every backend runs in threads of the test process, on a port that the kernel picks, and records
what it received. A handler gets the connection and may do anything to it: answer late, split a
response at any byte, send garbage, close early, reset.
"""

import json
import os
import socket
import struct
import threading
import time

from wire import Closed, Reader, WireError


class Conn:
    """One accepted connection."""

    def __init__(self, sock, number, server):
        self.sock = sock
        self.number = number
        self.server = server
        self.reader = Reader(sock.recv)
        self.closed = False

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_split(self, data, size=1, pause=0.001):
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            time.sleep(pause)

    def read(self, count):
        return self.reader.exactly(count, "raw bytes")

    def read_some(self):
        """What is there, at least one byte; b"" at the end."""
        if not self.reader.buffer:
            self.reader.fill()
        data, self.reader.buffer = self.reader.buffer, b""
        return data

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        if not self.closed:
            self.closed = True
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.sock.close()

    def reset(self):
        if not self.closed:
            self.closed = True
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()


class TcpBackend:
    """handler(conn) runs in a thread per connection; the connection closes when it returns."""

    def __init__(self, handler, host="127.0.0.1", path=None, port=0, name="backend"):
        self.name = name
        self.handler = handler
        self.lock = threading.Condition()
        self.live = set()
        self.accepted = 0
        self.errors = []
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind("\0" + path[1:] if path.startswith("@") else path)
            self.address = path
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.sock = socket.socket(family)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((host, port))
            self.address = self.sock.getsockname()[:2]
        self.sock.listen(1024)
        self.path = path
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def port(self):
        return self.address[1]

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                conn = Conn(sock, self.accepted, self)
                self.live.add(conn)
                self.lock.notify_all()
            threading.Thread(target=self._run, args=(conn,), daemon=True).start()

    def _run(self, conn):
        try:
            self.handler(conn)
        except (Closed, OSError):
            pass
        except WireError as error:
            self.errors.append(str(error))
        finally:
            conn.close()
            with self.lock:
                self.live.discard(conn)
                self.lock.notify_all()

    def wait(self, condition, what, seconds=8.0):
        """Waits for a condition on this backend's state."""
        with self.lock:
            if not self.lock.wait_for(condition, seconds):
                raise AssertionError(f"{self.name}: not within {seconds} s: {what}")

    def close_connections(self):
        with self.lock:
            live = list(self.live)
        for conn in live:
            conn.close()

    def stop(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.close_connections()
        if self.path and not self.path.startswith("@") and os.path.exists(self.path):
            os.unlink(self.path)


def answer(body=b"", status="200 OK", headers=()):
    """The bytes of a response with a content-length."""
    if isinstance(body, str):
        body = body.encode("latin-1")
    lines = [f"HTTP/1.1 {status}"] + [f"{n}: {v}" for n, v in headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def describe(request):
    """What the echo answers: the request as it was received."""
    return {
        "backend": request.backend,
        "connection": request.connection,
        "serial": request.serial,
        "start_line": request.start_line,
        "method": request.method,
        "target": request.target,
        "headers": list(request.headers),
        "framing": request.framing,
        "body": request.body.decode("latin-1"),
        "trailers": list(request.trailers),
    }


def echo(_conn, request):
    return answer(json.dumps(describe(request)), headers=[("Content-Type", "application/json")])


class HttpBackend(TcpBackend):
    """Answers by path: on(path, handler); without a handler it echoes.

    handler(conn, request) returns the bytes to send, or sends by itself and returns None; the
    connection is then kept for the next request unless the handler closed it.
    """

    def __init__(self, name="backend", default=echo, **where):
        self.handlers = {}
        self.default = default
        self.requests = []
        super().__init__(self._serve, name=name, **where)

    def on(self, path, handler, read_body=True):
        self.handlers[path] = (handler, read_body)
        return self

    def _serve(self, conn):
        serial = 0
        while not conn.closed:
            request = conn.reader.request(read_body=False)
            serial += 1
            request.connection, request.serial = conn.number, serial
            request.backend = self.name
            path = request.target.partition("?")[0]
            handler, read_body = self.handlers.get(path, (self.default, True))
            if read_body:
                conn.reader.body(request)
            with self.lock:
                self.requests.append(request)
                self.lock.notify_all()
            reply = handler(conn, request)
            if reply:
                conn.send(reply)

    def wait_requests(self, count, seconds=8.0):
        self.wait(lambda: len(self.requests) >= count, f"{count} requests", seconds)
        return self.requests

    def last(self):
        with self.lock:
            return self.requests[-1]

    def take(self):
        """The requests since the last call, forgetting them."""
        with self.lock:
            taken, self.requests = self.requests, []
        return taken


def fixed(data, then="keep"):
    """A handler that sends these bytes; then: keep, close or reset."""

    def handler(conn, _request):
        conn.send(data)
        if then == "close":
            conn.close()
        elif then == "reset":
            conn.reset()

    return handler


def echo_bytes(conn):
    """A TCP handler: every byte back, half-close included."""
    while data := conn.read_some():
        conn.send(data)
    conn.finish_sending()


def closed_port():
    """A port on which nobody listens: bound, never listening; keep the socket to keep it so."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, sock.getsockname()[1]
