"""Programs that people really use on both sides: curl in front, nginx behind."""

import hashlib
import os
import random
import shutil
import socket
import subprocess

import pytest
from client import wait_for
from config import bootstrap, cluster, hcm, listener, route, tcp_proxy, to

NGINX = """
{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/root;
    keepalive_timeout 5; client_max_body_size 100m;
    location /gone {{ return 410; }}
    location /moved {{ return 302 /file; }}
    location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
    location /echo {{ add_header X-Host $http_host; return 200 "$request_uri"; }}
  }}
}}
"""


def need(*programs):
    for program in programs:
        if not shutil.which(program) and not os.path.exists(f"/usr/sbin/{program}"):
            pytest.skip(f"no {program}: apt-get install {program}")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    need("nginx")
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "root").mkdir()
    (folder / "root/file").write_bytes(random.Random(3).randbytes(30 << 20))
    (folder / "root/small").write_text("small file")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "nginx.conf").write_text(
        NGINX.format(folder=folder, port=port, user="user root;" if os.getuid() == 0 else "")
    )
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def up():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(up, "nginx listens")
    yield folder, port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def proxy(shared_bench, nginx):
    where = ("127.0.0.1", nginx[1])
    return shared_bench.start(
        bootstrap(
            [
                listener("http", hcm(route("/", to("nginx", timeout="30s")))),
                listener("tcp", tcp_proxy("nginx")),
                listener("six", hcm(route("/", to("nginx"))), at=("::1", 0)),
            ],
            [cluster("nginx", where)],
        ),
        concurrency=2,
    )


def curl(*arguments):
    need("curl")
    result = subprocess.run(
        ["curl", "-sS", "--max-time", "20", *map(str, arguments)],
        capture_output=True, timeout=30, check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def url(proxy, name, path):
    host, port = proxy.address(name)
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


@pytest.mark.parametrize("name", ["http", "tcp"])
def test_a_file_of_nginx_arrives_unchanged(proxy, nginx, name):
    body = curl(url(proxy, name, "/file"))
    wanted = (nginx[0] / "root/file").read_bytes()
    assert hashlib.sha256(body).digest() == hashlib.sha256(wanted).digest()


def test_a_range_of_a_file(proxy, nginx):
    body = curl("-r", "1000-1999", url(proxy, "http", "/file"))
    assert body == (nginx[0] / "root/file").read_bytes()[1000:2000]


def test_an_upload(proxy, nginx):
    curl("-T", nginx[0] / "root/file", "-H", "Expect: 100-continue",
         url(proxy, "http", "/upload/large"))
    root = nginx[0] / "root"
    assert (root / "upload/large").read_bytes() == (root / "file").read_bytes()


def test_a_chunked_upload(proxy, nginx):
    curl("-H", "Transfer-Encoding: chunked", "-T", nginx[0] / "root/small",
         url(proxy, "http", "/upload/small"))
    assert (nginx[0] / "root/upload/small").read_text() == "small file"


def test_http_10_of_curl_through_the_tcp_proxy(proxy):
    assert curl("--http1.0", url(proxy, "tcp", "/small")) == b"small file"


@pytest.mark.lanekeeper_only("http10_accepted")
def test_http_10_of_curl(proxy):
    assert curl("--http1.0", url(proxy, "http", "/small")) == b"small file"


def test_head_status_and_redirect(proxy):
    head = curl("-I", url(proxy, "http", "/small")).lower()
    assert b"200 ok" in head and b"content-length: 10" in head
    shown = curl("-o", "/dev/null", "-w", "%{http_code}", url(proxy, "http", "/gone"))
    assert shown == b"410"
    shown = curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                 url(proxy, "http", "/moved"))
    assert shown.startswith(b"302 http://")


def test_many_files_on_one_connection(proxy):
    urls = [url(proxy, "http", f"/echo/{n}") for n in range(50)]
    body = curl("-w", "%{num_connects}\\n", *urls)
    lines = body.decode().split("\n")
    connects = [line[len(f"/echo/{n}"):] for n, line in enumerate(lines[:50])]
    assert connects == ["1"] + ["0"] * 49


def test_ipv6(proxy):
    assert curl("-g", url(proxy, "six", "/small")) == b"small file"


def test_a_header_that_nginx_sees_is_the_clients(proxy):
    head = curl("-i", "-H", "Host: my.host", url(proxy, "http", "/echo?x=%20y")).decode()
    assert "x-host: my.host" in head.lower()
    assert head.endswith("/echo?x=%20y")
