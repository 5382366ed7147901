"""Tables as papers print them: a line for each variable, a column for each group of patients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.aggregates.cells import BARE, COUNT, clean, is_empty, is_result, read_cell
from imnm_fhir.aggregates.layout import ABOUT, Block, Column, Line
from imnm_fhir.aggregates.numbers import TOTAL, whole
from imnm_fhir.aggregates.rows import Row, about, read_fields
from imnm_fhir.aggregates.words import kinds_of, meaning

NO_RESULTS = (
    "holds no column of results (label, n, N, percent, median, range) and no "
    "cell such as 13 (81.3%); a table with a row per patient is for imnm-fhir new-site"
)


@dataclass(frozen=True)
class _Where:
    """What stands above a line: the section, what it says of numbers, whether lines are indented."""

    section: str = ""
    kinds: frozenset[str] = frozenset()
    indented: bool = False


def wide_rows(block: Block, sign: str) -> Iterator[Row]:
    """The rows of a table with a column for each group, one per filled cell (or per group's cells)."""
    data = [each for each in block.data() if not (each.name == "n" and not each.field)]
    if not _says_results(block, data):
        raise block.error(NO_RESULTS)
    labels = _labels(block, data)
    totals = _totals(block, data, labels)
    indents = any(line[place][:1].isspace() for _, line in block.lines for place in labels[:1])
    where = _Where()
    for line in block.lines:
        label = _label(line, labels)
        filled = [each for each in data if not is_empty(line[1][each.place])]
        if not filled:
            where = _Where(label, kinds_of(label), indents) if label else where
        elif not _is_totals(label, line, filled):
            inside = not indents or line[1][labels[0]][:1].isspace()
            where = where if inside else _Where()
            yield from _of_line(block, line, label, data, totals, where, sign)


def _says_results(block: Block, data: Sequence[Column]) -> bool:
    """Whether a heading says an N, or n and percent of a group, or a cell says a result."""
    fields = {each.field for each in data}
    return (
        any(each.total is not None for each in data)
        or {"n", "percent"} <= fields
        or any(is_result(line[each.place]) for each in data for _, line in block.lines)
    )


def _labels(block: Block, data: Sequence[Column]) -> list[int]:
    """The places of the columns that name a line: all that stand before the numbers."""
    named = [each.place for each in block.columns if each.name == "label"]
    first = min((each.place for each in data), default=0)
    found = [
        each.place for each in block.columns
        if each.place < first and each.name not in set(ABOUT) - {"label"}
    ]  # fmt: skip
    if not (found or named):
        raise block.error(
            "no column of labels before the numbers; call it label (variable, Merkmal, etiqueta)"
        )
    return found or named


def _label(line: Line, labels: Sequence[int]) -> str:
    return ": ".join(dict.fromkeys(text for place in labels if (text := line[1][place].strip())))


def _is_totals(label: str, line: Line, filled: Sequence[Column]) -> bool:
    return meaning("totals", label.rstrip(":")) is not None and all(
        BARE.fullmatch(_plain_total(line[1][each.place])) for each in filled
    )


def _plain_total(cell: str) -> str:
    found = TOTAL.search(cell)
    return found["total"] if found else clean(cell)


def _totals(block: Block, data: Sequence[Column], labels: Sequence[int]) -> dict[str, int]:
    """The N of each group: of its heading, else of the row of totals, else (one group) of the caption."""
    totals = {each.group: each.total for each in data if each.total is not None}
    for line in block.lines:
        filled = [
            each for each in data if not is_empty(line[1][each.place]) and each.field in (None, "n")
        ]
        if filled and _is_totals(_label(line, labels), line, filled):
            for each in filled:
                count = whole(_plain_total(line[1][each.place]))
                if count is not None:
                    totals.setdefault(each.group, count)
    in_caption = {found["total"] for found in TOTAL.finditer(block.text)}
    if len({each.group for each in data}) == 1 and len(in_caption) == 1:
        count = whole(in_caption.pop())
        totals |= {} if count is None or totals else {data[0].group: count}
    return totals


def _of_line(
    block: Block, line: Line, label: str, data: Sequence[Column], totals: dict[str, int],
    where: _Where, sign: str,
) -> Iterator[Row]:  # fmt: skip
    words = {each.name: line[1][each.place] for each in block.columns if each.name in ABOUT}
    shown = f"{where.section}: {label}" if where.indented and where.section else label
    of_row = whole(clean(_named(line, data, "N")))
    for group in dict.fromkeys(each.group for each in data if each.name != "N"):
        mine = [each for each in data if each.group == group and each.name != "N"]
        if all(is_empty(line[1][each.place]) for each in mine):
            continue
        row = replace(
            about(block, line, {name: text for name, text in words.items() if name}),
            label=shown, group=group, section=where.section, wide=True, group_total=totals.get(group),
            total=_total(group, totals, of_row, _said_totals(shown)),
        )  # fmt: skip
        yield _read(
            block, line, row, mine, _Kinds(kinds_of(label), where, kinds_of(block.text)), sign
        )


def _said_totals(label: str) -> int | None:
    """The N that a label says, `HLA-I tested (n = 14)`."""
    found = TOTAL.search(label)
    return whole(found["total"]) if found else None


def _total(
    group: str, totals: dict[str, int], of_row: int | None, of_label: int | None
) -> int | None:
    """The N of a cell: of its row; of its label, where it is the column of all; else of its column."""
    if of_row is not None:
        return of_row
    if of_label is None:
        return totals.get(group)
    return of_label if len(totals) < 2 or meaning("everyone", group) else None


def _named(line: Line, data: Sequence[Column], name: str) -> str:
    return next((line[1][each.place] for each in data if each.name == name), "")


@dataclass(frozen=True)
class _Kinds:
    """What label, section, and caption with footnotes say of the numbers of a line."""

    label: frozenset[str]
    where: _Where
    caption: frozenset[str]

    def of(self, column: Column) -> tuple[frozenset[str], bool]:
        """What the nearest says that says anything, and whether it surely is about this line."""
        for kinds, sure in ((self.label, True), (self.where.kinds, self.where.indented),
                            (column.kinds, True), (self.caption, True)):  # fmt: skip
            if kinds:
                return kinds, sure
        return frozenset(), False


def _read(
    block: Block, line: Line, row: Row, columns: Sequence[Column], kinds: _Kinds, sign: str
) -> Row:
    typed = {each.place for each in columns if (line[0], each.place) in block.grid.typed}
    fields = {
        each.field: each for each in columns
        if each.field and not _is_measured(each.field, line[1][each.place])
    }  # fmt: skip
    found, unread = read_fields(
        {name: line[1][each.place] for name, each in fields.items()},
        sign,
        {name for name, each in fields.items() if each.place in typed},
    )
    for each in columns:
        text = line[1][each.place]
        if each in fields.values() or is_empty(text):
            continue
        told, sure = kinds.of(each)
        said = read_cell(text, "." if each.place in typed else sign, told)
        if said is None and any(mark.isdigit() for mark in text):
            unread.append(each.heading)
        said = said or {}
        found |= (
            {**said, "declared": said["declared"] and sure and not each.field}
            if "declared" in said
            else said
        )
    return replace(row, **found, unread=tuple(unread))


def _is_measured(field: str, text: str) -> bool:
    """Whether a column of counts or shares shows a median with its range, as papers put it there."""
    return field in ("n", "percent") and is_result(text) and not COUNT.fullmatch(clean(text))
