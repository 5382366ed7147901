"""The rows of Table 1: one maker per statistic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.languages import Translator, percent_sign, with_sign
from imnm_fhir.table1.declaration import Declaration, Declared
from imnm_fhir.table1.model import Cell, Row
from imnm_fhir.table1.statistics import Distribution, distribution, exact_interval, percent

SEPARATOR = "; "
NOTHING = "–"
LARGE = 100

Case = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """Labels, numbers and signs as `say` says them in its language."""

    declaration: Declaration
    say: Translator

    def word(self, name: str) -> str:
        """A word of the table."""
        return self.say(self.declaration.words[name])

    def value(self, value: str, value_set: str | None) -> str:
        """The label of a value: of its value set, else of the table's words, else itself."""
        known = load_dictionary().value_sets.get(value_set or "")
        if known and value in known.codes:
            return self.say.label(known.codes[value].labels)
        return self.word(value) if value in self.declaration.words else value

    def decimal(self, value: float | Decimal) -> str:
        """A number to one decimal, halves up, with the language's decimal mark."""
        exact = Decimal(repr(round(float(value), 9))).quantize(Decimal("0.1"), ROUND_HALF_UP)
        return with_sign(f"{exact:f}", self.say.language)

    def number(self, value: float) -> str:
        """A number to one decimal, without it where it is whole or `LARGE`; minus as such a sign."""
        if abs(value) >= LARGE:
            text = str(Decimal(repr(value)).quantize(Decimal(1), ROUND_HALF_UP))
        else:
            text = self.decimal(value)
            text = text[:-2] if text.endswith("0") else text
        return text.replace("-", "−")

    def span(self, low: float, high: float) -> str:
        """Two numbers with a dash, apart where the first has a minus."""
        dash = "–" if low >= 0 else " – "
        return f"{self.number(low)}{dash}{self.number(high)}"

    def percent_sign(self) -> str:
        """The percent sign, after a space that does not break where the language wants one."""
        return percent_sign(self.say.language)

    def share(self, n: int, tested: int) -> str:
        """N of `tested` in percent, to one decimal."""
        return f"{self.decimal(percent(n, tested))}{self.percent_sign()}"


def rows_of(
    declared: Declared, columns: Sequence[list[Case]], words: Words, marks: str
) -> Iterator[Row]:
    """The lines of one declared row over the patients of every column."""
    label = words.say(declared.label)
    inside = [_within(members, declared) for members in columns]
    match declared.statistic:
        case "heading":
            yield Row(label, 0)
        case "categories" | "members":
            yield from _value_rows(declared, inside, words, marks)
        case "number":
            yield from _number_rows(declared, inside, words, marks)
        case _:
            cells = tuple(_cell(declared, members, words) for members in inside)
            yield Row(label, 1, declared.variable, declared.value, marks, cells)
            if declared.interval:
                shown = tuple(_interval_cell(cell, words) for cell in cells)
                yield Row(words.word("interval"), 2, declared.variable, "interval", "", shown)


def _within(members: list[Case], declared: Declared) -> list[Case]:
    if not declared.within:
        return members
    variable, value = declared.within["variable"], declared.within["value"]
    return [each for each in members if each[variable] == value]


def _cell(declared: Declared, members: list[Case], words: Words) -> Cell:
    """The cell of a variable of one line."""
    if declared.statistic == "patients":
        return Cell(str(len(members)), len(members))
    said = [each[declared.variable] for each in members]
    if declared.statistic == "listed":
        return _count(sum(bool(each) for each in said), len(said), words)
    tested = [each for each in said if each is not None and each not in declared.untested]
    wanted: Any = True if declared.value is None else declared.value
    return _count(sum(each == wanted for each in tested), len(tested), words)


def _value_rows(
    declared: Declared, columns: list[list[Case]], words: Words, marks: str
) -> Iterator[Row]:
    """A heading line and one for every value; one line alone where there is no value at all."""
    label, variable = words.say(declared.label), declared.variable
    counted = [_counted(declared, members) for members in columns]
    values = _values(declared, counted[0][0])
    if not values or not counted[0][1]:
        nothing = tuple(_count(0, tested, words) for _, tested in counted)
        yield Row(label, 1, variable, None, marks, nothing)
        return
    yield Row(label, 1, variable, None, marks)
    for value in values:
        cells = tuple(_count(counts[value], tested, words) for counts, tested in counted)
        yield Row(words.value(value, declared.value_set), 2, variable, value, "", cells)


def _counted(declared: Declared, members: list[Case]) -> tuple[Counter[str], int]:
    said = [each[declared.variable] for each in members]
    if declared.statistic == "members":
        return Counter(name for each in said if each for name in each.split(SEPARATOR)), len(said)
    tested = [each for each in said if each is not None and each not in declared.untested]
    return Counter(tested), len(tested)


def _values(declared: Declared, overall: Counter[str]) -> list[str]:
    if declared.statistic == "members":
        return sorted(overall, key=lambda name: (-overall[name], name))
    known = declared.values
    if declared.value_set and not known:
        known = tuple(load_dictionary().value_sets[declared.value_set].codes)
    return [*known, *sorted(set(overall) - set(known))]


def _number_rows(
    declared: Declared, columns: list[list[Case]], words: Words, marks: str
) -> Iterator[Row]:
    """Three lines: how many have a value, median (IQR), range."""
    found = [[each[declared.variable] for each in members] for members in columns]
    known = [[number for number in numbers if number is not None] for numbers in found]
    counts = tuple(
        Cell(f"{len(some)}/{len(every)}" if every else NOTHING, len(some), len(every))
        for some, every in zip(known, found, strict=True)
    )
    variable = declared.variable
    yield Row(words.say(declared.label), 1, variable, None, marks, counts)
    spreads = [distribution(some) if some else None for some in known]
    for name in ("median", "range"):
        cells = tuple(_spread_cell(name, spread, words) for spread in spreads)
        yield Row(words.word(name), 2, variable, name, "", cells)


def _spread_cell(name: str, spread: Distribution | None, words: Words) -> Cell:
    if spread is None:
        return Cell(NOTHING)
    if name == "range":
        return Cell(words.span(spread.least, spread.greatest), numbers=spread)
    quartiles = words.span(spread.lower, spread.upper)
    return Cell(f"{words.number(spread.median)} ({quartiles})", numbers=spread)


def _count(n: int, tested: int, words: Words) -> Cell:
    """n/N (%), with a dash where nobody was tested."""
    text = f"{n}/{tested} ({words.share(n, tested)})" if tested else NOTHING
    return Cell(text, n, tested)


def _interval_cell(cell: Cell, words: Words) -> Cell:
    if not cell.tested or cell.n is None:
        return Cell(NOTHING)
    low, high = exact_interval(cell.n, cell.tested)
    shown = "–".join(words.decimal(100 * each) for each in (low, high))
    return Cell(f"{shown}{words.percent_sign()}", cell.n, cell.tested, None, (low, high))
