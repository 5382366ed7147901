"""Answers from a filled-in list into the log: each row taken, or refused with the reason."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.languages import counted, known_languages
from imnm_fhir.queries.asking import delivery_number, query_of_entry
from imnm_fhir.queries.lists.columns import ROLES, WORDS, known_words
from imnm_fhir.queries.lists.filled import BLANK, FilledRow, read_filled
from imnm_fhir.queries.lists.listing import cell_words
from imnm_fhir.queries.model import PROPOSAL_ANSWERS, Target
from imnm_fhir.queries.record.answers import asked_entries, threads
from imnm_fhir.queries.record.log import Entry, Log, append
from imnm_fhir.queries.record.states import last_judged
from imnm_fhir.values import fold

# What makes it the same: a later list may say again what an earlier one said, and mean it.
SAME = ("query", "answer", "cell", "new", "comment", "by", "role", "date", "list")
CONSORTIUM = "consortium"


@dataclass
class Taken:
    """What an import did: the new entries, and what was not understood, by row of the list."""

    entries: list[Entry] = field(default_factory=list)
    known: int = 0
    blank: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The counts and the problems, a line each; no value is repeated."""
        said = f"{counted(len(self.entries), 'answer')} taken, {self.known} known already, {self.blank} left open"
        return [said, *self.notes, *self.problems]


class _Refused(Exception):
    """Why one row cannot be taken."""


def import_answers(
    log: Log, path: Path, *, by: str | None = None, role: str | None = None
) -> tuple[Log, Taken]:
    """The log with the answers of a filled-in list, and what became of each row.

    `by` and `role` stand in for rows that name nobody. What somebody of the consortium enters is a
    proposal. Importing the same list again changes nothing. Raises `ImnmFhirError` where the list
    cannot be read, or no query was ever asked.
    """
    asked = asked_entries(log)
    if not asked:
        raise ImnmFhirError(
            f"{log.folder}: no query was asked yet; run imnm-fhir validate --report first"
        )
    filled, taken = read_filled(path), Taken()
    if filled.unread:
        taken.notes.append(f"columns not read: {', '.join(filled.unread)}")
    if filled.notes:
        taken.notes.append(f"rows without a query, not read: {', '.join(map(str, filled.notes))}")
    said = {_content(each) for each in log.of("answered", "proposed")}
    for row in filled.rows:
        try:
            entry = _entry(row, log, asked, by, role)
        except _Refused as refused:
            taken.problems.append(f"{filled.name}, row {row.number}: {refused}")
            continue
        if entry is None:
            taken.blank += 1
        elif _content(entry) in said:
            taken.known += 1
        else:
            said.add(_content(entry))
            taken.entries.append(entry)
            formulas = [name for name in row.formulas() if name == "comment"]
            if formulas:
                taken.notes.append(
                    f"{filled.name}, row {row.number}: a formula was kept as its text"
                )
    return append(log, taken.entries), taken


def _content(entry: Mapping[str, object]) -> str:
    return json.dumps([entry.get(name) for name in SAME], sort_keys=True)


def _entry(
    row: FilledRow, log: Log, asked: Mapping[str, Entry], by: str | None, role: str | None
) -> Entry | None:
    """The entry that a row makes; None where it was left open."""
    question = _question(row, log, asked)
    if not any(row.text(name) for name in ("answer", "new", "comment")):
        return None
    as_of = _as_of(row, log)
    question = _as_shown(log, question, as_of)
    answer, new = _answer(row), row.cells.get("new", BLANK)
    who, what = row.text("by") or by, _role(row.text("role") or role or "")
    if not who:
        raise _Refused("says not by whom; fill in By, or give --by")
    if not what:
        raise _Refused("says not in which role; fill in Role, or give --role")
    for name in ("answer", "new", "by", "role"):
        if row.cells.get(name, BLANK).formula:
            raise _Refused(f"a formula stands under {name} and is not evaluated; type the value")
    cell = _cell(row, question)
    _check(answer, new.text, question, cell)
    entry: Entry = {
        "event": "proposed" if what == CONSORTIUM else "answered",
        "query": question["query"],
        "site": question["site"],
        "patient": question.get("patient"),
        "answer": answer,
        "cell": {
            name: value for name, value in vars(cell).items() if value is not None or name in KEYS
        },
        "old": cell.word,
        "new": new.text if answer in ("corrected", "confirmed") and new.text else None,
        "typed": new.typed and answer == "corrected",
        "comment": row.text("comment") or None,
        "by": who,
        "role": what,
        "date": row.text("date") or None,
        "delivery": question["delivery"],
        "fingerprint": question["fingerprint"],
        "list": row.text("list"),
        "as_of": as_of,
        "wording": question["question"],
        "evidence": question.get("evidence"),
    }
    return _of_proposal(entry, log) if answer in PROPOSAL_ANSWERS else entry


KEYS = ("table", "element", "time_point", "n", "field")


def _question(row: FilledRow, log: Log, asked: Mapping[str, Entry]) -> Entry:
    name = row.text("query")
    site, log_id, *_ = [*row.text("list").split(":"), "", ""]
    opened = log.entries[0] if log.entries else {}
    if not row.text("list"):
        raise _Refused("the code under List is missing; copy it from the list")
    if site != opened.get("site"):
        raise _Refused("is of a list of another site; give it to that site's cohort")
    if log_id != log.id:
        raise _Refused("is of a list of another cohort; name the cohort that it was written for")
    if name not in asked:
        raise _Refused("no such query was asked; the id was edited: copy it from the list")
    question = asked[name]
    if row.text("patient") != (question.get("patient") or ""):
        raise _Refused("query and patient do not belong together; copy both from the list")
    return question


def _as_shown(log: Log, question: Entry, as_of: int) -> Entry:
    """The question as the list shows it: the value there is what an answer is about, not a newer one."""
    shown = [
        each
        for each in log.of("asked")
        if each["query"] == question["query"] and each["seq"] <= as_of
    ]
    if not shown:
        raise _Refused("the code under List was edited; copy it from the list")
    return shown[-1]


def _as_of(row: FilledRow, log: Log) -> int:
    """How much of the log the list knew; refused where it is of an older delivery."""
    parts = row.text("list").split(":")
    if len(parts) != 4 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts[2:]):
        raise _Refused("the code under List was edited; copy it from the list")
    judged = last_judged(log) or {"delivery": ""}
    if int(parts[2]) != delivery_number(log, judged["delivery"]):
        raise _Refused("is of a list of another delivery; copy the answer into the newest list")
    if int(parts[3]) > len(log.entries):
        raise _Refused("the code under List was edited; copy it from the list")
    return int(parts[3]) - 1


def _answer(row: FilledRow) -> str:
    text = row.text("answer")
    if not text:
        raise _Refused("has a value or a comment and no answer; choose one")
    answer = known_words(WORDS).get(fold(text))
    if answer is None:
        raise _Refused("the answer is none of the list; choose one from the drop-down")
    return answer


def _role(text: str) -> str:
    """The role by its name where it is one of ours, else as it was written."""
    return known_words(ROLES).get(fold(text), text)


def _cell(row: FilledRow, question: Entry) -> Target:
    """The cell that the answer is about: that of the question unless another one was chosen."""
    query = query_of_entry(question)
    chosen = row.text("cell")
    if not chosen or query.rows:
        return query.target
    for names in (_said, _column):  # a column's name alone only where it names one cell
        found = {each.key: each for each in query.targets if fold(chosen) in names(each)}
        if len(found) == 1:
            return next(iter(found.values()))
    choices = {each for language in known_languages() for each in cell_words(query, language)}
    raise _Refused(
        f"the cell is none of this query's; choose one of {len(choices)} in the drop-down"
    )


def _said(target: Target) -> set[str]:
    """The cell as a list in any language names it."""
    return {fold(target.said(language)) for language in known_languages()}


def _column(target: Target) -> set[str]:
    return {fold(target.column)} if target.column else set()


def _check(answer: str, new: str, question: Entry, cell: Target) -> None:
    column = question.get("patient") is None
    if answer == "corrected" and not new:
        raise _Refused("says corrected and gives no new value; fill it in")
    if answer == "corrected" and cell.column and cell.word is None and cell.value is not None:
        raise _Refused(
            "no column holds this value, the mapping says it for everybody; say in the comment what is "
            "right, leave the answer empty, and have the mapping corrected"
        )
    if answer == "corrected" and new == (cell.word or "") and not column:
        raise _Refused("the new value is the old one; choose confirmed as is, or correct it")
    if new and answer not in ("corrected", "confirmed"):
        raise _Refused("a new value goes with corrected alone; choose that, or take it out")
    if new and answer == "confirmed" and not column and new != (cell.word or ""):
        raise _Refused("is confirmed as is and has another new value; choose corrected")


def _of_proposal(entry: Entry, log: Log) -> Entry:
    """The answer to a proposal: accepted, it is the site's own correction."""
    proposed = [
        each for each in threads(log).get(entry["query"], ()) if each["event"] == "proposed"
    ]
    if not proposed:
        raise _Refused("nothing was proposed for this query; choose another answer")
    if entry["event"] == "proposed":
        raise _Refused("a proposal is accepted by the site, not by the consortium")
    last = proposed[-1]
    if entry["answer"] == "declined":
        return entry
    return entry | {name: last[name] for name in ("cell", "old", "new", "typed")}
