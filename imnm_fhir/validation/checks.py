"""A check: one Great Expectations expectation with what this house adds to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class At:
    """Where a fact stands: `imnm.onset_date`, `worst_mrc.value_number@baseline`, `patients.sex`.

    `elements` is empty for the row itself and for `patients`. Of several rows those count whose
    field is `word`, or the number that stands in column `like` of the rule's own row.
    """

    table: str
    elements: tuple[str, ...]
    field: str
    time_point: str | None = None
    word: str | None = None
    like: str | None = None
    own: bool = False


@dataclass(frozen=True)
class Bounds:
    """A condition on a number: between `low` and `high`, both inside; None: open."""

    low: float | None
    high: float | None


Condition = tuple[str, ...] | Bounds


@dataclass(frozen=True, eq=False)  # a check is itself: it stands as a key
class Check:
    """One expectation of a suite, belonging to a rule of the catalogue.

    `select` says which rows are meant at all (a patient without one: nothing was sent); `where` and
    `unless` say which of them the rule asks about (else: not applicable); `needs` are the columns
    that must hold something for the row to be judged. `sure` are the arguments under which the
    expectation must hold as well for the row to count as satisfied: a row that passes `kwargs` and
    fails `sure` cannot be judged (a partial date, a censored number). `at` says where the facts
    stand, `shows` which columns are compared side by side.
    """

    suite: str
    line: int
    rule: str
    part: str | None
    type: str
    kwargs: Mapping[str, Any]
    select: Mapping[str, Condition]
    where: Mapping[str, Condition]
    unless: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...]
    sure: Mapping[str, Any] | None
    at: tuple[At, ...]
    shows: tuple[str, ...]

    @property
    def name(self) -> str:
        """The rule with its part, such as `D01.onset-diagnosis`."""
        return f"{self.rule}.{self.part}" if self.part else self.rule

    @property
    def place(self) -> str:
        """Where it is declared, such as `cases.yaml, line 12`."""
        return f"{self.suite}.yaml, line {self.line}"


def named_columns(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that the arguments of an expectation name."""
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    listed = kwargs.get("column_list", [])
    return tuple(single) + (tuple(listed) if isinstance(listed, list) else ())


def used_columns(check: Check) -> frozenset[str]:
    """Every column that decides what becomes of a row."""
    named = (*named_columns(check.kwargs), *named_columns(check.sure or {}), *check.needs)
    return frozenset(named) | set(check.select) | set(check.where) | set(check.unless)
