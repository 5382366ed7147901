"""The seven checks of a table of results (domain section 2), each said so that a reader understands it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from imnm_fhir.aggregates.contradiction import (
    PARTS,
    PERCENT,
    RANGE,
    SUBGROUP,
    TWICE,
    UNION,
    UNREAD,
    Contradiction,
    said,
)
from imnm_fhir.aggregates.groups import across_groups
from imnm_fhir.aggregates.numbers import Percent, fits, unit_of
from imnm_fhir.aggregates.reading import read_rows
from imnm_fhir.aggregates.rows import Row
from imnm_fhir.values import fold
from imnm_fhir.written import write_csv

NEARBY = 3  # how far from N another whole is looked for


def check_table(
    path: Path, decimal: str | None = None, sheets: Sequence[str] | None = None
) -> tuple[list[Contradiction], int, str]:
    """What contradicts itself in the table of a file, the number of its rows, its decimal sign.

    Of a workbook every visible sheet is read, or those named.
    """
    rows, sign = read_rows(path, decimal, sheets)
    return check_rows(rows), len({(each.sheet, each.row) for each in rows}), sign


def check_rows(rows: Sequence[Row]) -> list[Contradiction]:
    """Every contradiction of the rows, in their order."""
    found = [each for row in rows for each in _of_row(row)]
    found += _twice(rows)
    found += _related(rows)
    found += across_groups(rows)
    several = len({row.sheet for row in rows}) > 1
    found = [each if several else replace(each, sheet=None) for each in found]
    places = list(dict.fromkeys(row.sheet for row in rows))
    return sorted(found, key=lambda each: (places.index(each.sheet) if several else 0, each.rows))


def write_contradictions(found: Sequence[Contradiction], path: Path) -> None:
    """Write one row per finding to a CSV file."""
    header = (
        "rule",
        "check",
        "certain",
        "sheet",
        "rows",
        "label",
        "group",
        "source",
        "explanation",
    )
    rows = [
        ("G01", each.check, "yes" if each.certain else "no", each.sheet or "", " ".join(map(str, each.rows)),
         each.label, each.group, each.source, each.explanation)
        for each in found
    ]  # fmt: skip
    write_csv(path, header, rows)


# ------------------------------------------------------------------------ 1, 2, 6, 7: a single row


def _of_row(row: Row) -> Iterator[Contradiction]:
    if row.unread:
        yield said(
            UNREAD, row, f"{', '.join(row.unread)}: no number that can be read", certain=False
        )
    if row.n is not None and row.total is not None:
        if row.n > row.total and not row.declared:
            pass  # then it is no count, but a mean with its deviation
        elif row.n > row.total:
            yield said(SUBGROUP, row, f"{row.n} of {row.total}: the part is larger than the whole")
        elif row.percent and not fits(row.n, row.total, row.percent):
            why = explain(row.n, row.total, row.percent)
            if row.declared:
                yield said(PERCENT, row, why)
            else:
                yield said(PERCENT, row, f"if this is n (%): {why}", certain=False)
    elif row.percent and not 0 <= row.percent.value <= 100:
        yield said(PERCENT, row, f"{row.percent.value} % is no share of a whole")
    elif row.percent and row.total and not _parts_near(row.total, row.percent):
        yield said(PERCENT, row, _no_part(row.total, row.percent), certain=False)
    yield from _of_range(row)


def _no_part(total: int, printed: Percent) -> str:
    real = [f"{each} are {_percent_text(each, total, printed)} %" for each in _near(total, printed)]
    return f"{printed.shown} is no whole number of {total} ({', '.join(real)})"


def _of_range(row: Row) -> Iterator[Contradiction]:
    """A median below the smallest value, or above the largest; a note where rounding explains it."""
    low, middle, high = row.low, row.median, row.high
    if low is not None and high is not None and low > high:
        yield said(RANGE, row, f"the range ends ({high}) before it begins ({low})")
        return
    for limit, name, below in (
        (low, "below the lower", True),
        (high, "above the upper", False),
    ):
        if limit is None or middle is None or (middle >= limit if below else middle <= limit):
            continue
        why = f"the median {middle} lies {name} end {limit} of its range"
        # of numbers rounded alike the smaller stays the smaller
        units = unit_of(middle), unit_of(limit)
        if units[0] != units[1] and abs(middle - limit) <= sum(units) / 2:
            yield said(RANGE, row, f"{why}, unless both are rounded", certain=False)
        else:
            yield said(RANGE, row, why)


def explain(n: int, total: int, printed: Percent) -> str:
    """Why the percentage is not that of n of total, with the counts that it would fit."""
    real = _percent_text(n, total, printed)
    guesses = _guesses(n, total, printed)
    if not guesses:
        span = f"{max(total - NEARBY, 1)} to {total + NEARBY}"
        return f"{printed.shown} is not {n}/{total} ({real} %), and no count of {span} gives it"
    return f"{printed.shown} fits {' or '.join(guesses)}, not {n}/{total} ({real} %)"


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
    return [each for each in _near(total, printed) if fits(each, total, printed)]


def _near(total: int, printed: Percent) -> list[int]:
    near = int(printed.value * total / 100)
    return [each for each in (near, near + 1) if 0 <= each <= total]


# ------------------------------------------------------------------------ 5: one label, two counts


def _twice(rows: Sequence[Row]) -> Iterator[Contradiction]:
    named: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.n is not None and row.label and row.declared:
            # a table with a column for each group has its own headings between the rows
            where = (row.sheet, row.total) if row.wide else (None, None)
            named[fold(row.label), fold(row.group), *where].append(row)
    for same in named.values():
        if len({each.n for each in same}) > 1:
            counted = " and ".join(
                f"{each.n} ({each.source or f'row {each.row}'})" for each in same
            )
            why = f"the same fact has the counts {counted}"
            yield said(TWICE, same[0], why, same[1:], certain=not same[0].wide)


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
        yield said(UNREAD, first, f"no row is called '{first.part_of}', and no N is given", certain=False)  # fmt: skip
        return
    name = f"'{first.part_of}' ({total})"
    for each in parts:
        if each.n is not None and each.n > total:
            yield said(SUBGROUP, each, f"{each.n} are more than {name}, of which they are a part")
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
    found, terms = _sum(rows)
    if rows and found != total:
        yield said(
            PARTS, rows[0], f"{terms} = {found}, not {name}, of which they are the parts", rows
        )


def _union_of(
    rows: Sequence[Row], both: Sequence[Row], total: int, name: str
) -> Iterator[Contradiction]:
    if not rows:
        return
    found, terms = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    shared, _ = _sum(both)
    if not largest <= total <= found - shared:
        less = f" less {shared} in both" if shared else ""
        bounds = f"at least {largest} and at most {found - shared}"
        yield said(UNION, rows[0], f"{terms}{less}: {name} must be {bounds}", [*rows, *both])


def _unsaid(rows: Sequence[Row], total: int, name: str) -> Iterator[Contradiction]:
    """Parts of which nobody said whether they exclude each other: impossible, or only if they overlap."""
    if len(rows) < 2:
        return
    found, terms = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    if not largest <= total <= found:
        why = f"{terms} = {found} cannot make {name}, whether they overlap or not"
        yield said(PARTS, rows[0], why, rows)
    elif found != total:
        why = f"{terms} = {found} make {name} only if {found - total} are counted twice"
        yield said(PARTS, rows[0], why, rows, certain=False)
