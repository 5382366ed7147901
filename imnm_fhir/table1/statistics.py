"""The numbers of Table 1: percentages, quartiles and exact confidence intervals."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from math import exp, lgamma, log
from typing import NamedTuple

STEPS, TINY = 500, 1e-300  # of the continued fraction; it converges in far fewer


class Distribution(NamedTuple):
    """Median, quartiles and ends of some numbers."""

    median: float
    lower: float
    upper: float
    least: float
    greatest: float


def percent(n: int, tested: int) -> Decimal:
    """N of `tested` in percent, to one decimal, halves up (13 of 16 is 81.3)."""
    return (Decimal(100) * n / tested).quantize(Decimal("0.1"), ROUND_HALF_UP)


def distribution(numbers: Sequence[float]) -> Distribution:
    """Median, quartiles by linear interpolation (Hyndman and Fan, type 7), least and greatest."""
    ordered = sorted(numbers)
    lower, median, upper = (_quantile(ordered, part) for part in (0.25, 0.5, 0.75))
    return Distribution(median, lower, upper, ordered[0], ordered[-1])


def _quantile(ordered: Sequence[float], part: float) -> float:
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def exact_interval(n: int, tested: int, level: float = 0.95) -> tuple[float, float]:
    """The Clopper-Pearson interval of n of `tested`, as proportions."""
    tail = (1 - level) / 2
    low = 0.0 if n == 0 else _beta_quantile(tail, n, tested - n + 1)
    high = 1.0 if n == tested else _beta_quantile(1 - tail, n + 1, tested - n)
    return low, high


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """The value below which a beta variable lies with this probability, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(middle, a, b) < probability else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz (Numerical Recipes 6.4)."""
    c, d = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d, c = _inverse(1 + term * d), _away_from_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value


def _away_from_zero(number: float) -> float:
    return number if abs(number) > TINY else TINY


def _inverse(number: float) -> float:
    return 1 / _away_from_zero(number)
