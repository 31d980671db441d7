"""docker/intercept as a program: same rules twice, nothing left after --clean, clear errors. No
proxy runs here.
"""

import os
import subprocess

import pytest
from pods import INTERCEPT

OPTIONS = {
    "redirect": (),
    "tproxy": ("--mode", "tproxy"),
    "filtered": (
        "--exclude-inbound-ports=22,8000-8099",
        "--include-outbound-cidrs=10.0.0.0/8,fd00::/8",
        "--exclude-outbound-ports=3306",
        "--include-uids=1000,1001",
        "--exclude-gids=2000",
        "--capture-self",
    ),
}


@pytest.fixture
def pod(pair):
    return pair.server


@pytest.mark.parametrize("name", OPTIONS)
def test_running_twice_leaves_the_same_rules(pod, name):
    pod.intercept(*OPTIONS[name])
    once = pod.rules()
    pod.intercept(*OPTIONS[name])
    assert pod.rules() == once
    assert any("LANEKEEPER" in line for line in once)


@pytest.mark.parametrize("name", OPTIONS)
def test_clean_leaves_nothing_behind(pod, name):
    before = pod.rules()
    pod.intercept(*OPTIONS[name])
    assert pod.rules() != before
    pod.intercept("--clean")
    assert pod.rules() == before


def test_clean_without_rules_is_no_error(pod):
    before = pod.rules()
    pod.intercept("--clean")
    assert pod.rules() == before


@pytest.mark.parametrize(
    "first,second", [("redirect", "tproxy"), ("tproxy", "redirect"), ("filtered", "redirect")]
)
def test_a_run_replaces_what_an_earlier_run_left(pod, first, second):
    pod.intercept(*OPTIONS[second])
    wanted = pod.rules()
    pod.intercept("--clean")
    pod.intercept(*OPTIONS[first])
    pod.intercept(*OPTIONS[second])
    assert sorted(pod.rules()) == sorted(wanted)


def test_rules_of_others_stay(pod):
    foreign = "-A OUTPUT -p tcp -m tcp --dport 9999 -j ACCEPT"
    pod.run("iptables", "-t", "nat", *foreign.split())
    pod.intercept()
    pod.intercept("--clean")
    assert [line for line in pod.rules() if line.startswith("-A")] == [foreign]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_dry_run_changes_nothing_and_prints_the_commands_that_would_do_it(pair, name):
    pod, other = pair.server, pair.client
    before = pod.rules()
    script = pod.intercept("--dry-run", *OPTIONS[name]).stdout
    assert pod.rules() == before
    pod.run("sh", "-e", "-c", script)
    other.intercept(*OPTIONS[name])
    assert pod.rules() == other.rules()


def test_a_dry_run_of_clean_prints_the_commands_that_would_do_it(pod):
    before = pod.rules()
    pod.intercept("--mode=tproxy")
    script = pod.intercept("--clean", "--dry-run").stdout
    pod.run("sh", "-e", "-c", script)
    assert pod.rules() == before


@pytest.fixture
def broken_ip6tables(tmp_path):
    """An environment in which ip6tables is there and does not work, as on a kernel without its
    tables.
    """
    fake = tmp_path / "ip6tables"
    fake.write_text("#!/bin/sh\necho 'ip6tables: no such table' >&2\nexit 3\n")
    fake.chmod(0o755)
    return dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")


def test_without_ip6tables_it_says_so_and_goes_on_with_ipv4(pod, broken_ip6tables):
    done = pod.intercept(env=broken_ip6tables)
    assert "IPv6: ip6tables: no such table; going on with IPv4 alone" in done.stderr
    assert any("LANEKEEPER" in line for line in pod.rules())


def test_ipv6_on_makes_missing_ip6tables_an_error(pod, broken_ip6tables):
    done = pod.intercept("--ipv6", "on", env=broken_ip6tables, check=False)
    assert done.returncode == 1
    assert "no such table" in done.stderr


def test_ipv6_switched_off_in_the_kernel_is_said(pod):
    for where in ("all", "lo"):
        pod.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{where}/disable_ipv6")
    assert "IPv6: switched off here" in pod.intercept().stderr


def test_ipv6_off_leaves_ipv6_alone(pod):
    assert pod.intercept("--ipv6=off").stderr == ""
    assert "LANEKEEPER" not in pod.run("ip6tables-save").stdout
    assert "LANEKEEPER" in pod.run("iptables-save").stdout


@pytest.mark.parametrize(
    "options,text",
    [
        (["--modus", "redirect"], "unknown option '--modus'"),
        (["--mode", "nat"], "--mode: 'nat' is not one of: redirect tproxy"),
        (["--mode"], "--mode: unknown, or its value is missing"),
        (["something"], "unexpected argument 'something'"),
        (["--inbound-port=0"], "--inbound-port: '0' is not a number from 1 to 65535"),
        (["--outbound-port=70000"], "--outbound-port: '70000'"),
        (["--exclude-inbound-ports=80,,81"], "--exclude-inbound-ports: empty entry in '80,,81'"),
        (["--exclude-inbound-ports=90-80"], "--exclude-inbound-ports: '90-80' is no port"),
        (["--exclude-outbound-ports=http"], "--exclude-outbound-ports: 'http' is no port"),
        (["--exclude-outbound-ports=*"], "--exclude-outbound-ports: '*' is not possible here"),
        (
            ["--include-outbound-cidrs=example.com"],
            "--include-outbound-cidrs: 'example.com' is no cidr",
        ),
        (["--include-outbound-cidrs=10.0.0.256"], "'10.0.0.256' is no cidr"),
        (["--include-outbound-cidrs=10.0.0.0/33"], "'10.0.0.0/33' is no cidr"),
        (["--include-outbound-cidrs=fd00::/129"], "'fd00::/129' is no cidr"),
        (["--exclude-outbound-cidrs=10.0.0"], "'10.0.0' is no cidr"),
        (["--exclude-uids=-1"], "--exclude-uids: '-1' is no owner"),
        (["--include-gids=users"], "--include-gids: 'users' is no owner"),
        (["--mark=0x10"], "--mark: '0x10' is not a number"),
        (["--proxy-uids=", "--proxy-gids="], "the proxy is captured"),
    ],
)
def test_wrong_usage_is_named_and_exits_2(options, text):
    done = subprocess.run([INTERCEPT, "--dry-run", *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stdout == ""


def test_without_the_right_to_change_rules_it_fails_with_the_reason(pod):
    done = pod.run("sh", "-c", INTERCEPT.read_text(), uid=65534, gid=65534, check=False)
    assert done.returncode == 1
    assert "ermission denied" in done.stderr


def test_help_names_every_option():
    text = subprocess.run([INTERCEPT, "--help"], capture_output=True, text=True, check=True).stdout
    source = INTERCEPT.read_text().split("case $option in")
    for block in source[1:]:
        for line in block.splitlines():
            name = line.strip().split(")")[0].split(" |")[0]
            if name.startswith("--") and "*" not in name:
                assert name in text, name
