"""Packets: questions that travel from a pool to a site and back, with keys only.

A pool is made from FHIR and knows no file, row or word of a site. A packet holds the keys of cells, the
rule or the typed text, and what was said; no value, no count, no row. The site finds its own cells by
the keys. A packet back says what was answered and in which words, not which value.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.queries.model import Query, query_id
from imnm_fhir.queries.record.answers import asked_entries, standing_answers
from imnm_fhir.queries.record.log import Entry, Log
from imnm_fhir.written import replace_atomically

FORMAT = "imnm-fhir queries packet 1"
MOST_LARGE = 20_000_000  # bytes
KEYS = ("table", "element", "time_point", "n", "field")
TO_SITE, TO_CONSORTIUM = "site", "consortium"
OTHER_SIDE = {TO_SITE: TO_CONSORTIUM, TO_CONSORTIUM: TO_SITE}  # who speaks in a packet


@dataclass(frozen=True)
class Packet:
    """What travels: to whom, of which site, the questions, and what was said of them."""

    site: str
    to: str
    questions: tuple[Mapping[str, Any], ...]
    said: tuple[Mapping[str, Any], ...]


def questions_of(queries: Iterable[Query], site: str) -> list[Entry]:
    """The findings of a pool about one site as questions with keys only."""
    return [
        {
            "query": each.id,
            "patient": each.patient,
            "kind": each.kind,
            "topic": each.topic,
            "rules": list(each.rules),
            "targets": [{name: getattr(one, name) for name in KEYS} for one in each.targets],
        }
        for each in queries
        if each.site == site
    ]


def typed_question(
    site: str, patient: str | None, element: str | None, table: str | None, field: str | None,
    time_point: str | None, text: str, due: str | None, by: str, role: str,
) -> Entry:  # fmt: skip
    """An entry of a pool's log: a question that a person typed, about a patient or a column."""
    if not text.strip():
        raise UsageError("the question has no text; say what is asked with --text")
    if due is not None:
        _check_day(due)
    asked = hashlib.sha256(text.strip().encode()).hexdigest()[:16]
    target = {
        "table": table,
        "element": element,
        "time_point": time_point,
        "n": None,
        "field": field,
    }
    return {
        "event": "typed",
        "query": query_id(site, patient, (element, time_point), f"typed {asked}"),
        "site": site,
        "patient": patient,
        "kind": "note",
        "rules": ["typed"],
        "targets": [target],
        "text": text.strip(),
        "due": due,
        "by": by,
        "role": role,
    }


def _check_day(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise UsageError("--due: give a day such as 2026-03-31") from None


def typed_questions(log: Log, site: str) -> list[Entry]:
    """The typed questions of a pool's log for one site, as they travel."""
    kept = ("query", "patient", "kind", "rules", "targets", "text", "due", "by", "role")
    return [
        {name: each.get(name) for name in kept} for each in log.of("typed") if each["site"] == site
    ]


def own_words(log: Log, site: str) -> list[Entry]:
    """What the consortium said of queries of a site, as it travels: who, when, in which words."""
    kept = ("query", "text", "by", "role", "at")
    return [
        {name: each.get(name) for name in kept}
        for each in log.of("said")
        if each["site"] == site and each.get("from") == TO_CONSORTIUM and each.get("text")
    ]


def answers_of(log: Log, words: Mapping[str, str]) -> list[Entry]:
    """What a site answers to the consortium: the answer's word and the comment, never a value.

    It is told of the queries that it asked, and of those that it said something of.
    """
    asked = {name for name, each in asked_entries(log).items() if each["origin"] == TO_CONSORTIUM}
    asked |= {each["query"] for each in log.of("said") if each.get("from") == TO_CONSORTIUM}
    found = []
    for name, standing in standing_answers(log).items():
        if name in asked:
            found += [_said(each, words) for each in standing.answers]
    return found


def _said(entry: Entry, words: Mapping[str, str]) -> Entry:
    text = words[entry["answer"]] + (f": {entry['comment']}" if entry.get("comment") else "")
    about = {name: entry.get(name) for name in ("query", "by", "role", "at")}
    return about | {"text": text, "answer": entry["answer"]}


def write_packet(packet: Packet, path: Path) -> None:
    """Write a packet as JSON; it names patients by their pseudonyms, so its owner alone may read it."""
    content = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **vars(packet),
    }
    content["sha256"] = _hash(content)
    with replace_atomically(path, private=True) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _hash(content: Mapping[str, Any]) -> str:
    """The hash of a packet: it shows that something was changed on the way, not who wrote it."""
    said = {name: each for name, each in content.items() if name != "sha256"}
    plain = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def read_packet(path: Path) -> Packet:
    """The packet in a file; raises `ImnmFhirError` where it is none, or not as it was written."""
    try:
        if path.stat().st_size > MOST_LARGE:
            raise ImnmFhirError(
                f"{path}: is larger than any packet; give the file of queries packet"
            )
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ImnmFhirError(f"{path}: cannot be read: {error.strerror}; check the name") from None
    except (ValueError, RecursionError):
        raise ImnmFhirError(f"{path}: is no packet; give the file of queries packet") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ImnmFhirError(f"{path}: is no packet of this format; give the file of queries packet")
    faults = [*_faults(raw)]
    if faults:
        raise ImnmFhirError(f"{path}: {faults[0]}; ask for the packet again")
    if raw.get("sha256") != _hash(raw):
        raise ImnmFhirError(f"{path}: was changed after it was written; ask for the packet again")
    return Packet(raw["site"], raw["to"], tuple(raw["questions"]), tuple(raw["said"]))


def _faults(raw: Mapping[str, Any]) -> Iterable[str]:
    if not isinstance(raw.get("site"), str) or raw.get("to") not in (TO_SITE, TO_CONSORTIUM):
        yield "says not for whom it is"
    for name in ("questions", "said"):
        if not isinstance(raw.get(name), list):
            yield f"'{name}' is no list"
            return
    for number, each in enumerate(raw["questions"], 1):
        if not _is_question(each):
            yield f"question {number} is not as it was written"
    for number, each in enumerate(raw["said"], 1):
        texts = isinstance(each, dict) and all(
            isinstance(each.get(name), str) for name in ("query", "text", "by")
        )
        if not texts:
            yield f"what was said, {number}, is not as it was written"


def _is_question(each: object) -> bool:
    if not isinstance(each, dict) or not isinstance(each.get("query"), str):
        return False
    targets, rules = each.get("targets"), each.get("rules")
    lists = isinstance(targets, list) and targets and isinstance(rules, list) and rules
    return bool(lists) and all(
        isinstance(one, dict) and set(one) == set(KEYS) and _texts(one.values()) for one in targets or ()
    ) and _texts([each.get("patient"), each.get("text"), each.get("due"), *(rules or ())])  # fmt: skip


def _texts(values: Iterable[object]) -> bool:
    return all(isinstance(each, str | None) for each in values)


def new_said(packet: Packet, log: Log) -> list[Entry]:
    """The entries for what a packet says that the log does not know yet."""
    known = {_identity(each) for each in log.of("said")}
    return [
        {"event": "said", "site": packet.site, "from": OTHER_SIDE[packet.to], **_kept(each)}
        for each in packet.said
        if _identity(each) not in known
    ]


def _kept(each: Mapping[str, Any]) -> Entry:
    return {
        "query": each["query"],
        "text": each["text"],
        "by": each["by"],
        "role": each.get("role"),
        "said_at": each.get("at"),
        "answer": each.get("answer"),
    }


def _identity(each: Mapping[str, Any]) -> tuple[object, ...]:
    return each["query"], each["text"], each["by"], each.get("said_at") or each.get("at")


def rule_names(rules: Sequence[str]) -> list[tuple[str, str | None]]:
    """Rule and part of each name, as a packet has them."""
    return [(name.partition(".")[0], name.partition(".")[2] or None) for name in rules]
