"""Scales of the report's figures: from a number or a day to a place on the paper."""

import math
from collections.abc import Callable, Iterable
from datetime import date

Scale = Callable[[float], float]
Ticks = list[tuple[float, str]]


def log_scale(values: Iterable[float], low: float, high: float) -> tuple[Scale, Ticks]:
    """Scale and ticks of whole powers of ten around positive values, from place `low` to `high`."""
    given = list(values)
    first = math.floor(math.log10(min(given)))
    last = max(math.ceil(math.log10(max(given))), first + 1)

    def place(value: float) -> float:
        return low + (high - low) * (math.log10(value) - first) / (last - first)

    return place, [(place(10**power), power_text(power)) for power in range(first, last + 1)]


def power_text(power: int) -> str:
    """A power of ten as people read it in any language: `0.01`, `1`, `10 000`."""
    return f"{10**power:,}".replace(",", "\u202f") if power >= 0 else f"{10.0**power:.{-power}f}"


def day_scale(days: Iterable[date], low: float, high: float, most: int = 12) -> tuple[Scale, Ticks]:
    """Scale of days (as ordinals) over whole years, and at most about `most` years as ticks."""
    given = list(days)
    first, last = min(given).year, max(given).year + 1
    start, end = date(first, 1, 1).toordinal(), date(min(last, 9999), 1, 1).toordinal()

    def place(day: float) -> float:
        return low + (high - low) * (day - start) / (end - start)

    step = max(1, -(-(last - first) // most))
    years = range(first, min(last, 9999) + 1, step)
    return place, [(place(date(year, 1, 1).toordinal()), str(year)) for year in years]
