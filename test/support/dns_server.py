"""A tiny DNS server for tests: a table of names, changed at will, over UDP."""

import socket
import struct
import threading
import time

CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
TYPES = {1: "A", 28: "AAAA"}


class DnsServer:
    """records: name -> list of addresses (IPv4 or IPv6); an unknown name is NXDOMAIN."""

    def __init__(self, ttl=1, host="127.0.0.1"):
        self.records = {}
        self.ttl = ttl
        self.queries = []
        self.delay = 0.0
        self.mute = False
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.address = self.sock.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.sock.close()

    def count(self, name, kind=None):
        return sum(n == name and kind in (None, k) for n, k in list(self.queries))

    def _serve(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            name, kind, question = parse_question(query)
            self.queries.append((name, kind))
            if self.mute:
                continue
            if self.delay:
                time.sleep(self.delay)
            try:
                self.sock.sendto(self._reply(query, name, kind, question), peer)
            except OSError:
                return

    def _reply(self, query, name, kind, question):
        known = self.records.get(name)
        addresses = [a for a in known or [] if (":" in a) == (kind == "AAAA")]
        code = 0 if known is not None else 3
        reply = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(addresses), 0, 0)
        reply += question
        for address in addresses:
            if kind == "AAAA":
                data, number = socket.inet_pton(socket.AF_INET6, address), 28
            else:
                data, number = socket.inet_aton(address), 1
            reply += struct.pack("!HHHIH", 0xC00C, number, 1, self.ttl, len(data)) + data
        return reply


def resolver(dns):
    """Fields of a cluster that asks this server."""
    host, port = dns.address
    return {
        "typed_dns_resolver_config": {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": CARES,
                "resolvers": [{"socket_address": {"address": host, "port_value": port}}],
                "dns_resolver_options": {"no_default_search_domain": True},
            },
        }
    }


def parse_question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    return ".".join(labels), TYPES.get(kind, str(kind)), query[12 : at + 5]
