"""A pod with a sidecar for the lane scenarios: what comes in goes to its application, what goes out
to a service that has base endpoints and those of a lane."""

import json

from lkbench import proc
from lkbench.peers import envoy
from lkbench.topology import Topology

FILTER = {"@type": "type.googleapis.com/lanekeeper.lane.v1.LaneFilter"}
LANE = "gray-000"


def lane_name(number):
    return f"gray-{number:03d}"


def table(lanes, revision=1):
    """Half of the lanes have a parent; some emit a header, as a release that is under way would."""
    items = []
    for number in range(lanes):
        lane = {"name": lane_name(number)}
        if number % 2 and number + 1 < lanes:
            lane["parent"] = lane_name(number + 1)
        if number % 4 == 3:
            lane["emit_headers"] = {"x-mse-tag": lane_name(number)}
        items.append(lane)
    return {"revision": revision, "lanes": items}


def endpoint(port, lane=None):
    host = {"endpoint": {"address": envoy.address(port)}}
    if lane:
        host["metadata"] = {"filter_metadata": {"envoy.lb": {"lane": lane}}}
    return host


def cluster(name, *endpoints):
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [*endpoints]}]},
    }


class LanePod(envoy.Lanekeeper):
    """lanes: how many the table has; None: the same proxy without the filter."""

    def __init__(self, lanes, service_ports):
        super().__init__()
        self.lanes = lanes
        self.service_ports = service_ports
        self.out_port = proc.free_port()

    def _listener(self, name, port, direction, to, topology, folder):
        manager = envoy.http_manager(topology, folder)
        config = manager["typed_config"]
        action = envoy.route({"prefix": "/"}, {"cluster": to})
        config["route_config"]["virtual_hosts"] = [
            {"name": "all", "domains": ["*"], "routes": [action]}]
        if self.lanes is not None:
            config["http_filters"].insert(0, {
                "name": "lanekeeper.filters.http.lane",
                "typed_config": {**FILTER, "table_source": {"path": str(folder / "lanes.json")},
                                 "trust": {"plaintext_cidrs": ["127.0.0.0/8"]}}})
        return {
            "name": name,
            "address": envoy.address(port),
            "traffic_direction": direction,
            "filter_chains": [{"filters": [manager]}],
        }

    def configure(self, topology, folder):
        base, gray = self.service_ports
        listeners = [
            self._listener("in", topology.port, "INBOUND", "app", topology, folder),
            self._listener("out", self.out_port, "OUTBOUND", "service", topology, folder),
        ]
        clusters = [
            cluster("app", endpoint(topology.backend_port)),
            cluster("service", endpoint(base), endpoint(gray, LANE)),
        ]
        if self.lanes is not None:
            (folder / "lanes.json").write_text(json.dumps(table(self.lanes)))
        path = folder / "bootstrap.json"
        static = {"listeners": listeners, "clusters": clusters}
        path.write_text(json.dumps({"static_resources": static}, indent=1))
        return [self.program, "-c", path, *self.flags]


def pod_topology(profile, app_port):
    return Topology(proc.free_port(), app_port, profile=profile, fork=False)
