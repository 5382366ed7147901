"""Taking from the server what earlier deliveries brought and this one lacks: dependants first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from imnm_fhir.server.request.connection import Response, UnansweredError
from imnm_fhir.server.request.words import words_of
from imnm_fhir.transfer.delivery import FIRST
from imnm_fhir.transfer.journal import DELETING, WITHDRAWN, Entry
from imnm_fhir.transfer.plans import SINGLE
from imnm_fhir.transfer.reading import read_paths
from imnm_fhir.transfer.sending import Sender
from imnm_fhir.transfer.tally import CHANGED_BY_OTHERS, REFUSED, REMOVED, Failure

_AT_ONCE = 100  # resources in one request
_GONE = (200, 202, 204, 404, 410)


def withdraw(sender: Sender, places: Sequence[tuple[str, str]]) -> None:
    """Delete resources (types and ids of ours) from the server, and say so in journal and audit log.

    What points to others goes before these: all else, Patients, Organizations. A resource that the
    server keeps, since something else points to it, is reported with its words.
    """
    order = sorted(places, key=lambda place: (_wave(place[0]), place))
    for chunk in _chunks(order):
        entries = [sender.journal.get(*place) for place in chunk]
        ours = _still_ours(sender, [entry for entry in entries if entry])
        if ours:
            _delete(sender, ours)


def _still_ours(sender: Sender, entries: Sequence[Entry]) -> list[Entry]:
    """The resources that nobody else changed; those that did are told, those that are gone settled."""
    ours = []
    found = read_paths(sender.connection, sender.choice, [entry.place for entry in entries])
    for entry, there in zip(entries, found, strict=True):
        changed = entry.server_version and there.version != entry.server_version
        if not there.there:
            sender.tally.add(entry.type, REMOVED)
            _keep(sender.journal.put, entry, there.status, "", gone=True)
        elif changed and not sender.overwrite:
            said = "is not in this delivery, but somebody else changed it: --overwrite removes it"
            sender.tally.fail(Failure(entry.type, entry.id, CHANGED_BY_OTHERS, None, said))
        else:
            ours.append(entry)
    return ours


def _wave(kind: str) -> int:
    return -FIRST.index(kind) if kind in FIRST else -len(FIRST)


def _chunks(places: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    start = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or at - start == _AT_ONCE or places[at][0] != places[start][0]:
            yield places[start:at]
            start = at


def _delete(sender: Sender, entries: Sequence[Entry]) -> None:
    sender.journal.put(
        replace(each, state=DELETING, attempt=each.attempt + 1, time="") for each in entries
    )
    began = monotonic()
    answers = _batch(sender, entries) if sender.choice.plan.envelope != SINGLE else None
    if answers is None:
        answers = [_single(sender, each) for each in entries]
    results = {"removed": 0, "refused": 0}
    for entry, (status, said) in zip(entries, answers, strict=True):
        gone = status in _GONE
        results["removed" if gone else "refused"] += 1
        if gone:
            sender.tally.add(entry.type, REMOVED)
        else:
            words = f"cannot be removed: {said}"
            sender.tally.fail(Failure(entry.type, entry.id, REFUSED, status, words))
        _keep(sender.journal.put, entry, status, said, gone)
    ids = [each.server_id or each.id for each in entries]
    kind = entries[0].type if entries else ""
    sender.audit.request("delete", kind, ids, results, None, monotonic() - began)


def _keep(
    put: Callable[[list[Entry]], None], entry: Entry, status: int, said: str, gone: bool
) -> None:
    about: dict[str, Any] = {
        "status": status,
        "attempt": entry.attempt + 1,
        "time": "",
        "pending": None,
    }
    if gone:
        about |= {"server_id": None, "server_version": None, "said": None}
        put([replace(entry, state=WITHDRAWN, hash=None, **about)])
    else:
        words = f"cannot be removed: {said}"
        put([replace(entry, said=words, **about)])


def _batch(sender: Sender, entries: Sequence[Entry]) -> list[tuple[int, str]] | None:
    """Status and words for each; None where the server does not take it or nobody knows."""
    requests = [{"request": {"method": "DELETE", "url": each.place}} for each in entries]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": requests}
    sender.tally.request()
    try:
        response = sender.connection.request("POST", "", json=bundle, idempotent=True)
    except UnansweredError:
        return None
    return _answers(response, len(entries))


def _answers(response: Response, number: int) -> list[tuple[int, str]] | None:
    content = response.json() if response.status == 200 else None
    listed = content.get("entry") if isinstance(content, dict) else None
    if not isinstance(listed, list) or len(listed) != number:
        return None
    answers = []
    for entry in listed:
        said = entry.get("response") if isinstance(entry, dict) else None
        said = said if isinstance(said, dict) else {}
        text = str(said.get("status", ""))[:3]
        answers.append((int(text) if text.isdigit() else 0, words_of(said.get("outcome"))))
    return answers


def _single(sender: Sender, entry: Entry) -> tuple[int, str]:
    sender.tally.request()
    response = sender.connection.request("DELETE", entry.place)
    return response.status, words_of(response.json())
