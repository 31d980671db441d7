"""The image of the sidecar without a container engine: docker/rootfs.sh assembles the root file
system that the Dockerfile copies, and the binary runs in it as a runtime would run it: read-only,
as uid 1337, without capabilities.
"""

import os
import pathlib
import re
import signal
import subprocess

import pytest
import yaml
from client import wait_for
from pods import PROXY_ID

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
MANIFEST = {d["kind"]: d for d in yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text())}
BOOTSTRAP = MANIFEST["ConfigMap"]["data"]["bootstrap.yaml"]
SIDECAR = MANIFEST["Deployment"]["spec"]["template"]["spec"]["initContainers"][1]

# What a container runtime does: its own mounts, a root that cannot be written, no capability, and
# only then the program.
RUN = """
set -e
root=$1 config=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$config" "$root/etc/lanekeeper"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root/etc/lanekeeper"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
    chroot --userspec=1337:1337 --groups= "$root" "$@"
"""


@pytest.fixture(scope="module")
def root(binary, open_folder):
    folder = open_folder / "image"
    subprocess.run([DOCKER / "rootfs.sh", binary, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def config(open_folder):
    folder = open_folder / "config"
    folder.mkdir(exist_ok=True)
    (folder / "bootstrap.yaml").write_text(BOOTSTRAP)
    return folder


def command(root, config, *program):
    return ["unshare", "--mount", "sh", "-c", RUN, "run", str(root), str(config), *program]


@pytest.fixture
def run(pair, root, config):
    def run(*arguments):
        return pair.server.run(
            *command(root, config, "/usr/local/bin/lanekeeper", *arguments), check=False
        )

    return run


def test_the_binary_finds_all_its_libraries(run):
    done = run("--version")
    assert done.returncode == 0, done.stderr
    assert "version" in (done.stdout + done.stderr).lower()


def test_a_configuration_is_validated(run):
    done = run("--mode", "validate", "--config-path", "/etc/lanekeeper/bootstrap.yaml")
    assert done.returncode == 0, done.stderr


def test_a_configuration_that_is_not_there_is_an_error(run):
    done = run("--mode", "validate", "--config-path", "/etc/lanekeeper/missing.yaml")
    assert done.returncode == 1
    assert "missing.yaml" in done.stderr + done.stdout


@pytest.fixture
def sidecar(pair, root, config, tmp_path):
    """The sidecar of the manifest in the server's pod, in its image."""
    pair.server.intercept()
    arguments = [re.sub(r"\$\((\w+)\)", r"\1", text) for text in SIDECAR["args"]]
    arguments += ["--disable-hot-restart"]
    with pair.server.entered(), open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen(
            command(root, config, "/usr/local/bin/lanekeeper", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    process.output = lambda: (tmp_path / "out").read_text()
    try:
        wait_for(lambda: ask(pair, 15021, "/healthz/ready") == 200, "the sidecar is ready", 20)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, process.output()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def ask(pair, port, path):
    """The status that the server's pod answers to a request from outside, None when it does not."""
    try:
        with pair.client.connect(pair.server.v4, port) as client:
            return client.get(path).status
    except OSError:
        return None


def test_it_serves_requests_without_rights_and_without_writing(pair, sidecar):
    app = pair.http(pair.server, "0.0.0.0", 8080)
    assert ask(pair, 8080, "/hello") == 200
    assert app.last().target == "/hello"
    status = pathlib.Path(f"/proc/{sidecar.pid}/status").read_text()
    fields = dict(re.findall(r"^(\w+):\t(.*)$", status, re.M))
    assert fields["Uid"].split() == [str(PROXY_ID)] * 4
    assert fields["Gid"].split() == [str(PROXY_ID)] * 4
    assert fields["Groups"].split() in ([], [str(PROXY_ID)])
    assert {fields[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    mounts = pathlib.Path(f"/proc/{sidecar.pid}/mountinfo").read_text().splitlines()
    assert any(line.split()[4] == "/" and line.split()[5].startswith("ro") for line in mounts)
    wait_for(lambda: "GET /hello" in sidecar.output(), "the access log on stdout")


def test_probes_are_answered_and_the_rest_of_the_admin_interface_is_not(pair, sidecar):
    for path in ("/healthz/ready", "/healthz/live", "/stats/prometheus"):
        assert ask(pair, 15021, path) == 200, path
    for path in ("/", "/config_dump", "/quitquitquit", "/ready"):
        assert ask(pair, 15021, path) == 404, path
    assert ask(pair, 15000, "/ready") is None


def test_the_image_holds_nothing_but_what_runs(root):
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    libraries = {name for name in files if re.match(r"(usr/)?lib(64)?/", name)}
    assert files - libraries == {
        "usr/local/bin/lanekeeper",
        "etc/ssl/certs/ca-certificates.crt",
        "etc/passwd",
        "etc/group",
        "etc/nsswitch.conf",
    }
    assert all(".so" in name for name in libraries)
    for path in root.rglob("*"):
        mode = path.stat().st_mode
        assert not mode & 0o6000, path
        assert path.name == "tmp" or not mode & 0o002, path


def test_a_program_with_a_missing_library_is_refused(tmp_path):
    source = tmp_path / "needs.c"
    source.write_text("int gone(void); int main(void) { return gone(); }")
    (tmp_path / "gone.c").write_text("int gone(void) { return 0; }")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", "libgone.so", "gone.c"], cwd=tmp_path, check=True
    )
    subprocess.run(["cc", "-o", "needs", "needs.c", "-L.", "-lgone"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [DOCKER / "rootfs.sh", tmp_path / "needs", tmp_path / "root"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "libgone.so => not found" in done.stderr


def test_the_dockerfile_uses_what_is_there():
    """The same script assembles the image, and every file that the Dockerfile names exists."""
    text = (DOCKER / "Dockerfile").read_text()
    assert "RUN docker/rootfs.sh build/release/lanekeeper /rootfs" in text
    assert re.search(
        r"FROM scratch AS sidecar\nCOPY --from=build /rootfs /\nUSER 1337:1337\n", text
    )
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M):
        for name in sources.split():
            assert (ROOT / name).exists(), name
    for name in re.findall(r"^RUN (docker/\S+)", text, re.M):
        assert os.access(ROOT / name, os.X_OK), name
