"""The corpus of real bootstraps: its files, and Envoy's cached verdict on each.

    python corpus.py        asks Envoy about every file and rewrites verdicts.json
"""

import csv
import hashlib
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))

import peers  # noqa: E402

VERDICTS = HERE / "verdicts.json"
SECONDS = 20


def files():
    """Name to path of every bootstrap of the corpus; empty where the data is absent."""
    data = peers.shared_data()
    manifest = data / "configs/MANIFEST.tsv" if data else None
    if not manifest or not manifest.exists():
        return {}
    with open(manifest, newline="") as rows:
        kinds = csv.DictReader(rows, delimiter="\t")
        return {
            r["file"]: data / "configs" / r["file"] for r in kinds if r["kind"] == "bootstrap"
        }


def validate(binary, path, folder):
    """(accepted, exit code or None after the time, text)."""
    command = [binary, "--mode", "validate", "-c", str(path), "-l", "error",
               "--disable-hot-restart"]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS,
            cwd=folder, check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return False, None, str(expired.stderr)
    return result.returncode == 0, result.returncode, result.stderr + result.stdout


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def envoy_accepts(path, folder):
    """Envoy's verdict: from the cache, else from Envoy; None without either."""
    cached = json.loads(VERDICTS.read_text()) if VERDICTS.exists() else {}
    known = cached.get(digest(path))
    if known is not None:
        return known
    binary = peers.envoy()
    return validate(binary, path, folder)[0] if binary else None


def main():
    import tempfile

    made = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files().items():
            accepted, code, text = validate(peers.envoy(), path, folder)
            made[digest(path)] = accepted
            last = text.strip().splitlines()[-1:] or [""]
            print("ok " if accepted else f"{code}", name, "" if accepted else last[0][:200])
    VERDICTS.write_text(json.dumps(dict(sorted(made.items())), indent=0) + "\n")


if __name__ == "__main__":
    main()
