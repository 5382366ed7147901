"""Lines read in bulk by templates: taken apart, told by their template, their holes read by columns.

What is not read so (no JSON, a template that is rare or was not to be learnt, a hole that is not plainly
what it should be) is left to the caller, who reads it one by one. Both ways give the same rows, refusals
and notes.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.dictionary import TABLES
from imnm_fhir.fhir.files import Block, Located, is_text
from imnm_fhir.fhir.reading.assembly import Staging, staged_schema
from imnm_fhir.fhir.reading.lines_to_columns import TemplateColumns
from imnm_fhir.fhir.reading.one_by_one import ResourceReader
from imnm_fhir.fhir.reading.skeletons import Tokens, damaged, joined, take_apart
from imnm_fhir.fhir.reading.slots import Slot, slots_of
from imnm_fhir.fhir.reading.templates import Template, learn_or_none

if TYPE_CHECKING:
    import pyarrow as pa

    from imnm_fhir.fhir.reading.skeletons import Mask, Positions

FROM = 3  # lines of a template after which it is learnt: learning costs as much as reading them
MOST = 20_000  # templates and skeletons that are kept, for memory's sake
NO_ROW = "no row"  # stands for the table of what is refused or not read
FLUSH = 20_000  # rows that are held before they are stored


@dataclass(frozen=True)
class Prepared:
    """A block taken apart, its skeletons encoded, its damaged lines; no tokens where it is no text."""

    block: Block
    tokens: Tokens | None = None
    skeletons: Any = None
    damaged: "Mask | None" = None


def prepare(block: Block) -> Prepared:
    """A block as `BulkReader.read` takes it."""
    import numpy as np

    if not is_text(block):
        return Prepared(block)
    tokens = take_apart(block.text)
    skeletons = joined(tokens, np.zeros(len(tokens.starts), dtype=bool)).dictionary_encode()
    return Prepared(block, tokens, skeletons, damaged(block.text, tokens))


def prepared_ahead(blocks: Iterator[Block]) -> Iterator[Prepared]:
    """The blocks prepared, the next one on another processor while one is read."""

    def following() -> Prepared | None:
        block = next(blocks, None)
        return None if block is None else prepare(block)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(following)
        while prepared := coming.result():
            coming = pool.submit(following)
            yield prepared


@dataclass(frozen=True)
class _Skeleton:
    """A skeleton that was met: its number, and its slots, or None where it is not read in bulk."""

    number: int
    slots: tuple[Slot, ...] | None


@dataclass
class BulkReader:
    """Reads blocks of lines; what was learnt of one serves the next."""

    reader: ResourceReader
    staging: Staging
    _skeletons: dict[tuple[str, int], _Skeleton] = field(default_factory=dict)
    _slots: list[tuple[Slot, ...] | None] = field(default_factory=list)
    _seen: Counter[tuple[int, str]] = field(default_factory=Counter)
    _known: dict[tuple[int, str], int] = field(default_factory=dict)
    _templates: list[Template] = field(default_factory=list)
    _places: list[tuple[str, int]] = field(default_factory=list)
    _columns: dict[str, TemplateColumns] = field(default_factory=dict)
    _rows: dict[str, list["pa.Table"]] = field(default_factory=dict)

    def read(self, prepared: Prepared, file: str) -> "Mask":
        """Read what can be read in bulk; which lines were."""
        import numpy as np

        block, tokens = prepared.block, prepared.tokens
        if tokens is None:
            return np.zeros(len(block.lines), dtype=bool)
        skeleton = self._skeletons_of(tokens, prepared.skeletons)
        template = self._templates_of(tokens, skeleton, block)
        template[prepared.damaged] = -1
        taken = np.zeros(len(template), dtype=bool)
        tables = self._tables(template)
        for table in dict.fromkeys(tables.tolist()):
            if table >= 0:
                rows = np.flatnonzero(tables == table)
                taken[self._take(ROWS[table], tokens, rows, template[rows], block, file)] = True
        return taken

    def _skeletons_of(self, tokens: Tokens, texts: Any) -> "Positions":
        """The number of each line's skeleton, -1 where it is not read in bulk."""
        import numpy as np

        codes = texts.indices.to_numpy().astype(np.int64)
        most = int(tokens.count.max()) + 1
        several, examples, which = np.unique(
            codes * most + tokens.count, return_index=True, return_inverse=True
        )
        found = [self._skeleton(texts.dictionary[int(code) // most].as_py(), tokens, int(line))
                 for code, line in zip(several, examples, strict=True)]  # fmt: skip
        return np.asarray(found, dtype=np.int64)[which]

    def _skeleton(self, text: str, tokens: Tokens, line: int) -> int:
        count = int(tokens.count[line])
        known = self._skeletons.get((text, count))
        if known is None:
            if len(self._skeletons) >= MOST:
                return -1
            first = int(tokens.first[line])
            pieces = tokens.segments.slice(2 * first, 2 * count + 1).to_pylist()[::2]
            slots = slots_of(pieces, tokens.number[first : first + count].tolist())
            known = _Skeleton(len(self._slots), slots)
            self._skeletons[text, count] = known
            self._slots.append(slots)
        return known.number if known.slots is not None else -1

    def _templates_of(self, tokens: Tokens, skeleton: "Positions", block: Block) -> "Positions":
        """The number of each line's template, -1 where there is none."""
        import numpy as np

        texts = joined(tokens, self._constants(tokens, skeleton)).dictionary_encode()
        codes = texts.indices.to_numpy().astype(np.int64)
        most = len(self._slots) + 1
        several, examples, which, counts = np.unique(
            codes * most + skeleton + 1, return_index=True, return_inverse=True, return_counts=True
        )
        found = []
        for code, line, count in zip(several, examples, counts, strict=True):
            number = int(code) % most - 1
            key = (number, texts.dictionary[int(code) // most].as_py() if number >= 0 else "")
            found.append(self._template(key, block, int(line), int(count)))
        return np.asarray(found, dtype=np.int64)[which]

    def _constants(self, tokens: Tokens, skeleton: "Positions") -> "Mask":
        """Which tokens belong to the template."""
        import numpy as np

        flags: list[bool] = []
        base = []
        for slots in self._slots:
            base.append(len(flags))
            flags += [each.kind == "constant" for each in slots or ()]
            flags.append(False)  # the line's end
        line_of = tokens.line_of
        known = skeleton[line_of] >= 0
        place = np.asarray(base, dtype=np.int64)[skeleton[line_of]] + (
            np.arange(len(line_of)) - tokens.first[line_of]
        )
        constants: Mask = known & np.asarray(flags, dtype=bool)[np.where(known, place, 0)]
        return constants

    def _template(self, key: tuple[int, str], block: Block, line: int, count: int) -> int:
        slots = self._slots[key[0]] if key[0] >= 0 else None
        if slots is None:
            return -1
        known = self._known.get(key)
        if known is not None:
            return known
        self._seen[key] += count
        if self._seen[key] < FROM or len(self._known) >= MOST:
            if len(self._seen) > 2 * MOST:
                self._seen.clear()
            return -1
        del self._seen[key]
        learnt = learn_or_none(block.line(line), slots, self.reader)
        self._known[key] = -1 if learnt is None else self._keep(learnt)
        return self._known[key]

    def _keep(self, template: Template) -> int:
        table = NO_ROW if not template.columns else template.judged.row_table
        columns = self._columns.setdefault(table, TemplateColumns())
        self._places.append((table, columns.add(template)))
        self._templates.append(template)
        return len(self._templates) - 1

    def _tables(self, template: "Positions") -> "Positions":
        import numpy as np

        of_template = np.asarray([ROWS.index(table) for table, _ in self._places] + [-1])
        return of_template[template]

    def _take(
        self, table: str, tokens: Tokens, rows: "Positions", template: "Positions", block: Block, file: str
    ) -> "Positions":  # fmt: skip
        """Read the holes of the rows of a table; the lines that were read."""
        import numpy as np

        places = np.asarray([place for _, place in self._places])[template]
        found, good = self._columns[table].read(tokens, rows, places, self.reader.resolve)
        rows, template = rows[good], template[good]
        self._note(template, rows + block.first, file)
        if table != NO_ROW and len(rows):
            self._stage(table, found, rows + block.first, file)
        return rows

    def _note(self, template: "Positions", numbers: "Positions", file: str) -> None:
        """Count what was read, and list what was refused or not understood."""
        import numpy as np

        several, first, counts = np.unique(template, return_index=True, return_counts=True)
        for number, at, count in zip(several.tolist(), first, counts.tolist(), strict=True):
            about = self._templates[number]
            located = Located({}, file, int(numbers[at]))
            self.reader.resources[about.kind] += count
            if about.judged.refused and about.judged.table:
                for line in numbers[template == number].tolist():
                    why = str(about.judged.refused)
                    self.reader.refusals.add(about.kind, why, file, line, about.judged.table)
            elif about.judged.refused:
                self.reader.note_other(about.kind, count, located)
            else:
                self.reader.note_many(about.kind, about.judged.unread, count, located)

    def _stage(self, table: str, found: "pa.Table", numbers: "Positions", file: str) -> None:
        import numpy as np
        import pyarrow as pa

        count = len(numbers)
        given = {
            "file": pa.array([file]).take(pa.array(np.zeros(count, dtype=np.int8))),
            "row": pa.array(numbers.astype(np.int32)),
            "place": pa.array(np.arange(count) + self.staging.place),
        }
        self.staging.place += count
        schema = staged_schema(table)
        columns = [
            given[each.name]
            if each.name in given
            else found[each.name].cast(each.type)
            if each.name in found
            else pa.nulls(count, each.type)
            for each in schema
        ]
        waiting = self._rows.setdefault(table, [])
        waiting.append(pa.table(columns, schema=schema))
        if sum(each.num_rows for each in waiting) >= FLUSH:
            self.store()

    def close(self) -> None:
        """Hand on the last rows, and give back the memory before they are sorted."""
        import pyarrow as pa

        self.store()
        self._skeletons, self._slots, self._known = {}, [], {}
        self._templates, self._places, self._columns = [], [], {}
        pa.default_memory_pool().release_unused()

    def store(self) -> None:
        """Hand on the rows that are still held."""
        import pyarrow as pa

        for table, waiting in self._rows.items():
            if waiting:
                self.staging.add_table(table, pa.concat_tables(waiting))
        self._rows = {}


ROWS = (*TABLES, NO_ROW)
