"""The figure of one number by site and visit, on a log scale, with suspicious values marked."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.dictionary.labels import element_label, time_point_label
from imnm_fhir.report.scales import Scale, Ticks, log_scale
from imnm_fhir.report.suspicion import Fact
from imnm_fhir.report.words import Words

TOP, BOTTOM, LEFT, COLUMN = 14.0, 300.0, 80.0, 108.0
MOST_VISITS = 6  # of a site; the rarer ones stand together
MOST_DOTS, MOST_MARKS = 500, 150  # of a column
GOLDEN = 0.618034  # spreads the dots of a column evenly, the same each time


@dataclass(frozen=True)
class Value:
    """One value: whose, at which visit, how much, and what a rule says of it."""

    site: str
    patient: str
    visit: str | None
    number: float
    said: str | None


@dataclass(frozen=True)
class Mark:
    """A suspicious value on the paper, and what is said of it."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Column:
    """The values of one site and visit: dots as one SVG path, marks, and figures for the table."""

    label: tuple[str, ...]
    x: float
    dots: str
    marks: Sequence[Mark]
    count: int
    suspicious: int
    not_positive: int
    low: float
    middle: float
    high: float
    middle_y: float | None


@dataclass(frozen=True)
class NumbersPlot:
    """The figure: columns, ticks, size, and how many values are not drawn because there are many."""

    element: str
    label: str
    unit: str
    columns: Sequence[Column]
    ticks: Ticks
    width: float
    height: float
    left_out: int


def numbers_plot(
    cohort: Cohort, element: str, suspicion: Mapping[Fact, str], words: Words
) -> NumbersPlot | None:
    """The figure of an element of type number; None where no value is positive.

    Values that are not positive stand at the lower edge. Of many values of a column, evenly chosen
    ones are drawn, the suspicious first.
    """
    values = list(_values(cohort, element, suspicion))
    positive = [each.number for each in values if each.number > 0]
    if not positive:
        return None
    scale, ticks = log_scale(positive, BOTTOM, TOP)
    groups = _groups(values)
    columns = [
        _column(group, key, LEFT + COLUMN * (place + 0.5), scale, words)
        for place, (key, group) in enumerate(groups)
    ]
    drawn = sum(each.dots.count("M") + len(each.marks) for each in columns)
    return NumbersPlot(
        element=element,
        label=element_label(element, words.translator) or element,
        unit=load_dictionary().element(element).unit or "",
        columns=columns,
        ticks=ticks,
        width=LEFT + COLUMN * len(columns) + 8,
        height=BOTTOM + 58,
        left_out=len(values) - drawn,
    )


def _values(cohort: Cohort, element: str, suspicion: Mapping[Fact, str]) -> Iterator[Value]:
    import pyarrow.compute as pc

    table = cohort.tables["observations"]
    table = table.filter(
        pc.and_(pc.equal(table["element"], element), pc.is_valid(table["value_number"]))
    )
    names = ("site", "patient", "time_point", "n", "value_number")
    for site, patient, visit, n, number in zip(
        *(table[name].to_pylist() for name in names), strict=True
    ):
        fact = ("observations", site, patient, element, visit, n, "value_number")
        yield Value(site, patient, visit, float(number), suspicion.get(fact))


def _groups(values: Sequence[Value]) -> list[tuple[tuple[str, str | None], list[Value]]]:
    """The values by site and visit: sites in order, visits in the dictionary's, rare ones last."""
    order = {
        key: place for place, key in enumerate(load_dictionary().value_sets["time_point"].codes)
    }
    found: Counter[str] = Counter(each.visit for each in values if each.visit)
    shown = {visit for visit, _ in found.most_common(MOST_VISITS)}
    groups: dict[tuple[str, str | None], list[Value]] = defaultdict(list)
    for each in values:
        groups[each.site, each.visit if each.visit in shown else None].append(each)
    return sorted(
        groups.items(), key=lambda item: (item[0][0], order.get(item[0][1] or "", len(order)))
    )


def _column(
    values: Sequence[Value], key: tuple[str, str | None], middle: float, scale: Scale, words: Words
) -> Column:
    site, visit = key
    numbers = sorted(each.number for each in values)
    plain = [each for each in values if not each.said and each.number > 0]
    marked = [each for each in values if each.said or each.number <= 0]
    half = median(numbers)
    visit_label = time_point_label(visit, words.translator) or words("other_visits")
    return Column(
        label=(site, visit_label),
        x=middle,
        dots="".join(
            f"M{middle + _spread(place):.1f} {scale(each.number):.1f}h0"
            for place, each in enumerate(_chosen(plain, MOST_DOTS))
        ),
        marks=[
            _mark(each, middle + _spread(place), scale, visit_label)
            for place, each in enumerate(marked[:MOST_MARKS])
        ],
        count=len(values),
        suspicious=len(marked),
        not_positive=sum(number <= 0 for number in numbers),
        low=numbers[0],
        middle=half,
        high=numbers[-1],
        middle_y=scale(half) if half > 0 else None,
    )


def _chosen(values: Sequence[Value], most: int) -> Sequence[Value]:
    """At most `most` of the values, evenly over their size, the least and the largest among them."""
    if len(values) <= most:
        return values
    ordered = sorted(values, key=lambda each: each.number)
    step = (len(ordered) - 1) / (most - 1)
    return [ordered[round(place * step)] for place in range(most)]


def _spread(place: int) -> float:
    return (math.fmod(place * GOLDEN, 1) - 0.5) * COLUMN * 0.66


def _mark(value: Value, x: float, scale: Scale, visit: str) -> Mark:
    y = scale(value.number) if value.number > 0 else BOTTOM
    said = f" ({value.said})" if value.said else ""
    return Mark(x, y, f"{value.patient}, {visit}: {value.number:g}{said}")
