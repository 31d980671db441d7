"""Which connections docker/intercept captures. Servers that say their name stand where the proxy
and the application would be, so the answer tells where a connection arrived, and nothing depends
on a proxy.
"""

import socket

import pytest
from pods import PROXY_ID

SAY = {"v4": "0.0.0.0", "v6": "::"}
LOOPBACK = {"v4": "127.0.0.1", "v6": "::1"}
SELF = {"v4": "127.0.0.6", "v6": "::6"}
APP_UID = 1000

# Run in a pod as some user: connects, and prints what the server says.
CONNECT = """
import socket, sys
host, port, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with socket.create_connection((host, port), 5, (source, 0) if source else None) as sock:
    print(sock.recv(100).decode())
"""


class Capture:
    """In each pod: an application on 8080 and one on 9090, and both captures."""

    def __init__(self, pair, family):
        self.pair, self.family = pair, family
        self.client, self.server = pair.client, pair.server
        self.address = getattr(self.server, family)
        for pod in (self.client, self.server):
            for port, name in (
                (15001, "outbound"),
                (15006, "inbound"),
                (8080, "8080"),
                (9090, "9090"),
            ):
                pair.says(pod, SAY[family], port, name)

    def ask(self, pod, host, port, uid=APP_UID, gid=APP_UID, source=""):
        return pod.run(
            "/usr/bin/python3", "-c", CONNECT, host, str(port), source, uid=uid, gid=gid
        ).stdout.strip()

    def inbound(self, port):
        """Where a connection from outside to a port of the server's pod arrives."""
        return self.ask(self.client, self.address, port)

    def outbound(self, port=8080, host=None, **who):
        """Where a connection that a process of the client's pod makes arrives."""
        return self.ask(self.client, host or self.address, port, **who)


@pytest.fixture
def capture(pair, family):
    return Capture(pair, family)


# Inbound


def test_without_rules_nothing_is_captured(capture):
    assert capture.inbound(8080) == "8080"


def test_a_connection_from_outside_goes_to_the_inbound_port(capture):
    capture.server.intercept()
    assert capture.inbound(8080) == "inbound"
    assert capture.inbound(1) == "inbound"


def test_the_inbound_port_can_be_chosen(capture):
    capture.server.intercept("--inbound-port=9090")
    assert capture.inbound(8080) == "9090"


@pytest.mark.parametrize("port", [15000, 15008, 15020, 15021, 15090])
def test_ports_that_the_proxy_serves_are_not_captured(capture, port):
    capture.pair.says(capture.server, SAY[capture.family], port, "served")
    capture.server.intercept()
    assert capture.inbound(port) == "served"


def test_the_ports_that_the_proxy_serves_can_be_chosen(capture):
    capture.server.intercept("--proxy-ports=9090")
    assert capture.inbound(9090) == "9090"
    assert capture.inbound(15021) == "inbound"


@pytest.mark.parametrize("excluded", ["9090", "22,9000-9100"])
def test_an_excluded_inbound_port_stays_direct(capture, excluded):
    capture.server.intercept("--exclude-inbound-ports", excluded)
    assert capture.inbound(9090) == "9090"
    assert capture.inbound(8080) == "inbound"


def test_only_included_inbound_ports_are_captured(capture):
    capture.server.intercept("--include-inbound-ports=80,8000-8100")
    assert capture.inbound(8080) == "inbound"
    assert capture.inbound(9090) == "9090"


def test_no_inbound_port_may_be_included(capture):
    capture.server.intercept("--include-inbound-ports=")
    assert capture.inbound(8080) == "8080"


def test_an_exclusion_wins_over_an_inclusion(capture):
    capture.server.intercept("--include-inbound-ports=8080,9090", "--exclude-inbound-ports=9090")
    assert capture.inbound(9090) == "9090"


# Outbound


def test_a_connection_of_a_process_goes_to_the_outbound_port(capture):
    capture.client.intercept()
    assert capture.outbound() == "outbound"
    assert capture.outbound(port=1) == "outbound"


def test_the_outbound_port_can_be_chosen(capture):
    capture.client.intercept("--outbound-port=9090")
    assert capture.outbound() == "9090"


def test_what_the_proxys_user_sends_is_not_captured(capture):
    capture.client.intercept()
    assert capture.outbound(uid=PROXY_ID) == "8080"


def test_what_the_proxys_group_sends_is_not_captured(capture):
    capture.client.intercept()
    assert capture.outbound(gid=PROXY_ID) == "8080"


def test_the_proxys_user_and_group_can_be_chosen(capture):
    capture.client.intercept("--proxy-uids=2000,2001", "--proxy-gids=3000")
    assert capture.outbound(uid=2001) == "8080"
    assert capture.outbound(gid=3000) == "8080"
    assert capture.outbound(uid=PROXY_ID) == "outbound"


def test_the_loopback_is_not_captured(capture):
    capture.client.intercept()
    assert capture.outbound(host=LOOPBACK[capture.family]) == "8080"


def test_an_excluded_outbound_port_stays_direct(capture):
    capture.client.intercept("--exclude-outbound-ports=9000-9100")
    assert capture.outbound(port=9090) == "9090"
    assert capture.outbound(port=8080) == "outbound"


def test_only_included_outbound_ports_are_captured(capture):
    capture.client.intercept("--include-outbound-ports=8080")
    assert capture.outbound(port=8080) == "outbound"
    assert capture.outbound(port=9090) == "9090"


def test_only_included_outbound_networks_are_captured(capture):
    capture.client.intercept("--include-outbound-cidrs=10.78.0.0/24,fd78::/64")
    assert capture.outbound() == "outbound"
    capture.client.intercept("--include-outbound-cidrs=10.79.0.0/24,fd79::/64")
    assert capture.outbound() == "8080"


def test_an_included_port_is_captured_outside_the_included_networks(capture):
    capture.client.intercept(
        "--include-outbound-cidrs=10.79.0.0/24,fd79::/64", "--include-outbound-ports=9090"
    )
    assert capture.outbound(port=9090) == "outbound"
    assert capture.outbound(port=8080) == "8080"


def test_an_excluded_network_stays_direct(capture):
    capture.client.intercept("--exclude-outbound-cidrs=10.78.0.2,fd78::2/128")
    assert capture.outbound() == "8080"


def test_excluded_users_and_groups_stay_direct(capture):
    capture.client.intercept("--exclude-uids=2000", "--exclude-gids=3000")
    assert capture.outbound(uid=2000) == "8080"
    assert capture.outbound(gid=3000) == "8080"
    assert capture.outbound() == "outbound"


def test_only_included_users_and_groups_are_captured(capture):
    capture.client.intercept("--include-uids=2000,1000660000", "--include-gids=3000")
    assert capture.outbound(uid=2000) == "outbound"
    assert capture.outbound(uid=1000660000) == "outbound"
    assert capture.outbound(gid=3000) == "outbound"
    assert capture.outbound() == "8080"


# A pod that calls itself


@pytest.fixture(params=["redirect", "tproxy"])
def mode(request):
    return request.param


def own_pod(capture, **who):
    return capture.ask(capture.server, capture.address, 8080, **who)


def test_a_process_calling_its_own_pod_stays_direct(capture):
    capture.server.intercept()
    assert own_pod(capture) == "8080"


def test_capture_self_takes_a_process_calling_its_own_pod_through_inbound(capture):
    capture.server.intercept("--capture-self", "--exclude-inbound-ports=9090")
    assert own_pod(capture) == "inbound"
    assert capture.ask(capture.server, capture.address, 9090) == "9090"
    assert capture.ask(capture.server, LOOPBACK[capture.family], 8080) == "8080"


def test_the_proxy_calling_its_own_pod_goes_inbound(capture):
    capture.server.intercept()
    assert own_pod(capture, uid=PROXY_ID) == "inbound"
    assert own_pod(capture, gid=PROXY_ID) == "inbound"


def test_the_proxy_reaches_the_application_from_its_own_address(capture):
    capture.server.intercept()
    assert own_pod(capture, uid=PROXY_ID, source=SELF[capture.family]) == "8080"


def test_the_proxy_reaches_the_application_on_the_loopback(capture):
    capture.server.intercept()
    assert capture.ask(capture.server, LOOPBACK[capture.family], 8080, uid=PROXY_ID) == "8080"


# TPROXY


IPV6_TRANSPARENT = 75


def transparent(sock, family):
    if family == "v4":
        sock.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)


class Tproxy(Capture):
    """As Capture, and the inbound port of the server's pod has a transparent socket that says
    what it sees.
    """

    def __init__(self, pair, family):
        super().__init__(pair, family)
        tell = pair.tcp(self.server, self.tell, SAY[family], 15016)
        transparent(tell.sock, family)

    @staticmethod
    def tell(conn):
        peer, local = conn.sock.getpeername(), conn.sock.getsockname()
        conn.send(f"from {peer[0]} to {local[0]} {local[1]}")

    def intercept(self, *options):
        self.server.intercept("--mode=tproxy", "--inbound-port=15016", *options)


@pytest.fixture
def tproxy(pair, family):
    return Tproxy(pair, family)


def seen(tproxy, port, source=None):
    return f"from {source or getattr(tproxy.client, tproxy.family)} to {tproxy.address} {port}"


def test_tproxy_shows_the_proxy_both_addresses_of_the_client(tproxy):
    tproxy.intercept()
    assert tproxy.inbound(8080) == seen(tproxy, 8080)
    assert tproxy.inbound(1) == seen(tproxy, 1)


def test_tproxy_leaves_excluded_and_served_ports_alone(tproxy):
    tproxy.pair.says(tproxy.server, SAY[tproxy.family], 15021, "served")
    tproxy.intercept("--exclude-inbound-ports=9090")
    assert tproxy.inbound(9090) == "9090"
    assert tproxy.inbound(15021) == "served"
    assert tproxy.inbound(8080) == seen(tproxy, 8080)


def test_tproxy_captures_only_included_inbound_ports(tproxy):
    tproxy.intercept("--include-inbound-ports=8080")
    assert tproxy.inbound(8080) == seen(tproxy, 8080)
    assert tproxy.inbound(9090) == "9090"


def test_tproxy_still_redirects_outbound(tproxy):
    tproxy.client.intercept("--mode=tproxy")
    assert tproxy.outbound() == "outbound"
    assert tproxy.outbound(uid=PROXY_ID) == "8080"


def test_tproxy_leaves_a_process_calling_its_own_pod_direct(tproxy):
    tproxy.intercept()
    assert own_pod(tproxy) == "8080"


def test_tproxy_with_capture_self_takes_a_process_calling_its_own_pod_through_inbound(tproxy):
    tproxy.intercept("--capture-self")
    assert own_pod(tproxy) == seen(tproxy, 8080, source=tproxy.address)


def test_tproxy_takes_the_proxy_calling_its_own_pod_through_inbound(tproxy):
    tproxy.intercept()
    assert own_pod(tproxy, uid=PROXY_ID) == seen(tproxy, 8080, source=tproxy.address)


def test_tproxy_lets_the_proxy_reach_the_application_from_its_own_address(tproxy):
    tproxy.intercept()
    assert own_pod(tproxy, uid=PROXY_ID, source=SELF[tproxy.family]) == "8080"


def test_tproxy_returns_the_answer_to_a_proxy_that_keeps_the_clients_address(tproxy):
    """The application sees the client's own address, and its answer still goes to the proxy."""
    tproxy.pair.tcp(tproxy.server, Tproxy.tell, SAY[tproxy.family], 7070)
    tproxy.intercept()
    client = getattr(tproxy.client, tproxy.family)
    with tproxy.server.entered():
        kind = socket.AF_INET if tproxy.family == "v4" else socket.AF_INET6
        with socket.socket(kind) as sock:
            sock.settimeout(5)
            transparent(sock, tproxy.family)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1337)
            sock.bind((client, 0))
            sock.connect((tproxy.address, 7070))
            assert sock.recv(100).decode() == seen(tproxy, 7070)


@pytest.mark.parametrize("mark,table", [("77", "88")])
def test_tproxy_mark_and_table_can_be_chosen(tproxy, mark, table):
    before = tproxy.server.rules()
    tproxy.intercept("--mark", mark, "--route-table", table)
    rules = "\n".join(tproxy.server.rules())
    assert "fwmark 0x4d lookup 88" in rules
    assert "fwmark 0x539" not in rules
    assert tproxy.inbound(8080) == seen(tproxy, 8080)
    tproxy.server.intercept("--clean", "--mark", mark, "--route-table", table)
    assert tproxy.server.rules() == before
