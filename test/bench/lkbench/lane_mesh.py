"""The same gray routing three ways, for what a release has to push: a lane table (lanekeeper); a route and a
subset cluster for each lane and service, as Istio's objects come to Envoy; and Envoy's subset balancer,
told of the lane by header_to_metadata. Fifty services, of which each lane has a gray version of five."""

import json
import os

from lkbench import lane_pod
from lkbench.peers import envoy

SERVICES = 50
GRAY_SERVICES = 5
V3 = envoy.V3
HEADER_TO_METADATA = f"{V3}.filters.http.header_to_metadata.v3.Config"
DISCOVERY = "type.googleapis.com/envoy"


def service(number):
    return f"svc-{number:02d}"


def services_of(lane):
    """Those that have a gray version in the lane. The first service is in all of them."""
    return [0] + [1 + (lane * (GRAY_SERVICES - 1) + i) % (SERVICES - 1)
                  for i in range(GRAY_SERVICES - 1)]


def lanes_of(number, lanes):
    return [lane for lane in range(lanes) if number in services_of(lane)]


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def move_into_place(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def endpoint(address, port, lane=None):
    host = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
    if lane:
        host["metadata"] = {"filter_metadata": {"envoy.lb": {"lane": lane}}}
    return host


def cluster(name, endpoints, **more):
    return {"name": name, "type": "STATIC", "connect_timeout": "5s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
            **more}


class Mesh:
    """lanes: in the push; the endpoints are there before it, as pods are before a release begins."""

    way = ""

    def __init__(self, base_port, gray_port, lanes):
        super().__init__()
        self.base_port, self.gray_port, self.lanes = base_port, gray_port, lanes
        self.pushes = 0

    def gray(self, lane):
        """The gray endpoint; only those of the last lane get requests. Others have addresses of their own."""
        address = "127.0.0.1" if lane == self.lanes - 1 else f"127.9.{lane // 250}.{lane % 250 + 1}"
        return endpoint(address, self.gray_port, lane_pod.lane_name(lane))

    def base(self):
        return endpoint("127.0.0.1", self.base_port)

    def members(self, number):
        return [self.base()] + [self.gray(lane) for lane in lanes_of(number, self.lanes)]

    def virtual_host(self, number, routes):
        return {"name": service(number), "domains": [service(number)], "routes": routes}

    def plain_route(self, number):
        return envoy.route({"prefix": "/"}, {"cluster": service(number)})

    def manager(self, routes, filters=()):
        config = {
            "@type": envoy.HCM,
            "stat_prefix": "out",
            "generate_request_id": False,
            **routes,
            "http_filters": [*filters, {"name": "envoy.filters.http.router",
                                        "typed_config": {"@type": envoy.ROUTER}}],
        }
        return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}

    def listener(self, port, manager):
        return {"name": "out", "address": envoy.address(port), "traffic_direction": "OUTBOUND",
                "filter_chains": [{"filters": [manager]}]}

    def write_bootstrap(self, folder, document):
        path = folder / "bootstrap.json"
        path.write_text(json.dumps(document))
        return [self.program, "-c", path, *self.flags]


class LaneTable(Mesh, envoy.Lanekeeper):
    way = "lane table"

    def configure(self, topology, folder):
        lane = {"name": "lanekeeper.filters.http.lane",
                "typed_config": {**lane_pod.FILTER, "table_source": {"path": str(folder / "lanes.json")}}}
        hosts = [self.virtual_host(n, [self.plain_route(n)]) for n in range(SERVICES)]
        routes = {"route_config": {"name": "out", "virtual_hosts": hosts}}
        clusters = [cluster(service(n), self.members(n)) for n in range(SERVICES)]
        self.path = folder / "lanes.json"
        self.push(self.lanes - 1)
        return self.write_bootstrap(folder, {"static_resources": {
            "listeners": [self.listener(topology.port, self.manager(routes, [lane]))],
            "clusters": clusters}})

    def push(self, lanes):
        """Puts so many lanes into force; the bytes that had to be sent."""
        self.pushes += 1
        text = compact(lane_pod.table(lanes, self.pushes))
        move_into_place(self.path, text)
        return {"table": len(text)}


class RouteAndSubset(Mesh, envoy.Envoy):
    way = "routes + subset clusters"

    def routes(self, number, lanes):
        gray = [envoy.route(
            {"prefix": "/", "headers": [
                {"name": "x-lane", "string_match": {"exact": lane_pod.lane_name(lane)}}]},
            {"cluster": f"{service(number)}|{lane_pod.lane_name(lane)}"})
            for lane in lanes_of(number, lanes)]
        return gray + [self.plain_route(number)]

    def configure(self, topology, folder):
        self.rds, self.cds = folder / "rds.json", folder / "cds.json"
        self.push(self.lanes - 1)
        source = {"resource_api_version": "V3"}
        routes = {"rds": {"route_config_name": "out", "config_source": {
            "path_config_source": {"path": str(self.rds)}, **source}}}
        return self.write_bootstrap(folder, {
            "node": {"id": "bench", "cluster": "bench"},
            "dynamic_resources": {"cds_config": {
                "path_config_source": {"path": str(self.cds)}, **source}},
            "static_resources": {"listeners": [self.listener(topology.port, self.manager(routes))]}})

    def push(self, lanes):
        """As a control plane orders it: what is new before the routes that name it, what goes after them."""
        clusters = [cluster(service(n), [self.base()]) for n in range(SERVICES)]
        clusters += [cluster(f"{service(n)}|{lane_pod.lane_name(lane)}", [self.gray(lane)])
                     for lane in range(lanes) for n in services_of(lane)]
        hosts = [self.virtual_host(n, self.routes(n, lanes)) for n in range(SERVICES)]
        self.pushes += 1
        version = str(self.pushes)
        typed = [{"@type": f"{DISCOVERY}.config.cluster.v3.Cluster", **c} for c in clusters]
        files = [(self.cds, compact({"version_info": version, "resources": typed}))]
        routes = [{"@type": f"{DISCOVERY}.config.route.v3.RouteConfiguration", "name": "out",
                   "virtual_hosts": hosts}]
        text = compact({"version_info": version, "resources": routes})
        files.append((self.rds, text))
        for path, content in files if lanes == self.lanes else reversed(files):
            move_into_place(path, content)
        bare = [{k: v for k, v in c.items() if k != "load_assignment"} for c in typed]
        return {"RDS": len(text), "CDS without endpoints": len(compact(bare))}


class SubsetBalancer(Mesh, envoy.Envoy):
    way = "lb_subset_config"

    def configure(self, topology, folder):
        rule = {"header": "x-lane", "on_header_present": {
            "metadata_namespace": "envoy.lb", "key": "lane", "type": "STRING"}}
        lane = {"name": "envoy.filters.http.header_to_metadata",
                "typed_config": {"@type": HEADER_TO_METADATA, "request_rules": [rule]}}
        subsets = {"lb_subset_config": {
            "fallback_policy": "DEFAULT_SUBSET", "default_subset": {"lane": "base"},
            "subset_selectors": [{"keys": ["lane"]}]}}
        hosts = [self.virtual_host(n, [self.plain_route(n)]) for n in range(SERVICES)]
        routes = {"route_config": {"name": "out", "virtual_hosts": hosts}}
        return self.write_bootstrap(folder, {"static_resources": {
            "listeners": [self.listener(topology.port, self.manager(routes, [lane]))],
            "clusters": [cluster(service(n), self.members(n), **subsets) for n in range(SERVICES)]}})

    def base(self):
        return endpoint("127.0.0.1", self.base_port, "base")


WAYS = (LaneTable, RouteAndSubset, SubsetBalancer)
