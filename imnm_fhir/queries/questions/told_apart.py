"""Cells whose rows have no key that can be read: told apart, and known again in the next delivery.

Two values of one patient without visit, date or record number have one key, and are two questions. What
tells them apart is where they stood when they were first asked about; in the next delivery the one that
says the same is the same, wherever it stands by then, so that an answer to one never settles the other.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imnm_fhir.queries.model import Target
from imnm_fhir.queries.questions.found import Found, Ident

Entry = Mapping[str, Any]
Mark = str | None  # `Target.only`


@dataclass(frozen=True)
class _Asked:
    """A cell as it was asked about before: what told it apart, and what stood in it."""

    only: Mark
    word: str | None


def told_apart(
    found: Sequence[Found], asked: Mapping[str, Entry], together: Collection[str]
) -> list[Found]:
    """The findings, their own cells told apart if their keys do not; `asked` are the queries before.

    Rules that are `together` compare such cells with each other: theirs is one question.
    """
    cells: dict[Ident, dict[str, str | None]] = defaultdict(dict)
    for each in found:
        if each.rule not in together:
            cells[_key(each)].setdefault(_where(each), each.own.word)
    known = _known(asked)
    marks = {key: _marks(places, known.get(key, ())) for key, places in cells.items()}
    return [_marked(each, marks, together) for each in found]


def _marked(
    found: Found, marks: Mapping[Ident, Mapping[str, Mark]], together: Collection[str]
) -> Found:
    only = None if found.rule in together else marks[_key(found)][_where(found)]
    if only is None:
        return found
    return replace(found, targets=(replace(found.own, only=only), *found.targets[1:]))


def _known(asked: Mapping[str, Entry]) -> dict[Ident, list[_Asked]]:
    """The cells of one patient that were asked about, by their key without what told them apart."""
    known: dict[Ident, list[_Asked]] = defaultdict(list)
    for entry in asked.values():
        if entry.get("patient") is not None:
            own = Target(**entry["targets"][0])
            key = (entry["site"], entry["patient"], *replace(own, only=None).key)
            known[key].append(_Asked(own.only, own.word))
    return known


def _marks(places: Mapping[str, str | None], known: Sequence[_Asked]) -> dict[str, Mark]:
    """What tells each of the cells of one key apart: that of the question before, where it says the same.

    A cell alone needs nothing, unless a question before had that for another one.
    """
    marks: dict[str, Mark] = {}
    left = list(known)
    for exact in (True, False):  # the place may have moved; a cell that did not move goes first
        for where, word in places.items():
            same = [
                each for each in left if each.word == word and (each.only == where or not exact)
            ]
            if where not in marks and same:
                marks[where] = same[0].only
                left.remove(same[0])
    taken = set(marks.values())
    for where in places:
        if where not in marks:
            mark = _fresh(where, len(places) == 1, left, taken)
            marks[where] = mark
            taken.add(mark)
    return marks


def _fresh(where: str, alone: bool, left: Sequence[_Asked], taken: Collection[Mark]) -> Mark:
    """What tells a cell apart that says what no question before did: its place, if that is free."""
    if alone and (not left or any(each.only is None for each in left)):
        return None
    number, mark = 1, where
    while mark in taken:
        number += 1
        mark = f"{where} {number}"
    return mark


def _key(found: Found) -> Ident:
    return (found.finding.site, found.finding.patient, *found.own.key)


def _where(found: Found) -> str:
    """The place of a cell; nothing where the row itself is in doubt: by its patient, or a blank cell."""
    own = found.own
    if own.element is None and own.word in (None, "", found.finding.patient):
        return ""
    where = (own.file, own.sheet, own.row, own.column)
    return " ".join(str(each) for each in where if each is not None)
