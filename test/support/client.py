"""A raw client: sends exactly the bytes it is given, shows exactly the bytes that come back."""

import socket
import struct
import time

from wire import Closed, Reader

TIMEOUT = 8.0


def connect(address, timeout=TIMEOUT, source=None):
    """address: (host, port) for TCP over IPv4 or IPv6, a path for a Unix socket."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(address if not address.startswith("@") else "\0" + address[1:])
        return sock
    sock = socket.create_connection(address, timeout=timeout, source_address=source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def build(method, target, headers=(), body=None, host="test", version="HTTP/1.1"):
    """The bytes of a plain request; content-length is added for a body."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines += [f"{name}: {value}" for name, value in pairs]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


class Client:
    def __init__(self, address, timeout=TIMEOUT, source=None):
        self.sock = connect(address, timeout, source)
        self.reader = Reader(self.sock.recv)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def local_address(self):
        return self.sock.getsockname()

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def send_split(self, data, size=1, pause=0.0):
        """Sends in pieces of `size` bytes, each in a segment of its own."""
        for start in range(0, len(data), size):
            self.sock.sendall(data[start : start + size])
            if pause:
                time.sleep(pause)
        return self

    def request(self, method, target, headers=(), body=None, host="test", version="HTTP/1.1"):
        self.send(build(method, target, headers, body, host, version))
        return self.response(to_head=method == "HEAD")

    def get(self, target, headers=(), host="test"):
        return self.request("GET", target, headers, host=host)

    def response(self, to_head=False, read_body=True):
        return self.reader.response(to_head, read_body)

    def read(self, count):
        return self.reader.exactly(count, "raw bytes")

    def read_all(self):
        """Everything until the peer closes."""
        return self.reader.rest()

    def closed_within(self, seconds):
        """True when the peer closes within the time and sends nothing more before."""
        if self.reader.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(TIMEOUT)

    def quiet_for(self, seconds):
        """True when nothing arrives, not even a close, for the time."""
        if self.reader.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
            return False
        except TimeoutError:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(TIMEOUT)

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def fetch(address, method="GET", target="/", headers=(), body=None, host="test"):
    """One request on a connection of its own."""
    with Client(address) as client:
        return client.request(method, target, headers, body, host)


def wait_for(condition, what, seconds=8.0, step=0.01):
    """Polls until condition() is true and returns its value; fails the test after the time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(step)


__all__ = ["Client", "Closed", "build", "connect", "fetch", "wait_for"]
