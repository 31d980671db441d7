"""docker/demo.sh with the proxy under test: it cleans up, keeps what it is told to keep, and
notices what is wrong.
"""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = pathlib.Path("/var/lib/lanekeeper-demo")
NAMESPACES = {f"lk-demo-{name}" for name in ("net", "frontend", "orders", "stock")}


def demo(*arguments, binary="", check=True):
    environment = dict(os.environ, LANEKEEPER_BIN=str(binary))
    done = subprocess.run(
        [ROOT / "docker" / "demo.sh", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=55,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def namespaces():
    listing = subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[0] for line in listing.splitlines()} & NAMESPACES


def report(*arguments):
    command = ["/usr/bin/python3", ROOT / "docker" / "demo" / "report.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def nothing_running():
    if STATE.exists():
        pytest.skip("the demo is running; remove it with docker/demo.sh --clean")
    yield
    demo("--clean")


def test_it_shows_the_call_and_leaves_nothing_behind(binary):
    done = demo(binary=binary)
    way = "curl → [outbound frontend] → [inbound orders] → orders → [outbound orders] → "
    assert way + "[inbound stock] → stock" in done.stdout
    assert way + "✗" in done.stdout
    assert "\x1b" not in done.stdout
    assert not namespaces()
    assert not STATE.exists()
    assert not list(pathlib.Path("/etc").glob("netns/lk-demo-*"))


@pytest.fixture
def kept(binary):
    return demo("--keep", binary=binary)


def test_kept_pods_answer_as_it_says_and_are_removed_by_clean(kept):
    assert namespaces() == NAMESPACES
    tried = 0
    for line in kept.stdout.splitlines():
        command = line.strip().partition("  ")[2].strip()
        if command.startswith("ip netns exec"):
            done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=10)
            assert done.returncode == 0 and done.stdout, (command, done.stdout, done.stderr)
            tried += 1
    assert tried == 5
    demo("--clean")
    assert not namespaces()
    assert not STATE.exists()


def test_a_second_demo_beside_a_kept_one_is_refused(kept, binary):
    done = demo(binary=binary, check=False)
    assert done.returncode == 1
    assert "docker/demo.sh --clean" in done.stderr
    assert namespaces() == NAMESPACES


def test_a_log_that_tells_another_story_is_an_error(kept):
    answer = STATE / "answer.json"
    log = STATE / "orders" / "access.log"
    good = log.read_text()
    assert report("hops", str(STATE), str(answer)).returncode == 0
    for old, new in (
        ('"stock"', '"orders"'),
        ('"inbound"', '"outbound"'),
        ("10.77.0.12", "10.77.0.99"),
        (":200", ":201"),
    ):
        assert old in good
        log.write_text(good.replace(old, new))
        done = report("hops", str(STATE), str(answer))
        assert done.returncode == 1, (old, new, done.stdout)
        assert "not as it must be" in done.stderr
    log.write_text(good.replace(good.splitlines(keepends=True)[-1], ""))
    assert report("hops", str(STATE), str(answer)).returncode == 1


def test_it_does_not_touch_a_namespace_of_others(binary):
    subprocess.run(["ip", "netns", "add", "lk-demo-orders"], check=True)
    try:
        done = demo(binary=binary, check=False)
        assert done.returncode == 1
        assert "lk-demo-orders is there" in done.stderr
        demo("--clean")
        assert namespaces() == {"lk-demo-orders"}
    finally:
        subprocess.run(["ip", "netns", "del", "lk-demo-orders"], check=True)


def test_a_proxy_that_does_not_start_is_an_error_and_leaves_nothing_behind():
    done = demo(binary="/bin/false", check=False)
    assert done.returncode == 1
    assert "the sidecar of frontend is not ready" in done.stderr
    assert not namespaces()
    assert not STATE.exists()
