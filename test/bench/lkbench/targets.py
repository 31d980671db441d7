"""The promises about lanekeeper's cost, checked against the rows of a run."""

US = "lanekeeper"
RELAY_AIM = 1.15

LIMITS = (
    # (scenario, limit, what)
    ("SYS raw", 4.5, "system calls per request"),
    ("SYS sidecar", 4.5, "system calls per request"),
    ("MEM idle", 2.5, "MB of private memory when idle"),
    ("B9 10k idle", 1500, "bytes per idle keep-alive connection"),
    ("B10 1000 idle", 2.0, "kB per idle cluster"),
    ("B10 10000 idle", 2.0, "kB per idle cluster"),
    ("B10 1000 used", 6.0, "kB per cluster after one request"),
    ("B10 10000 used", 6.0, "kB per cluster after one request"),
    ("B11 1", 15.0, "ms from exec to the first 200"),
    ("LANES decision, base", 1000, "ns"),
    ("LANES decision, lane", 1000, "ns"),
    ("LANES push, in force", 1.0, "ms from a table's bytes until all workers have it"),
)
LANE_LIMITS = (("unmarked", 2.0), ("marked", 6.0))  # % more instructions


def check(rows):
    """[{text, kept}] for every promise that the run measured."""
    ours = {row["scenario"]: row for row in rows if row["proxy"] == US}
    verdicts = []
    for part in (check_cost, check_routes, check_bodies, check_bulk, check_limits, check_lanes):
        verdicts += part(ours)
    return verdicts + check_race(ours, rows)


def verdict(kept, text):
    return {"kept": bool(kept), "text": text}


def interval_text(ratio):
    return f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"


def check_cost(ours):
    found = []
    for scenario in ("B1 raw", "B1 sidecar"):
        ratios = ours.get(scenario, {}).get("ratios", {})
        for peer in ("haproxy", "nginx"):
            if peer in ratios:
                text = f"{scenario}: CPU below {peer}: {interval_text(ratios[peer])}"
                found.append(verdict(ratios[peer]["high"] < 1, text))
        if "relay" in ratios:
            text = f"{scenario}: aim <= {RELAY_AIM} of the relay: {interval_text(ratios['relay'])}"
            found.append(verdict(ratios["relay"]["median"] <= RELAY_AIM, text))
    return found


def check_routes(ours):
    if "B2" not in ours:
        return []
    ratio = ours["B2"]["over_one_route"]
    return [verdict(ratio["median"] <= 1.05, f"B2: <= 1.05 of one route: {interval_text(ratio)}")]


def check_bodies(ours):
    found = []
    for scenario in ("B8 GET", "B8 POST"):
        ratio = ours.get(scenario, {}).get("ratios", {}).get("nginx")
        if ratio:
            text = f"{scenario}: CPU not above nginx: {interval_text(ratio)}"
            found.append(verdict(ratio["median"] <= 1, text))
    return found


def check_bulk(ours):
    found = []
    for scenario in ("B7 -P 1", "B7 -P 4"):
        ratio = ours.get(scenario, {}).get("rate_ratios", {}).get("haproxy")
        if ratio:
            text = f"{scenario}: rate not below haproxy: {interval_text(ratio)}"
            found.append(verdict(ratio["median"] >= 1, text))
    return found


def check_limits(ours):
    found = []
    for scenario, limit, what in LIMITS:
        if scenario in ours:
            value = ours[scenario]["value"]["median"]
            found.append(verdict(value <= limit, f"{scenario}: <= {limit} {what}: {value:.2f}"))
    return found


def check_lanes(ours):
    found = []
    for kind, limit in LANE_LIMITS:
        for scenario, row in ours.items():
            if scenario.startswith("LANES ") and scenario.split()[2] == kind:
                value = row["value"]["median"]
                text = f"{scenario}: <= {limit:.0f} % more instructions: {value:.1f}"
                found.append(verdict(value <= limit, text))
    return found


def check_race(ours, rows):
    if "RACE" not in ours:
        return []
    client, server = ours["RACE"]["client"], ours["RACE"]["server"]
    found = [
        verdict(client["get_failures"] == 0, f"RACE: no GET fails: {client['get_failures']}"),
        verdict(server.get("duplicates") == 0,
                f"RACE: no POST arrives twice: {server.get('duplicates')}"),
    ]
    for row in rows:
        if row["scenario"] == "RACE" and row["proxy"] == "envoy":
            failed, theirs = client["post_failures"], row["client"]["post_failures"]
            text = f"RACE: POSTs fail at most a tenth as often as through envoy: {failed}, {theirs}"
            found.append(verdict(failed * 10 <= theirs, text))
    return found
