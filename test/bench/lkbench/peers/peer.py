"""What a peer is: a program that takes a topology and then forwards."""

import subprocess
from dataclasses import dataclass

from lkbench import proc


@dataclass
class Running:
    """A started proxy."""

    process: subprocess.Popen
    topology: object
    name: str
    slow: bool = False  # runs under a tool that takes its time to end

    @property
    def pids(self):
        return proc.family(self.process.pid)

    def stop(self):
        proc.stop(self.process, timeout=60 if self.slow else 5)


class Peer:
    """Subclasses set `name` and `program`, and write `configure` (files in, command line out)."""

    name = ""
    program = None
    missing = ""

    def version(self):
        raise NotImplementedError

    def configure(self, topology, folder):
        """Writes the configuration into `folder`; returns the command line."""
        raise NotImplementedError

    def refusal(self, topology):
        """Why this peer cannot do what the topology asks, or None."""
        del topology
        return None

    def absence(self):
        """Why this peer is skipped altogether, or None."""
        return None if self.program else self.missing

    def start(self, topology, folder, prefix=()):
        """Starts the proxy on its core and waits for its listener; `prefix` is a command that it
        runs under."""
        running = self.launch(topology, folder, [*prefix, *self.configure(topology, folder)])
        running.slow = bool(prefix)
        self.wait(running, folder)
        return running

    def launch(self, topology, folder, argv):
        """Starts a command line made by `configure`, and does not wait."""
        with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
            process = proc.spawn(
                argv, proc.PROXY_CPU, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder
            )
        return Running(process, topology, self.name)

    def wait(self, running, folder):
        topology = running.topology

        def ready():
            if topology.kind == "tcp":
                return proc.listening(topology.port)
            return proc.probe_http(topology.port) is not None

        try:
            proc.wait_until(ready, running.process, f"{self.name} (logs: {folder})", 120)
        except proc.BenchError:
            running.stop()
            raise
