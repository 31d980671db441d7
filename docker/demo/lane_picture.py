"""What `docker/demo.sh lanes` draws of who served whom."""

from collections import defaultdict

from lane_log import edges
from report import dim, print_table, style


def gray(text):
    return style(32, text)


def shadow(text):
    return style(35, text)


def bad(text):
    return style(31, text)


def good(text):
    print(f"     {gray('✓')} {text}")


def pod_name(pod):
    service, _, version = pod.partition("-")
    return service if version == "base" else f"{service} {version}"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def show_graph(ways):
    """The call graph with counts; versions of a service above each other."""
    count = edges(ways)

    def n(caller, called):
        return count[caller, called]

    def of_gray(text, *numbers):
        return gray(text) if any(numbers) else dim(text)

    def of_base(text, *numbers):
        return text if any(numbers) else dim(text)

    base_in, gray_in = n("gateway", "shop-base"), n("gateway", "shop-gray")
    base_mid, gray_mid = n("shop-base", "orders-base"), n("shop-gray", "orders-base")
    base_out, gray_out = n("orders-base", "stock-base"), n("orders-base", "stock-gray")
    head = f"users ─ {len(ways):>4} ─▶ gateway ─"
    upper = f"╭─ {base_in:>4} ─▶ shop ────── {base_mid:>4} ─╮"
    lower = f"╰─ {gray_in:>4} ─▶ shop gray ─ {gray_mid:>4} ─╯"
    middle = f"├─▶ orders ─ {base_mid + gray_mid:>4} ─"
    print(
        "     "
        + " " * len(head)
        + of_base(upper, base_in)
        + " " * (len(middle) - 1)
        + of_base(f"╭─ {base_out:>4} ─▶ stock", base_out)
    )
    print(f"     {head}┤{' ' * (len(upper) - 2)}{middle}┤")
    print(
        "     "
        + " " * len(head)
        + of_gray(lower, gray_in)
        + " " * (len(middle) - 1)
        + of_gray(f"╰─ {gray_out:>4} ─▶ stock gray", gray_out)
    )
    print()


def show_ways(ways):
    """Each way that requests took, how many, how fast."""
    rows = defaultdict(list)
    for way in ways:
        rows[way.lane, " → ".join(pod_name(pod) for pod in way.served_by())].append(way)
    table = []
    for (lane, path), those in sorted(rows.items()):
        ms = [way.ms for way in those]
        table.append(
            (
                lane,
                str(len({way.user for way in those})),
                str(len(those)),
                path,
                f"{percentile(ms, 0.5)} ms",
                f"{percentile(ms, 0.99)} ms",
                str(sum(way.code >= 500 for way in those)),
            )
        )
    print_table(("lane", "users", "requests", "served by", "p50", "p99", "errors"), table)
    print()


WHY = {
    "entry": "a rule of the table",
    "explicit": "the mark x-lane",
    "reqid": "x-request-id, seen inbound",
    "trace": "traceparent, seen inbound",
}


def show_one_way(way):
    """What each sidecar on it knew of the lane, from what, and who served for which reason."""
    rows = []
    for pod in ("gateway", *way.served_by()):
        for direction in ("entry", "inbound", "outbound"):
            line = way.hops.get((pod, direction))
            if line:
                rows.append(
                    (
                        pod_name(pod),
                        direction,
                        line["requested"],
                        WHY[line["source"]],
                        line["served"],
                        line["reason"],
                    )
                )
    print()
    print(f"     how {way.user} stayed in her lane, as the lanekeepers logged it")
    print_table(("at", "way", "lane", "known from", "served by", "reason"), rows)


def show_load_test(calls, ways, ends_at=None, why=""):
    """The one way that a pressure test takes; ends_at: who should have been called next."""
    count = edges(ways)
    text = f"load test ─ {calls} ─▶ gateway"
    stops = ways[0].served_by()
    for caller, pod in zip(["gateway", *stops], stops):
        text += f" ─ {count[caller, pod]} ─▶ {pod_name(pod)}"
    end = f" {bad(f'─ {calls} ─✗')} {ends_at}   {bad(why)}" if ends_at else ""
    print(f"     {shadow(text)}{end}")
    print()


def show_served(served):
    """What the services themselves counted, by pod."""
    print(f"     {dim('requests that the services themselves counted')}")
    print_table(list(served), [[str(count) for count in served.values()]])
    print()


def show_phases(rows):
    """Requests and failures of each lane, by phase: (name, ways)."""

    def text(ways, lane):
        those = [way for way in ways if way.lane == lane]
        return str(len(those)), str(sum(way.code >= 500 for way in those))

    print_table(
        ("", "requests of base", "failed", "requests of gray", "failed"),
        [(name, *text(ways, "base"), *text(ways, "gray")) for name, ways in rows],
    )
    print()
