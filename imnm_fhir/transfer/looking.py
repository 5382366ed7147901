"""Looking before acting: what the server holds already, and what is therefore to be done."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from imnm_fhir.transfer.delivery import (
    ASK,
    CREATE_IT,
    DIFFERS,
    UNCHANGED,
    UPDATE_IT,
    Delivery,
    Item,
)
from imnm_fhir.transfer.journal import DELETING, SENDING, STORED, UNKNOWN, WITHDRAWN, Entry
from imnm_fhir.transfer.reading import (
    Found,
    count_tagged,
    is_ours,
    is_ours_normalised,
    read_back,
)
from imnm_fhir.transfer.sending import Sender

_ASKED = 100  # resources that are read back in one request
Tags = Sequence[tuple[str, str]]
Ask = Callable[[Sequence[Item]], list[Item]]
Parallel = Callable[[Ask, Iterable[Sequence[Item]]], None]


def look(
    sender: Sender, delivery: Delivery, tags: Tags, parallel: Parallel, *, verify: bool
) -> list[str]:
    """Decide what is to be done with each resource of the delivery; returns what to tell people.

    The journal says what we know; the server is asked for what is unsettled or to be changed, for
    everything of a type of which it holds more or less than the journal says, and, to `verify`, for
    all. What somebody else changed or deleted is settled here.
    """
    notes = _compare_counts(sender, delivery, tags, verify)
    asked = delivery.items((ASK, UPDATE_IT))
    parallel(lambda items: _ask(sender, delivery, items), _chunks(asked))
    return notes


def _compare_counts(sender: Sender, delivery: Delivery, tags: Tags, verify: bool) -> list[str]:
    notes = []
    known = sender.journal.counts()
    actions = delivery.counts()
    for kind in delivery.types():
        number = None if verify else count_tagged(sender.connection, kind, tags)
        ours = sum(
            count for (each, state), count in known.items() if each == kind and state == STORED
        )
        doubtful = sum(
            count
            for (each, state), count in known.items()
            if each == kind and state in (SENDING, UNKNOWN, DELETING)
        )
        less = number is None or number < ours
        more = number is None or number > ours + doubtful
        if less and actions.get((kind, UNCHANGED)):
            _ask_again(delivery, kind, UNCHANGED)
            if number is not None:
                notes.append(
                    f"{kind}: the journal knows {ours:,}, the server counts {number:,}: all were looked up"
                )
        if more and actions.get((kind, CREATE_IT)):
            _ask_again(delivery, kind, CREATE_IT)
    return notes


def _ask_again(delivery: Delivery, kind: str, action: str) -> None:
    with delivery.database as database:
        database.execute(
            "update delivery set action = ? where type = ? and action = ?", (ASK, kind, action)
        )


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    for item in items:
        if chunk and (len(chunk) >= _ASKED or chunk[0].type != item.type):
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _ask(sender: Sender, delivery: Delivery, items: Sequence[Item]) -> list[Item]:
    """What is to be done with `items`, by what the server holds of them."""
    naming = sender.choice.plan.naming
    found = read_back(sender.connection, sender.choice, items, naming)
    decided, stored = [], []
    for item, there in zip(items, found, strict=True):
        entry = sender.journal.get(item.type, item.id)
        known = replace(item, server_id=there.server_id or item.server_id, version=there.version)
        about = (there, item, naming, sender.targets.server_id)
        unseen = entry is not None and entry.state in (SENDING, UNKNOWN)
        ours = there.there and (is_ours(*about) or (unseen and is_ours_normalised(*about)))
        if ours and not there.several:
            action = UNCHANGED
        else:
            action = _action(there, entry, item, sender.overwrite)
        if action == UNCHANGED:
            stored.append(_as_stored(known, entry))
        elif action == DIFFERS:
            sender.differ(item, there)
        decided.append(replace(known, action=action))
    sender.journal.put(stored)
    return decided


def _as_stored(item: Item, entry: Entry | None) -> Entry:
    attempt = entry.attempt if entry else 0
    return item.entry(STORED, hash=item.hash, status=200, attempt=attempt)


def _action(found: Found, entry: Entry | None, item: Item, overwrite: bool) -> str:
    """What is to be done with a resource of which the server does not hold what we want."""
    if found.several:
        return DIFFERS
    confirmed = entry is not None and entry.hash is not None and entry.state != WITHDRAWN
    if not found.there:
        expected = not confirmed if entry else found.status != 410
        removing = entry is not None and entry.state == DELETING
        return CREATE_IT if overwrite or expected or removing else DIFFERS
    if overwrite:
        return UPDATE_IT
    if entry is None:
        return DIFFERS
    same = confirmed and found.version == entry.server_version
    if same and entry.hash == item.hash and entry.state == STORED:
        return UNCHANGED  # as the server wrote it when we sent it: it normalises
    return UPDATE_IT if same or _our_last_step(found, entry) else DIFFERS


def _our_last_step(found: Found, entry: Entry) -> bool:
    """Whether what is there is most likely what a request of ours, cut off, has stored."""
    if entry.state not in (SENDING, UNKNOWN) or not (found.version or "").isdigit():
        return False
    before = entry.server_version if entry.hash else "0"
    return (before or "").isdigit() and int(found.version or 0) == int(before or 0) + 1
