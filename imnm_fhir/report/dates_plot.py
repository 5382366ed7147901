"""The figure of dates: one line per patient, with the dates that findings speak of marked."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from imnm_fhir.cohort import Cohort
from imnm_fhir.report.scales import Scale, Ticks, day_scale
from imnm_fhir.report.suspicion import Fact
from imnm_fhir.report.words import DateMark, Words
from imnm_fhir.values.partial import date_bounds

MOST_PATIENTS = 40
LEFT, RIGHT, TOP, LINE = 118.0, 1180.0, 30.0, 36.0
APART = 16.0  # between two letters of one line
OLDEST = date(1900, 1, 1)  # an earlier day would press all others together: it stands at the edge


@dataclass(frozen=True)
class Event:
    """One date of a patient: its letter, the days that it may mean, and what a rule says of it."""

    letter: str
    first: date
    last: date
    written: str
    said: str | None


@dataclass(frozen=True)
class DrawnEvent:
    """An event on the paper: `x` of its letter, `day` of its date, the ends of what a partial date may mean."""

    letter: str
    x: float
    day: float
    left: float
    right: float
    title: str
    suspicious: bool


@dataclass(frozen=True)
class Line:
    """One patient's line."""

    patient: str
    y: float
    events: Sequence[DrawnEvent]


@dataclass(frozen=True)
class DatesPlot:
    """The figure: lines, ticks, the meaning of each letter, and how many patients there are in all."""

    lines: Sequence[Line]
    ticks: Ticks
    legend: Sequence[tuple[str, str]]
    left: float
    width: float
    height: float
    all_patients: int


def dates_plot(cohort: Cohort, suspicion: Mapping[Fact, str], words: Words) -> DatesPlot | None:
    """The figure, patients with suspicious dates first, at most 40; None where there is no date."""
    found = _events(cohort, suspicion, words)
    if not found:
        return None
    order = sorted(found, key=lambda key: (not any(e.said for e in found[key]), key))
    shown = order[:MOST_PATIENTS]
    days = [day for key in shown for each in found[key] for day in (each.first, each.last)]
    scale, ticks = day_scale([max(day, OLDEST) for day in days], LEFT + 14, RIGHT - 20)
    several = len(cohort.sites) > 1
    letters = {each.letter for key in shown for each in found[key]}
    return DatesPlot(
        lines=[
            _line(
                "/".join(key) if several else key[1],
                TOP + LINE * (place + 0.75),
                found[key],
                scale,
                words,
            )
            for place, key in enumerate(shown)
        ],
        ticks=ticks,
        legend=[(each.letter, words.mark(each)) for each in words.marks if each.letter in letters],
        left=LEFT,
        width=RIGHT,
        height=TOP + LINE * len(shown) + 8,
        all_patients=len(cohort.tables["patients"]),
    )


def _events(
    cohort: Cohort, suspicion: Mapping[Fact, str], words: Words
) -> dict[tuple[str, str], list[Event]]:
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for mark in words.marks:
        for site, patient, visit, n, text in _dates(cohort, mark):
            try:
                first, last = date_bounds(text)
            except ValueError:
                continue  # a finding of its own says so
            fact = (mark.table, site, patient, mark.element, visit, n, mark.field)
            said = suspicion.get(fact)
            found[site, patient].append(Event(mark.letter, first, last, text, said))
    return found


def _dates(
    cohort: Cohort, mark: DateMark
) -> Iterator[tuple[str, str, str | None, str | None, str]]:
    import pyarrow.compute as pc

    table = cohort.tables[mark.table]
    chosen = pc.is_valid(table[mark.field])
    if mark.table != "patients":
        chosen = pc.and_(chosen, pc.equal(table["element"], mark.element))
    table = table.filter(chosen)
    names = [name for name in ("time_point", "n") if name in table.column_names]
    known = {name: table[name].to_pylist() for name in ("site", "patient", *names, mark.field)}
    for place in range(len(table)):
        row = {name: values[place] for name, values in known.items()}
        visit, n = row.get("time_point"), row.get("n")
        yield row["site"], row["patient"], visit, n, row[mark.field]


def _line(patient: str, y: float, events: Sequence[Event], scale: Scale, words: Words) -> Line:
    ordered = sorted(events, key=lambda each: (each.first, each.last, each.letter))
    spans = [
        [scale(max(day, OLDEST).toordinal()) for day in (each.first, each.last)] for each in ordered
    ]
    places = apart([(left + right) / 2 for left, right in spans])
    return Line(
        patient,
        y,
        [
            DrawnEvent(
                each.letter,
                x,
                (left + right) / 2,
                left,
                right,
                _title(each, words),
                each.said is not None,
            )
            for each, x, (left, right) in zip(ordered, places, spans, strict=True)
        ],
    )


def apart(wanted: Sequence[float]) -> list[float]:
    """Places near those that are wanted and in their order, at least `APART` from each other."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    heaps: list[list[float]] = []  # mean of what is wanted, number of letters
    for place in order:
        heaps.append([wanted[place], 1])
        while len(heaps) > 1 and _overlap(heaps[-2], heaps[-1]):
            (second, more), (first, some) = heaps.pop(), heaps.pop()
            heaps.append([(first * some + second * more) / (some + more), some + more])
    found = [
        middle + APART * (number - (count - 1) / 2)
        for middle, count in heaps
        for number in range(int(count))
    ]
    places = [0.0] * len(wanted)
    for place, x in zip(order, found, strict=True):
        places[place] = min(x, RIGHT - APART / 2)
    return places


def _overlap(left: Sequence[float], right: Sequence[float]) -> bool:
    return right[0] - left[0] < APART * (left[1] + right[1]) / 2


def _title(event: Event, words: Words) -> str:
    label = words.mark(next(each for each in words.marks if each.letter == event.letter))
    return f"{label}: {event.written}" + (f" ({event.said})" if event.said else "")
