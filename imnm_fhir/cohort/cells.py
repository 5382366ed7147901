"""The cells of the site's files that a cohort was made of: header and text, as the site wrote them.

They stand beside the five tables and stay at the site: no export and no pool holds them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.owner import make_private_file

if TYPE_CHECKING:
    import pyarrow as pa

REPEATED = (
    "table",
    "field",
    "file",
    "sheet",
    "column",
    "text",
)  # kept once, however often they come
COLUMNS = ("table", "id", "field", "file", "sheet", "row", "column", "text")
MISSING = {"start_date": "start_missing", "end_date": "end_missing", "onset_date": "onset_missing"}
REASON_OF = {reason: field for field, reason in MISSING.items()} | {
    f"{field}_missing": field for field in ("birth_date", "sex", "date")
}
VALUES = ("value_number", "value_code", "value_boolean", "value_date", "value_text")
# Where a field's own cell may lack: the fields whose cell says it too, the likeliest first.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "comparator": ("value_number",),
    "unit": ("value_number",),
    "missing": VALUES,
    "value_number": VALUES,
    "value_code": VALUES,
    "value_boolean": VALUES,
    "value_date": VALUES,
    "value_text": VALUES,
    "dose_unit": ("dose_number",),
    "rate_unit": ("rate_number",),
    "status": ("end_date", "value_code"),
    "deceased_missing": ("deceased_boolean", "deceased_date"),
    "deceased_boolean": ("deceased_date",),
}


@dataclass(frozen=True)
class SiteCell:
    """One cell as the site wrote it: `table`, `id` and `field` say what became of it.

    `row` counts as the site's own program does, `column` is the site's header. `text` is a patient's
    value: it goes into the site's own reports and lists only.
    """

    table: str
    id: str
    field: str
    file: str
    sheet: str | None
    row: int
    column: str
    text: str


@dataclass(frozen=True)
class Cells:
    """The cells of a cohort: a table in memory, or the Parquet file that holds it.

    `kept` restricts them to the rows with these ids.
    """

    source: "pa.Table | Path"
    kept: "pa.Array | None" = None

    def table(self, ids: "Iterable[str] | None" = None) -> "pa.Table":
        """The cells of the rows with these ids, of all rows without; columns as `COLUMNS`.

        Of a file only these are read into memory.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        wanted = [self.kept] if self.kept is not None else []
        wanted += [pa.array(sorted(set(ids)), pa.string())] if ids is not None else []
        condition = pc.scalar(True)
        for each in wanted:
            condition = condition & pc.field("id").isin(each)
        if isinstance(self.source, Path):
            data = ds.dataset(self.source, schema=cells_schema(), format="parquet")
            found = data.to_table(filter=condition) if wanted else data.to_table()
        else:
            found = self.source.filter(condition) if wanted else self.source
        return _compact(found) if wanted else found

    def keep(self, ids: "pa.Array") -> "Cells":
        """The cells of the rows with these ids; nothing is read yet."""
        return Cells(self.table() if self.kept is not None else self.source, ids)


def write_cells(cells: Cells, path: Path, row_group: int) -> int:
    """Write the cells as Parquet into a file that its owner alone may read; the number of them."""
    import pyarrow.parquet as pq

    make_private_file(path)
    table = _compact(cells.table())
    pq.write_table(table, path, compression="zstd", row_group_size=row_group)
    return int(table.num_rows)


def _compact(table: "pa.Table") -> "pa.Table":
    """The table without the words of rows that are not in it: an encoding keeps them all."""
    import pyarrow as pa
    import pyarrow.compute as pc

    place = table.schema.get_field_index("text")
    texts = pc.cast(table["text"], pa.string()).dictionary_encode()
    return table.set_column(place, table.schema.field(place), texts)


@dataclass(frozen=True)
class FoundCells:
    """Cells by row and field, as `find_cells` gives them."""

    by_field: Mapping[tuple[str, str, str], tuple[SiteCell, ...]]

    def of(self, table: str, row_id: str, field: str) -> tuple[SiteCell, ...]:
        """The cells that one field of a row was read from; where it has none, those beside it.

        A unit that the mapping declares stands in no cell: that of its number is given. Several
        where several columns may fill the field, in the order of the mapping; none where the value
        is a constant of the mapping or came from no site file.
        """
        name = REASON_OF.get(field, field)
        for each in (name, *BESIDE.get(name, ())):
            if found := self.by_field.get((table, row_id, each)):
                return found
        return ()


def find_cells(cells: Cells | None, ids: Iterable[str]) -> FoundCells:
    """The cells of the rows with these ids, to be looked up by table, id and field."""
    found: dict[tuple[str, str, str], tuple[SiteCell, ...]] = {}
    for row in cells.table(ids).to_pylist() if cells is not None else ():
        cell = SiteCell(**row)
        key = (cell.table, cell.id, cell.field)
        found[key] = (*found.get(key, ()), cell)
    return FoundCells(found)


def cells_schema() -> "pa.Schema":
    """The Arrow schema of the table of cells: text that repeats is dictionary-encoded."""
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = dict.fromkeys(REPEATED, pa.dictionary(pa.int32(), pa.string()))
    kinds |= {"id": pa.string(), "row": pa.int32()}
    return pa.schema([(name, kinds[name]) for name in COLUMNS])
