"""What tests of the admin page /lanes share: a pod whose configuration is known, and a strict reader of HTML."""

import html.parser
import json
import os
import urllib.parse

from backend import answer
from client import fetch
from config import bootstrap, cluster, endpoint, hcm, listener, route, to
from mesh import lane_filters

SECRET, KEY = "never-to-be-seen-1", "never-to-be-seen-2"
TABLE = {
    "revision": 42,
    "lanes": [
        {"name": "gray", "owner": "<b>shop</b> & co", "emit_headers": {"x-version": "2"},
         "on": {"overload": True}, "min_healthy_percent": 40, "absent_grace": "3s",
         "cap": {"percent": 7, "min_rps": 3, "window": "5s"},
         "guard": {"max_5xx_delta": 0.25, "max_p99_ratio": 3, "min_requests": 9, "window": "2s"}},
        {"name": "dev"},
        {"name": "dev.local", "parent": "dev", "state": "DRAINING"},
        {"name": "old", "mode": "STRICT", "expires": "2020-01-01T00:00:00Z"},
        {"name": "shadow-l1", "kind": "SHADOW"},
    ],
    "entry": [
        {"name": "testers", "lane": "gray",
         "match": {"header": [{"name": "x-user", "in": ["jason", "ann"]}], "cidr": ["10.0.0.0/8"],
                   "secret_header": {"name": "x-key", "value": KEY}}},
        {"split": {"key": [{"header": "x-user-id"}, {"cookie": "uid"}], "salt": "s1",
                   "parts": [{"lane": "gray", "basis_points": 500}], "on_missing_key": "RANDOM"}},
    ],
    "service": {"stock": {"mode": "STRICT", "base_rescue": True}, "orders": {"target": "dev"}},
}
TRUST = {"plaintext_cidrs": ["10.0.0.0/8"],
         "allow": [{"secret_header": {"name": "x-let-me", "value": SECRET}, "lanes": ["*"]},
                   {"cidrs": ["192.0.2.9/32"], "lanes": ["shadow-l1"], "shadow": True}]}


def member(where, health=None, **labels):
    return endpoint(where, metadata={"filter_metadata": {"envoy.lb": labels}},
                    **({"health_status": health} if health else {}))


class Pod:
    """A pod of lane dev with a table in a file, and an entry beside it with the same table."""

    def __init__(self, bench, table=TABLE, **fields):
        self.table_path = bench.folder / "lanes.yaml"
        self.write(table)
        lane = {"table_source": {"path": str(self.table_path)}, "trust": TRUST,
                "carriers": {"aliases": ["x-mse-tag"]},
                "egress": {"mesh": {"external_clusters": ["app", "internet"]}},
                "pod_lane": {"lane": "dev", "recolor": True}, **fields}
        app = bench.http("app", default=lambda _c, _r: answer("fine"))
        entry = {**lane, "role": "ENTRY", "pod_lane": {"enabled": False}}
        at = app.address
        self.proxy = bench.start(bootstrap(
            [listener("in", hcm(route("/", to("app")), filters=lane_filters(**lane)),
                      traffic_direction="INBOUND"),
             listener("out", hcm(route("/", to("orders")), filters=lane_filters(**lane)),
                      traffic_direction="OUTBOUND"),
             listener("gw", hcm(route("/", to("orders")), filters=lane_filters(**entry)))],
            [cluster("app", at), cluster("internet", at),
             cluster("orders", endpoint(at), member(("127.0.0.1", 2), lane="gray"),
                     member(("127.0.0.1", 3), "UNHEALTHY", lane="gray")),
             cluster("stock", member(("127.0.0.1", 4), shadow_ok=True),
                     member(("127.0.0.1", 5), lane=["dev", "gray"])),
             cluster("<i>odd</i>", endpoint(at))]))

    def write(self, table):
        new = self.table_path.with_suffix(".new")
        new.write_text(table if isinstance(table, str) else json.dumps(table))
        os.replace(new, self.table_path)

    def page(self, target="/lanes", accept=None, **request):
        headers = [("accept", accept)] if accept else []
        return fetch(self.proxy.admin_address, target=target, headers=headers, **request)

    def json(self):
        return self.proxy.admin_json("/lanes?format=json")

    def dry(self, *headers, listener="in", peer="10.1.2.3", **params):
        pairs = [("dry_run", ""), ("format", "json"), ("listener", listener), ("peer", peer)]
        pairs += [("header", h) for h in headers] + list(params.items())
        query = urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote)
        return self.proxy.admin_json("/lanes?" + query)["dry_run"]

    def bad(self, query):
        response = self.page("/lanes?dry_run&" + query)
        assert response.status == 400, response.text
        return response.text


VOID = {"meta", "link", "input", "br"}


class Tree(html.parser.HTMLParser):
    """Every element is closed where it belongs; keeps texts and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.elements = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)


def parsed(text):
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    for tag, attrs in tree.elements:
        assert tag not in ("script", "img", "iframe", "i") and (tag != "b" or "class" in attrs)
        assert not any(str(attrs.get(a, "")).startswith(("http", "//")) for a in ("href", "src", "action"))
    return tree
