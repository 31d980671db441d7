"""nginx, with keep-alive to its upstreams. It has no per-upstream counters to switch on: in the
sidecar profile it does that much less than the others."""

import re

from lkbench import proc
from lkbench import topology as topo
from lkbench.peers.peer import Peer

LOG_FORMAT = (
    '[$time_iso8601] "$request_method $request_uri $server_protocol" $status - '
    "$request_length $body_bytes_sent $request_time $upstream_response_time "
    '"$http_x_forwarded_for" "$http_user_agent" "$request_id" "$http_host" "$upstream_addr"'
)

PROXY = """\
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_read_timeout 1h;
"""

# nginx reserves memory for idle upstream connections per cluster, so the pools of the layout with
# thousands of clusters are small; the others hold all connections of the load.
IDLE_CONNECTIONS = {topo.ONE: 512, topo.MANY: 64, topo.BY_HEADER: 8}

# Bodies stream through without touching the disk. Of the settings tried (the defaults; 16 kB, 64 kB
# and 128 kB buffers; buffering on and off in either direction) this was nginx's cheapest.
LARGE = """\
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_buffer_size 128k;
    proxy_buffers 2 128k;
    proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
    client_body_buffer_size 128k;
"""


def upstream(name, topology):
    idle = IDLE_CONNECTIONS[topology.layout]
    return (
        f"upstream {name} {{ server 127.0.0.1:{topology.backend_port}; keepalive {idle}; "
        "keepalive_requests 1000000000; keepalive_timeout 1h; }\n"
    )


def servers(topology):
    listen = f"listen 127.0.0.1:{topology.port};"
    if topology.layout == topo.MANY:
        text = ""
        for host, routes in topo.virtual_hosts(topology.clusters):
            places = "".join(
                f"location {prefix} {{ proxy_pass http://{name}; }}\n" for prefix, name in routes
            )
            text += f"server {{ {listen} server_name {host};\n{places}}}\n"
        return text
    target = topo.cluster_name(0)
    if topology.layout == topo.BY_HEADER:
        target = "$http_x_cluster"
    return f"server {{ {listen} location / {{ proxy_pass http://{target}; }} }}\n"


def http_block(topology, folder):
    names = [topo.cluster_name(n) for n in range(topology.clusters)]
    text = f"log_format lk '{LOG_FORMAT}';\n" + PROXY
    if topology.profile == "sidecar":
        text += f"access_log {folder}/access.log lk buffer=64k flush=10s;\n"
        text += "proxy_set_header X-Request-Id $request_id;\n"
    else:
        text += "access_log off;\n"
    if topology.large_bodies:
        text += LARGE
    text += "keepalive_timeout 1h;\nkeepalive_requests 1000000000;\ntcp_nodelay on;\n"
    text += "server_names_hash_max_size 4096;\nclient_max_body_size 0;\n"
    for place in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text += f"{place}_temp_path {folder}/temp_{place};\n"
    text += "".join(upstream(name, topology) for name in names) + servers(topology)
    return f"http {{\n{text}}}\n"


def stream_block(topology):
    return (
        f"stream {{ tcp_nodelay on; server {{ listen 127.0.0.1:{topology.port}; "
        f"proxy_pass 127.0.0.1:{topology.backend_port}; proxy_buffer_size 256k; "
        "proxy_timeout 1h; } }\n"
    )


class Nginx(Peer):
    name = "nginx"
    missing = "not installed (Debian packages nginx and libnginx-mod-stream)"
    stream_module = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def __init__(self):
        self.program = proc.find_program("nginx", "NGINX")

    def version(self):
        found = re.search(r"nginx/(\S+)", proc.output_of([self.program, "-v"]))
        return found.group(1) if found else "?"

    def configure(self, topology, folder):
        text = "daemon off;\nuser root;\nworker_processes 1;\npid nginx.pid;\n"
        text += f"error_log {folder}/error.log warn;\n"
        text += f"worker_rlimit_nofile {proc.file_limit()};\n"
        if not topology.fork:
            text += "master_process off;\n"
        if topology.kind == "tcp":
            text = f"load_module {self.stream_module};\n" + text
        text += f"events {{ worker_connections {2 * topology.connections}; }}\n"
        text += stream_block(topology) if topology.kind == "tcp" else http_block(topology, folder)
        path = folder / "nginx.conf"
        path.write_text(text)
        return [self.program, "-p", folder, "-c", path, "-e", folder / "error.log"]
