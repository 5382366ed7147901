"""How the loop stands: queries by state, rule and age, and which rules changed a value at all."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from imnm_fhir.languages import counted
from imnm_fhir.queries.model import STATES
from imnm_fhir.queries.record.answers import CHANGES, Standing, asked_entries, standing_answers
from imnm_fhir.queries.record.log import Entry, Log
from imnm_fhir.queries.record.states import State, last_judged, states_before

AT_SOURCE = ("source", "corrected at the source", "fixed-in-source")
AGES = ((7, "up to a week"), (30, "up to a month"), (90, "up to 3 months"))


@dataclass(frozen=True)
class RuleUse:
    """What a rule led to: queries asked, settled, and those that changed a value."""

    rule: str
    asked: int
    settled: int
    changed: int

    @property
    def share(self) -> float | None:
        """The share of settled queries that changed a value; None where none is settled."""
        return self.changed / self.settled if self.settled else None


@dataclass(frozen=True)
class Status:
    """The loop of one cohort in counts: no patient and no query is named.

    `counts` are by state; `deliveries` the counts by state after each delivery, in order.
    """

    site: str
    counts: Mapping[str, int]
    rules: tuple[RuleUse, ...]
    ages: Mapping[str, int]
    deliveries: tuple[tuple[str, Mapping[str, int]], ...]
    held_back: int
    redacted: int
    to_waive: int

    def lines(self) -> list[str]:
        """The status as text; no patient is named."""
        lines = [f"{self.site}: {counted(sum(self.counts.values()), 'query', 'queries')}"]
        lines += [
            f"  {state:<13}{self.counts[state]:>6}" for state in STATES if self.counts.get(state)
        ]
        lines += [f"  held back    {self.held_back:>6}"] if self.held_back else []
        lines += [f"  redacted     {self.redacted:>6}"] if self.redacted else []
        if self.to_waive:
            lines.append(
                f"confirmed, and still impossible: {self.to_waive}; these patients need a waiver or stay out"
            )
        if self.ages:
            lines.append("still to answer, since they were first asked:")
            lines += [f"  {age:<20}{count:>6}" for age, count in self.ages.items()]
        return [*lines, *rule_lines(self.rules), *self._delivery_lines()]

    def _delivery_lines(self) -> list[str]:
        lines = ["queries not closed, by delivery:"] if self.deliveries else []
        most = max((sum(counts.values()) for _, counts in self.deliveries), default=0)
        for number, (cut_off, counts) in enumerate(self.deliveries, 1):
            left = sum(count for state, count in counts.items() if state != "closed")
            bar = "█" * round(40 * left / most) if most else ""
            lines.append(f"  {number:>2} {cut_off:<11}{left:>4} of {sum(counts.values()):>4} {bar}")
        return lines


def rule_lines(rules: Sequence[RuleUse]) -> list[str]:
    """What each rule led to, a line each: by the last column a study tells which to drop."""
    if not rules:
        return []
    lines = ["rule                        asked  settled  changed a value"]
    for each in rules:
        share = "-" if each.share is None else f"{each.changed} ({100 * each.share:.0f} %)"
        lines.append(f"{each.rule:<26}{each.asked:>7}{each.settled:>9}  {share:>15}")
    return lines


def query_states(log: Log) -> dict[str, State]:
    """The state of every query by id, and why: after the last validation and the answers since."""
    states, judged = states_before(log), last_judged(log)
    since = judged["seq"] if judged else -1
    for name, standing in standing_answers(log).items():
        if standing.contradicted:
            states[name] = ("conflict", "answers")
        elif standing.last and standing.last["seq"] > since:
            states[name] = ("answered", "not applied yet")
    for name in asked_entries(log):
        states.setdefault(name, ("open", ""))
    return states | _at_pool(log)


def _at_pool(log: Log) -> dict[str, State]:
    """Where the questions of a pool stand: closed by the site's answer, until somebody asks on."""
    states: dict[str, State] = {each["query"]: ("open", "") for each in log.of("typed")}
    for each in log.of("said"):
        if each.get("from") == "site" and each.get("answer"):
            states[each["query"]] = ("closed", each["answer"])
        elif each["query"] in states and states[each["query"]][0] == "closed":
            states[each["query"]] = ("re-opened", "the consortium asks on")
    return states


def status_of(log: Log, now: datetime | None = None) -> Status:
    """The status of the loop that a log tells."""
    states, asked, standing = query_states(log), asked_entries(log), standing_answers(log)
    judged = last_judged(log) or {}
    return Status(
        site=str(log.entries[0].get("site")) if log.entries else "",
        counts=Counter(state for state, _ in states.values()),
        rules=_rules(states, asked, standing),
        ages=_ages(log, states, now or datetime.now(UTC)),
        deliveries=_deliveries(log),
        held_back=judged.get("held_back", 0),
        redacted=log.redacted,
        to_waive=sum(
            states.get(name, ("", ""))[1] == "confirmed" and each["kind"] == "impossible"
            and name in judged.get("fingerprints", {})
            for name, each in asked.items()
        ),
    )  # fmt: skip


def _rules(
    states: Mapping[str, State], asked: Mapping[str, Entry], standing: Mapping[str, Standing]
) -> tuple[RuleUse, ...]:
    by_rule: dict[str, list[str]] = defaultdict(list)
    for name, entry in asked.items():
        for rule in entry["rules"]:
            by_rule[rule].append(name)
    return tuple(
        RuleUse(
            rule,
            len(names),
            sum(states[name][0] in ("closed", "answered") for name in names),
            sum(_changed(states[name], standing.get(name)) for name in names),
        )
        for rule, names in sorted(by_rule.items())
    )


def _changed(state: State, standing: Standing | None) -> bool:
    """Whether a query changed a value: by a correction, or at the source."""
    if state[0] not in ("closed", "answered"):
        return False
    answers = standing.answers if standing else []
    return state[1] in AT_SOURCE or any(each["answer"] in CHANGES for each in answers)


def _ages(log: Log, states: Mapping[str, State], now: datetime) -> dict[str, int]:
    first: dict[str, str] = {}
    for each in log.of("asked"):
        first.setdefault(each["query"], each["at"])
    found: Counter[str] = Counter()
    for name, at in first.items():
        if states[name][0] not in ("closed", "answered"):
            days = (now - datetime.fromisoformat(at)).days
            found[next((said for most, said in AGES if days <= most), "older")] += 1
    return {age: found[age] for age in [*(said for _, said in AGES), "older"] if found[age]}


def _deliveries(log: Log) -> tuple[tuple[str, Mapping[str, int]], ...]:
    """The counts after the last validation of each delivery."""
    last = {each["delivery"]: each for each in log.of("judged")}
    return tuple(
        (str(each.get("cut_off") or ""), Counter(state for state, _ in each["states"].values()))
        for each in last.values()
    )
