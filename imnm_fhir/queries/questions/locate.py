"""Where a cell stands in this delivery: from its key to the site's file, row, header and word."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.cohort.cells import find_cells
from imnm_fhir.queries.model import Target
from imnm_fhir.queries.questions.headers import Headers

if TYPE_CHECKING:
    import pyarrow as pa

KEY = ("element", "time_point", "n")


def locate(
    cohort: Cohort, site: str, patient: str | None, targets: Iterable[Target]
) -> tuple[Target, ...]:
    """The targets with file, sheet, row, header, word and value as this cohort has them.

    A target that has no row here, or several, has the header at most.
    """
    if patient is None:
        headers = Headers(cohort)
        return tuple(replace(each, column=each.column or headers.header(each)) for each in targets)
    return tuple(_located(cohort, site, patient, each) for each in targets)


def _located(cohort: Cohort, site: str, patient: str, target: Target) -> Target:
    if target.table is None or target.field is None:
        return target
    rows = _rows(cohort.tables[target.table], site, patient, target)
    if len(rows) != 1:
        return replace(target, column=target.column or Headers(cohort).header(target))
    row = rows[0]
    # a question of a person may leave the visit out
    key = {} if target.table == "patients" else {name: row[name] for name in ("time_point", "n")}
    found = find_cells(cohort.cells, [row["id"]]).of(target.table, row["id"], target.field)
    value = row.get(target.field)
    here = replace(target, **key, file=row["file"], sheet=row["sheet"], row=row["row"], word=None,
                   value=None if value is None else str(value))  # fmt: skip
    if not found:
        return replace(here, column=target.column or row["column"])
    cell = found[0]
    return replace(
        here, file=cell.file, sheet=cell.sheet, row=cell.row, column=cell.column, word=cell.text
    )


def _rows(table: "pa.Table", site: str, patient: str, target: Target) -> Sequence[dict[str, Any]]:
    import pyarrow.compute as pc

    mine = pc.and_(pc.equal(table["site"], site), pc.equal(table["patient"], patient))
    rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
    if target.table == "patients":
        return rows
    exact = [row for row in rows if all(row[name] == getattr(target, name) for name in KEY)]
    if exact or target.time_point is not None or target.n is not None:
        return exact
    return [row for row in rows if row["element"] == target.element]
