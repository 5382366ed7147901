"""What the log says of each query: the answers that stand, those that contradict each other, corrections."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from imnm_fhir.harmonise.corrected_rows import Correction
from imnm_fhir.queries.model import Target
from imnm_fhir.queries.record.log import Entry, Log

CHANGES = ("corrected", "not-available", "accepted")  # answers that change what a cell says


@dataclass
class Standing:
    """The answers to one query that count, newest last; `contradicted` where two people disagree."""

    answers: list[Entry] = field(default_factory=list)
    contradicted: bool = False

    @property
    def last(self) -> Entry | None:
        """The newest answer."""
        return self.answers[-1] if self.answers else None


def asked_entries(log: Log) -> dict[str, Entry]:
    """The newest entry that asks each query."""
    return {each["query"]: each for each in log.of("asked")}


def standing_answers(log: Log) -> dict[str, Standing]:
    """The answers that count, by query.

    Who answers a list that was written after an answer came in knew that answer, and replaces it. Two
    people who filled in copies of one list did not know of each other: where they say different things
    neither counts, until somebody answers the list that shows both.
    """
    found: dict[str, Standing] = defaultdict(Standing)
    for entry in log.of("answered"):
        _take(found[entry["query"]], entry)
    return dict(found)


def _take(standing: Standing, entry: Entry) -> None:
    known = [each for each in standing.answers if each["seq"] <= entry["as_of"]]
    if len(known) == len(standing.answers):
        standing.answers, standing.contradicted = [entry], False
        return
    rivals = [each for each in standing.answers if each not in known and _same_cell(each, entry)]
    if all(each["by"] == entry["by"] for each in rivals):
        kept = [each for each in standing.answers if each not in rivals]
        standing.answers = [*kept, entry]
    else:
        standing.answers.append(entry)
        standing.contradicted = standing.contradicted or any(
            _says(each) != _says(entry) for each in rivals
        )


def _same_cell(first: Entry, second: Entry) -> bool:
    """Whether two answers are about the same cell; an answer without a new value is about all."""
    if first["answer"] not in CHANGES or second["answer"] not in CHANGES:
        return True
    return cell_key(first) == cell_key(second)


def _says(entry: Entry) -> tuple[object, ...]:
    return entry["answer"], entry.get("new")


def cell_key(entry: Entry) -> tuple[object, ...]:
    """The cell that an answer is about: by patient and key, so that it is the same next time."""
    return (entry["site"], entry.get("patient"), *Target(**entry["cell"]).key)


def changing_entries(log: Log) -> list[Entry]:
    """The answers that change a cell: the newest of each cell that nobody contradicts."""
    standing = standing_answers(log)
    void = {
        each["hash"]
        for one in standing.values() if one.contradicted
        for each in one.answers
    }  # fmt: skip
    newest: dict[tuple[object, ...], Entry] = {}
    for entry in log.of("answered"):
        if entry.get("patient") is None or entry["hash"] in void:
            continue
        if entry["answer"] in CHANGES:
            newest[cell_key(entry)] = entry
        elif entry["answer"] == "confirmed":
            _drop_confirmed(newest, entry)
    return list(newest.values())


def _drop_confirmed(newest: dict[tuple[object, ...], Entry], entry: Entry) -> None:
    """A value confirmed as the source has it takes the place of what was corrected before."""
    before = newest.get(cell_key(entry))
    if before is not None and before.get("new") != entry["old"]:
        del newest[cell_key(entry)]


def corrections_of(log: Log) -> list[Correction]:
    """Every correction to put on top of the source, each with all that the source may still hold."""
    olds: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for entry in log.of("answered"):
        if entry["answer"] in CHANGES:
            olds[cell_key(entry)] |= {entry["old"] or ""}
            if entry.get("new") is not None:
                olds[cell_key(entry)].add(entry["new"])
    found = []
    for entry in changing_entries(log):
        cell = Target(**entry["cell"])
        found.append(
            Correction(
                id=entry["hash"],
                patient=entry["patient"],
                file=cell.file,
                sheet=cell.sheet,
                row=cell.row,
                n=cell.n,
                column=str(cell.column),
                old=frozenset(olds[cell_key(entry)] - {entry.get("new")}),
                new=entry.get("new"),
                typed=bool(entry.get("typed")),
                element=cell.element,
                time_point=cell.time_point,
                delivery=entry.get("delivery"),
                loose=cell.only is not None,
            )
        )
    return found


def foreign_patients(log: Log) -> set[str]:
    """The patients whom the site says are not its own."""
    return {
        str(one.last["patient"])
        for one in standing_answers(log).values()
        if one.last and not one.contradicted and one.last["answer"] == "not-our-patient"
    } - {"None"}


def threads(log: Log) -> Mapping[str, list[Entry]]:
    """What was said of each query, in order: proposals, comments, answers."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in log.of("answered", "proposed", "said"):
        found[entry["query"]].append(entry)
    return found
