"""The table that a person reads, and the JSON that keeps everything behind it."""

import json
import os
import platform
import time
from pathlib import Path

from lkbench import proc, targets


def environment():
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "pressure": read_pressure(),
        "pinning": f"proxy cpu{proc.PROXY_CPU}, client and backend cpu{proc.CLIENT_CPU}",
    }


def read_pressure():
    try:
        return Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except OSError:
        return None


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def with_interval(summary):
    if summary["n"] < 2:
        return number(summary["median"])
    return f"{number(summary['median'])} [{number(summary['low'])}, {number(summary['high'])}]"


def ratios_text(row):
    wanted = ("relay", "haproxy", "nginx", "envoy")
    ratios = row.get("ratios", {})
    names = [n for n in wanted if n in ratios] + [n for n in ratios if " " in n]
    return "  ".join(f"{ratios[n]['median']:.2f}x {n}" for n in names)


def row_cells(row):
    rps = number(row["rps"]) if "rps" in row else ""
    return [
        row["scenario"],
        row["proxy"],
        row["version"][:24],
        with_interval(row["value"]),
        row["unit"],
        rps,
        row.get("saturated", ""),
        row.get("remark") or ratios_text(row),
    ]


def print_table(rows):
    head = ["scenario", "proxy", "version", "median [95%]", "unit", "req/s", "saturated", "against"]
    table = [head] + [row_cells(row) for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(head))]
    last = None
    for line in table:
        if last is not None and line[0] != last:
            print()
        last = line[0]
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def print_claims(rows):
    """Ratios of lanekeeper with their intervals: what a claim "cheaper" rests on."""
    for row in rows:
        if not row["proxy"].startswith("lanekeeper"):
            continue
        for name, ratio in row.get("ratios", {}).items():
            verdict = "clear" if ratio["high"] < 1 or ratio["low"] > 1 else "not clear of 1.00"
            print(f"{row['scenario']}: {row['proxy']} / {name} = {ratio['median']:.3f} "
                  f"[{ratio['low']:.3f}, {ratio['high']:.3f}] {verdict}")


def print_targets(rows):
    """What was promised, and whether this run keeps it."""
    verdicts = targets.check(rows)
    if verdicts:
        print("\ntargets")
    for verdict in verdicts:
        print(f"  {'kept  ' if verdict['kept'] else 'MISSED'}  {verdict['text']}")
    return verdicts


def write_json(path, bench, before):
    document = {
        "environment": before,
        "load_average_after": os.getloadavg()[0],
        "pressure_after": read_pressure(),
        "settings": vars(bench.settings),
        "versions": bench.versions,
        "notes": bench.notes,
        "targets": targets.check(bench.rows),
        "rows": bench.rows,
    }
    path.write_text(json.dumps(document, indent=1))
