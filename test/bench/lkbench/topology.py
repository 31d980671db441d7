"""What a proxy is asked to do, said once; each peer turns it into its own configuration."""

from dataclasses import dataclass

ONE = "one"  # one listener, one route, one cluster
MANY = "many"  # B2: many virtual hosts, routes and clusters; the last one is asked for
BY_HEADER = "by_header"  # the header x-cluster names one of many clusters

VHOSTS = 50
ROUTES_OF_LAST = 100
ROUTES_OF_OTHERS = 18


@dataclass(frozen=True)
class Topology:
    port: int
    backend_port: int
    profile: str = "raw"  # raw: forward only; sidecar: file access log, stats, request id
    kind: str = "http"  # http or tcp
    layout: str = ONE
    clusters: int = 1
    large_bodies: bool = False
    connections: int = 1024  # what a proxy that allocates its limit at start-up must allow for
    fork: bool = True  # False: one process, for tools that follow only one


def cluster_name(number):
    return f"c-{number:06d}"


def virtual_hosts(clusters):
    """The routes of B2: [(host, [(prefix, cluster)])]. The last host has the most routes, and its
    last route is the one that is measured."""
    hosts = []
    number = 0
    for index in range(VHOSTS):
        count = ROUTES_OF_LAST if index == VHOSTS - 1 else ROUTES_OF_OTHERS
        routes = []
        for route in range(count):
            routes.append((f"/svc-{route:04d}/", cluster_name(number % clusters)))
            number += 1
        hosts.append((f"host-{index:02d}.bench.test", routes))
    return hosts


def last_route():
    """(host, path) of the route that B2 measures."""
    return f"host-{VHOSTS - 1:02d}.bench.test", f"/svc-{ROUTES_OF_LAST - 1:04d}/x"
