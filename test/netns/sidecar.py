"""The listeners and clusters of a sidecar, as a control plane writes them."""

from config import (
    ORIGINAL_DST,
    address,
    bootstrap,
    chain,
    cluster,
    file_log,
    hcm,
    http_inspector,
    listener,
    route,
    tcp_proxy,
    to,
    vhost,
)

INBOUND, OUTBOUND = 15006, 15001


def both(port):
    """Fields of a listener on a port of every address, IPv4 and IPv6."""
    return {
        "address": address(("0.0.0.0", port)),
        "additional_addresses": [{"address": address(("::", port))}],
    }


def original_dst(**fields):
    return {
        "name": "envoy.filters.listener.original_dst",
        "typed_config": {"@type": ORIGINAL_DST},
        **fields,
    }


def virtual_outbound(log=None, **fields):
    """Hands over what other listeners own; the rest goes where the application wanted."""
    logs = {"access_log": [file_log(log)]} if log else {}
    return {
        "name": "virtual_outbound",
        "traffic_direction": "OUTBOUND",
        "use_original_dst": True,
        **both(OUTBOUND),
        "filter_chains": [
            chain(tcp_proxy("nowhere"), match={"destination_port": OUTBOUND}, name="loop"),
        ],
        "default_filter_chain": chain(tcp_proxy("passthrough", **logs), name="passthrough"),
        **fields,
    }


def owner(name, where, *filters, also=(), **fields):
    """A listener without a socket, for connections whose original destination it is."""
    more = {"additional_addresses": [{"address": address(a)} for a in also]} if also else {}
    return listener(name, *filters, at=where, bind_to_port=False, **more, **fields)


def virtual_inbound(*filters, chains=None, default=None, filters_before=None, **fields):
    """What comes in, by original destination."""
    made = {
        "name": "virtual_inbound",
        "traffic_direction": "INBOUND",
        **both(INBOUND),
        "listener_filters": filters_before or [original_dst()],
        "filter_chains": chains if chains is not None else [chain(*filters)],
        **fields,
    }
    if default:
        made["default_filter_chain"] = chain(default, name="default")
    return made


def passthrough(name="passthrough", **fields):
    return cluster(name, type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", **fields)


def application(**fields):
    """The application of this pod, at the port that was called, from 127.0.0.6 or ::6."""
    return passthrough(
        "application",
        upstream_bind_config={
            "source_address": {"address": "127.0.0.6", "port_value": 0},
            "extra_source_addresses": [{"address": {"address": "::6", "port_value": 0}}],
        },
        **fields,
    )


def sidecar(listeners, *clusters, **fields):
    """fields: of the clusters that every sidecar has."""
    own = [passthrough(**fields), application(**fields), cluster("nowhere")]
    return bootstrap(listeners, [*own, *clusters])


__all__ = [
    "INBOUND",
    "OUTBOUND",
    "application",
    "both",
    "chain",
    "cluster",
    "file_log",
    "hcm",
    "http_inspector",
    "listener",
    "original_dst",
    "owner",
    "passthrough",
    "route",
    "sidecar",
    "tcp_proxy",
    "to",
    "vhost",
    "virtual_inbound",
    "virtual_outbound",
]
