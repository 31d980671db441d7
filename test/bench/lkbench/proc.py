"""Processes under test: starting them pinned to a core, waiting for them, reading their cost."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CLIENT_CPU = 0
PROXY_CPU = 1
NOFILE = 131072


class BenchError(Exception):
    """Something the run cannot go on without; its text is for the person who started it."""


def raise_file_limit():
    """Children inherit it: 10,000 connections take 20,000 descriptors in a proxy."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
    except (ValueError, OSError) as error:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if hard < NOFILE:
            print(f"note: file limit is {hard} ({error}); 10k-connection scenarios may fail")


def file_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextlib.contextmanager
def pinned(cpu):
    """Children started inside run on `cpu`; no helper process stands between us and them."""
    before = os.sched_getaffinity(0)
    if cpu not in before:
        raise BenchError(f"this benchmark needs cpu {cpu}, and may only use {sorted(before)}")
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def spawn(argv, cpu, **options):
    with pinned(cpu):
        return subprocess.Popen([str(a) for a in argv], **options)


def stop(process, timeout=5):
    """SIGTERM, then SIGKILL; returns what the process wrote to its pipe, if it had one."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
    return out


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def probe_http(port, head_lines=()):
    """The status of one GET on a new connection, or None while nobody answers."""
    extra = "".join(line + "\r\n" for line in head_lines)
    request = f"GET / HTTP/1.1\r\nhost: bench.test\r\nconnection: close\r\n{extra}\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as conn:
            conn.sendall(request.encode())
            answer = conn.recv(65536)
    except OSError:
        return None
    fields = answer.split(b" ", 2)
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None


def listening(port):
    """Whether somebody listens on 127.0.0.1:port, without connecting to it."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


def wait_until(ready, process, what, timeout=60):
    """Polls `ready` until it returns something true; a process that ends meanwhile is an error."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = ready()
        if value:
            return value
        if process.poll() is not None:
            raise BenchError(f"{what} ended with code {process.returncode} before it was ready")
        time.sleep(0.005)
    raise BenchError(f"{what} was not ready after {timeout} s")


def family(pid):
    """The process and all its descendants."""
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                pids += family(int(child))
    return pids


def cpu_ns(pids):
    """CPU time of all threads of the processes, in ns, softirq work on their sends included."""
    total = 0
    for pid in pids:
        for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(stat.read_text().split()[0])
    return total


def memory_kb(pids):
    """Memory of the processes together, in kB. "own" is what they cost the machine: Private_Dirty,
    or Pss_Dirty where several processes share pages that one of them wrote before it forked."""
    total = dict.fromkeys(("Private_Dirty", "Pss_Dirty", "Pss", "Rss"), 0)
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name = line.split(":")[0]
                if name in total:
                    total[name] += int(line.split()[1])
    total["own"] = total["Private_Dirty" if len(pids) == 1 else "Pss_Dirty"]
    return total


def settled_memory_kb(pids, seconds):
    """Memory once it has stopped changing for a second, or after `seconds`."""
    deadline = time.monotonic() + seconds
    last = memory_kb(pids)
    quiet = 0
    while time.monotonic() < deadline and quiet < 4:
        time.sleep(0.25)
        now = memory_kb(pids)
        quiet = quiet + 1 if now["own"] == last["own"] else 0
        last = now
    return last


def find_program(name, variable=None):
    """Path of a program: the one an environment variable names, else the one in PATH, else None."""
    chosen = os.environ.get(variable) if variable else None
    if chosen:
        return chosen if os.access(chosen, os.X_OK) else None
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def output_of(argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace").strip()


def read_cores():
    """Clock ticks of each core: busy, stolen, all."""
    cores = []
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            v = [int(f) for f in fields[:8]]
            busy = v[0] + v[1] + v[2] + v[5] + v[6]
            cores.append((busy, v[7], busy + v[3] + v[4] + v[7]))
    return cores


class CoreMeter:
    """How busy each core was between construction and `stop`."""

    def __init__(self):
        self.before = read_cores()

    def stop(self):
        shares = []
        for old, new in zip(self.before, read_cores()):
            total = max(1, new[2] - old[2])
            shares.append({"busy": (new[0] - old[0]) / total, "steal": (new[1] - old[1]) / total})
        return shares
