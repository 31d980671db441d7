#!/usr/bin/env python3
"""Runs benchmark scenarios and prints a table. Started by run.sh, which prepares what it needs."""

import argparse
import fcntl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lkbench import proc, report  # noqa: E402
from lkbench.bench import Bench, Settings  # noqa: E402
from lkbench.scenarios import SCENARIOS  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                        help="of " + ", ".join(SCENARIOS) + " (default: all)")
    parser.add_argument("--tools", type=Path, required=True, help="folder of the C tools")
    parser.add_argument("--out", type=Path, help="folder for configurations, logs and results.json")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 7; quick 3)")
    parser.add_argument("--seconds", type=float, help="length of a visit (default 8; quick 1)")
    parser.add_argument("--warmup", type=float, help="before each visit (default 2; quick 0.3)")
    parser.add_argument("--quick", action="store_true", help="short visits, small counts")
    parser.add_argument("--proxies", default="", help="comma-separated names; default: all found")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.scenarios if name.upper() not in SCENARIOS]
    if unknown:
        parser.error(f"unknown scenario: {', '.join(unknown)}")
    return arguments


def choose(value, full, quick, is_quick):
    if value is not None:
        return value
    return quick if is_quick else full


def make_settings(arguments):
    quick = arguments.quick
    return Settings(
        rounds=choose(arguments.rounds, 7, 3, quick),
        seconds=choose(arguments.seconds, 8.0, 1.0, quick),
        warmup=choose(arguments.warmup, 2.0, 0.3, quick),
        scale=0.1 if quick else 1.0,
        only=[name for name in arguments.proxies.split(",") if name],
    )


def lock():
    """Two benchmarks at once would measure each other."""
    handle = (Path(tempfile.gettempdir()) / "lanekeeper-bench.lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another benchmark runs on this machine: waiting for it", flush=True)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def main():
    arguments = parse_arguments()
    handle = lock()
    proc.raise_file_limit()
    out = arguments.out or Path(tempfile.gettempdir()) / time.strftime("lk-bench-%Y%m%d-%H%M%S")
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(make_settings(arguments), arguments.tools.resolve(), out.resolve())
    before = report.environment()
    failed = []
    for name in [n.upper() for n in arguments.scenarios] or list(SCENARIOS):
        try:
            SCENARIOS[name](bench)
        except (proc.BenchError, OSError) as error:
            failed.append(name)
            bench.note(f"{name} failed: {error}")
    print(f"\nkernel {before['kernel']}, {before['cpu']}, {before['cores']} cores; "
          f"{before['pinning']}; load average before: {before['load_average']:.2f}")
    report.print_table(bench.rows)
    report.print_claims(bench.rows)
    report.print_targets(bench.rows)
    report.write_json(out / "results.json", bench, before)
    print(f"\nper-round data, configurations and logs: {out}")
    handle.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
