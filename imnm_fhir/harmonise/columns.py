"""Columns converted text by text: each distinct text once, every row by its number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.harmonise.cells import convert_cell
from imnm_fhir.harmonise.outcomes import NOTHING, Cell, Given
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.plan import Reading
from imnm_fhir.sites.split import split_cell
from imnm_fhir.values import fold

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Converted:
    """One reading over candidate rows: `codes` says for each which of `cells` it became."""

    reading: Reading
    codes: "NDArray[np.int32]"
    cells: Sequence[Cell]

    def at(self, rows: "NDArray[Any]") -> "Converted":
        """The same for some of the candidates."""
        return Converted(self.reading, self.codes[rows], self.cells)

    @property
    def outcomes(self) -> "NDArray[np.int8]":
        """The outcome of each candidate."""
        import numpy as np

        return np.array([cell.outcome for cell in self.cells], np.int8)[self.codes]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the cohort that some cell fills."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.fields))

    def values(self, name: str, kind: "pa.DataType") -> "pa.Array":
        """The values of one column, null where a cell does not fill it."""
        return self._taken([cell.fields.get(name) for cell in self.cells], kind)

    def reasons(self) -> "pa.Array":
        """The missing reason of each candidate, null where it has none."""
        import pyarrow as pa

        return self._taken([cell.reason for cell in self.cells], pa.string())

    def _taken(self, by_code: list[object], kind: "pa.DataType") -> "pa.Array":
        import pyarrow as pa

        return pa.array(by_code, kind).take(pa.array(self.codes))


@dataclass
class Columns:
    """The converted columns of one table, each made when it is first asked for."""

    fitted: TablePlan
    _made: dict[int, Converted] = field(default_factory=dict)

    def convert(self, reading: Reading) -> Converted:
        """The reading over all rows of the table."""
        made = self._made.get(id(reading))
        if made is None:
            codes, distinct = encode(self.fitted, reading)
            cells = [convert_cell(reading, given) for given in distinct]
            made = self._made[id(reading)] = Converted(reading, codes, cells)
        return made

    def convert_parts(
        self, reading: Reading, rows: "NDArray[np.int64]"
    ) -> tuple[Converted, "NDArray[np.int64]", "NDArray[np.int32]"]:
        """A split reading: one candidate per part, with its row and its place in the cell, from 1."""
        import numpy as np

        codes, distinct = encode(self.fitted, reading)
        parts = [_part_cells(reading, given) for given in distinct]
        cells = [cell for several in parts for cell in several] or [NOTHING]
        starts = np.cumsum([0, *(len(several) for several in parts)])
        counts = np.diff(starts)[codes[rows]]
        repeated = np.repeat(rows, counts)
        within = np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
        part_codes = (starts[:-1][codes[repeated]] + within).astype(np.int32)
        return Converted(reading, part_codes, cells), repeated, (within + 1).astype(np.int32)


def _part_cells(reading: Reading, given: tuple[Given, ...]) -> list[Cell]:
    """The cell of each part; a part before a switch is a drug that has ended."""
    text, typed = given[0]
    if not text:
        return []
    if fold(text) in reading.missing:
        return [convert_cell(reading, given)]
    cells = []
    for part, ended in split_cell(reading, text):
        cell = convert_cell(reading, (Given(part, typed), *given[1:]))
        if ended and cell.fields:
            cell = cell._replace(fields={**cell.fields, "status": "completed"})
        cells.append(cell)
    return cells


def encode(
    fitted: TablePlan, reading: Reading
) -> tuple["NDArray[np.int32]", list[tuple[Given, ...]]]:
    """The number of each row's cells, and the distinct cells by number."""
    import numpy as np

    columns = [(fitted.cells(name), fitted.typed(name)) for name in reading.columns]
    index: dict[Any, int] = {}
    distinct: list[tuple[Given, ...]]
    if len(columns) == 1 and not columns[0][1]:
        codes = [index.setdefault(text, len(index)) for text in columns[0][0]]
        distinct = [(Given(text.strip()),) for text in index]
    else:
        given = [
            [Given(text, place in typed) for place, text in enumerate(cells)]
            for cells, typed in columns
        ]
        codes = [index.setdefault(each, len(index)) for each in zip(*given, strict=True)]
        distinct = [tuple(Given(text.strip(), typed) for text, typed in each) for each in index]
    return np.array(codes, np.int32), distinct
