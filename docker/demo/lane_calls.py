"""Calls of the users of `docker/demo.sh lanes`, and what goes on in a pod."""

import json
import subprocess
from pathlib import Path

from lane_log import log_sizes, wait_for_lines
from report import check

USERS = [f"user-{number}" for number in range(1, 401)]
AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
URL = "http://gateway:8080/"


def in_pod(pod, *command):
    return ["ip", "netns", "exec", f"lk-lanes-{pod}", *command]


def curl(pod, path, *options):
    command = in_pod(pod, "curl", "-sSf", "--noproxy", "*", "--max-time", "5", *options)
    return subprocess.run(
        [*command, f"http://127.0.0.1:{path}"], check=True, capture_output=True, text=True
    ).stdout


def start_users(state, calls, repeat=False):
    process = subprocess.Popen(
        in_pod("users", *AS_NOBODY, "python3", f"{state}/users.py"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps({"url": URL, "calls": calls, "repeat": repeat}) + "\n")
    process.stdin.flush()
    return process


def end_users(process):
    """How many calls got which status, as the users saw it."""
    output, _ = process.communicate(timeout=120)
    check(process.returncode == 0, "the users failed")
    return {int(code) if code.isdigit() else code: n for code, n in json.loads(output).items()}


def addresses(state):
    lines = Path("/etc/netns/lk-lanes-users/hosts").read_text().splitlines()
    return {name: address for address, name in (line.split() for line in lines) if "." in address}


def make_calls(state, calls, code, lines_each):
    """All of them, once, each with this outcome; the sizes of the logs before and after."""
    begin = log_sizes(state)
    codes = end_users(start_users(state, calls))
    check(codes == {code: len(calls)}, f"the users saw {codes}, expected {len(calls)} times {code}")
    end = wait_for_lines(state, begin, len(calls) * lines_each)
    return {"begin": begin, "end": end, "calls": len(calls)}
