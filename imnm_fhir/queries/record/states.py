"""The state of every query after a validation, from what was found, answered and replayed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from imnm_fhir.harmonise.corrections import AT_SOURCE, CONFLICT, GONE, UNREADABLE
from imnm_fhir.queries.model import Query
from imnm_fhir.queries.record.answers import CHANGES, Standing
from imnm_fhir.queries.record.log import Entry, Log

State = tuple[str, str]  # one of STATES, and why


@dataclass(frozen=True)
class Round:
    """One validation: what it found by query id, what became of corrections, and the delivery.

    `here` are the patients of the delivery; a `full` delivery that lacks one has lost that patient, and
    increments that were all searched are as good as a full one.
    `said` is the number of the newest entry by which the consortium says more of a query.
    """

    found: Mapping[str, Query]
    replayed: Mapping[str, str]
    delivery: str
    here: Collection[str]
    full: bool = True
    said: Mapping[str, int] = field(default_factory=dict)


def last_judged(log: Log) -> Entry | None:
    """The newest entry of a validation."""
    judged = log.of("judged")
    return judged[-1] if judged else None


def states_before(log: Log) -> dict[str, State]:
    """The states that the last validation left."""
    last = last_judged(log)
    return {name: (each[0], each[1]) for name, each in (last or {}).get("states", {}).items()}


def states_of_other(log: Log, delivery: str) -> dict[str, State] | None:
    """The states that the last validation of another delivery left; None where there was none."""
    others = [each for each in log.of("judged") if each["delivery"] != delivery]
    if not others:
        return None
    return {name: (each[0], each[1]) for name, each in others[-1]["states"].items()}


def settle(
    this: Round, asked: Mapping[str, Entry], standing: Mapping[str, Standing], log: Log
) -> dict[str, State]:
    """The state of every query that was asked or found."""
    before, last = states_before(log), last_judged(log)
    states = {}
    for name in dict.fromkeys([*before, *asked, *this.found]):
        facts = _Facts(
            this, this.found.get(name), asked.get(name), standing.get(name, Standing()),
            before.get(name), last,
        )  # fmt: skip
        state = facts.state()
        if state is not None:
            states[name] = state
    return states


@dataclass(frozen=True)
class _Facts:
    """All that is known of one query."""

    this: Round
    query: Query | None
    asked: Entry | None
    standing: Standing
    before: State | None
    judged: Entry | None

    def state(self) -> State | None:
        if self.standing.contradicted:
            return "conflict", "answers"
        replayed = self._replayed()
        if None in replayed:
            return "answered", "not applied yet"
        if CONFLICT in replayed:
            return "conflict", "source"
        if self.query is None:
            return self._not_found()
        answer = self.standing.last
        if answer is None:
            return self._open()
        if answer["answer"] == "fixed-in-source" and answer["delivery"] == self.this.delivery:
            return "answered", "next delivery"
        if UNREADABLE in replayed:
            return "miscorrected", "unreadable"
        if GONE in replayed:  # an incremental delivery may lack the row; a full one was searched
            return (
                ("re-opened", "row not found") if self.this.full else ("answered", "other delivery")
            )
        return self._answered(answer)

    def _replayed(self) -> list[str | None]:
        changing = [each for each in self.standing.answers if each["answer"] in CHANGES]
        return [
            self.this.replayed.get(each["hash"])
            for each in changing if each.get("patient") is not None
        ]  # fmt: skip

    def _not_found(self) -> State | None:
        patient = (self.asked or {}).get("patient")
        if not self.this.full and patient is not None and patient not in self.this.here:
            return self.before
        if self.asked is None and self.before is None:
            return None
        answer = self.standing.last
        if answer is None:
            return "closed", "source"
        if AT_SOURCE in self._replayed():
            return "closed", "corrected at the source"
        return "closed", answer["answer"]

    def _open(self) -> State:
        if self.before is None or self.before[0] in ("open", "answered"):
            return "open", ""
        return ("re-opened", "found again") if self.before[0] == "closed" else self.before

    def _answered(self, answer: Mapping[str, Any]) -> State:
        """The finding stands although it was answered."""
        assert self.query is not None
        if self.query.origin == "consortium":
            more = self.this.said.get(self.query.id, -1) > answer["seq"]
            return ("re-opened", "the consortium asks on") if more else ("closed", answer["answer"])
        if self.query.patient is None and answer.get("new") is not None:
            return self._column_answered(answer)
        fresh = self.judged is None or answer["seq"] > self.judged["seq"]
        if answer["answer"] in ("corrected", "accepted"):
            was = self.before[0] if self.before and not fresh else None
            return ("re-opened", "found again") if was in ("closed", "re-opened") else (
                "miscorrected", "not plausible"
            )  # fmt: skip
        if answer["answer"] == "fixed-in-source":
            return "re-opened", "not fixed at the source"
        if self._unchanged(answer, fresh):
            return "closed", answer["answer"]
        return "re-opened", "a value changed"

    def _column_answered(self, answer: Mapping[str, Any]) -> State:
        """What an answer proposes for the mapping waits there; anything else is said once."""
        assert self.query is not None
        if self.query.proposes is None:
            return "closed", answer["answer"]
        if answer["delivery"] == self.this.delivery:
            return "answered", "mapping"
        return "re-opened", "found again"

    def _unchanged(self, answer: Mapping[str, Any], fresh: bool) -> bool:
        """Whether every value that the rules read is as it was when the answer was given."""
        assert self.query is not None
        if answer["answer"] == "not-available":
            if fresh:
                return True
            closed = (self.judged or {}).get("fingerprints", {})
            return bool(closed.get(self.query.id) == self.query.fingerprint)
        return bool(answer["fingerprint"] == self.query.fingerprint)
