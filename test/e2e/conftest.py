"""Fixtures of the end-to-end tests: which proxy is driven, how one is started and stopped.

    pytest test/e2e                    drives lanekeeper ($LANEKEEPER, or the newest build)
    pytest test/e2e --proxy envoy      drives Envoy: the proof that a test asks for what Envoy does
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from bench import Bench  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--proxy",
        choices=("lanekeeper", "envoy"),
        default="lanekeeper",
        help="the proxy that the tests drive",
    )


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "lanekeeper_only(reason): own or deliberately different behaviour, not run on Envoy",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--proxy") == "lanekeeper":
        return
    for item in items:
        if mark := item.get_closest_marker("lanekeeper_only"):
            item.add_marker(pytest.mark.skip(reason=f"lanekeeper only: {mark.args[0]}"))


@pytest.fixture(scope="session")
def proxy_kind(request):
    return request.config.getoption("--proxy")


@pytest.fixture(scope="module")
def shared_bench(proxy_kind, tmp_path_factory):
    """For a module's own fixtures: what it starts lives as long as the module."""
    bench = Bench(proxy_kind, tmp_path_factory.mktemp("shared"))
    yield bench
    bench.stop()


@pytest.fixture
def bench(proxy_kind, tmp_path):
    """For one test."""
    bench = Bench(proxy_kind, tmp_path)
    yield bench
    bench.stop()
