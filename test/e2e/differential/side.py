"""One proxy of a differential test: its listeners with a recording backend each, and how one row
of raw bytes is played on it."""

import time

from backend import HttpBackend
from client import Client, build, wait_for
from config import LOG_FIELDS, bootstrap, cluster, direct, file_log, hcm, listener, parse_log
from config import route, vhost
from scripts import answer_by_path
from seen import Cleaner, Seen
from wire import Reader, WireError

# The host of the request that ends the log lines of a row.
MARKER_HOST = "row.marker"
CANARY = build("GET", "/canary")
QUIET = 0.12
SKIPPED_LOG_FIELDS = ("host", "request_id")


class Recorder(HttpBackend):
    """Keeps every request that arrived whole; answers by path."""

    def __init__(self):
        self.whole = []
        self.busy = 0
        super().__init__("recorder")

    def _serve(self, conn):
        while not conn.closed:
            request = conn.reader.request(read_body=False)
            with self.lock:
                self.busy += 1
            try:
                conn.reader.body(request)
                with self.lock:
                    self.whole.append(request)
                reply = answer_by_path(self, conn, request)
                if reply:
                    conn.send(reply)
            finally:
                with self.lock:
                    self.busy -= 1
                    self.lock.notify_all()

    def take_whole(self):
        """All whole requests, once nothing is under way any more."""
        with self.lock:
            self.lock.wait_for(lambda: self.busy == 0, 1.0)
            taken, self.whole = self.whole, []
        return taken


class Context:
    """What a listener of a scene may name: its cluster and its log."""

    def __init__(self, name, log_path):
        self.name = name
        self.web = f"web_{name}"
        self.logs = [file_log(log_path)]

    def listener(self, *routes, vhosts=None, **fields):
        """An HTTP listener for rows: the given routes or hosts, and the marker's host."""
        marker = vhost("marker", [MARKER_HOST], route("/", direct(200, "marker")))
        hosts = vhosts if vhosts is not None else [vhost("all", ["*"], *routes)]
        fields = {"server_name": "proxy", "delayed_close_timeout": "0.05s", **fields}
        return listener(self.name, hcm(vhosts=[marker, *hosts], logs=self.logs, **fields))


class Side:
    def __init__(self, bench, kind, scene):
        self.recorders = {name: bench.keep(Recorder()) for name in scene.listeners}
        self.log_offsets = {}
        listeners, clusters = [], list(scene.clusters)
        for name, make in scene.listeners.items():
            context = Context(name, bench.log_file(f"{name}.log"))
            clusters.append(cluster(context.web, self.recorders[name].address))
            listeners.append(make(context))
        some = next(iter(self.recorders.values()))
        clusters += [cluster(name, some.address) for name in scene.answering]
        self.proxy = bench.start(bootstrap(listeners, clusters), kind=kind)
        self.ports = {str(r.port): "<backend>" for r in self.recorders.values()}

    def play(self, row, patience=1.0):
        """Seen, still without its log."""
        recorder = self.recorders[row.listener]
        recorder.take_whole()
        seen = Seen(case=row.case, ignore=row.ignore)
        with Client(self.proxy.address(row.listener), timeout=3 * patience) as client:
            received, seen.closed = Exchange(client, row, patience).run()
        seen.responses, seen.leftover = parse(received, row)
        time.sleep(0.005)  # lets the close be seen before the marker; a mismatch is played again
        with Client(self.proxy.address(row.listener)) as marker:
            marker.get("/marker", host=MARKER_HOST)
        seen.upstream = recorder.take_whole()
        ports = {**self.ports, str(self.proxy.address(row.listener)[1]): "<listener>"}
        Cleaner(row, ports).seen(seen)
        return seen

    def attach_log(self, name, played):
        """Gives each (row, seen) of a listener, in the order played, its lines of the log."""
        path = self.proxy.log_path(f"{name}.log")
        offset = self.log_offsets.get(name, 0)

        def fresh():
            return path.read_text(errors="replace")[offset:] if path.exists() else ""

        mark = f"\t{MARKER_HOST}\t"
        wait_for(lambda: fresh().count(mark) >= len(played), f"the log of {name} is complete")
        text = fresh()
        self.log_offsets[name] = offset + len(text)
        turns = iter(played)
        row, seen = next(turns)
        for line in text.splitlines():
            if mark in line:
                row, seen = next(turns, (None, None))
                continue
            clean = Cleaner(row, self.ports).field
            entry = parse_log(line, LOG_FIELDS)
            seen.log.append(
                {k: clean(k, v) for k, v in entry.items() if k not in SKIPPED_LOG_FIELDS}
            )


class Exchange:
    """Sends a row and collects what comes back."""

    def __init__(self, client, row, patience):
        self.client, self.row, self.patience = client, row, patience
        self.closed = False

    def run(self):
        """(all bytes received, whether the proxy closed)."""
        for step in self.row.steps():
            if isinstance(step, bytes):
                self.send(step)
            else:
                time.sleep(step)
        if self.row.half_close:
            self.client.finish_sending()
        self.wait(self.row.responses)
        if self.row.canary and not self.closed and not self.row.half_close:
            self.send(CANARY)
            self.wait(self.row.responses and self.row.responses + 1)
        return self.client.reader.buffer, self.closed

    def send(self, data):
        try:
            self.client.send(data)
        except (ConnectionError, TimeoutError):
            pass

    def read(self, seconds):
        """True when something arrived; notes a close."""
        self.client.sock.settimeout(seconds * self.patience)
        try:
            if not self.client.reader.fill():
                self.closed = True
                return False
            return True
        except TimeoutError:
            return False

    def wait(self, responses):
        if responses is None:
            while self.read(QUIET):
                pass
            return
        while self.answered() < responses and self.read(2.5):
            pass
        # After an answer that says close, the close itself belongs to the row.
        if not self.closed and b"connection: close" in self.client.reader.buffer.lower():
            while self.read(1.0):
                pass

    def answered(self):
        """How many whole final responses have arrived."""
        responses, _ = parse(self.client.reader.buffer, self.row, closable=False)
        return sum(r.status >= 200 for r in responses)


def parse(received, row, closable=True):
    """(whole responses, bytes that are none)."""
    pieces = [received]
    reader = Reader(lambda _count: pieces.pop() if pieces else b"")
    to_head = row.data().startswith(b"HEAD ")
    responses = []
    while reader.fill() or reader.buffer:
        rest = reader.buffer
        try:
            message = reader.response(to_head, closable=closable)
        except (WireError, ValueError, IndexError):
            return responses, rest
        if message.status >= 200:
            to_head = False
        responses.append(message)
    return responses, b""
