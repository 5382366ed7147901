"""From the file of a table of results to its rows, whichever way it is laid out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imnm_fhir.aggregates.layout import Block, blocks_of
from imnm_fhir.aggregates.numbers import Percent, decimal_sign, fits
from imnm_fhir.aggregates.rows import Row, is_long, long_rows
from imnm_fhir.aggregates.wide import wide_rows
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.readers import Grid, read_grids


def read_rows(
    path: Path, decimal: str | None = None, sheets: Sequence[str] | None = None
) -> tuple[list[Row], str]:
    """The rows of every table of the file, and the decimal sign that it was read with.

    Raises `ImnmFhirError` where the file is no table, or has no column of labels or of numbers.
    """
    grids = read_grids(path, sheets)
    sign = decimal or decimal_sign(_texts(grids))
    rows = [row for grid in grids for block in blocks_of(grid) for row in _rows(block, sign)]
    if not rows:
        raise ImnmFhirError(f"{path.name}: it has no rows with numbers; give label, n, N, percent")
    return [_printable(row) for row in rows], sign


def _printable(row: Row) -> Row:
    """The row with its words on one line, and without signs that would command a terminal."""
    return replace(
        row,
        label=_plain(row.label),
        group=_plain(row.group),
        source=_plain(row.source),
        section=_plain(row.section),
        part_of=None if row.part_of is None else _plain(row.part_of),
        unread=tuple(map(_plain, row.unread)),
    )


def _plain(text: str) -> str:
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def _rows(block: Block, sign: str) -> list[Row]:
    return _as_percent(list(long_rows(block, sign) if is_long(block) else wide_rows(block, sign)))


def _as_percent(rows: list[Row]) -> list[Row]:
    """The rows with percentages as printed, where a spreadsheet keeps them as 0.813 of 1."""
    found = [each for each in rows if each.percent]
    if not all(each.percent and each.percent.value <= 1 for each in found):
        return rows
    known = [(each.n, each.total, each.percent) for each in found]
    plain = sum(fits(n, of, share) for n, of, share in known if n is not None and of and share)
    raised = [replace(each, percent=_raised(each.percent)) for each in rows]
    as_share = sum(
        fits(each.n, each.total, each.percent)
        for each in raised if each.n is not None and each.total and each.percent
    )  # fmt: skip
    return raised if as_share > plain else rows


def _raised(share: Percent | None) -> Percent | None:
    return share and replace(share, value=share.value.scaleb(2), unit=share.unit.scaleb(2))


def _texts(grids: Sequence[Grid]) -> Iterator[str]:
    return (
        cell
        for grid in grids
        for number, cells in grid.rows
        for place, cell in enumerate(cells)
        if (number, place) not in grid.typed
    )
