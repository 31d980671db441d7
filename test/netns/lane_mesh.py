"""The mesh of lanes in network namespaces: a gateway, pods with the rules of docker/intercept and a
sidecar each, a host outside of the mesh, and people in the street who call the gateway.

The namespaces are made once; a test takes as many of them as it needs and starts proxies and
applications in them. A pod calls a service by a virtual address: the sidecar decides where it goes.
"""

import json
import pathlib
import tempfile
import time

import mesh
from backend import HttpBackend
from client import Client, fetch
from config import bootstrap, direct, router_filter, upstream_http
from load import Load
from mesh import LOG_TEXT, lane_filters
from pods import Pod as Namespace
from pods import PodProxy, Street
from proxy import stop_all
from sidecar import cluster, file_log, hcm, listener, owner, route, sidecar, to, vhost
from sidecar import virtual_inbound, virtual_outbound
from table_file import MountedFile, RenamedFile

PODS = 8
PORT = 8080
GATE_PORT = 8000
SERVICES = {"a": "10.96.0.1", "b": "10.96.0.2", "c": "10.96.0.3", "internet": "10.96.0.9"}
TRUSTED = ("10.78.0.0/26", "10.78.0.100/32")  # pods and gateway, nobody of the street
APPLICATION_ID = 1338


class Ground:
    """The namespaces: made once, used by one mesh after the other."""

    def __init__(self, folder, kind, binary):
        self.folder, self.kind, self.binary = folder, kind, binary
        self.street = Street(200)
        # By their address: one whom the gateway lets name lanes, and one whom it does not.
        self.tester, self.stranger = self.street.visitor(201), self.street.visitor(202)
        self.gate, self.gate_2, self.outside = Namespace(100), Namespace(102), Namespace(101)
        self.pods = [Namespace(10 + i) for i in range(PODS)]
        for place in (self.gate, self.gate_2, self.outside, *self.pods):
            self.street.plug(place)
        for pod in self.pods:
            pod.intercept("--ipv6", "off")
            pod.count_packets()
        self.outside.count_packets()

    def close(self):
        for place in (self.street, self.gate, self.gate_2, self.outside, *self.pods):
            place.close()


class Bench:
    """What a mesh starts: the backends and proxies of one test, in the namespaces of the ground."""

    def __init__(self, ground):
        self.ground = ground
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=ground.folder))
        self.folder.chmod(0o755)
        self.backends = []
        self.proxies = []

    def http(self, name, place, **options):
        with place.entered():
            return self.keep(HttpBackend(name, host="0.0.0.0", port=PORT, **options))

    def keep(self, backend):
        self.backends.append(backend)
        return backend

    def next_folder(self):
        folder = self.folder / f"proxy{len(self.proxies)}"
        folder.mkdir(exist_ok=True)
        return folder

    def log_file(self, name):
        return self.next_folder() / name

    def start(self, place, bootstrap, **options):
        proxy = PodProxy(place, self.ground.kind, self.ground.binary, bootstrap, self.next_folder(),
                         backends=self.backends, **options)  # fmt: skip
        self.proxies.append(proxy)
        return proxy.start()

    def stop(self):
        problems = stop_all(self.proxies)
        for backend in self.backends:
            backend.stop()
            problems += [f"{backend.name} received bad bytes: {e}" for e in backend.errors]
        assert not problems, "\n".join(problems)


class FastApp:
    """An application for much load: a proxy without lanes. It forwards every header to the next
    service; each on the way adds a header x-path to the response: its name, the mark that it saw.
    """

    def __init__(self, pod):
        following = pod.next
        action = to("next", host_rewrite_literal=following) if following else direct(200, pod.name)
        said = {"key": "x-path", "value": f"{pod.name} %REQ(X-LANE)%"}
        adds = {"response_headers_to_add": [
            {"header": said, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]}  # fmt: skip
        manager = hcm(route("/", action), route_fields=adds, stat_prefix="app")
        clusters = [cluster("next", (SERVICES[following], PORT), **pod.mesh.idle)] if following else []
        made = bootstrap([listener("app", manager, at=("0.0.0.0", PORT))], clusters)
        self.proxy = pod.mesh.bench.start(pod.place, made, user=APPLICATION_ID, chained=pod.mesh.chained)

    def count(self):
        return self.proxy.stat("http.app.downstream_rq_total")


class Pod(mesh.Pod):
    """A pod of a service in a namespace of its own. fast: its application is a FastApp."""

    def __init__(self, made_in, *args, fast=False, **options):
        self.place, self.fast = made_in.take_place(), fast
        super().__init__(made_in, *args, **options)
        self.file = made_in.new_table(f"pod{self.place.number}")

    def open_app(self):
        if self.fast:
            return FastApp(self)
        return self.mesh.bench.http(self.name, self.place, default=self._serve)

    def _serve(self, conn, request):
        """As a FastApp also says who it is in a header."""
        mark = request.headers.all("x-lane")
        head = f"\r\nx-path: {self.name} {mark[0] if mark else '-'}\r\n".encode()
        return super()._serve(conn, request).replace(b"\r\n", head, 1)

    def served(self):
        """How many requests its application got."""
        return self.app.count() if self.fast else len(self.app.requests)

    @property
    def address(self):
        return self.mesh.name_of(self) or self.place.v4, PORT

    @property
    def table_path(self):
        return self.file.path

    def send(self, host, pairs):
        """To the service's virtual address; the thread of an application is in its namespace."""
        return fetch((SERVICES.get(host, host), PORT), headers=pairs, host=host)

    def start(self):
        bench, fields = self.mesh.bench, self.lane_fields(*TRUSTED)
        filters = self.mesh.filters(fields)
        inbound = hcm(route("/", "application"), filters=filters, stat_prefix="in",
                      logs=[file_log(bench.log_file("in.log"), LOG_TEXT)])  # fmt: skip
        hosts = self.mesh.vhosts() + [vhost("any", ["*"], route("/", "passthrough"))]
        outbound = hcm(vhosts=hosts, filters=filters, stat_prefix="out",
                       logs=[file_log(bench.log_file("out.log"), LOG_TEXT)])  # fmt: skip
        self.proxy = self.mesh.start_in(
            self.place,
            sidecar(
                [
                    virtual_inbound(inbound),
                    virtual_outbound(),
                    owner("http", ("0.0.0.0", PORT), outbound, traffic_direction="OUTBOUND"),
                ],
                *self.mesh.clusters(),
                **self.mesh.idle,
            ),
        )
        self.started = True
        return self

    def stop(self):
        """The pod is no more."""
        self.mesh.proxies.remove(self.proxy)
        self.proxy.stop()
        self.app.stop()

    def kill(self):
        """As when its machine is gone: under load, with requests in it."""
        self.mesh.proxies.remove(self.proxy)
        self.proxy.kill()
        self.app.stop()

    def restart(self):
        self.app = self.open_app()
        self.start()


class Mesh(mesh.Mesh):
    """A cluster of type STRICT_DNS knows its pods as <name of the pod>.pod. wrap: what a file holds,
    by the table; lane_filter: the filter, by its fields; kept: connections between proxies last for
    good, those that the test leaves too.
    """

    pod_type = Pod

    def __init__(self, bench, *args, wrap=None, lane_filter=None, kept=False, **options):
        self.ground, self.free = bench.ground, list(bench.ground.pods)
        self.wrap, self.lane_filter = wrap, lane_filter
        self.chained = kept
        super().__init__(bench, *args, idle=upstream_http() if kept else mesh.IDLE, **options)

    def prepare(self):
        self.tables = []
        self.outside = self.bench.http("internet", self.ground.outside)
        self.outside_address = (self.ground.outside.v4, PORT)

    def new_table(self, name):
        """Every other file is replaced as a ConfigMap is."""
        folder = self.bench.folder / "tables" / name
        folder.mkdir(parents=True)
        kind = MountedFile if len(self.tables) % 2 else RenamedFile
        file = kind(folder / "lanes.yaml")
        self.tables.append(file)
        if self.table:
            file.replace(self.table)
        return file

    def take_place(self):
        return self.free.pop(0)

    def name_of(self, pod):
        kind = self.cluster_fields.get(pod.service, {}).get("type")
        return f"{pod.name}.pod" if kind == "STRICT_DNS" else None

    def start_in(self, place, bootstrap):
        proxy = self.bench.start(
            place, bootstrap, concurrency=self.concurrency, chained=self.chained
        )
        self.proxies.append(proxy)
        return proxy

    def filters(self, fields):
        """The HTTP filters of a manager, by the fields of the lane filter."""
        if self.lane_filter:
            return [self.lane_filter(fields), *router_filter()]
        return lane_filters(**fields)

    def write(self, table):
        return super().write(self.wrap(table) if self.wrap else table)

    def first_cluster(self):
        """Where the gateway sends everything."""
        return self.clusters()[1]["name"]

    def start_gateway(self, place=None, **fields):
        trust = {"allow": [{"cidrs": [f"{self.ground.tester}/32"], "shadow": True,
                            "lanes": ["*", "shadow-l1", "shadow-zz"]}]}  # fmt: skip
        place = place or self.ground.gate
        path = self.new_table(f"gateway{place.number}").path
        filters = self.filters(self.gateway_fields(path, **{"trust": trust, **fields}))
        logs = [file_log(self.bench.log_file("gw.log"), LOG_TEXT)]
        manager = hcm(route("/", self.first_cluster()), filters=filters, logs=logs)
        gate = listener("gw", manager, at=("0.0.0.0", GATE_PORT))
        return self.start_in(place, sidecar([gate], *self.clusters(), **self.idle))

    def call(self, source=None, gate=None):
        """A connection from the street to the gateway."""
        where = ((gate or self.ground.gate).v4, GATE_PORT)
        with self.ground.street.entered():
            return Client(where, source=(source or self.ground.stranger, 0))

    def get(self, headers=(), lane=None, path="/"):
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        if lane:
            pairs.append(("x-lane", lane))
        with self.call(self.ground.tester if lane else None) as client:
            return client.get(path, pairs)

    def way(self, lane=None):
        """As walk(), where the gateway may answer by itself."""
        reply = self.get(lane=lane)
        return mesh.path_of(json.loads(reply.text)) if reply.status == 200 else [reply.status]

    def push_timed(self, table):
        """When the push began and when the table was in force everywhere: within a second."""
        begin = time.monotonic()
        self.push(table)
        end = time.monotonic()
        assert end - begin < 1
        return begin, end

    def load(self, lane=None, headers=(), **options):
        """Requests without end, for use with `with`."""
        pairs = [*headers, *([("x-lane", lane)] if lane else [])]
        source = self.ground.tester if lane else None
        return Load(lambda: self.call(source), pairs, **options)


class IstioMesh(Mesh):
    """Lanes by sibling clusters, as istiod names subsets; no endpoint has a label."""

    def __init__(self, bench, *args, **options):
        super().__init__(bench, *args, membership={"subset_clusters": True}, **options)

    @staticmethod
    def named(service, subset=""):
        return f"outbound|{PORT}|{subset}|{service}.shop.svc.cluster.local"

    def clusters(self):
        made = [cluster("internet", self.outside_address)]
        places = sorted({(pod.service, pod.lane or "") for pod in self.pods})
        for service, lane in places:
            members = [p.address for p in self.pods if (p.service, p.lane or "") == (service, lane)]
            made.append(cluster(self.named(service, lane), *members, **self.idle))
        return made

    def vhosts(self):
        known = [c["name"] for c in self.clusters()]
        return [vhost(host, [host], route("/", name))
                for host, name in [("internet", "internet"), *((s, self.named(s)) for s in "abc")]
                if name in known]  # fmt: skip


def fast(service, lane=None, **more):
    """A pod for a mesh, with a FastApp."""
    return {"service": service, "lane": lane, "fast": True, **more}


def trail(reply):
    """Where a reply of fast applications came through, from a on."""
    return [value.split(" ")[0] for value in reversed(reply.headers.all("x-path"))]


def marks(reply):
    """What each of them saw, "-" without a mark."""
    return [value.split(" ")[1] for value in reversed(reply.headers.all("x-path"))]
