"""A value that a conformance rule refused feeds no other rule: it is taken out before the next."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.validation.checks import Check

if TYPE_CHECKING:
    import pyarrow as pa

NOT_OURS = ("orphan", "unknown-element")  # every such row goes; of doubles the first stays
WHOLE_ROW = (*NOT_OURS, "duplicate-key", "A05")  # what is refused is the row, not a value of it


def without_refused(
    tables: Mapping[str, "pa.Table"], refused: Mapping[Check, Iterable[int]]
) -> dict[str, "pa.Table"]:
    """The tables with the cells that these checks refused set to null.

    The places stay as they are, but rows that belong to no patient lose the patient (and so are
    skipped), and of several rows with one key the first is kept.
    """
    cells: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    rows: dict[str, set[int]] = defaultdict(set)
    for check, places in refused.items():
        if check.rule in WHOLE_ROW:
            rows[check.suite] |= set(_beyond_first(tables[check.suite], check, places))
        for at in check.at:
            if at.own and at.field not in load_dictionary().tables[check.suite].key:
                cells[check.suite][at.field] |= (
                    set(places) if check.rule not in WHOLE_ROW else set()
                )
    return {
        name: _dropped(_nulled(table, cells[name]), rows[name]) for name, table in tables.items()
    }


def _beyond_first(table: "pa.Table", check: Check, places: Iterable[int]) -> Iterable[int]:
    if check.rule in NOT_OURS:
        yield from places
        return
    seen = set()
    key = load_dictionary().tables[check.suite].key
    for place in sorted(places):
        values = tuple(table[column][place].as_py() for column in key)
        if values in seen:
            yield place
        seen.add(values)


def _nulled(table: "pa.Table", cells: Mapping[str, set[int]]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    for column, places in cells.items():
        keep = [place not in places for place in range(table.num_rows)]
        number = table.schema.get_field_index(column)
        values = pc.if_else(pa.array(keep, pa.bool_()), table[column], None)
        table = table.set_column(number, table.schema.field(column), values)
    return table


def _dropped(table: "pa.Table", places: set[int]) -> "pa.Table":
    import pyarrow as pa

    if not places:
        return table
    return table.filter(pa.array([place not in places for place in range(table.num_rows)]))
