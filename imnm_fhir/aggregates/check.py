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
from imnm_fhir.aggregates.sentence import Sentence, sentence
from imnm_fhir.languages import SOURCE, Translator, translatable
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


YES, NO = translatable("yes"), translatable("no")
HEADER = (
    translatable("rule"), translatable("check"), translatable("certain"), translatable("sheet"),
    translatable("rows"), translatable("label"), translatable("group"), translatable("source"),
    translatable("explanation"),
)  # fmt: skip


def write_contradictions(
    found: Sequence[Contradiction], path: Path, say: Translator | None = None
) -> None:
    """Write one row per finding to a CSV file, in the language of `say`."""
    say = say or Translator(SOURCE)
    rows = [
        ("G01", say(each.check), say(YES if each.certain else NO),
         each.sheet or "", " ".join(map(str, each.rows)), each.label, each.group, each.source, each.why.said(say))
        for each in found
    ]  # fmt: skip
    write_csv(path, [say(name) for name in HEADER], rows)


# ------------------------------------------------------------------------ 1, 2, 6, 7: a single row


def _of_row(row: Row) -> Iterator[Contradiction]:
    if row.unread:
        why = sentence("{columns}: no number that can be read", columns=row.unread)
        yield said(UNREAD, row, why, certain=False)
    if row.total is not None and row.group_total is not None and row.total > row.group_total:
        text = translatable("it speaks of {total}, its column has {n} patients")
        yield said(SUBGROUP, row, sentence(text, total=row.total, n=row.group_total), certain=False)
    if row.n is not None and row.total is not None:
        yield from _of_count(row, row.n, row.total)
    elif row.percent and not 0 <= row.percent.value <= 100:
        why = sentence("{percent} is no share of a whole", percent=row.percent)
        yield said(PERCENT, row, why)
    elif row.percent and row.total and not _parts_near(row.total, row.percent):
        yield said(PERCENT, row, _no_part(row.total, row.percent), certain=False)
    yield from _of_range(row)


def _of_count(row: Row, n: int, total: int) -> Iterator[Contradiction]:
    if n > total and row.declared:  # else it is no count, but a mean with its deviation
        text = translatable("{n} of {total}: the part is larger than the whole")
        yield said(SUBGROUP, row, sentence(text, n=n, total=total))
    elif n <= total and row.percent and not fits(n, total, row.percent):
        why = explain(n, total, row.percent)
        why = why if row.declared else sentence("if this is n (%): {why}", why=why)
        yield said(PERCENT, row, why, certain=row.declared)


def _no_part(total: int, printed: Percent) -> Sentence:
    real = [
        sentence("{count} gives {percent}", count=each, percent=_share(each, total, printed))
        for each in _near(total, printed)
    ]
    text = translatable("{percent} is no whole number of {total} ({shares})")
    return sentence(text, percent=printed, total=total, shares=real)


def _of_range(row: Row) -> Iterator[Contradiction]:
    """A median below the smallest value, or above the largest; a note where rounding explains it."""
    low, middle, high = row.low, row.median, row.high
    if low is not None and high is not None and low > high:
        text = translatable("the range ends ({high}) before it begins ({low})")
        yield said(RANGE, row, sentence(text, high=high, low=low))
        return
    for limit, text, below in (
        (
            low,
            translatable("the median {median} lies below the lower end {limit} of its range"),
            True,
        ),
        (
            high,
            translatable("the median {median} lies above the upper end {limit} of its range"),
            False,
        ),
    ):
        if limit is None or middle is None or (middle >= limit if below else middle <= limit):
            continue
        why = sentence(text, median=middle, limit=limit)
        # of numbers rounded alike the smaller stays the smaller
        units = unit_of(middle), unit_of(limit)
        if units[0] != units[1] and abs(middle - limit) <= sum(units) / 2:
            rounded = sentence("{why}, unless both are rounded", why=why)
            yield said(RANGE, row, rounded, certain=False)
        else:
            yield said(RANGE, row, why)


def explain(n: int, total: int, printed: Percent) -> Sentence:
    """Why the percentage is not that of n of total, with the counts that it would fit."""
    about = {"percent": printed, "count": f"{n}/{total}", "real": _share(n, total, printed)}
    guesses = _guesses(n, total, printed)
    if not guesses:
        text = translatable(
            "{percent} is not {count} ({real}), and no count of {low} to {high} gives it"
        )
        return sentence(text, **about, low=max(total - NEARBY, 1), high=total + NEARBY)
    if len(guesses) == 1:
        return sentence("{percent} fits {one}, not {count} ({real})", **about, one=guesses[0])
    text = translatable("{percent} fits {one} or {other}, not {count} ({real})")
    return sentence(text, **about, one=guesses[0], other=guesses[1])


def _share(n: int, total: int, printed: Percent) -> Percent:
    unit = min(printed.unit, Decimal("0.1"))
    return Percent((Decimal(100 * n) / max(total, 1)).quantize(unit, ROUND_HALF_UP), unit)


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
            *counts, last = [
                f"{each.n} ({each.source})" if each.source
                else sentence("{n} (row {row})", n=each.n, row=each.row)
                for each in same
            ]  # fmt: skip
            text = translatable("the same fact has the counts {counts} and {last}")
            why = sentence(text, counts=counts, last=last)
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
        text = translatable("no row is called '{name}', and no N is given")
        yield said(UNREAD, first, sentence(text, name=first.part_of), certain=False)
        return
    name = f"'{first.part_of}' ({total})"
    for each in parts:
        if each.n is not None and each.n > total:
            text = translatable("{n} are more than {whole}, of which they are a part")
            yield said(SUBGROUP, each, sentence(text, n=each.n, whole=name))
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
        text = translatable("{terms} = {sum}, not {whole}, of which they are the parts")
        yield said(PARTS, rows[0], sentence(text, terms=terms, sum=found, whole=name), rows)


def _union_of(
    rows: Sequence[Row], both: Sequence[Row], total: int, name: str
) -> Iterator[Contradiction]:
    if not rows:
        return
    found, terms = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    shared, _ = _sum(both)
    if not largest <= total <= found - shared:
        bounds = {"whole": name, "least": largest, "most": found - shared, "terms": terms}
        why = sentence("{terms}: {whole} must be at least {least} and at most {most}", **bounds)
        if shared:
            text = translatable(
                "{terms} less {shared} in both: {whole} must be at least {least} and at most {most}"
            )
            why = sentence(text, **bounds, shared=shared)
        yield said(UNION, rows[0], why, [*rows, *both])


def _unsaid(rows: Sequence[Row], total: int, name: str) -> Iterator[Contradiction]:
    """Parts of which nobody said whether they exclude each other: impossible, or only if they overlap."""
    if len(rows) < 2:
        return
    found, terms = _sum(rows)
    largest = max(each.n for each in rows if each.n is not None)
    if not largest <= total <= found:
        text = translatable("{terms} = {sum} cannot make {whole}, whether they overlap or not")
        yield said(PARTS, rows[0], sentence(text, terms=terms, sum=found, whole=name), rows)
    elif found != total:
        text = translatable("{terms} = {sum} make {whole} only with {more} counted twice")
        why = sentence(text, terms=terms, sum=found, whole=name, more=found - total)
        yield said(PARTS, rows[0], why, rows, certain=False)
