"""The places of a skeleton: where each token stands in the resource, and whether its value matters.

What a token may be, by its path:

- a *hole*: what stands there goes into a row, read by the kind of the hole;
- *free*: whatever stands there is read the same (listed, or harmless);
- a *constant*: all else. It belongs to the template, so that lines with another one share nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.conformance.row_rules import UNITS
from imnm_fhir.fhir.reading.foreign import DATES, PERIODS, REFERENCES
from imnm_fhir.fhir.text import read_json
from imnm_fhir.shapes.found import without_index
from imnm_fhir.shapes.tree import (
    Array,
    Hole,
    Node,
    Object,
    load_patterns,
    load_shapes,
    load_valued_paths,
)

Place = tuple[str | int, ...]
PLACEHOLDER = (
    "\ue000"  # stands for a string while a skeleton is parsed, with the number of the slot
)
NUMBER = 10**17  # the same for a number; no number of a skeleton has so many digits
# What tells one thing from another wherever it stands: never free.
TELLING = frozenset({"resourceType", "system", "code", "unit", "url", "valueCode", "use"})
IDENTITY = "id"
# Holes of foreign resources that are brought to the place of ours (`imnm_fhir.fhir.reading.foreign`).
MOVED = {"effectiveInstant": "day", "extension[].valueDateTime": "day", "valueInteger": "integer"}


@dataclass(frozen=True)
class Slot:
    """One place: the keys and indices that lead to it, its path, and what may stand there.

    `kind`: `constant`, `free`, or that of a hole: `text`, `date` (a day or less), `day` (the same, or with a
    time that is cut), `number`, `integer`, `reference`, `id`, `key`.
    """

    place: Place
    path: str
    kind: str

    @property
    def is_hole(self) -> bool:
        """Whether what stands there must be read, and be readable."""
        return self.kind not in ("constant", "free")


def slots_of(pieces: list[str], number: list[bool]) -> tuple[Slot, ...] | None:
    """The slots of a skeleton, in order; None where the line is no JSON object that is read in bulk.

    `pieces` are what stands before each token and after the last, `number` tells which tokens are
    numbers.
    """
    marks = [
        str(NUMBER + i) if is_number else f"{PLACEHOLDER}{i}" for i, is_number in enumerate(number)
    ]
    text = "".join(part for pair in zip(pieces, [*marks, ""], strict=True) for part in pair)
    try:
        found = dict(_places(read_json(text), ()))
    except (ImnmFhirError, RecursionError, ValueError):
        return None
    if sorted(found) != list(range(len(number))):
        return None
    return tuple(_slot(found[index]) for index in range(len(number)))


def _places(value: Any, place: Place) -> Iterator[tuple[int, Place]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if PLACEHOLDER in key:
                raise ValueError("a key that was taken for a value")
            yield from _places(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*place, index))
    elif isinstance(value, str) and PLACEHOLDER in value:
        yield int(value.removeprefix(PLACEHOLDER)), place
    elif isinstance(value, int) and value >= NUMBER:
        yield value - NUMBER, place


def _slot(place: Place) -> Slot:
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return Slot(place, path, kind_of_path(path))


@cache
def kind_of_path(path: str) -> str:
    """What may stand at a path."""
    bare = without_index(path)
    if bare in _holes():
        return _holes()[bare]
    if load_valued_paths().fullmatch(path):
        return "constant"
    last = bare.rpartition(".")[2]
    if load_patterns("harmless").fullmatch(path) and last not in TELLING:
        return "free"
    known = any(bare == each or bare.startswith(f"{each}[].") for each in _known())
    return "constant" if known or last in TELLING else "free"


@cache
def _holes() -> dict[str, str]:
    """The kind of each hole by its path, those of foreign resources among them."""
    found: dict[str, str] = {}
    for path, node in _nodes():
        if isinstance(node, Hole):
            kind = _kind(node)
            if kind:
                found[path] = kind
    found |= dict.fromkeys(DATES, "day") | {f"{key}.reference": "reference" for key in REFERENCES}
    for period in PERIODS:
        found |= {f"{period}.start": "day", f"{period}.end": "day"}
    return found | MOVED


def _kind(hole: Hole) -> str | None:
    """The kind of a hole that any value may fill; None where it is one of few codes or units."""
    units = {unit for each in UNITS.values() for unit in each}
    if hole.kind in ("code", "coding", "boolean") or hole.column in units:
        return None
    return hole.column if hole.column in (IDENTITY, "key") else hole.kind


@cache
def _known() -> frozenset[str]:
    """The paths of the shapes that are no holes: constants, codes, units, lists of codings."""
    return frozenset(path for path, _ in _nodes()) - _holes().keys()


@cache
def _nodes() -> tuple[tuple[str, Node], ...]:
    """Every constant and hole of the tables' shapes that is read, with its path."""
    found: list[tuple[str, Node]] = []
    for shape in (load_shapes()[table] for table in TABLES):
        for fields in (shape.before, shape.after, *(each.fields for each in shape.variants)):
            for each in fields:
                if each.reading == "never":
                    continue
                found += _inside(each.node, each.key)
    return tuple(found)


def _inside(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Object):
        for each in node.fields:
            yield from _inside(each.node, f"{path}.{each.key}")
    elif isinstance(node, Array):
        for item in node.items:
            yield from _inside(item.node, f"{path}[]")
    else:
        yield path, node
