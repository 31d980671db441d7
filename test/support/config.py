"""Small builders for bootstrap configurations, as plain dictionaries.

Each returns one message of the v3 API; every further field is given by keyword under its own
name. Ports are 0: the proxy's admin page tells which ones the kernel chose.
"""

HTTP_MANAGER = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    ".HttpConnectionManager"
)
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
STDOUT_LOG = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
STDERR_LOG = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog"
TLS_INSPECTOR = (
    "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
)
HTTP_INSPECTOR = (
    "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"
)
ORIGINAL_DST = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
UPSTREAM_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
PREVIOUS_HOSTS = (
    "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
)

# What the tests read from an access log: one line, tab-separated, in this order.
LOG_FIELDS = {
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "original_path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "host": "%UPSTREAM_HOST%",
    "route": "%ROUTE_NAME%",
    "authority": "%REQ(:AUTHORITY)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "termination": "%CONNECTION_TERMINATION_DETAILS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
}
LOG_FORMAT = "\t".join(LOG_FIELDS.values()) + "\n"


def parse_log(line, fields=LOG_FIELDS):
    return dict(zip(fields, line.rstrip("\n").split("\t")))


def address(where):
    """(host, port), or a path for a Unix socket."""
    if isinstance(where, str):
        return {"pipe": {"path": where}}
    host, port = where
    return {"socket_address": {"address": host, "port_value": port}}


def file_log(path, fmt=LOG_FORMAT, **fields):
    log = {"@type": FILE_LOG, "path": str(path)}
    if isinstance(fmt, str):
        log["log_format"] = {"text_format_source": {"inline_string": fmt}}
    elif fmt is not None:
        log["log_format"] = {"json_format": fmt}
    return {"name": "envoy.access_loggers.file", "typed_config": log, **fields}


def route(match, action, **fields):
    """match: "/prefix", or a RouteMatch; action: a cluster name, or {"route": ...} and kin."""
    if isinstance(match, str):
        match = {"prefix": match}
    if isinstance(action, str):
        action = {"route": {"cluster": action}}
    return {"match": match, **action, **fields}


def to(cluster_name, **fields):
    return {"route": {"cluster": cluster_name, **fields}}


def direct(status, body=None):
    response = {"status": status}
    if body is not None:
        response["body"] = {"inline_string": body}
    return {"direct_response": response}


def vhost(name, domains, *routes, **fields):
    return {"name": name, "domains": domains, "routes": list(routes), **fields}


def route_config(*vhosts, name="local_route", **fields):
    return {"name": name, "virtual_hosts": list(vhosts), **fields}


def hcm(*routes, vhosts=None, logs=(), route_fields=None, filters=None, **fields):
    """An HTTP connection manager; routes go into one virtual host "*" unless vhosts is given."""
    hosts = vhosts if vhosts is not None else [vhost("all", ["*"], *routes)]
    config = {
        "@type": HTTP_MANAGER,
        "stat_prefix": "ingress",
        "route_config": route_config(*hosts, **(route_fields or {})),
        "http_filters": filters
        or [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        **fields,
    }
    if logs:
        config["access_log"] = list(logs)
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def router_filter(**fields):
    return [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER, **fields}}]


def tcp_proxy(cluster_name=None, **fields):
    config = {"@type": TCP_PROXY, "stat_prefix": "tcp", **fields}
    if cluster_name:
        config["cluster"] = cluster_name
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": config}


def chain(*filters, match=None, **fields):
    made = {"filters": list(filters), **fields}
    if match is not None:
        made["filter_chain_match"] = match
    return made


def listener(name, *filters, at=("127.0.0.1", 0), chains=None, **fields):
    """filters make its only chain unless chains is given."""
    return {
        "name": name,
        "address": address(at),
        "filter_chains": chains if chains is not None else [chain(*filters)],
        **fields,
    }


def tls_inspector(**fields):
    return {
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {"@type": TLS_INSPECTOR},
        **fields,
    }


def http_inspector(**fields):
    return {
        "name": "envoy.filters.listener.http_inspector",
        "typed_config": {"@type": HTTP_INSPECTOR},
        **fields,
    }


def endpoint(where, weight=None, **fields):
    made = {"endpoint": {"address": address(where)}, **fields}
    if weight:
        made["load_balancing_weight"] = weight
    return made


def cluster(name, *endpoints, type="STATIC", **fields):
    """endpoints: addresses, or messages made with endpoint()."""
    members = [e if isinstance(e, dict) else endpoint(e) for e in endpoints]
    made = {"name": name, "type": type, "connect_timeout": "2s", **fields}
    if members:
        made["load_assignment"] = {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": members}],
        }
    return made


def upstream_http(**fields):
    """Field of a cluster: its HTTP options, over HTTP/1.1."""
    options = {
        "@type": UPSTREAM_HTTP,
        "explicit_http_config": {"http_protocol_options": {}},
        **fields,
    }
    return {
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        }
    }


def bootstrap(listeners, clusters, **fields):
    return {
        "node": {"id": "test-node", "cluster": "test-cluster"},
        "admin": {"address": address(("127.0.0.1", 0))},
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
        **fields,
    }
