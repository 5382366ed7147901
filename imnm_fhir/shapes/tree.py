"""Shapes as trees: `mappings/shapes.toml` parsed once, read by fill, match and the compiled SQL."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from imnm_fhir.terminology import load_project, mappings

HOLE = re.compile(r"\{(\w+)(?::(\w+))?\}")
KINDS = ("text", "number", "boolean", "code", "coding")
ELEMENT_HOLES = ("element", "category")  # filled from the row's element, not from a column


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
    """One item of a list; `when` names the column that must have a value, or is None."""

    node: "Node"
    when: str | None


@dataclass(frozen=True)
class Array:
    """A list whose items are told apart by their constants."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Field:
    """One key of an object.

    `when`: None for always, "" for "a hole inside has a value", else the column that must have one.
    `reading`: what a foreign resource may do: `must` (have it), `listed` (lack it, or have
    something else that is then listed), `refused` (lack it, but not have something else).
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


def columns_inside(node: Node) -> tuple[str, ...]:
    """The columns of the holes inside a node, each once, without those of the element."""
    return tuple(dict.fromkeys(h.column for h in holes(node) if h.column not in ELEMENT_HOLES))


def _parse(raw: Any) -> Node:
    if isinstance(raw, Mapping):
        return Object(tuple(_field(key, value) for key, value in raw.items() if key != "?"))
    if isinstance(raw, list):
        return Array(tuple(Item(_parse(each), _when(each)) for each in raw))
    if not isinstance(raw, str):
        raise ValueError(f"a shape holds tables, lists and texts, not {raw!r}")
    text = raw.replace("{base}", load_project().base)
    found = HOLE.search(text)
    if not found:
        return Constant(tuple(text[1:].split("|")) if text.startswith("=") else (text,))
    kind = found[2] or "text"
    if kind not in KINDS:
        raise ValueError(f"'{raw}': kind {kind} is none of {', '.join(KINDS)}")
    return Hole(found[1], kind, text[: found.start()], text[found.end() :])


def _when(raw: Any) -> str | None:
    return raw.get("?") if isinstance(raw, Mapping) else None


def _field(written: str, raw: Any) -> Field:
    key, mark, column = re.fullmatch(r"([A-Za-z_]+)([?~!]?)(\w*)", written).groups()  # type: ignore[union-attr]
    reading = {"~": "listed", "!": "refused"}.get(mark, "must")
    return Field(key, _parse(raw), column if mark == "?" else None, reading)


def _shape(name: str, raw: dict[str, Any]) -> Shape:
    variants = tuple(
        Variant(each.pop("when"), tuple(_field(key, value) for key, value in each.items()))
        for each in raw.pop("variants", [])
    )
    keys = list(raw)
    place = keys.index("*") if "*" in keys else len(keys)
    before = tuple(_field(key, raw[key]) for key in keys[:place])
    after = tuple(_field(key, raw[key]) for key in keys[place + 1 :])
    return Shape(name, raw["resourceType"], before, after, variants)


@cache
def load_shapes() -> dict[str, Shape]:
    """The shapes by table name (and `organization`)."""
    raw = tomllib.loads((mappings() / "shapes.toml").read_text("utf-8"))
    return {name: _shape(name, each) for name, each in raw.items() if name != "harmless"}


@cache
def load_harmless() -> tuple[re.Pattern[str], ...]:
    """Paths of leaves that a foreign resource may hold without any bearing on the row."""
    raw = tomllib.loads((mappings() / "shapes.toml").read_text("utf-8"))
    return tuple(re.compile(pattern) for pattern in raw["harmless"]["paths"])
