"""Runs one proxy (lanekeeper or Envoy) on a bootstrap, watches it, and stops it.

A proxy that crashes, does not stop, prints a sanitizer report or keeps descriptors of
connections that are gone fails the test that started it.
"""

import concurrent.futures
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from client import wait_for
from config import LOG_FIELDS, parse_log

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")


class ProxyFailure(AssertionError):
    """The proxy did not start, died, or left something behind."""


def die_with_parent():
    """In the child: a test run that is killed leaves no proxy behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Proxy:
    def __init__(self, kind, binary, bootstrap, folder, concurrency=1, args=(), backends=()):
        self.kind = kind
        self.binary = binary
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bootstrap = bootstrap
        self.concurrency = concurrency
        self.args = list(args)
        self.backends = list(backends)
        self.process = None
        self.admin_address = None
        self._ports = {}

    # Starting and stopping.

    def command(self):
        path = self.folder / "bootstrap.json"
        if isinstance(self.bootstrap, dict):
            path.write_text(json.dumps(self.bootstrap, indent=1))
        else:
            path = self.folder / "bootstrap.yaml"
            path.write_text(self.bootstrap)
        command = [self.binary, "-c", str(path), "--disable-hot-restart"]
        command += ["--concurrency", str(self.concurrency)]
        command += ["--admin-address-path", str(self.folder / "admin-address")]
        for flag, value in (("--file-flush-interval-msec", "20"), ("--drain-time-s", "1")):
            if flag not in self.args:
                command += [flag, value]
        return command + self.args

    def start(self):
        self.stderr_path = self.folder / "stderr"
        self.stdout_path = self.folder / "stdout"
        with open(self.stderr_path, "wb") as err, open(self.stdout_path, "wb") as out:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder,
                preexec_fn=die_with_parent,
            )
        try:
            wait_for(self._ready, "the proxy is ready", seconds=20)
        except BaseException:
            self.kill()
            raise
        self.first_fds = self.fds()
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise ProxyFailure(f"exited with {self.process.returncode} at start:\n{self.stderr()}")
        if self.admin_address is None:
            try:
                host, _, port = (self.folder / "admin-address").read_text().rpartition(":")
                self.admin_address = (host.strip("[]"), int(port))
            except (OSError, ValueError):
                return False
        try:
            return self.admin("/ready").status == 200
        except OSError:
            return False

    def stop(self, seconds=8.0):
        """Ends it with SIGTERM and checks that it ended well."""
        if self.process is None or self.process.returncode is not None:
            return
        problems = []
        if self.process.poll() is not None:
            problems.append(f"died by itself, exit code {self.process.returncode}")
        else:
            if self.kind == "lanekeeper":
                problems += self._leaked_fds()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                problems.append(f"still running {seconds} s after SIGTERM")
                self.kill()
            else:
                if self.process.returncode != 0:
                    problems.append(f"exit code {self.process.returncode} after SIGTERM")
        if SANITIZER.search(self.stderr()):
            problems.append("sanitizer report")
        if problems:
            raise ProxyFailure(f"{'; '.join(problems)}\n{self.stderr()[-6000:]}")

    def _leaked_fds(self):
        """Once both sides are gone, only the descriptors of the start may be left."""
        for backend in self.backends:
            backend.close_connections()
        deadline = time.monotonic() + 3
        while (extra := self.fds() - self.first_fds) > 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        return [f"{extra} descriptors more than at start: {self.fd_names()}"] if extra > 0 else []

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=8.0):
        return self.process.wait(seconds)

    def alive(self):
        return self.process.poll() is None

    # Looking at it.

    def fd_names(self):
        base = f"/proc/{self.process.pid}/fd"
        names = []
        for entry in os.listdir(base):
            try:
                names.append(os.readlink(f"{base}/{entry}"))
            except OSError:
                pass
        return sorted(names)

    def fds(self):
        """How many stream sockets it has; a pending DNS query may keep a datagram socket."""
        datagram = set()
        for table in ("udp", "udp6"):
            with open(f"/proc/{self.process.pid}/net/{table}") as lines:
                datagram |= {f"socket:[{line.split()[9]}]" for line in list(lines)[1:]}
        return sum(n.startswith("socket:") and n not in datagram for n in self.fd_names())

    def sanitized(self):
        """Whether the binary carries a sanitizer, which brings its own allocator."""
        return b"__asan_init" in pathlib.Path(self.binary).read_bytes()

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def admin(self, target, method="GET", body=None):
        """A request to the admin server; the response has .status, .headers and .text."""
        connection = http.client.HTTPConnection(*self.admin_address, timeout=8)
        try:
            connection.request(method, target, body, headers={"Connection": "close"})
            response = connection.getresponse()
            response.text = response.read().decode("utf-8", "replace")
            return response
        finally:
            connection.close()

    def admin_json(self, target):
        response = self.admin(target)
        assert response.status == 200, (target, response.status, response.text)
        return json.loads(response.text)

    def listeners(self):
        """Name to list of addresses, the main one first."""
        found = {}
        for status in self.admin_json("/listeners?format=json")["listener_statuses"]:
            places = [status["local_address"]] + status.get("additional_local_addresses", [])
            found[status["name"]] = [_place(p) for p in places]
        return found

    def address(self, name, index=0):
        """Where to connect for a listener: (host, port) or a path."""
        if name not in self._ports:
            self._ports = self.listeners()
        return self._ports[name][index]

    def stats(self, pattern=None):
        """Counters and gauges by name, as /stats prints them."""
        target = "/stats" + (f"?filter={pattern}" if pattern else "")
        values = {}
        for line in self.admin(target).text.splitlines():
            name, colon, value = line.rpartition(": ")
            if colon and re.fullmatch(r"\d+", value):
                values[name] = int(value)
        return values

    def stat(self, name):
        return self.stats("^" + re.escape(name) + "$").get(name, 0)

    def wait_stat(self, name, least, seconds=8.0):
        return wait_for(lambda: self.stat(name) >= least, f"{name} >= {least}", seconds)

    # Access logs.

    def log_path(self, name="access.log"):
        return self.folder / name

    def log_lines(self, name="access.log"):
        path = self.log_path(name)
        text = path.read_text(errors="replace") if path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def wait_log_lines(self, count, name="access.log", seconds=8.0):
        wait_for(lambda: len(self.log_lines(name)) >= count, f"{count} lines in {name}", seconds)
        return self.log_lines(name)

    def wait_log(self, name="access.log", fields=LOG_FIELDS, seconds=8.0, **wanted):
        """The first entry of the log whose fields equal the wanted ones."""

        def search():
            for line in self.log_lines(name):
                entry = parse_log(line, fields)
                if all(entry.get(k) == str(v) for k, v in wanted.items()):
                    return entry
            return None

        try:
            return wait_for(search, "", seconds)
        except AssertionError:
            lines = "\n".join(self.log_lines(name)[-20:])
            raise AssertionError(f"no log entry with {wanted}; the log:\n{lines}") from None


def stop_all(proxies):
    """All at once, as each waits for connections to end; returns what was wrong with them."""

    def stop(proxy):
        try:
            proxy.stop()
        except AssertionError as error:
            return str(error)
        return None

    if not proxies:
        return []
    with concurrent.futures.ThreadPoolExecutor(len(proxies)) as pool:
        return [problem for problem in pool.map(stop, proxies) if problem]


def _place(message):
    if "pipe" in message:
        return message["pipe"]["path"]
    return message["socket_address"]["address"], message["socket_address"]["port_value"]
