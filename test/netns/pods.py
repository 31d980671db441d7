"""Pods for the tests: two network namespaces joined by a cable, IPv4 and IPv6, with nothing of
the host between.

A namespace has no name: it lives as long as this process holds its file, so that even a killed
test run leaves nothing behind. A thread steps into one with `entered()`; sockets, threads and
processes made there belong to it for good.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import subprocess
import threading

from client import Client

from proxy import Proxy

CLONE_NEWNET = 0x40000000
INTERCEPT = pathlib.Path(__file__).resolve().parents[2] / "docker" / "intercept"
PROXY_ID = 1337

_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *args):
    if function(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Pod:
    """A network namespace with the addresses 10.78.0.<number> and fd78::<number> on its side of
    the cable.
    """

    def __init__(self, number):
        self.number = number
        self.v4, self.v6 = f"10.78.0.{number}", f"fd78::{number}"
        self.fd = self._create()
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _create():
        made = []

        def create():
            _call(_libc.unshare, CLONE_NEWNET)
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        thread = threading.Thread(target=create)
        thread.start()
        thread.join()
        if not made:
            raise OSError("a network namespace could not be made")
        return made[0]

    def close(self):
        os.close(self.fd)

    def join(self, other):
        """Lays the cable between the two; each is the other's default route."""
        self.run(
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other.path
        )
        for pod in (
            self,
            other,
        ):  # before the addresses: else IPv6 finds its neighbour only at the second try
            pod.run("ip", "link", "set", "eth0", "up")
        for pod in (self, other):
            pod.add_address(f"{pod.v4}/24")
            pod.add_address(f"{pod.v6}/64")
        for pod, peer in ((self, other), (other, self)):
            pod.run("ip", "route", "add", "default", "via", peer.v4)
            pod.run("ip", "-6", "route", "add", "default", "via", peer.v6)

    def add_address(self, address):
        self.run(
            "ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else [])
        )

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the pod's network until the end of the block."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _call(_libc.setns, self.fd, CLONE_NEWNET)
            yield self
        finally:
            _call(_libc.setns, before, CLONE_NEWNET)
            os.close(before)

    def run(self, *command, check=True, uid=0, gid=0, env=None):
        """Runs a program in the pod to its end."""
        if (uid, gid) != (0, 0):
            command = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *command)
        with self.entered():
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=30,
                env=env,
            )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{command}: exit code {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def intercept(self, *options, **how):
        return self.run(str(INTERCEPT), *options, **how)

    def rules(self):
        """All that docker/intercept may change, as text without packet counts and empty tables."""
        text = []
        for save in ("iptables-save", "ip6tables-save"):
            lines = self.run(save).stdout.splitlines()
            text += [line.partition(" [")[0] for line in lines if line.startswith((":LANE", "-A"))]
        for family in ("-4", "-6"):
            text += self.run("ip", family, "rule").stdout.splitlines()
            text += self.run(
                "ip", family, "route", "show", "table", "133", check=False
            ).stdout.splitlines()
        text += [
            line.strip()
            for line in self.run(
                "ip", "-6", "-o", "address", "show", "dev", "lo"
            ).stdout.splitlines()
        ]
        return text

    def connect(self, host, port, **options):
        """A client whose connection starts in this pod."""
        with self.entered():
            return Client((host, port), **options)

    def count_packets(self):
        """Starts to count what TCP packets come in from outside."""
        self.run("iptables", "-A", "INPUT", "-i", "eth0", "-p", "tcp", "-j", "ACCEPT")

    def packets(self):
        """How many have come since."""
        lines = self.run("iptables", "-nvxL", "INPUT").stdout.splitlines()
        return int(lines[2].split()[0])


class Street(Pod):
    """A namespace that is a switch: any number of pods at it. Whoever is not in a pod stands here."""

    def __init__(self, number):
        super().__init__(number)
        self.run("ip", "link", "add", "street", "type", "bridge")
        self.run("ip", "link", "set", "street", "up")
        self.run("ip", "address", "add", f"{self.v4}/24", "dev", "street")

    def visitor(self, number):
        """One more address that connections may start from."""
        address = f"10.78.0.{number}"
        self.run("ip", "address", "add", f"{address}/24", "dev", "street")
        return address

    def plug(self, pod):
        port = f"port{pod.number}"
        self.run(
            "ip", "link", "add", port, "master", "street", "type", "veth",
            "peer", "name", "eth0", "netns", pod.path,
        )  # fmt: skip
        self.run("ip", "link", "set", port, "up")
        pod.run("ip", "link", "set", "eth0", "up")
        pod.run("ip", "address", "add", f"{pod.v4}/24", "dev", "eth0")
        pod.run("ip", "route", "add", "default", "via", self.v4)


class PodProxy(Proxy):
    """A proxy inside a pod, with the user, the group and only the capabilities that a sidecar
    has.
    """

    def __init__(self, pod, *args, capabilities=(), chained=False, user=PROXY_ID, **options):
        super().__init__(*args, **options)
        self.pod = pod
        self.chained = chained
        self.capabilities = capabilities
        self.user = user
        os.chown(self.folder, user, user)

    def command(self):
        kept = ",".join(["-all", *(f"+{name}" for name in self.capabilities)])
        return [
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={self.user}",
            "--clear-groups",
            "--no-new-privs",
            "--pdeathsig=KILL",  # what Popen has set is lost with the change of user
            f"--inh-caps={kept}",
            f"--ambient-caps={kept}",
            f"--bounding-set={kept}",
        ] + super().command()

    def _leaked_fds(self):
        """Not where a proxy is at the other end too: the two may keep an idle connection."""
        return [] if self.chained else super()._leaked_fds()

    def start(self):
        with self.pod.entered():
            return super().start()

    def captured(self):
        """How many connections its listeners got."""
        counts = self.stats("downstream_cx_total").items()
        return sum(
            n
            for name, n in counts
            if re.fullmatch(r"listener\.(?!admin).*\.downstream_cx_total", name)
        )

    def admin(self, *args, **options):
        with self.pod.entered():
            return super().admin(*args, **options)
