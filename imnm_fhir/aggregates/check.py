"""The seven checks of a table of results (domain section 2), each said so that a reader understands it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from imnm_fhir.aggregates.numbers import Percent
from imnm_fhir.aggregates.rows import Row, read_rows
from imnm_fhir.values import fold
from imnm_fhir.written import write_csv

NEARBY = 3  # how far from N another whole is looked for
PERCENT, PARTS, UNION, TWICE, SUBGROUP, RANGE, UNREAD = (
    "percentage", "parts", "union", "label-twice", "sub-group", "range", "unread",
)  # fmt: skip


@dataclass(frozen=True)
class Contradiction:
    """What does not agree: the check, the rows, and why in words.

    `certain` is False for what holds only under a condition, which the explanation says.
    """

    check: str
    rows: tuple[int, ...]
    label: str
    group: str
    source: str
    explanation: str
    certain: bool = True

    def line(self) -> str:
        """The finding as one line, such as `row 12, Statin (Results): 11.8 % fits 2/17, not 2/16`."""
        where = "rows " if len(self.rows) > 1 else "row "
        about = ", ".join(each for each in (self.source, self.group) if each)
        name = self.label + (f" ({about})" if about else "")
        return f"{where}{', '.join(map(str, self.rows))}, {name}: {self.explanation}"


def check_table(path: Path, decimal: str | None = None) -> tuple[list[Contradiction], int, str]:
    """What contradicts itself in the table of a file, the number of its rows, its decimal sign."""
    rows, sign = read_rows(path, decimal)
    return check_rows(rows), len(rows), sign


def check_rows(rows: Sequence[Row]) -> list[Contradiction]:
    """Every contradiction of the rows, in their order."""
    found = [each for row in rows for each in _of_row(row)]
    found += _twice(rows)
    found += _related(rows)
    return sorted(found, key=lambda each: each.rows)


def _said(
    check: str, row: Row, explanation: str, rows: Iterable[Row] = (), certain: bool = True
) -> Contradiction:
    places = tuple(dict.fromkeys(each.row for each in (row, *rows)))
    return Contradiction(check, places, row.label, row.group, row.source, explanation, certain)


def write_contradictions(found: Sequence[Contradiction], path: Path) -> None:
    """Write one row per finding to a CSV file."""
    header = ("rule", "check", "certain", "rows", "label", "group", "source", "explanation")
    rows = [
        ("G01", each.check, "yes" if each.certain else "no", " ".join(map(str, each.rows)),
         each.label, each.group, each.source, each.explanation)
        for each in found
    ]  # fmt: skip
    write_csv(path, header, rows)


# ------------------------------------------------------------------------ 1, 2, 6, 7: a single row


def _of_row(row: Row) -> Iterator[Contradiction]:
    if row.unread:
        yield _said(
            UNREAD, row, f"{', '.join(row.unread)}: no number that can be read", certain=False
        )
    if row.n is not None and row.total is not None:
        if row.n > row.total:
            yield _said(SUBGROUP, row, f"{row.n} of {row.total}: the part is larger than the whole")
        elif row.percent and not fits(row.n, row.total, row.percent):
            yield _said(PERCENT, row, explain(row.n, row.total, row.percent))
    elif row.percent and not 0 <= row.percent.value <= 100:
        yield _said(PERCENT, row, f"{row.percent.value} % is no share of a whole")
    low, middle, high = row.low, row.median, row.high
    if low is not None and high is not None and low > high:
        yield _said(RANGE, row, f"the range ends ({high}) before it begins ({low})")
    elif middle is not None and low is not None and middle < low:
        yield _said(RANGE, row, f"the median {middle} lies below the smallest value {low}")
    elif middle is not None and high is not None and middle > high:
        yield _said(RANGE, row, f"the median {middle} lies above the largest value {high}")


def fits(n: int, total: int, printed: Percent) -> bool:
    """Whether n of total is the printed percentage, within one unit of its last digit."""
    if total == 0:
        return printed.value == 0
    return abs(100 * n - printed.value * total) <= printed.unit * total


def explain(n: int, total: int, printed: Percent) -> str:
    """Why the percentage is not that of n of total, with the counts that it would fit."""
    real = _percent_text(n, total, printed)
    guesses = _guesses(n, total, printed)
    if not guesses:
        span = f"{max(total - NEARBY, 1)} to {total + NEARBY}"
        return f"{printed.value} % is not {n}/{total} ({real} %), and no count of {span} gives it"
    return f"{printed.value} % fits {' or '.join(guesses)}, not {n}/{total} ({real} %)"


def _percent_text(n: int, total: int, printed: Percent) -> Decimal:
    return (Decimal(100 * n) / max(total, 1)).quantize(
        min(printed.unit, Decimal("0.1")), ROUND_HALF_UP
    )


def _guesses(n: int, total: int, printed: Percent) -> list[str]:
    """The nearest counts that fit: the same part of another whole, then another part of this whole."""
    wholes = sorted(
        range(max(total - NEARBY, 1), total + NEARBY + 1), key=lambda it: abs(it - total)
    )
    same_part = [f"{n}/{each}" for each in wholes if n <= each and fits(n, each, printed)]
    same_whole = [f"{each}/{total}" for each in _parts_near(total, printed)]
    found = same_part[:1] + same_whole[:1]
    other = (f"{part}/{each}" for each in wholes for part in _parts_near(each, printed))
    return found or list(other)[:1]


def _parts_near(total: int, printed: Percent) -> list[int]:
    near = int(printed.value * total / 100)
    return [each for each in (near, near + 1) if 0 <= each <= total and fits(each, total, printed)]


# ------------------------------------------------------------------------ 5: one label, two counts


def _twice(rows: Sequence[Row]) -> Iterator[Contradiction]:
    named: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.n is not None and row.label:
            named[fold(row.label), fold(row.group)].append(row)
    for same in named.values():
        counts = dict.fromkeys((each.n, each.total) for each in same)
        if len({n for n, _ in counts}) > 1:
            said = " and ".join(f"{each.n} ({each.source or f'row {each.row}'})" for each in same)
            yield _said(TWICE, same[0], f"the same fact has the counts {said}", same[1:])


# ------------------------------------------------------------------------ 3, 4, 6: parts of a whole


def _related(rows: Sequence[Row]) -> Iterator[Contradiction]:
    wholes = {
        (fold(row.label), fold(row.group), row.source): row
        for row in reversed(rows)
        if row.n is not None
    }
    anywhere = {key[:2]: row for key, row in wholes.items()}
    together: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.part_of is not None and row.n is not None:
            together[fold(row.part_of), fold(row.group), row.source].append(row)
    for (name, group, source), parts in together.items():
        # `Patients: sex`: the parts of the patients in the question of sex
        plain = name if (name, group) in anywhere else name.partition(":")[0].strip()
        whole = wholes.get((plain, group, source)) or anywhere.get((plain, group))
        yield from _of_whole(whole, parts)


def _of_whole(whole: Row | None, parts: Sequence[Row]) -> Iterator[Contradiction]:
    first = parts[0]
    total = whole.n if whole else first.total
    if total is None:
        yield _said(UNREAD, first, f"no row is called '{first.part_of}', and no N is given", certain=False)  # fmt: skip
        return
    name = f"'{first.part_of}' ({total})"
    for each in parts:
        if each.n is not None and each.n > total:
            yield _said(SUBGROUP, each, f"{each.n} are more than {name}, of which they are a part")
    kinds: Mapping[str, list[Row]] = {
        kind: [each for each in parts if each.parts == kind]
        for kind in ("exclusive", "overlapping", "both", "")
    }
    yield from _sum_of(kinds["exclusive"], total, name)
    yield from _union_of(kinds["overlapping"], kinds["both"], total, name)
    yield from _unsaid(kinds[""], total, name)


def _sum(rows: Sequence[Row]) -> tuple[int, str]:
    counts = [each.n for each in rows if each.n is not None]
    return sum(counts), " + ".join(map(str, counts))


def _sum_of(rows: Sequence[Row], total: int, name: str) -> Iterator[Contradiction]:
    found, said = _sum(rows)
    if rows and found != total:
        yield _said(
            PARTS, rows[0], f"{said} = {found}, not {name}, of which they are the parts", rows
        )


def _union_of(
    rows: Sequence[Row], both: Sequence[Row], total: int, name: str
) -> Iterator[Contradiction]:
    if not rows:
        return
    found, said = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    shared, _ = _sum(both)
    if not largest <= total <= found - shared:
        less = f" less {shared} in both" if shared else ""
        bounds = f"at least {largest} and at most {found - shared}"
        yield _said(UNION, rows[0], f"{said}{less}: {name} must be {bounds}", [*rows, *both])


def _unsaid(rows: Sequence[Row], total: int, name: str) -> Iterator[Contradiction]:
    """Parts of which nobody said whether they exclude each other: impossible, or only if they overlap."""
    if len(rows) < 2:
        return
    found, said = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    if not largest <= total <= found:
        why = f"{said} = {found} cannot make {name}, whether they overlap or not"
        yield _said(PARTS, rows[0], why, rows)
    elif found != total:
        why = f"{said} = {found} make {name} only if {found - total} are counted twice"
        yield _said(PARTS, rows[0], why, rows, certain=False)
