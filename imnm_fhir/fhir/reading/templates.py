"""Templates: what a resource comes to, learnt once for all lines that differ from it in holes alone.

A template is learnt by reading three resources through the reference (`ResourceReader.judge`): the
line itself, the line with a different mark in every hole, and the line with the same mark in all.
Where a mark comes out, the hole goes in. What the three do not agree on (a resource that says one
thing twice, an exact date beside a shown one) is no template: such lines are read one by one.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.endorsement import is_endorsement
from imnm_fhir.fhir.reading.foreign import REFERENCES
from imnm_fhir.fhir.reading.holes import is_kept
from imnm_fhir.fhir.reading.one_by_one import Judged, ResourceReader, Row, kind_of
from imnm_fhir.fhir.reading.settle import NUMBERS, settle
from imnm_fhir.fhir.reading.slots import IDENTITY, Slot
from imnm_fhir.fhir.text import read_json
from imnm_fhir.keys import key_parts, row_key
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.terminology import load_project

MARK = "\ue001"  # begins every mark that is a text; a private character, which no resource has
KEY = "key "  # begins the columns of what a key says
# What stands for a reference to another resource, or holds it: read one by one.
ELSEWHERE = ("medicationReference", "entry")
FIRST_DAY, FIRST_NUMBER = date(1801, 1, 1), 700_001


@dataclass(frozen=True)
class FromHole:
    """A column's value: what stands in a slot, as a `how` reads it.

    `how`: the kind of the hole and what its reading depends on (`imnm_fhir.fhir.reading.holes`).
    """

    slot: int
    how: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """What all lines of a template come to: `columns` by name are constants or read from holes.

    `checks` are the holes that no column takes: they must be readable all the same.
    """

    kind: str
    judged: Judged
    columns: Mapping[str, Any]
    checks: tuple[FromHole, ...]


@cache
def kinds() -> frozenset[str]:
    """The types of resource that become rows."""
    return frozenset(load_shapes()[table].resource for table in TABLES)


def learn(line: bytes, slots: tuple[Slot, ...], reader: ResourceReader) -> Template | None:
    """The template of a line; None where its lines must be read one by one."""
    resource = read_json(line)
    kind = kind_of(resource)
    if kind not in kinds() or any(key in resource for key in ELSEWHERE):
        return _of_another_kind(kind, resource, reader)
    if not isinstance(resource.get(IDENTITY, ""), str):  # which is no id
        return None
    learnt = _Learning(resource, slots, reader, {})
    marked, same, plain = (
        learnt.read(learnt.different),
        learnt.read(learnt.equal),
        learnt.read(None),
    )
    outcomes = {
        (each.table, each.row_table, each.unread, each.refused) for each in (marked, same, plain)
    }
    if len(outcomes) > 1 or MARK in str(marked.refused):
        return None
    if marked.refused:
        return (
            None
            if any(learnt.is_key(slot) for slot in slots)
            else learnt.template(kind, marked, {})
        )
    columns = learnt.columns(marked.row)
    if sum(map(learnt.is_key, slots)) > 1:
        return None
    if columns is None or not learnt.explains(columns, same.row):
        return None
    denied = marked.row_table != marked.table
    if denied and any(each.kind in ("number", "integer") for each in slots):
        return None
    return learnt.template(kind, marked, columns)


def _of_another_kind(
    kind: str, resource: Mapping[str, Any], reader: ResourceReader
) -> Template | None:
    """The template of what is not read at all, whatever it holds."""
    if kind in (*kinds(), "Organization", "Medication", "Bundle", "line"):
        return None
    if is_endorsement(resource):
        return None
    judged = reader.judge(resource, None)
    return None if judged.table else Template(kind, judged, {}, ())


@dataclass
class _Learning:
    """One resource, its slots, and the units that its numbers were given in."""

    resource: dict[str, Any]
    slots: tuple[Slot, ...]
    reader: ResourceReader
    units: dict[str, str | None]

    def read(self, mark: Callable[[int], Any] | None) -> Judged:
        """What the resource comes to with marks in its holes; as it is without."""
        if mark is None:
            return self.reader.judge(self.resource, self.resource.get(IDENTITY) or None)
        changed = deepcopy(self.resource)
        for index, slot in enumerate(self.slots):
            if slot.kind != "constant":
                *way, last = slot.place
                inside: Any = changed
                for part in way:
                    inside = inside[part]
                inside[last] = mark(index)
        return self.reader.judge(changed, changed.get(IDENTITY), self._settle)

    def _settle(self, table: str, row: Mapping[str, Any]) -> tuple[Row, list[str]]:
        """The row in the units of its element, its marks kept: 0 is converted in their place."""
        by_unit = NUMBERS.get(table, {})
        numbers = [column for columns in by_unit.values() for column in columns if column in row]
        self.units |= {column: row.get(unit) for unit in by_unit for column in by_unit[unit]}
        settled, left_out = settle(table, {**row, **dict.fromkeys(numbers, "0")})
        kept = {column: row[column] for column in numbers if settled.get(column) is not None}
        return {**settled, **kept}, left_out

    def different(self, index: int) -> Any:
        """A mark that no other slot has."""
        return self._mark(index, index)

    def equal(self, index: int) -> Any:
        """A mark that all slots of the kind have."""
        return self._mark(index, 0)

    def _mark(self, index: int, number: int) -> Any:
        slot, text = self.slots[index], f"{MARK}{number}"
        if slot.kind in ("date", "day"):
            return str(FIRST_DAY + timedelta(days=32 * number))
        if slot.kind in ("number", "integer") or _is_number(self.value(slot)):
            return FIRST_NUMBER + number
        if slot.kind == "reference":
            return f"{REFERENCES[str(slot.place[0])]}/{text}"
        return self._marked_key(slot, text) if self.is_key(slot) else text

    def _marked_key(self, slot: Slot, text: str) -> str:
        parts = key_parts(str(self.value(slot)))
        names = load_dictionary().tables[self.table].key
        kept = dict(zip(names, parts, strict=False))
        return row_key(
            kept.get(name) if name in ("element", "time_point") else f"{text} {name}"
            for name in names
        )

    @property
    def table(self) -> str:
        """The table of the resource's shape."""
        kind = self.resource["resourceType"]
        return next(table for table in TABLES if load_shapes()[table].resource == kind)

    def value(self, slot: Slot) -> Any:
        """What stands in a slot."""
        inside: Any = self.resource
        for part in slot.place:
            inside = inside[part]
        return inside

    def is_key(self, slot: Slot) -> bool:
        """Whether a slot holds the key of a row of ours, not another system's identifier."""
        if slot.kind != "key":
            return False
        beside: Any = self.resource
        for part in slot.place[:-1]:
            beside = beside[part]
        return bool(beside.get("system") == f"{load_project().base}/key")

    def columns(self, row: Row) -> dict[str, Any] | None:
        """Each column of a marked row as constant or from its hole; None where a mark was changed."""
        found: dict[str, Any] = {}
        holes = dict(self._holes(row))
        for column, value in row.items():
            if value in holes:
                found[column] = holes[value]
                if column in self.units or column == "sessions":
                    found[column] = self._number(holes[value], row, column)
            elif isinstance(value, str) and MARK in value:
                return None
            else:
                found[column] = value
        taken = [each.slot for each in found.values() if isinstance(each, FromHole)]
        marks = {str(FIRST_NUMBER + i) for i, slot in enumerate(self.slots) if slot.is_hole}
        marks |= {str(FIRST_DAY + timedelta(days=32 * i)) for i in range(len(self.slots))}
        loose = [value for value in found.values() if isinstance(value, str) and value in marks]
        return None if loose or not taken else found

    def _holes(self, row: Row) -> Any:
        for index, slot in enumerate(self.slots):
            if not slot.is_hole:
                continue
            if self.is_key(slot):
                for name in load_dictionary().tables[self.table].key:
                    yield f"{MARK}{index} {name}", self._key_part(index, name)
            else:
                yield self._as_read(index), FromHole(index, self._how(index))

    def _as_read(self, index: int) -> str:
        """A mark as a row has it."""
        mark = str(self.different(index))
        return mark.rpartition("/")[2] if self.slots[index].kind == "reference" else mark

    def _how(self, index: int) -> tuple[str, ...]:
        slot = self.slots[index]
        if slot.kind == "reference":
            return slot.kind, REFERENCES[str(slot.place[0])]
        return (slot.kind,)

    def _key_part(self, index: int, name: str) -> FromHole:
        names = load_dictionary().tables[self.table].key
        return FromHole(index, ("key", str(names.index(name)), str(len(names))))

    def _number(self, hole: FromHole, row: Row, column: str) -> FromHole:
        unit = self.units.get(column)
        about = (self.table, row["element"], column, *([unit] if unit else []))
        return hole if is_kept(about) else FromHole(hole.slot, (*hole.how, *about))

    def explains(self, columns: Mapping[str, Any], row: Row) -> bool:
        """Whether the columns say of the row with equal marks what it is."""
        if columns.keys() != row.keys():
            return False
        for column, said in columns.items():
            if isinstance(said, FromHole):
                slot = self.slots[said.slot]
                mark = str(self.equal(said.slot))
                if said.how[0] == "key":
                    mark = f"{MARK}0 {column}"
                expected = mark.rpartition("/")[2] if slot.kind == "reference" else mark
            else:
                expected = said
            if row[column] != expected:
                return False
        return True

    def template(self, kind: str, judged: Judged, columns: Mapping[str, Any]) -> Template:
        """The template, every hole that no column takes among its checks.

        Columns named `key element` and the like are what the key says of a column.
        """
        if columns:
            columns = {**columns, **self._said_by_key(), "kind": kind}
            columns.pop("id", None)  # made of the key when the row is placed
        taken = {each.slot for each in columns.values() if isinstance(each, FromHole)}
        checks = tuple(
            FromHole(index, self._how(index))
            for index, slot in enumerate(self.slots)
            if slot.is_hole and index not in taken and (slot.kind != "key" or self.is_key(slot))
        )
        return Template(kind, judged, columns, checks)

    def _said_by_key(self) -> dict[str, FromHole]:
        keys = [index for index, slot in enumerate(self.slots) if self.is_key(slot)]
        names = load_dictionary().tables[self.table].key[2:]
        asked = [name for name in names if name in ("element", "time_point")]
        return {f"{KEY}{name}": self._key_part(keys[0], name) for name in asked if keys}


def _is_number(value: Any) -> bool:
    return not isinstance(value, str)


def learn_or_none(line: bytes, slots: tuple[Slot, ...], reader: ResourceReader) -> Template | None:
    """As `learn`; None too where the line itself is no resource."""
    try:
        return learn(line, slots, reader)
    except ImnmFhirError:
        return None
