"""Where each query stands, in words, and what became of the queries since the last delivery."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imnm_fhir.findings import Rule
from imnm_fhir.queries.asking import Asked
from imnm_fhir.queries.lists.columns import STATE_WORDS, WHY, WORDS
from imnm_fhir.queries.model import ASKED_AGAIN
from imnm_fhir.queries.record.answers import asked_entries
from imnm_fhir.queries.record.states import State
from imnm_fhir.report.words import Words

NEW, HELD = "new", "held"


@dataclass(frozen=True)
class Standing:
    """The state of a query as a name, in words, and why."""

    name: str
    said: str
    why: str | None


@dataclass(frozen=True)
class Turn:
    """What became of one query since the last delivery."""

    query: str
    patient: str | None
    where: str
    rule: str
    sentence: str
    before: str
    now: Standing


@dataclass(frozen=True)
class Turns:
    """The queries whose state is another than after the last delivery, and how many have which state."""

    turns: Sequence[Turn]
    counts: Sequence[tuple[str, int]]


def standing_of(query: str, asked: Asked, words: Words) -> Standing | None:
    """The state of a query in this round; None where it has none."""
    if query not in asked.states:
        return None
    state = asked.states[query]
    listed = query in asked.listed_ids
    if state[0] in ASKED_AGAIN and not listed:
        return Standing(HELD, words("state_held"), None)
    if state[0] == "open" and asked.before is not None and query not in asked.before:
        return Standing(NEW, words("state_new"), None)
    return Standing(state[0], words.translator(STATE_WORDS[state[0]]), _why(state, words))


def _why(state: State, words: Words) -> str | None:
    said = WHY.get(state) or WORDS.get(state[1])
    return words.translator(said) if said else None


def turns_of(asked: Asked, rules: Mapping[str, Rule], words: Words) -> Turns | None:
    """What became of the queries since the last delivery; None where there was none."""
    if asked.before is None:
        return None
    entries, turns, names = asked_entries(asked.log), [], Counter[str]()
    for query in asked.states:
        now = standing_of(query, asked, words)
        before = asked.before.get(query)
        if now is None:
            continue
        names[now.said] += 1
        if before is None or before == asked.states[query] or query not in entries:
            continue
        entry = entries[query]
        target = entry["targets"][0]
        name, _, part = entry["rules"][0].partition(".")
        turns.append(
            Turn(
                query,
                entry.get("patient"),
                ", ".join(str(target[each]) for each in ("file", "column") if target.get(each)),
                name,
                words.sentence(rules[name], part or None) if name in rules else "",
                words.translator(STATE_WORDS[before[0]]),
                now,
            )
        )
    return Turns(turns, names.most_common())
