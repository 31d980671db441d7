"""A small mesh on the loopback: a gateway and pods, each an application beside a proxy of its own.

An application answers with what it saw, and with what the next service answered to it. What it
hands on of the headers it got is the test's choice: all, only a trace id, or nothing.
"""

import contextlib
import json
import threading

from backend import answer
from client import fetch, wait_for
from config import bootstrap, cluster, endpoint, file_log, hcm, listener, router_filter, vhost
from config import parse_log, route, upstream_http
from table_file import RenamedFile

LANE_FILTER = "type.googleapis.com/lanekeeper.lane.v1.LaneFilter"
LOG = {
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "requested": "%LANE_REQUESTED%",
    "served": "%LANE_SERVED%",
    "source": "%LANE_SOURCE%",
    "reason": "%LANE_REASON%",
    "cluster": "%UPSTREAM_CLUSTER%",
}
LOG_TEXT = "\t".join(LOG.values()) + "\n"
LANE_NAMES = ("x-lane", "baggage", "traceparent", "x-request-id", "x-mse-tag")
TRACE = ("traceparent",)
# Kept connections between proxies end soon after a test, before what is left is counted.
IDLE = upstream_http(common_http_protocol_options={"idle_timeout": "0.2s"})
NEXT = {"a": "b", "b": "c", "c": None}


def lane_filters(**fields):
    lane = {"name": "lanekeeper.filters.http.lane",
            "typed_config": {"@type": LANE_FILTER, **fields}}
    return [lane] + router_filter()


class Pod:
    """service: a, b or c; lane: its label, None for base; forwards: names of headers, in lower case;
    ends: whether it calls nobody.
    """

    def __init__(self, mesh, service, lane=None, forwards=LANE_NAMES, metadata=None,
                 health=None, ends=False, **fields):
        self.mesh, self.service, self.lane = mesh, service, lane
        self.name = f"{service}-{lane or 'base'}"
        self.forwards = forwards
        self.next = None if ends else NEXT[service]
        self.metadata = {**({"lane": lane} if lane else {}), **(metadata or {})}
        self.endpoint = {"health_status": health} if health else {}
        self.calls = 1
        self.external = None  # name of a host outside of the mesh, called too
        self.gate = None  # called in the middle of a request
        self.started = False
        self.fields = fields
        self.app = self.open_app()

    def open_app(self):
        return self.mesh.bench.http(self.name, default=self._serve)

    @property
    def address(self):
        """Where other proxies reach it."""
        return self.proxy.address("in")

    def lane_fields(self, *trusted):
        """Of the lane filter, the same in both directions; trusted: whose marks count."""
        pod_lane = {"pod_lane": {"lane": self.lane}} if self.lane else {}
        return {"table_source": {"path": str(self.table_path)},
                "trust": {"plaintext_cidrs": list(trusted)},
                "egress": {"mesh": {"external_clusters": ["internet"]}}, **pod_lane,
                **self.mesh.fields, **self.fields}

    @property
    def table_path(self):
        return self.mesh.table_path

    def start(self):
        mesh = self.mesh
        fields = self.lane_fields("127.0.0.0/8")
        self.proxy = mesh.start(
            [listener("in", hcm(route("/", "app"), filters=lane_filters(**fields),
                                logs=[file_log(mesh.bench.log_file("in.log"), LOG_TEXT)]),
                      traffic_direction="INBOUND"),
             listener("out", hcm(vhosts=mesh.vhosts(), filters=lane_filters(**fields),
                                 logs=[file_log(mesh.bench.log_file("out.log"), LOG_TEXT)]),
                      traffic_direction="OUTBOUND")],
            [cluster("app", self.app.address)] + mesh.clusters())
        self.started = True
        return self

    def send(self, host, pairs):
        """One request of the application."""
        return fetch(self.proxy.address("out"), headers=pairs, host=host)

    def _call(self, host, headers, kept):
        pairs = [(n, v) for n, v in headers if n.lower() in kept]
        reply = self.send(host, pairs)
        return json.loads(reply.text) if reply.status == 200 else {"status": reply.status}

    def _serve(self, _conn, request):
        seen = {"pod": self.name, "headers": list(request.headers), "next": []}
        if self.gate:
            self.gate(request)
        if self.external:
            seen["external"] = self._call(self.external, request.headers, self.forwards)
        if self.next and self.started:
            seen["next"] = [self._call(self.next, request.headers, self.forwards)
                            for _ in range(self.calls)]
        return answer(json.dumps(seen))

    def out_log(self, **wanted):
        return log(self.proxy, "out.log", **wanted)


def log(proxy, name, **wanted):
    """The newest line that holds these values, waited for."""

    def search():
        lines = [parse_log(line, LOG) for line in proxy.log_lines(name)]
        return next((x for x in reversed(lines)
                     if all(x[k] == v for k, v in wanted.items())), None)

    return wait_for(search, f"{name} holds {wanted}")


class Mesh:
    """pods: (service, lane), base first or not; fields: of every lane filter; clusters: fields of a
    service's cluster, by service.
    """

    pod_type = Pod

    def __init__(self, bench, table, pods, concurrency=1, gateway=None, forwards=LANE_NAMES,
                 clusters=None, idle=IDLE, **fields):
        self.idle = idle
        self.bench, self.fields, self.concurrency = bench, fields, concurrency
        self.cluster_fields = clusters or {}
        self.revision, self.table = 0, None
        self.proxies = []
        self.pods = []
        self.prepare()
        if table is not None:
            self.push(table)
        for service in "cba":
            made = [self.pod_type(self, **{"forwards": forwards, **as_fields(p)})
                    for p in pods if as_fields(p)["service"] == service]
            self.pods += [pod.start() for pod in made]
        self.gateway = self.start_gateway(**(gateway or {}))

    def prepare(self):
        self.table_path = self.bench.folder / "lanes.yaml"
        self.tables = [RenamedFile(self.table_path)]
        self.outside = self.bench.http("internet")
        self.outside_address = self.outside.address

    def gateway_fields(self, table_path, **fields):
        return {"role": "ENTRY", "table_source": {"path": str(table_path)},
                "trust": {"allow": [{"secret_header": {"name": "x-let-me", "value": "in-please"},
                                     "lanes": ["*", "shadow-l1", "shadow-zz"], "shadow": True}]},
                **self.fields, **fields}

    def start_gateway(self, **fields):
        lane = self.gateway_fields(self.table_path, **fields)
        return self.start(
            [listener("gw", hcm(route("/", "a"), filters=lane_filters(**lane),
                                logs=[file_log(self.bench.log_file("gw.log"), LOG_TEXT)]))],
            self.clusters())

    def start(self, listeners, clusters):
        proxy = self.bench.start(bootstrap(listeners, clusters), concurrency=self.concurrency)
        self.proxies.append(proxy)
        return proxy

    def clusters(self):
        """Those of services that have pods by now."""
        made = [cluster("internet", self.outside_address)]
        for service in "abc":
            members = [endpoint(pod.address, **pod.endpoint,
                                metadata={"filter_metadata": {"envoy.lb": pod.metadata}})
                       for pod in self.pods if pod.service == service]
            if members:
                more = self.cluster_fields.get(service, {})
                made.append(cluster(service, *members, **{**self.idle, **more}))
        return made

    def vhosts(self):
        names = [c["name"] for c in self.clusters()]
        return [vhost(name, [name], route("/", name)) for name in names]

    def pod(self, name):
        return next(pod for pod in self.pods if pod.name == name)

    def write(self, table):
        """What a file holds."""
        return json.dumps(table)

    def push(self, table, wait=True):
        """A new table, moved over the old one."""
        self.revision += 1
        self.table = self.write({"revision": self.revision, **table})
        for file in self.tables:
            file.replace(self.table)
        for proxy in self.proxies if wait else []:
            wait_for(lambda p=proxy: p.stat("lane.table_info.revision") == self.revision,
                     "the table is in force")

    @contextlib.contextmanager
    def load(self, **request):
        """Requests without end while the block runs; gives the replies so far, in order."""
        replies, failures, over = [], [], threading.Event()

        def run():
            try:
                while not over.is_set():
                    replies.append(self.get(**request))
            except Exception as error:  # whatever it is, the test fails with it
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield replies
        finally:
            over.set()
            thread.join()
        assert not failures, failures

    def get(self, headers=(), lane=None, path="/", gateway=None):
        """Through the gateway; lane: marked by somebody who may."""
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        if lane:
            pairs += [("x-lane", lane), ("x-let-me", "in-please")]
        return fetch((gateway or self.gateway).address("gw"), target=path, headers=pairs)

    def walk(self, headers=(), lane=None):
        """The names of the pods that served, from a on."""
        reply = self.get(headers, lane)
        assert reply.status == 200, f"{reply.status} {reply.text}"
        return path_of(json.loads(reply.text))


def as_fields(pod):
    """From "a", ("a", "g") or {"service": "a", ...} to the last."""
    if isinstance(pod, dict):
        return pod
    return dict(zip(("service", "lane"), [pod] if isinstance(pod, str) else pod))


def path_of(seen):
    """The first call of each hop; a status where one failed."""
    names = []
    while seen:
        names.append(seen.get("pod") or seen["status"])
        seen = seen["next"][0] if seen.get("next") else None
    return names


def header(seen, name):
    return [v for n, v in seen["headers"] if n.lower() == name]
