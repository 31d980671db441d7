"""One run of the benchmark: its settings, its tools, its rows."""

import contextlib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lkbench import proc
from lkbench.peers import all_peers

LOG_SAMPLE = 4096


@dataclass
class Settings:
    rounds: int
    seconds: float
    warmup: float
    scale: float  # 1.0 for the full sizes of counts (requests, start-ups), less when quick
    only: list  # names of the proxies to run; empty: all


@dataclass
class Bench:
    settings: Settings
    tools: Path
    out: Path
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    _peers: list = None
    _versions: dict = field(default_factory=dict)
    _serial: int = 0

    @property
    def peers(self):
        """The proxies that are here; those that are not are named once."""
        if self._peers is None:
            self._peers = []
            for peer in all_peers(self.tools):
                if self.settings.only and peer.name not in self.settings.only:
                    continue
                absence = peer.absence()
                if absence:
                    self.note(f"{peer.name} is skipped: {absence}")
                    continue
                self._peers.append(peer)
                self._versions[peer.name] = peer.version()
        return self._peers

    @property
    def versions(self):
        return self._versions

    def note(self, text):
        print(f"note: {text}", flush=True)
        self.notes.append(text)

    def folder(self, label):
        """A fresh folder for the configuration and logs of one process."""
        self._serial += 1
        path = self.out / "processes" / f"{self._serial:04d}-{label.replace(' ', '-')}"
        path.mkdir(parents=True)
        return path

    def load(self, *arguments, **named):
        """Runs the client to its end and returns its JSON. Named arguments are options."""
        argv = [self.tools / "lk-bench-load", *arguments]
        for name, value in named.items():
            argv += ["--" + name.replace("_", "-"), value]
        process = proc.spawn(argv, proc.CLIENT_CPU, stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=900)
        if process.returncode:
            raise proc.BenchError(f"the client failed: {' '.join(map(str, argv))}")
        return json.loads(out)

    @contextlib.contextmanager
    def backend(self, size=128, **named):
        """The backend; yields an object with `port`, and `counts` once it has stopped."""
        argv = [self.tools / "lk-bench-backend", "--size", size]
        for name, value in named.items():
            argv += ["--" + name.replace("_", "-"), value]
        process = proc.spawn(argv, proc.CLIENT_CPU, stdout=subprocess.PIPE)
        handle = BackendHandle(int(process.stdout.readline()))
        try:
            yield handle
        finally:
            out = proc.stop(process)
            with contextlib.suppress(ValueError):
                handle.counts = json.loads(out)

    @contextlib.contextmanager
    def proxy(self, peer, topology, label=None, **options):
        folder = self.folder(label or peer.name)
        running = peer.start(topology, folder, **options)
        try:
            yield running
        finally:
            running.stop()
            trim(folder / "access.log")


def trim(log):
    """Keeps the first lines of an access log as a sample: whole ones would fill the disk."""
    with contextlib.suppress(FileNotFoundError), log.open("r+b") as file:
        file.truncate(min(log.stat().st_size, LOG_SAMPLE))


@dataclass
class BackendHandle:
    port: int
    counts: dict = field(default_factory=dict)
