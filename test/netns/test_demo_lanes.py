"""docker/demo.sh lanes with the proxy under test: what its picture promises, what it keeps, and
that it notices what is wrong.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = pathlib.Path("/var/lib/lanekeeper-lanes")
PODS = {"net", "users", "gateway", "shop-base", "shop-gray", "shop-shadow", "orders-base",
        "orders-shadow", "stock-base", "stock-gray", "stock-shadow"}  # fmt: skip
# The whole demo takes 15 s on a machine with nothing else to do.
pytestmark = pytest.mark.timeout(180)
NOT_AS_IT_MUST_BE = "demo: not as it must be: "


def demo(*arguments, root=ROOT, binary=""):
    return subprocess.run(
        [root / "docker" / "demo.sh", "lanes", *arguments],
        capture_output=True,
        text=True,
        env=dict(os.environ, LANEKEEPER_BIN=str(binary)),
        stdin=subprocess.DEVNULL,
        timeout=170,
    )


def is_clean():
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return not (
        STATE.exists()
        or "lk-lanes-" in listing.stdout
        or list(pathlib.Path("/etc").glob("netns/lk-lanes-*"))
    )


def shell(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20)


def as_user(name):
    command = f"ip netns exec lk-lanes-users curl -sf -H 'x-user: {name}' gateway:8080"
    return shell(command).stdout


@pytest.fixture(autouse=True, scope="module")
def nothing_running():
    if STATE.exists():
        pytest.skip("the demo is running; remove it with docker/demo.sh lanes --clean")
    yield
    demo("--clean")


# --- the whole of it, once ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(nothing_running, binary):
    done = demo("--keep", binary=binary)
    assert done.returncode == 0, done.stdout + done.stderr
    yield done.stdout
    demo("--clean")


def steps(output):
    """What stands below each heading, by the heading."""
    parts = re.split(r"\n {1,2}\d+  (.*)\n", output)
    return dict(zip(parts[1::2], parts[2::2]))


def gray_share(text):
    return float(re.search(r"users are in gray, ([\d.]+) %", text)[1])


def test_the_picture_shows_a_release_from_0_to_100_percent(kept):
    assert "\x1b" not in kept
    step = steps(kept)
    assert gray_share(step["0 %: the gray pods run, and serve nobody"]) == 0
    assert 1 <= gray_share(step["5 % of the users"]) <= 9
    assert 41 <= gray_share(step["50 %"]) <= 59
    assert gray_share(step["100 %"]) == 100
    testers = step["Testers first: by name, or by a header"]
    assert re.search(r"╰─ +3 ─▶ shop gray ─ +3 ─╯ +╰─ +3 ─▶ stock gray\n", testers)
    assert re.search(r"gray +3 +3 +shop gray → orders → stock gray .* 0\n", testers)
    assert "orders      outbound  gray  traceparent, seen inbound   gray       ok" in testers
    assert "mallory sent x-lane: gray himself: the gateway took it off" in testers
    for name in ("5 % of the users", "50 %"):
        assert "each user was in one lane in all of 2 calls" in step[name]
    for name in ("50 %", "100 %"):
        assert re.search(r"the \d+ users who were in gray before still are", step[name])


def test_the_picture_shows_a_release_that_aborts_itself(kept):
    step = next(text for name, text in steps(kept).items() if "aborts itself" in name)
    assert "lane gray gets no new requests from here, its guard has tripped: 5xx" in step
    took = re.search(r"([\d.]+) s after the first failure gray got its last request", step)
    assert float(took[1]) <= 6
    assert re.search(r"until the guard tripped +[1-9]\d* +0 +[1-9]\d* +[1-9]\d*\n", step)
    assert re.search(r"since then +[1-9]\d* +0 +0 +0\n", step)
    mended = steps(kept)["Mended, and armed again by a higher revision"]
    assert "the users who were in gray the first time at this percentage" in mended


def test_the_picture_shows_where_a_pressure_test_goes(kept):
    step = steps(kept)
    refused = next(text for name, text in step.items() if "orders has none" in name)
    assert "─▶ shop shadow ─ 100 ─✗ orders   503 LS" in refused
    assert re.search(r"\n +0 +0 +100 +0 +0 +0 +0\n", refused)
    flows = step["Orders opts in: a shadow pod of it starts"]
    assert "─▶ orders shadow ─ 100 ─▶ stock shadow" in flows
    off = next(text for name, text in step.items() if name.startswith("The kill switch"))
    assert "│ +enabled: false" in off
    assert "0 of 400 users are in gray, 0.0 %; nor are anna, ben, carol" in off
    assert "gateway ─ 100 ─✗ shop   503 LS" in off


def test_kept_pods_answer_as_it_says(kept, tmp_path):
    tried = 0
    for line in steps(kept)["The pods are still there"].splitlines():
        command = line.strip().partition("  ")[2].strip()
        if command.startswith("ip netns exec"):
            done = shell(command)
            assert done.returncode == 0 and done.stdout, (command, done.stdout, done.stderr)
            tried += 1
    assert tried == 5
    assert '"stock-gray"' not in as_user("anna")
    table = (STATE / "table.yaml").read_text()
    mine = tmp_path / "my.yaml"
    mine.write_text(re.sub("revision: .*", "revision: 100", table).replace("enabled: false\n", ""))
    assert demo("--push", str(mine)).returncode == 0
    assert '"stock-gray"' in as_user("anna")
    mine.write_text("revision: 101\nlanes: nonsense\n")
    done = demo("--push", str(mine))
    assert done.returncode == 1 and "is no good table" in done.stderr
    assert '"stock-gray"' in as_user("anna")


def again(step):
    command = ["/usr/bin/python3", ROOT / "docker" / "demo" / "lanes.py", STATE, "again", step]
    return subprocess.run(command, capture_output=True, text=True)


def test_logs_that_tell_another_story_are_an_error(kept):
    log = STATE / "orders-base" / "access.log"
    good = log.read_text()
    assert again("5").returncode == 0
    for old, new in (
        ('"served":"gray"', '"served":"base"'),
        ('"requested":"gray"', '"requested":null'),
        ('"source":"trace"', '"source":"pod"'),
        ("10.77.0.21:", "10.77.0.20:"),
        ('"code":200', '"code":503'),
    ):
        assert old in good
        log.write_text(good.replace(old, new))
        done = again("5")
        assert done.returncode == 1, (old, new, done.stdout)
        assert done.stderr.startswith(NOT_AS_IT_MUST_BE)
    log.write_text(good)
    assert again("5").returncode == 0


def test_percentages_and_users_that_are_not_as_promised_are_an_error(kept):
    file = STATE / "steps" / "5.json"
    good = json.loads(file.read_text())
    half = json.loads((STATE / "steps" / "50.json").read_text())["gray"]
    other = next(name for n in range(1, 401) if (name := f"user-{n}") not in half)
    assert again("50").returncode == 0
    file.write_text(json.dumps({**good, "gray": [*good["gray"], other]}))
    assert f"users left gray as it grew: {other}" in again("50").stderr
    assert "other users are in gray" in again("5").stderr
    assert "other users are in gray than in step 5" in again("mended").stderr
    file.write_text(json.dumps({**good, "options": {**good["options"], "percent": 20}}))
    assert "users are in gray, expected 80 ±" in again("5").stderr
    file.write_text(json.dumps(good))
    assert again("5").returncode == 0


def test_clean_leaves_nothing_behind(kept):
    assert {path.name for path in pathlib.Path("/run/netns").glob("lk-lanes-*")} \
        == {f"lk-lanes-{name}" for name in PODS}
    assert demo("--clean").returncode == 0
    assert is_clean()


# --- something is broken --------------------------------------------------------------------------


@pytest.mark.parametrize("file, old, new, complaint", [
    ("lane_sidecar.yaml", "          - *lane\n", "", "no id that leads to a request of a user"),
    # shop and orders lose the mark, as a mesh without lanekeeper does
    ("lane_sidecar.yaml", "trust: {", "association: { enabled: false }\n              trust: {",
     "is of gray, but was served by shop-gray → orders-base → stock-base"),
    ("lanes.sh", "max_5xx_delta: 0.1", "max_5xx_delta: 0.9", "the guard has not tripped"),
])
def test_a_mistake_ends_it_and_leaves_nothing_behind(
    nothing_running, binary, tmp_path, file, old, new, complaint
):
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    edited = tmp_path / "docker" / "demo" / file
    text = edited.read_text()
    assert old in text
    edited.write_text(text.replace(old, new))
    demo("--clean")  # what the tests above kept
    done = demo(root=tmp_path, binary=binary)
    assert done.returncode == 1, done.stdout
    assert NOT_AS_IT_MUST_BE in done.stderr and complaint in done.stderr, done.stderr
    assert is_clean()
