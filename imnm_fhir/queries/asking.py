"""One round of the loop: what a validation found, what was answered, and so what is asked now."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Any

from imnm_fhir.cohort import Cohort, table_hashes
from imnm_fhir.findings import Validation
from imnm_fhir.harmonise.corrections import delivery_hash
from imnm_fhir.languages import SOURCE, known_languages, lacking_lines, translate
from imnm_fhir.owner import make_private_folder
from imnm_fhir.queries.lists.columns import WORDS
from imnm_fhir.queries.lists.listing import Listed, write_lists
from imnm_fhir.queries.model import ASKED_AGAIN, Query, Target, fingerprint
from imnm_fhir.queries.questions.causes import queries_of
from imnm_fhir.queries.questions.configuration import Asking, load_asking
from imnm_fhir.queries.questions.conflicts import conflict_query
from imnm_fhir.queries.questions.locate import locate
from imnm_fhir.queries.record.answers import Standing, asked_entries, standing_answers, threads
from imnm_fhir.queries.record.log import Entry, Log, append
from imnm_fhir.queries.record.states import Round, State, last_judged, settle, states_of_other

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What a round came to: the list, how many were held back, and the state of every query.

    `known` are the queries that were asked before this round; `before` the states after the last
    validation of another delivery, None where this is the first.
    """

    log: Log
    listed: tuple[Listed, ...]
    held_back: int
    states: Mapping[str, State]
    code: str
    known: Mapping[str, Entry] = field(default_factory=dict)
    before: Mapping[str, State] | None = None
    neutral: bool = False

    @cached_property
    def listed_ids(self) -> frozenset[str]:
        """The queries that stand in the list."""
        return frozenset(each.query.id for each in self.listed)

    def lines(self) -> list[str]:
        """The counts, a line each; no patient is named."""
        counts: dict[str, int] = {}
        for state, _ in self.states.values():
            counts[state] = counts.get(state, 0) + 1
        said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"
        lines = [f"queries: {said}"]
        if self.held_back:
            lines.append(f"queries held back for the next list: {self.held_back}")
        return lines


def site_language(cohort: Cohort) -> str:
    """The language of the site; English where there are no sentences in it, or where sites differ."""
    said = {about.get("language") for about in cohort.manifest["sites"].values()}
    own = said.pop() if len(said) == 1 else None
    return str(own) if own in known_languages() else SOURCE


def delivery_id(manifest: Mapping[str, Any]) -> str:
    """What tells one delivery from the next: the hash of its files."""
    return delivery_hash(
        (source["file"], source["sha256"])
        for about in manifest["sites"].values()
        for source in about.get("sources") or []
    )


def delivery_number(log: Log, delivery: str) -> int:
    """Which delivery of the log it is, the first being 1."""
    seen = list(dict.fromkeys(each["delivery"] for each in log.of("judged")))
    return seen.index(delivery) + 1 if delivery in seen else len(seen) + 1


def open_log(log: Log, site: str) -> Log:
    """The log with its first entry, by which lists are known to belong to it."""
    return log if log.entries else append(log, [_opened(site)])


def _opened(site: str) -> Entry:
    return {"event": "opened", "site": site, "nonce": token_hex(8)}


def ask(
    validation: Validation,
    cohort: Cohort,
    log: Log,
    *,
    language: str = "en",
    neutral: bool = False,
    asking: Asking | None = None,
) -> Asked:
    """Settle the state of every query, note it in the log, and choose what is asked now.

    Nothing is written into the log where nothing has changed since the last round.
    """
    asking = asking or load_asking()
    log = open_log(log, cohort.sites[0])
    before = states_of_other(log, delivery_id(cohort.manifest))
    asked, standing = asked_entries(log), standing_answers(log)
    found = {each.id: each for each in queries_of(validation, cohort, language, asked, asking)}
    found |= _of_consortium(asked, found, cohort)
    this = _round(cohort, found, log)
    states = settle(this, asked, standing, log)
    found |= _conflicts(states, asked, found, standing, cohort, language)
    wanted = [each for name, each in found.items() if states.get(name, ("", ""))[0] in ASKED_AGAIN]
    wanted.sort(key=lambda each: asking.order.index(each.topic))
    kept = _capped(wanted, asked, asking.cap)
    log = _noted(log, kept, states, this, cohort, asked, len(wanted) - len(kept), neutral)
    code = f"{cohort.sites[0]}:{log.id}:{delivery_number(log, this.delivery)}:{len(log.entries)}"
    said = threads(log)
    listed = tuple(
        Listed(each, states[each.id][0], _thread(said.get(each.id, ()), language),
               any(one["event"] == "proposed" for one in said.get(each.id, ())))
        for each in kept
    )  # fmt: skip
    return Asked(log, listed, len(wanted) - len(kept), states, code, asked, before, neutral)


def write_queries(asked: Asked, folder: Path, language: str, neutral: bool) -> tuple[Path, Path]:
    """Write the list into `folder` as queries.xlsx and queries.csv; their paths.

    A folder made here is readable by its owner only. Sentences without a translation are counted in
    a warning.
    """
    for line in lacking_lines(language):
        logger.warning(line)
    make_private_folder(folder, "choose another")
    return write_lists(folder, asked.listed, asked.code, language, neutral)


def _round(cohort: Cohort, found: Mapping[str, Query], log: Log) -> Round:
    said = {each["query"]: each["seq"] for each in log.of("said")}
    sites = cohort.manifest["sites"].values()
    replayed = {
        name: state for about in sites for name, state in about.get("corrections", {}).items()
    }
    return Round(
        found=found,
        replayed=replayed,
        delivery=delivery_id(cohort.manifest),
        here=frozenset(cohort.tables["patients"]["patient"].to_pylist()),
        full=all(about.get("kind") != "incremental" or about.get("searched") for about in sites),
        said=said,
    )


def query_of_entry(entry: Entry) -> Query:
    """The query as an entry of the log asks it."""
    return Query(
        id=entry["query"],
        site=entry["site"],
        patient=entry.get("patient"),
        kind=entry["kind"],
        topic=entry["topic"],
        rules=tuple(entry["rules"]),
        targets=tuple(Target(**each) for each in entry["targets"]),
        question=entry["question"],
        evidence=entry.get("evidence"),
        rows=tuple(entry.get("rows", ())),
        fingerprint=entry["fingerprint"],
        origin=entry["origin"],
        proposes=entry.get("proposes"),
        due=entry.get("due"),
    )


def _of_consortium(
    asked: Mapping[str, Entry], found: Mapping[str, Query], cohort: Cohort
) -> dict[str, Query]:
    """What the consortium asks, at the cells of this delivery.

    It stands until it is answered, since no rule here can judge it.
    """
    return {
        name: _here(query_of_entry(each), cohort)
        for name, each in asked.items()
        if each["origin"] == "consortium" and name not in found
    }


def _here(query: Query, cohort: Cohort) -> Query:
    targets = locate(cohort, query.site, query.patient, query.targets)
    return replace(query, targets=targets, fingerprint=fingerprint(query.rules, targets))


def _conflicts(
    states: Mapping[str, State],
    asked: Mapping[str, Entry],
    found: Mapping[str, Query],
    standing: Mapping[str, Standing],
    cohort: Cohort,
    language: str,
) -> dict[str, Query]:
    """A question for every contradiction between answers, or between an answer and the source."""
    return {
        name: conflict_query(
            found.get(name) or _here(query_of_entry(asked[name]), cohort),
            why,
            standing[name],
            language,
        )
        for name, (state, why) in states.items()
        if state == "conflict" and name in asked
    }


def _capped(wanted: Sequence[Query], asked: Mapping[str, Entry], cap: int) -> list[Query]:
    """The first of what matters; a query that was asked before is not held back again."""
    ranked = sorted(range(len(wanted)), key=lambda at: (wanted[at].id not in asked, at))
    return [wanted[at] for at in sorted(ranked[:cap])]


def _noted(
    log: Log,
    kept: Sequence[Query],
    states: Mapping[str, State],
    this: Round,
    cohort: Cohort,
    asked: Mapping[str, Entry],
    held_back: int,
    neutral: bool,
) -> Log:
    """The log with what is new: questions whose wording, value or delivery is another, and the states."""
    entries: list[Entry] = []
    for query in kept:
        entry = asked_entry(query, this.delivery, neutral)
        if any((asked.get(query.id) or {}).get(name) != entry[name] for name in entry):
            entries.append(entry)
    judged: Entry = {
        "event": "judged",
        "delivery": this.delivery,
        "tables": table_hashes(cohort.manifest) if cohort.manifest.get("tables") else {},
        "cut_off": next(iter(cohort.manifest["sites"].values())).get("cut_off"),
        "states": {name: list(each) for name, each in states.items()},
        "rules": {name: list(each.rules) for name, each in this.found.items()},
        "fingerprints": {name: each.fingerprint for name, each in this.found.items()},
        "held_back": held_back,
    }
    before = last_judged(log) or {}
    if any(before.get(name) != judged[name] for name in judged):
        entries.append(judged)
    return append(log, entries)


def asked_entry(query: Query, delivery: str, neutral: bool) -> Entry:
    """The entry of the log that asks a query."""
    return {
        "event": "asked",
        "query": query.id,
        "site": query.site,
        "patient": query.patient,
        "delivery": delivery,
        "origin": query.origin,
        "kind": query.kind,
        "topic": query.topic,
        "rules": list(query.rules),
        "targets": [each.record() | _needed(each) for each in query.targets],
        "question": query.question,
        "evidence": None if neutral else query.evidence,
        "rows": list(query.rows),
        "fingerprint": query.fingerprint,
        "proposes": query.proposes,
        "due": query.due,
    }


def _needed(target: Target) -> dict[str, str | None]:
    """What a target must have to be made again."""
    return {
        name: getattr(target, name) for name in ("table", "element", "time_point", "n", "field")
    }


def _thread(entries: Iterable[Entry], language: str) -> str | None:
    """What was said of a query so far, a line each."""
    lines = []
    for each in entries:
        what = each.get("text") or translate(
            WORDS.get(each.get("answer", ""), "proposed"), language
        )
        new = f": {each['new']}" if each.get("new") is not None else ""
        comment = f" ({each['comment']})" if each.get("comment") else ""
        lines.append(f"{each['by']}, {each['at'][:10]}: {what}{new}{comment}")
    return "\n".join(lines) or None
