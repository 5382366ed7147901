"""Settling resources: the journal's entry, the count and the failure of each, in one step."""

from dataclasses import dataclass, field, replace

from imnm_fhir.errors import ServerError
from imnm_fhir.server.request.connection import Connection
from imnm_fhir.transfer.bundles import Answer
from imnm_fhir.transfer.delivery import CREATE_IT, Item
from imnm_fhir.transfer.journal import CONFLICT, FAILED, HELD, STORED, Entry, Journal
from imnm_fhir.transfer.plans import CLIENT_ID, CREATE, Choice, Plan
from imnm_fhir.transfer.reading import Found, is_ours, read_back
from imnm_fhir.transfer.tally import (
    CHANGED_BY_OTHERS,
    CREATED,
    HELD_BACK,
    KEPT,
    REFUSED,
    UPDATED,
    Failure,
    Tally,
)
from imnm_fhir.transfer.targets import Targets

_SAME_FAULT = 25  # resources in a row that the server breaks on, until it is left alone


@dataclass
class Settling:
    """What is needed to settle resources; of use to several threads."""

    connection: Connection
    journal: Journal
    choice: Choice
    tally: Tally
    overwrite: bool = False
    targets: Targets = field(init=False)
    forbidden: dict[str, str] = field(default_factory=dict)  # type -> why all of it is refused
    broken: int = 0  # resources in a row that ended in 5xx or without a confirmation
    refused_in_row: int = 0
    losses: int = 0  # requests in a row whose answer was lost
    under_way: dict[int, int] = field(default_factory=dict)  # attempts, by the item's number

    def __post_init__(self) -> None:
        """Begin with what the journal knows."""
        self.targets = Targets(self.journal, self.connection)

    def stored(self, item: Item, answer: Answer, plan: Plan) -> Entry | None:
        """Count a resource that the server confirmed; returns its entry, to be put with others.

        None where a conditional request met something else than what we sent: settled then.
        """
        if plan.naming == CLIENT_ID and answer.server_id not in (None, item.id):
            raise ServerError(
                f"{self.connection.base_url}: stored {item.type}/{item.id} under another id: ask who "
                "runs the server how it treats the ids of clients"
            )
        self.choice.confirm(plan)
        self.broken = self.losses = self.refused_in_row = 0
        known = replace(
            item,
            server_id=answer.server_id or item.server_id or item.id,
            version=answer.version or None,
        )
        if plan.naming != CLIENT_ID and answer.status == 200 and not answer.unchanged:
            found = self._differs_there(known, plan) if not item.server_id else None
            if found is not None:
                self.differ(known, found)
                return None
        met = plan.naming == CREATE and answer.status == 200 and not item.server_id
        kept = answer.unchanged or met
        created = answer.created or item.action == CREATE_IT
        outcome = KEPT if kept else CREATED if created else UPDATED
        self.tally.add(item.type, outcome)
        return known.entry(
            STORED, hash=item.hash, status=answer.status, attempt=self.attempts(item)
        )

    def _differs_there(self, item: Item, plan: Plan) -> Found | None:
        """What a conditional request met instead of creating, where that is not what we sent."""
        found = read_back(self.connection, self.choice, [item], plan.naming)[0]
        return None if is_ours(found, item, plan.naming, self.targets.server_id) else found

    def fail(self, item: Item, answer: Answer) -> None:
        """Count a resource that the server refused; a server that breaks on all is left alone."""
        if answer.status == 403 and not self.is_written(item.type):
            self.forbidden[item.type] = answer.said
        broken = answer.status is None or answer.status >= 500 or 200 <= answer.status < 400
        self.broken = self.broken + 1 if broken else 0
        self.refused_in_row += 1
        entry = item.entry(
            FAILED,
            hash=self.old_hash(item),
            pending=item.hash,
            status=answer.status or None,
            attempt=self.attempts(item),
            said=answer.said,
            expression=answer.expression,
        )
        self.journal.put([entry])
        failure = Failure(
            item.type, item.id, REFUSED, answer.status or None, answer.said, answer.expression
        )
        self.tally.fail(failure)
        if self.broken >= _SAME_FAULT:
            raise ServerError(
                f"{self.connection.base_url}: {self.broken} resources in a row without a proper "
                f"answer (the last: {answer.said}): ask who runs the server"
            )

    def differ(self, item: Item, found: Found) -> None:
        """Leave alone what somebody else changed or deleted, and say so."""
        if found.several:
            said = (
                "several resources at the server have its business identifier: remove all but one"
            )
        elif not found.there:
            said = "somebody deleted it at the server: --overwrite sends it again"
        else:
            said = "the server holds something else, which we did not send: --overwrite replaces it"
        old = self.old_hash(item)
        known = replace(item, server_id=found.server_id or item.server_id)
        self.journal.put(
            [known.entry(CONFLICT, hash=old, pending=item.hash, status=found.status, said=said)]
        )
        self.tally.fail(Failure(item.type, item.id, CHANGED_BY_OTHERS, None, said))

    def fail_held(self, item: Item) -> None:
        """Settle a resource that stays held back."""
        missing = self.targets.missing(item)
        place = "/".join(missing[0]) if missing else "something"
        said = f"not sent: it points to {place}, which is not at the server"
        self.journal.put([item.entry(HELD, pending=item.hash, said=said, hash=self.old_hash(item))])
        self.tally.fail(Failure(item.type, item.id, HELD_BACK, None, said))

    def roll_back(self, item: Item) -> None:
        """Keep that a resource of a refused transaction is as it was before."""
        state = item.entry(FAILED, hash=self.old_hash(item), attempt=self.attempts(item))
        self.journal.put([state])

    def changed_meanwhile(self, item: Item, found: Found) -> bool:
        """Whether somebody else wrote or deleted it since we looked."""
        if self.overwrite:
            return False
        if item.action == CREATE_IT:
            return found.there
        return not found.there or bool(item.version and found.version != item.version)

    def is_written(self, kind: str) -> bool:
        """Whether any resource of a type was stored in this export."""
        return any(self.tally.counts[kind][each] for each in (CREATED, UPDATED))

    def old_hash(self, item: Item) -> str | None:
        """The content that the server holds as far as we know."""
        entry = self.journal.get(item.type, item.id)
        return entry.hash if entry else None

    def attempts(self, item: Item) -> int:
        """How often it was sent."""
        attempt = self.under_way.pop(item.seq, 0)
        if attempt:
            return attempt
        entry = self.journal.get(item.type, item.id)
        return entry.attempt if entry else 1
