"""What matching collects: columns of the row, leaves not understood, reasons to stop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Leaf:
    """One leaf of a resource. Its value is for comparing, never for a message."""

    path: str
    value: Any

    def text(self) -> str:
        """The value as JSON writes it, without quotes."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


def leaves(value: Any, path: str = "") -> Iterator[Leaf]:
    """Every leaf with its path, such as `code.coding[0].code`; an empty object or list is a leaf."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield Leaf(path, value)


def without_index(path: str) -> str:
    """The path with `[]` for every `[3]`, so that the same place counts together."""
    parts = path.replace("]", "[").split("[")
    return "".join("[]" if index % 2 else part for index, part in enumerate(parts))


class Mismatch(Exception):
    """A part of the resource is not what the shape says; the message names path and expectation."""


class Refusal(Exception):
    """The resource says something that its row could not; no other reading of a part helps."""


@dataclass
class Found:
    """Columns read and leaves not understood, of a resource or a part of it.

    `implied` are constants that say something only together with a column, which may be read later.
    """

    row: dict[str, Any] = field(default_factory=dict)
    unread: list[Leaf] = field(default_factory=list)
    implied: list[tuple[str, Leaf]] = field(default_factory=list)

    def put(self, column: str, value: Any, path: str) -> None:
        """Take a column; raises `Refusal` where the resource says something else elsewhere."""
        if self.row.setdefault(column, value) != value:
            raise Refusal(f"{path}: contradicts what the resource says of {column} elsewhere")

    def add(self, other: "Found", path: str) -> None:
        """Take all that was found in a part of the resource."""
        for column, value in other.row.items():
            self.put(column, value, path)
        self.unread += other.unread
        self.implied += other.implied


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value, or an empty object where it is none."""
    return value if isinstance(value, Mapping) else {}
