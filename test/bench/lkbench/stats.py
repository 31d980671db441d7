"""Medians, and how sure we are of them."""

import random
import statistics

RESAMPLES = 4000


def median(values):
    return statistics.median(values)


def interval(values, seed=1):
    """Bootstrap 95 % interval of the median. One value has no interval: it is returned twice."""
    if len(values) < 2:
        return (values[0], values[0])
    rng = random.Random(seed)
    medians = sorted(
        statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    return (medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1])


def summary(values):
    """The median of `values` with its interval, ready for JSON."""
    low, high = interval(values)
    return {"median": median(values), "low": low, "high": high, "n": len(values)}


def paired_ratio(left, right):
    """Summary of left[i] / right[i]; both come from the same rounds, in order."""
    return summary([a / b for a, b in zip(left, right)])
