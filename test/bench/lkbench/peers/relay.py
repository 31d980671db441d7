"""The floor: our own epoll relay that does not parse. A row to compare with, not a peer."""

from lkbench import topology as topo
from lkbench.peers.peer import Peer


class Relay(Peer):
    name = "relay"

    def __init__(self, tools):
        self.program = tools / "lk-bench-relay"

    def version(self):
        return "floor: does not parse"

    def refusal(self, topology):
        if topology.layout != topo.ONE:
            return "does not route"
        return None

    def configure(self, topology, folder):
        return [self.program, topology.port, topology.backend_port]
