"""Builders for tests of subsets: labelled endpoints, selectors, the filter that reads headers."""

import base64

from config import ROUTER

HEADER_TO_METADATA = (
    "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config"
)
SUBSET = "type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset"
ROUND_ROBIN = (
    "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin"
)
FALLBACK_LIST = {"metadata_fallback_policy": "FALLBACK_LIST"}


def labels(**values):
    """A Metadata message with these values under envoy.lb."""
    return {"filter_metadata": {"envoy.lb": values}}


def selector(*keys, fallback=None, fewer=(), **fields):
    made = {"keys": list(keys), **fields}
    if fallback:
        made["fallback_policy"] = fallback
    if fewer:
        made["fallback_keys_subset"] = list(fewer)
    return made


def subsets(*selectors, fallback="NO_FALLBACK", default=None, **fields):
    """The field of a cluster."""
    made = {"fallback_policy": fallback, "subset_selectors": list(selectors), **fields}
    if default is not None:
        made["default_subset"] = default
    return {"lb_subset_config": made}


def subset_policy(*selectors, fallback="NO_FALLBACK", **fields):
    """The same as a load balancing policy."""

    def policy(name, config):
        return {"policies": [{"typed_extension_config": {"name": name, "typed_config": config}}]}

    inner = policy("inner", {"@type": ROUND_ROBIN})
    made = {"@type": SUBSET, "fallback_policy": fallback, "subset_selectors": list(selectors),
            "subset_lb_policy": inner, **fields}
    return {"load_balancing_policy": policy("subset", made)}


def panic(percent):
    return {"common_lb_config": {"healthy_panic_threshold": {"value": percent}}}


def rule(header, key, missing=None, namespace="envoy.lb", remove=False, **present):
    """Header to metadata; missing: the value without the header."""
    made = {"header": header, "remove": remove,
            "on_header_present": {"metadata_namespace": namespace, "key": key, **present}}
    if missing is not None:
        made["on_header_missing"] = {
            "metadata_namespace": namespace, "key": key, "value": missing}
    return made


def header_to_metadata(*rules, **fields):
    """The HTTP filters of a manager: this one, then the router."""
    config = {"@type": HEADER_TO_METADATA, "request_rules": list(rules), **fields}
    return [
        {"name": "envoy.filters.http.header_to_metadata", "typed_config": config},
        {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}},
    ]


def packed(value):
    """A google.protobuf.Value as bytes in base64, as a header carries it."""
    return base64.b64encode(_value(value)).decode()


def _field(number, data):
    """Of wire type 2."""
    size, length = len(data), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def _value(value):
    if isinstance(value, str):
        return _field(3, value.encode())
    if isinstance(value, list):
        return _field(6, b"".join(_field(1, _value(item)) for item in value))
    pairs = (_field(1, k.encode()) + _field(2, _value(v)) for k, v in value.items())
    return _field(5, b"".join(_field(1, pair) for pair in pairs))
