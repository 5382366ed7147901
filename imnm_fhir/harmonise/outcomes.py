"""What becomes of a cell."""

from collections.abc import Mapping
from typing import NamedTuple

from imnm_fhir.values import Unreadable, damaged_cell
from imnm_fhir.values.damage import DAY_AND_MONTH

# In order of precedence where one cell has several targets.
BLANK, MISSING, VALUE, ISSUE = range(4)
# What stands in a cell whose value the site says cannot be got: a sign that no file writes, read as
# missing for this reason in every column.
NOT_AVAILABLE, WHY_NOT = "\ue000", "asked-unknown"


class Given(NamedTuple):
    """A cell as it came: its text, and whether Excel knew its type."""

    text: str
    typed: bool = False


class Cell(NamedTuple):
    """What one cell became.

    `fields` are the columns of the cohort that it fills; `reason` why the value is missing; `rule`
    and `message` what is wrong with it.
    """

    outcome: int
    fields: Mapping[str, object] = {}
    reason: str | None = None
    rule: str = ""
    message: str = ""


NOTHING = Cell(BLANK)


def value_cell(fields: Mapping[str, object]) -> Cell:
    """A cell that fills these columns."""
    return Cell(VALUE, fields)


def missing_cell(reason: str) -> Cell:
    """A cell that says why there is no value."""
    return Cell(MISSING, reason=reason)


def issue_cell(rule: str, message: str) -> Cell:
    """A cell that nothing was made of."""
    return Cell(ISSUE, rule=rule, message=message)


def unreadable_cell(error: Unreadable) -> Cell:
    """A cell that a reader of single values refused."""
    return issue_cell(error.rule, str(error))


def damage_cell(text: str) -> Cell | None:
    """A cell that a spreadsheet has changed: made a date of it, shortened it, shows an error."""
    message = damaged_cell(text)
    if message is None:
        return None
    rule = "spreadsheet-date" if DAY_AND_MONTH.fullmatch(text) else "spreadsheet-damage"
    return issue_cell(rule, message)
