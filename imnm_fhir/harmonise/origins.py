"""Where each field of the cohort comes from: the site's cells behind its rows, column by column."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imnm_fhir.cohort.cells import Cells, cells_schema
from imnm_fhir.harmonise.columns import Converted
from imnm_fhir.harmonise.facts import FactRows, Work
from imnm_fhir.harmonise.outcomes import Cell
from imnm_fhir.sites.plan import Reading

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BESIDE_VALUE = ("comparator", "unit", "dose_unit", "rate_unit", "value_text", "status")
UNIT_OF = {"dose": "dose_unit", "dose_number": "dose_unit", "rate_number": "rate_unit"}


def cells_of(works: Sequence[Work], patients: "pa.Table") -> Cells:
    """The cells that the rows of the cohort were made of; `patients` is its table of patients.

    The facts of `works` have their ids already. Record numbers are not among the cells.
    """
    import pyarrow as pa

    made: list[pa.Table] = []
    for work in works:
        texts = _Texts(work)
        made += [each for fact in work.facts for each in _of_fact(texts, fact)]
        made += _of_patients(texts, patients)
    return Cells(pa.concat_tables(made) if made else cells_schema().empty_table())


class _Texts:
    """The columns of one table as dictionary arrays, each made when it is first asked for."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._made: dict[str, pa.Array] = {}

    def of(self, column: str) -> "pa.Array":
        """The cells under a column of the mapping, null where blank."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if column not in self._made:
            texts = pa.array(self.work.fitted.cells(column), pa.string())
            filled = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
            self._made[column] = filled.dictionary_encode()
        return self._made[column]


def _of_fact(texts: _Texts, fact: FactRows) -> Iterator["pa.Table"]:
    """The cells of one fact's rows, those of time point and element included."""
    work, ids = texts.work, fact.ids
    own = {each.reading.field for each in fact.converted}
    for each in fact.converted:
        yield from _chunk(texts, fact.table, ids, fact.rows, each.reading.column, _fields(each))
        for reading, field in _beside(each.reading):
            if field not in own:
                yield from _chunk(texts, fact.table, ids, fact.rows, reading.column, field)
    if fact.fact.time_point is None and work.fitted.plan.time_point is not None:
        column = work.fitted.plan.time_point.column
        yield from _chunk(texts, fact.table, ids, fact.rows, column, "time_point")
    if fact.fact.when is not None:
        yield from _chunk(texts, fact.table, ids, fact.rows, fact.fact.when.column, "element")


def _of_patients(texts: _Texts, patients: "pa.Table") -> Iterator["pa.Table"]:
    """The cells that rows of the patients table were made of."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    work = texts.work
    readings = [
        reading
        for fact in work.fitted.plan.facts if fact.element.table == "patients"
        for reading in fact.readings
    ]  # fmt: skip
    if not readings:
        return
    known = patients["patient"].combine_chunks()
    places = pc.index_in(work.patient_array, value_set=known)
    ids = patients["id"].combine_chunks().take(places)
    ids = pc.if_else(pa.array(work.alive), ids, pa.scalar(None, pa.string()))
    rows = np.arange(len(work.patients))
    for reading in dict.fromkeys(readings):
        yield from _chunk(texts, "patients", ids, rows, reading.column, reading.field)


def _beside(reading: Reading) -> Iterator[tuple[Reading, str]]:
    """The columns whose cells take part in a conversion, with the field that they say."""
    if reading.unit_column is not None:
        yield reading.unit_column, UNIT_OF.get(reading.field, "unit")
    if reading.reference is not None:
        yield reading.reference, "reference_high"


def _fields(converted: Converted) -> "pa.Array":
    """The field that each candidate's cell fills, or would fill if it could be read."""
    import pyarrow as pa

    names = pa.array([_field(converted.reading, cell) for cell in converted.cells], pa.string())
    return names.dictionary_encode().take(pa.array(converted.codes))


def _field(reading: Reading, cell: Cell) -> str:
    """The field of the value; a comparator, a unit or a kept word stands in the same cell."""
    names = [name for name, value in cell.fields.items() if value is not None]
    if reading.field in names or not names:
        return "dose_number" if reading.field == "dose" else reading.field
    return next((name for name in names if name not in BESIDE_VALUE), names[0])


def _chunk(
    texts: _Texts,
    table: str,
    ids: "pa.Array",
    rows: "NDArray[np.int64]",
    column: str,
    field: "pa.Array | str",
) -> Iterator["pa.Table"]:
    """The cells of one column behind the rows with `ids`; nothing for a record number's column."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    work = texts.work
    header = work.fitted.headers.get(column)
    if header is None or column == work.account.private:
        return
    text = texts.of(column).take(pa.array(rows))
    size, source = len(rows), work.fitted.table
    numbers = np.array(source.row_numbers, np.int32)[rows]
    fields = _repeated(field, size) if isinstance(field, str) else field
    columns = [
        _repeated(table, size), ids, fields, _repeated(source.file, size),
        _repeated(source.sheet, size), pa.array(numbers), _repeated(header, size), text,
    ]  # fmt: skip
    made = pa.table(columns, schema=cells_schema())
    yield made.filter(pc.and_(ids.is_valid(), text.is_valid()))


def _repeated(text: str | None, size: int) -> "pa.Array":
    import pyarrow as pa

    codes = pa.repeat(pa.scalar(0 if text is not None else None, pa.int32()), size)
    return pa.DictionaryArray.from_arrays(codes, pa.array([text or ""], pa.string()))
