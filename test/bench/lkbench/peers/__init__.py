"""The proxies that are compared, the floor first."""

from lkbench.peers.envoy import Envoy, Lanekeeper
from lkbench.peers.haproxy import Haproxy
from lkbench.peers.nginx import Nginx
from lkbench.peers.relay import Relay


def all_peers(tools):
    return [Relay(tools), Lanekeeper(), Haproxy(), Nginx(), Envoy()]
