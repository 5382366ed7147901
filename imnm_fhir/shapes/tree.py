"""Shapes as trees: `mappings/shapes.toml` parsed once, read by fill, match and the compiled SQL."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from imnm_fhir.terminology import load_project, mappings

HOLE = re.compile(r"\{(\w+)(?::(\w+))?\}")
MARK = re.compile(r"([A-Za-z_]+)([?~!^]?)(\w*)(!?)")
KINDS = ("text", "number", "boolean", "date", "code", "coding")
ELEMENT_HOLES = ("element", "category")  # their codings are of the row's element, not of a column


@dataclass(frozen=True)
class Constant:
    """Text that identifies; the first of `accepted` is written, all are read as the same."""

    accepted: tuple[str, ...]


@dataclass(frozen=True)
class Hole:
    """Where a column's value stands, possibly inside a text (`Patient/{patient_id}`)."""

    column: str
    kind: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Item:
    """One item of a list.

    `when` names the column that must have a value, or is None. `strict`: a resource's item with the
    same constants must be understood, else the resource is refused.
    """

    node: "Node"
    when: str | None
    strict: bool = False


@dataclass(frozen=True)
class Array:
    """A list whose items are told apart by their constants."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Field:
    """One key of an object.

    `when`: None for always, "" for "a hole inside has a value", else the column that must have one.
    `reading`: what a resource that is read may do: `must` (have it), `listed` (lack it, or have
    something else that is then listed), `strict` (lack it, but not have something else), `never`
    (it is not read).
    """

    key: str
    node: "Node"
    when: str | None
    reading: str


@dataclass(frozen=True)
class Object:
    """A JSON object."""

    fields: tuple[Field, ...]


Node = Constant | Hole | Array | Object


@dataclass(frozen=True)
class Variant:
    """Fields that stand in the resource when the column `when` has a value."""

    when: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Shape:
    """The FHIR resource of one table: its fields before and after those of its variants, if any."""

    name: str
    resource: str
    before: tuple[Field, ...]
    after: tuple[Field, ...]
    variants: tuple[Variant, ...]

    def fields(self, variant: Variant | None = None) -> tuple[Field, ...]:
        """The fields in the order in which they are written, with those of one variant."""
        return self.before + (variant.fields if variant else ()) + self.after


def holes(node: Node) -> Iterator[Hole]:
    """Every hole inside a node."""
    match node:
        case Hole():
            yield node
        case Array():
            for item in node.items:
                yield from holes(item.node)
        case Object():
            for each in node.fields:
                yield from holes(each.node)


def is_element_coding(hole: Hole) -> bool:
    """Whether the codings of the hole are those of the row's element or of its category."""
    return hole.column in ELEMENT_HOLES and hole.kind == "coding"


def base_column(column: str) -> str:
    """The column of the table that a column of a shape shows: `start_date` of `start_date_exact`."""
    return column.removesuffix("_shown").removesuffix("_exact")


def columns_inside(node: Node) -> tuple[str, ...]:
    """The columns of the holes inside a node, each once, without the codings of the element."""
    return tuple(dict.fromkeys(h.column for h in holes(node) if not is_element_coding(h)))


def _parse(raw: Any) -> Node:
    if isinstance(raw, Mapping):
        return Object(tuple(_field(*each) for each in raw.items() if each[0] not in ("?", "?!")))
    if isinstance(raw, list):
        return Array(tuple(_item(each) for each in raw))
    return _parse_text(raw)


def _parse_text(raw: str) -> Constant | Hole:
    text = raw.replace("{base}", load_project().base)
    found = HOLE.search(text)
    if not found:
        return Constant(tuple(text[1:].split("|")) if text.startswith("=") else (text,))
    kind = found[2] or "text"
    if kind not in KINDS:
        raise ValueError(f"'{raw}': kind {kind} is none of {', '.join(KINDS)}")
    return Hole(found[1], kind, text[: found.start()], text[found.end() :])


def _item(raw: Any) -> Item:
    marks = raw if isinstance(raw, Mapping) else {}
    return Item(_parse(raw), marks.get("?") or marks.get("?!"), "?!" in marks)


def _field(written: str, raw: Any) -> Field:
    found = MARK.fullmatch(written)
    if not found:
        raise ValueError(f"'{written}' is no key of a shape")
    key, mark, column, strict = found.groups()
    reading = {"": "must", "?": "listed", "~": "listed", "!": "strict", "^": "never"}[mark]
    return Field(key, _parse(raw), column if mark == "?" else None, "strict" if strict else reading)


def _shape(name: str, raw: dict[str, Any]) -> Shape:
    variants = tuple(
        Variant(each["when"], tuple(_field(key, each[key]) for key in each if key != "when"))
        for each in raw.get("variants", [])
    )
    keys = [key for key in raw if key != "variants"]
    place = keys.index("*") if "*" in keys else len(keys)
    before = tuple(_field(key, raw[key]) for key in keys[:place])
    after = tuple(_field(key, raw[key]) for key in keys[place + 1 :])
    return Shape(name, raw["resourceType"], before, after, variants)


@cache
def _read_shapes() -> dict[str, Any]:
    return tomllib.loads((mappings() / "shapes.toml").read_text("utf-8"))


@cache
def load_shapes() -> dict[str, Shape]:
    """The shapes by table name (and `organization`)."""
    lists = ("harmless", "refusing", "periods")
    return {name: _shape(name, each) for name, each in _read_shapes().items() if name not in lists}


@cache
def load_patterns(name: str) -> re.Pattern[str]:
    """The leaves that are `harmless` or `refusing`, as one pattern of `path` or `path=value`."""
    return re.compile("|".join(f"(?:{each})" for each in _read_shapes()[name]["paths"]))


@cache
def load_valued_paths() -> re.Pattern[str]:
    """The paths of leaves of which the value decides whether they are harmless or refusing."""
    listed = [each for kind in ("harmless", "refusing") for each in _read_shapes()[kind]["paths"]]
    return re.compile("|".join(each.partition("=")[0] for each in listed if "=" in each))


@cache
def load_period(table: str) -> tuple[str, str] | None:
    """The columns of the two ends of the period of a table, or None where it has no period."""
    ends = _read_shapes()["periods"].get(table)
    return (ends[0], ends[1]) if ends else None
