"""Columns converted text by text: each distinct text once, every row by its number."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.harmonise.cells import convert_cell
from imnm_fhir.harmonise.outcomes import NOT_AVAILABLE, NOTHING, Cell, Given
from imnm_fhir.sites.fit import TablePlan
from imnm_fhir.sites.plan import Reading
from imnm_fhir.sites.split import split_cell
from imnm_fhir.values import fold

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Encoded = tuple["NDArray[np.int32]", list[tuple[Given, ...]]]


class Converted:
    """One reading over candidate rows: `codes` says for each which of `cells` it became.

    `fields` are the columns of the cohort that some cell fills, `reasoned` says whether some cell
    gives a missing reason.
    """

    def __init__(self, reading: Reading, codes: "NDArray[np.int32]", cells: Sequence[Cell]) -> None:
        """Look through the distinct cells once."""
        import numpy as np

        self.reading = reading
        self.codes = codes
        self.cells = cells
        self.fields = tuple(dict.fromkeys(name for cell in cells for name in cell.fields))
        self.reasoned = any(cell.reason for cell in cells)
        self._outcomes = np.array([cell.outcome for cell in cells], np.int8)
        self._values: dict[str, pa.Array] = {}

    def at(self, rows: "NDArray[Any]") -> "Converted":
        """The same for some of the candidates."""
        same = copy(self)
        same.codes = self.codes[rows]
        return same

    @property
    def outcomes(self) -> "NDArray[np.int8]":
        """The outcome of each candidate."""
        found: NDArray[np.int8] = self._outcomes[self.codes]
        return found

    def values(self, name: str, kind: "pa.DataType") -> "pa.Array":
        """The values of one column, null where a cell does not fill it."""
        import pyarrow as pa

        if name not in self._values:
            self._values[name] = pa.array([cell.fields.get(name) for cell in self.cells], kind)
        return self._values[name].take(pa.array(self.codes))

    def reasons(self) -> "pa.Array":
        """The missing reason of each candidate, null where it has none."""
        import pyarrow as pa

        return pa.array([cell.reason for cell in self.cells], pa.string()).take(
            pa.array(self.codes)
        )


@dataclass
class Columns:
    """The converted columns of one table, each made when it is first asked for."""

    fitted: TablePlan
    _made: dict[int, Converted] = field(default_factory=dict)
    _encoded: dict[tuple[str, ...], Encoded] = field(default_factory=dict)

    def convert(self, reading: Reading) -> Converted:
        """The reading over all rows of the table."""
        made = self._made.get(id(reading))
        if made is None:
            codes, distinct = self._encode(reading)
            cells = [convert_cell(reading, given) for given in distinct]
            made = self._made[id(reading)] = Converted(reading, codes, cells)
        return made

    def _encode(self, reading: Reading) -> Encoded:
        if reading.columns not in self._encoded:
            self._encoded[reading.columns] = encode(self.fitted, reading)
        return self._encoded[reading.columns]

    def convert_parts(
        self, reading: Reading, rows: "NDArray[np.int64]"
    ) -> tuple[Converted, "NDArray[np.int64]", "NDArray[np.int32]"]:
        """A split reading: one candidate per part, with its row and its place in the cell, from 1."""
        import numpy as np

        codes, distinct = self._encode(reading)
        parts = [part_cells(reading, given) for given in distinct]
        cells = [cell for several in parts for cell in several] or [NOTHING]
        starts = np.cumsum([0, *(len(several) for several in parts)])
        counts = np.diff(starts)[codes[rows]]
        repeated = np.repeat(rows, counts)
        within = np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
        part_codes = (starts[:-1][codes[repeated]] + within).astype(np.int32)
        return Converted(reading, part_codes, cells), repeated, (within + 1).astype(np.int32)


def part_cells(reading: Reading, given: tuple[Given, ...]) -> list[Cell]:
    """The cell of each part of one cell; a part before a switch is a drug that has ended."""
    text, typed = given[0]
    if not text:
        return []
    if text == NOT_AVAILABLE or fold(text) in reading.missing:
        return [convert_cell(reading, given)]
    cells = []
    for part, ended in split_cell(reading, text):
        cell = convert_cell(reading, (Given(part, typed), *given[1:]))
        if ended and cell.fields:
            cell = cell._replace(fields={**cell.fields, "status": "completed"})
        cells.append(cell)
    return cells


def encode(fitted: TablePlan, reading: Reading) -> Encoded:
    """The number of each row's cells, and the distinct cells by number."""
    import numpy as np

    columns = [(fitted.cells(name), fitted.typed(name)) for name in reading.columns]
    index: dict[Any, int] = {}
    distinct: list[tuple[Given, ...]]
    if len(columns) == 1 and not columns[0][1]:
        codes = [index.setdefault(text, len(index)) for text in columns[0][0]]
        distinct = [(Given(text),) for text in index]
    else:
        given = [
            [Given(text, place in typed) for place, text in enumerate(cells)]
            for cells, typed in columns
        ]
        codes = [index.setdefault(each, len(index)) for each in zip(*given, strict=True)]
        distinct = list(index)
    return np.array(codes, np.int32), distinct
