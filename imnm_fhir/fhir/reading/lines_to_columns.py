"""The columns of many lines at once: for each line a constant of its template, or what a hole holds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imnm_fhir.fhir.reading.holes import How, key_columns, read_holes
from imnm_fhir.fhir.reading.skeletons import Tokens, as_mask
from imnm_fhir.fhir.reading.templates import KEY, FromHole, Template

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from imnm_fhir.fhir.reading.skeletons import Mask, Positions

Resolve = Callable[[str], str | None]
CHECK = "check "  # begins the columns of holes that are only looked at


@dataclass
class _Column:
    """One column by template: the slot of its hole or -1, how that is read, its constant or -1."""

    slots: list[int] = field(default_factory=list)
    hows: list[int] = field(default_factory=list)
    constants: list[int] = field(default_factory=list)
    known_hows: dict[How, int] = field(default_factory=dict)
    known_constants: dict[Any, int] = field(default_factory=dict)

    def add(self, place: int, value: Any) -> None:
        """Set what the template at `place` says; those before that say nothing have none."""
        missing = place - len(self.slots)
        self.slots += [-1] * missing
        self.hows += [-1] * missing
        self.constants += [-1] * missing
        is_hole = isinstance(value, FromHole)
        self.slots.append(value.slot if is_hole else -1)
        how = self.known_hows.setdefault(value.how, len(self.known_hows)) if is_hole else -1
        self.hows.append(how)
        constant = -1 if is_hole or value is None else self._constant(value)
        self.constants.append(constant)

    def _constant(self, value: Any) -> int:
        return self.known_constants.setdefault(value, len(self.known_constants))

    def of(self, which: list[int], places: "Positions") -> "Positions":
        """`slots`, `hows` or `constants` of each line."""
        import numpy as np

        padded = np.asarray([*which, -1], dtype=np.int64)
        return padded[np.where(places < len(which), places, -1)]


@dataclass
class TemplateColumns:
    """The columns of one table by template."""

    count: int = 0
    columns: dict[str, _Column] = field(default_factory=dict)

    def add(self, template: Template) -> int:
        """Take a template; returns its place."""
        checks = {f"{CHECK}{index}": each for index, each in enumerate(template.checks)}
        for name, value in {**template.columns, **checks}.items():
            self.columns.setdefault(name, _Column()).add(self.count, value)
        self.count += 1
        return self.count - 1

    def read(
        self, tokens: Tokens, rows: "Positions", places: "Positions", resolve: Resolve
    ) -> tuple[dict[str, "pa.Array"], "Mask"]:
        """The columns of those lines that are good, and which of `rows` are."""
        import numpy as np
        import pyarrow as pa

        good = np.ones(len(rows), dtype=bool)
        found: dict[str, pa.Array] = {}
        source = _Source(tokens, resolve)
        for name, column in self.columns.items():
            values, readable = _read(column, source, rows, places)
            good &= readable
            if values is not None and not name.startswith(CHECK):
                found[name] = values
        for name in [each for each in found if each.startswith(KEY)]:
            same = _same(found.pop(name), found.get(name.removeprefix(KEY)), len(rows))
            good &= same | (self.columns[name].of(self.columns[name].slots, places) < 0)
        if good.all():
            return found, good
        mask = pa.array(good)
        return {name: values.filter(mask) for name, values in found.items()}, good


@dataclass
class _Source:
    """The tokens of a block; keys that were split for one column are kept for the next."""

    tokens: Tokens
    resolve: Resolve
    split: dict[bytes, list[Any]] = field(default_factory=dict)

    def values(self, how: How, which: "Positions") -> Any:
        """The values of some tokens, null where one is not readable."""
        if how[0] != "key":
            return read_holes(how, self.tokens.take(which), self.resolve)
        same = which.tobytes()
        if same not in self.split:
            self.split[same] = key_columns(self.tokens.take(which), int(how[2]))
        return self.split[same][int(how[1])]


def _read(
    column: _Column, source: _Source, rows: "Positions", places: "Positions"
) -> tuple["pa.Array | None", "Mask"]:
    """A column of the rows, null where a template says nothing of it, and which holes were readable."""
    import numpy as np
    import pyarrow as pa

    readable = np.ones(len(rows), dtype=bool)
    slots, constants = column.of(column.slots, places), column.of(column.constants, places)
    filled = np.flatnonzero(slots >= 0)
    hows = column.of(column.hows, places)[filled]
    parts, order = [], []
    for how, number in column.known_hows.items():
        chosen = filled[hows == number] if len(column.known_hows) > 1 else filled
        if len(chosen):
            values = source.values(how, source.tokens.first[rows[chosen]] + slots[chosen])
            if values.null_count:
                readable[chosen[as_mask(values.is_null())]] = False
            parts.append(_empty_as_null(values) if how[0] == "key" else values)
            order.append(chosen)
    known = list(column.known_constants)
    if not parts and not (constants >= 0).any():
        return None, readable
    index = constants.copy()
    if order:
        index[np.concatenate(order)] = len(known) + np.arange(len(filled))
    pool = pa.concat_arrays([pa.array(known, parts[0].type if parts else None), *parts])
    return pool.take(pa.array(index, mask=index < 0)), readable


def _empty_as_null(values: "pa.StringArray") -> "pa.StringArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def _same(one: "pa.Array", other: "pa.Array | None", count: int) -> "np.typing.NDArray[np.bool_]":
    """Where two columns are equal, or both null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    other = pa.nulls(count, pa.string()) if other is None else other
    return as_mask(pc.equal(pc.fill_null(one, ""), pc.fill_null(other, "")))
