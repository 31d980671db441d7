"""Envoy and lanekeeper: both read the same bootstrap, so it is written once."""

import json
import os

from lkbench import proc
from lkbench import topology as topo
from lkbench.peers.peer import Peer

V3 = "type.googleapis.com/envoy.extensions"
HCM = f"{V3}.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = f"{V3}.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = f"{V3}.filters.http.router.v3.Router"
FILE_LOG = f"{V3}.access_loggers.file.v3.FileAccessLog"


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name, port):
    endpoint = {"endpoint": {"address": address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def route(match, action):
    return {"match": match, "route": {"timeout": "0s", **action}}


def virtual_hosts(topology):
    if topology.layout == topo.MANY:
        return [
            {
                "name": host,
                "domains": [host],
                "routes": [route({"prefix": p}, {"cluster": c}) for p, c in routes],
            }
            for host, routes in topo.virtual_hosts(topology.clusters)
        ]
    action = {"cluster": topo.cluster_name(0)}
    if topology.layout == topo.BY_HEADER:
        action = {"cluster_header": "x-cluster"}
    return [{"name": "all", "domains": ["*"], "routes": [route({"prefix": "/"}, action)]}]


def http_manager(topology, folder):
    sidecar = topology.profile == "sidecar"
    router = {"@type": ROUTER}
    if not sidecar:
        router["dynamic_stats"] = False
    manager = {
        "@type": HCM,
        "stat_prefix": "ingress",
        "generate_request_id": sidecar,
        "stream_idle_timeout": "0s",
        "route_config": {"name": "routes", "virtual_hosts": virtual_hosts(topology)},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    if sidecar:
        log = {"@type": FILE_LOG, "path": str(folder / "access.log")}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": log}]
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def tcp_proxy():
    config = {"@type": TCP_PROXY, "stat_prefix": "bulk", "cluster": topo.cluster_name(0)}
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}


def bootstrap(topology, folder):
    network = tcp_proxy() if topology.kind == "tcp" else http_manager(topology, folder)
    names = [topo.cluster_name(n) for n in range(topology.clusters)]
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "in",
                    "address": address(topology.port),
                    "filter_chains": [{"filters": [network]}],
                }
            ],
            "clusters": [cluster(name, topology.backend_port) for name in names],
        }
    }


class Envoy(Peer):
    name = "envoy"
    missing = "set ENVOY to the binary, or let run.sh install it"
    flags = ("--disable-hot-restart", "--concurrency", "1", "-l", "error")

    def __init__(self):
        self.program = proc.find_program("envoy", "ENVOY")

    def version(self):
        text = proc.output_of([self.program, "--version"])
        parts = text.split("version:")[-1].split("/")
        return parts[1] if len(parts) > 1 else text

    def configure(self, topology, folder):
        path = folder / "bootstrap.json"
        path.write_text(json.dumps(bootstrap(topology, folder), indent=1))
        return [self.program, "-c", path, *self.flags]


class Lanekeeper(Envoy):
    name = "lanekeeper"
    missing = "no binary: set LANEKEEPER, or let run.sh build it"

    def __init__(self):
        chosen = os.environ.get("LANEKEEPER")
        self.program = chosen if chosen and os.access(chosen, os.X_OK) else None

    def version(self):
        return (proc.output_of([self.program, "--version"]).splitlines() or ["?"])[0]
