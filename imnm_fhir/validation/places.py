"""Where the facts of a finding stand: rows of the cohort, with the site's file, row and header."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.cohort.cells import MISSING, SiteCell, find_cells
from imnm_fhir.dictionary import TABLES, Element, load_dictionary
from imnm_fhir.findings import Place
from imnm_fhir.validation.checks import At, Check
from imnm_fhir.validation.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Patient = tuple[str, str]
# Places of one finding. A confirmation holds as long as all of them stay: few series are longer.
MOST = 100


def rows_at(table: "pa.Table", places: Sequence[int]) -> list[Row]:
    """The rows at these places, which ascend: taken batch by batch, since a table is joined first."""
    import pyarrow as pa

    found, start = [], 0
    for batch in table.to_batches():
        first = bisect_left(places, start)
        start += batch.num_rows
        mine = places[first : bisect_left(places, start)]
        if mine:
            found.append(batch.take([place - start + batch.num_rows for place in mine]))
    return plain_rows(pa.Table.from_batches(found, table.schema))


def plain_rows(table: "pa.Table") -> list[Row]:
    """The rows of a table as dicts; equal texts of a column are one object, however often they come."""
    columns = []
    for column in table.columns:
        coded = column.combine_chunks().dictionary_encode()
        values = [*coded.dictionary.to_pylist(), None]
        columns.append([values[place] for place in coded.indices.fill_null(-1).to_pylist()])
    names = table.column_names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


class CohortRows:
    """The rows and cells of the patients that have findings, fetched once; nobody else's are touched."""

    def __init__(self, cohort: Cohort, patients: Iterable[Patient]) -> None:
        """Fetch the rows of `patients` from every table, and the site's cells behind them."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = set(patients)
        names = pa.array(sorted({patient for _, patient in wanted}), pa.string())
        self._rows: dict[tuple[str, Patient], list[Row]] = defaultdict(list)
        for table in TABLES:
            kept = cohort.tables[table].filter(
                pc.is_in(cohort.tables[table]["patient"], value_set=names)
            )
            for row in plain_rows(kept):
                if (row["site"], row["patient"]) in wanted:
                    self._rows[table, (row["site"], row["patient"])].append(row)
        ids = (row["id"] for rows in self._rows.values() for row in rows)
        self._cells = find_cells(cohort.cells, ids)

    def of(self, table: str, patient: Patient) -> list[Row]:
        """The rows of one patient in one table."""
        return self._rows.get((table, patient), [])

    def place(self, table: str, field: str, row: Mapping[str, Any]) -> Place:
        """One cell: where the field's own cell stands and what the site wrote in it.

        The row's own place where no cell is known: a constant of the mapping, a cohort from FHIR.
        """
        element = row.get("element") or (
            PERSONAL.get(field, field) if table == "patients" else None
        )
        place = Place(
            table=table,
            element=element,
            time_point=row.get("time_point"),
            n=row.get("n"),
            code=row["value_code"] if table in ("medications", "conditions") else None,
            field=field,
            file=row["file"],
            sheet=row["sheet"],
            row=row["row"],
            column=row["column"],
            value=None if field == "id" else _shown(field, row),
        )
        cells = self._cells.of(table, row["id"], field)
        return _in_cell(place, cells[0]) if cells else place


def _in_cell(place: Place, cell: SiteCell) -> Place:
    """The place where the site's own cell stands, with what it wrote there."""
    return replace(
        place, file=cell.file, sheet=cell.sheet, row=cell.row, column=cell.column, word=cell.text
    )


PERSONAL = {  # the element that a column of patients belongs to, where it has another name
    "birth_date_missing": "birth_date",
    "sex_missing": "sex",
    "deceased_boolean": "deceased",
    "deceased_date": "deceased",
    "deceased_missing": "deceased",
}


def places(
    check: Check, own: Mapping[str, Any], row: Row | None, patient: Patient, rows: CohortRows
) -> tuple[Place, ...]:
    """The cells that a finding speaks of, the first being the one that it stands at.

    `own` are the numbers by which `At.like` finds rows; `row` is the cohort's row that was judged, in
    a table's suite.
    """
    found: list[Place] = []
    for at in check.at:
        if at.own and row is not None:
            found += [rows.place(at.table, at.field, row)] if row[at.field] is not None else []
        elif not at.own:
            found += [
                rows.place(at.table, at.field, each) for each in _rows_at(at, own, patient, rows)
            ]
    if not found and row is not None:
        field = check.at[0].field if check.at and check.at[0].own else "id"
        found = [rows.place(check.suite, field, row)]
    return tuple(dict.fromkeys(found))[:MOST]


def _rows_at(at: At, own: Mapping[str, Any], patient: Patient, rows: CohortRows) -> Iterable[Row]:
    for row in rows.of(at.table, patient):
        if at.elements and row["element"] not in at.elements:
            continue
        if at.time_point and row["time_point"] != at.time_point:
            continue
        if at.word is not None and row[at.field] != at.word:
            continue
        if at.like is not None and not _same_number(row[at.field], own[at.like]):
            continue
        if _shown(at.field, row) is not None:
            yield row


def _same_number(text: str | None, number: Any) -> bool:
    try:
        return text is not None and float(Decimal(text)) == number
    except InvalidOperation:
        return False


def _shown(field: str, row: Mapping[str, Any]) -> str | None:
    """The value with its unit and comparator, or the reason why there is none."""
    value = row[field]
    if value is None:
        return _reason(field, row)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if field == "value_number":
        parts = [row.get("comparator"), text, row.get("unit")]
        return " ".join(part for part in parts if part)
    if field in ("dose_number", "rate_number"):
        return " ".join(part for part in (text, row.get(field.replace("number", "unit"))) if part)
    return text


def _reason(field: str, row: Mapping[str, Any]) -> str | None:
    said = row.get(MISSING.get(field, f"{field}_missing")) or (
        row.get("missing") if field.startswith("value_") else None
    )
    return f"({said})" if said else None


def first_place(found: Sequence[Place], check: Check) -> dict[str, Any]:
    """The place of the finding itself, as the fields of an `Issue`."""
    for place in found:
        if place.row is not None or place is found[-1]:
            fields = (
                "table",
                "element",
                "time_point",
                "n",
                "file",
                "sheet",
                "row",
                "column",
                "value",
            )
            return {name: getattr(place, name) for name in fields}
    table = check.suite if check.suite in TABLES else None
    element = next((each.elements[0] for each in check.at if each.elements), None)
    if table is None and element:
        table = load_dictionary().elements[element].table
    return {"table": table, "element": element}


def shown_columns(check: Check, rows: Rows, place: int) -> str | None:
    """The columns that the check shows side by side, such as `acute | subacute`."""
    if not check.shows:
        return None
    values = [rows.value(name, place) for name in check.shows]
    return " | ".join("-" if _is_none(value) else str(value) for value in values)


def column_place(
    cohort: Cohort,
    site: str,
    element: str | None,
    field: str | None,
    time_point: str | None = None,
) -> dict[str, Any]:
    """Where a site's column of an element (at a visit) stands: its table, file, sheet and header, no row.

    A column that no row came from (nothing was sent, or the cohort came by FHIR) has a table only.
    """
    import pyarrow.compute as pc

    known = load_dictionary().elements.get(element or "")
    if known is None:
        return {}
    place: dict[str, Any] = {"table": known.table}
    rows = cohort.tables[known.table]
    mine = pc.equal(rows["site"], site)
    if known.table != "patients":
        mine = pc.and_(mine, pc.equal(rows["element"], element))
    if time_point is not None:
        mine = pc.and_(mine, pc.equal(rows["time_point"], time_point))
    own = field or known_field(known)
    with_value = rows.filter(pc.and_(mine, pc.is_valid(rows[own])))  # a blank cell tells no header
    first = [*with_value.slice(0, 1).to_pylist(), *rows.filter(mine).slice(0, 1).to_pylist()][:1]
    if first:
        at = CohortRows(cohort, []).place(known.table, own, first[0])
        place |= {"file": at.file, "sheet": at.sheet, "column": at.column}
    return place


def known_field(element: Element) -> str:
    """The column of the table in which an element's own value stands."""
    if element.table == "patients":
        return element.name
    return {"number": "value_number", "boolean": "value_boolean", "date": "value_date",
            "text": "value_text"}.get(element.type, "value_code")  # fmt: skip


def _is_none(value: Any) -> bool:
    return value is None or value != value
