"""HAProxy, one thread. It writes no log files by itself; the cheapest way to one is a ring backed
by a mapped file, so that is what it gets (a line at a time to standard output costs it more)."""

import re

from lkbench import proc
from lkbench import topology as topo
from lkbench.peers.peer import Peer

LOG_FORMAT = (
    '[%t] \\"%HM %HU %HV\\" %ST %ts %U %B %Ta %Tr \\"%[capture.req.hdr(0)]\\" '
    '\\"%ID\\" \\"%[capture.req.hdr(1)]\\" \\"%b/%s\\"'
).replace(" ", "\\ ")

DEFAULTS = """\
defaults
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    mode {mode}
    {reuse}
"""


def global_block(topology, folder):
    # It stops keeping idle connections when a quarter of its descriptors is in use.
    text = "global\n    nbthread 1\n    no strict-limits\n"
    text += f"    maxconn {4 * topology.connections}\n"
    if topology.kind == "tcp":
        text += "    tune.bufsize 262144\n"  # bulk at 1.6x of the rate with its default
    if topology.profile == "sidecar":
        text += "    log ring@access format raw local0\n"
        text += "ring access\n    format raw\n    maxlen 2048\n    size 67108864\n"
        text += f"    backing-file {folder}/access.log\n"
    return text


def frontend_rules(topology):
    if topology.profile != "sidecar":
        return ""
    return (
        "    log global\n    unique-id-format %[uuid()]\n    unique-id-header x-request-id\n"
        "    http-request capture req.hdr(user-agent) len 64\n"
        "    http-request capture req.hdr(host) len 64\n"
        f"    log-format {LOG_FORMAT}\n"
    )


def routing(topology, folder):
    if topology.layout == topo.MANY:
        table = folder / "routes.map"
        lines = [
            f"{host}{prefix} {name}\n"
            for host, routes in topo.virtual_hosts(topology.clusters)
            for prefix, name in routes
        ]
        table.write_text("".join(lines))
        return f"    use_backend %[base,map_beg({table})]\n"
    if topology.layout == topo.BY_HEADER:
        return "    use_backend %[req.hdr(x-cluster)]\n"
    return f"    default_backend {topo.cluster_name(0)}\n"


def backend(name, topology):
    return f"backend {name}\n    server s 127.0.0.1:{topology.backend_port}\n"


class Haproxy(Peer):
    name = "haproxy"
    missing = "not installed (Debian package haproxy)"

    def __init__(self):
        self.program = proc.find_program("haproxy", "HAPROXY")

    def version(self):
        found = re.search(r"version (\d[\d.]*)", proc.output_of([self.program, "-v"]))
        return found.group(1) if found else "?"

    def configure(self, topology, folder):
        http = topology.kind == "http"
        text = global_block(topology, folder)
        text += DEFAULTS.format(mode=topology.kind, reuse="http-reuse always" if http else "")
        text += f"frontend in\n    bind 127.0.0.1:{topology.port} backlog 4096\n"
        if http:
            text += frontend_rules(topology) + routing(topology, folder)
        else:
            text += f"    default_backend {topo.cluster_name(0)}\n"
        for number in range(topology.clusters):
            text += backend(topo.cluster_name(number), topology)
        path = folder / "haproxy.cfg"
        path.write_text(text)
        return [self.program, "-db", "-f", path]
