"""How resources are sent: the envelope and the naming, tried from the best on until one works.

An envelope is a transaction, a batch or a single request; a naming is the client's own id, or the
business identifier where the server assigns the ids. What worked is kept in the journal.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from imnm_fhir.server.capabilities import Capabilities

TRANSACTION, BATCH, SINGLE = "transaction", "batch", "single"
CLIENT_ID, UPDATE, CREATE = "client id", "conditional update", "conditional create"
_SAID = {
    TRANSACTION: "transactions",
    BATCH: "batches, one type after the other",
    SINGLE: "single requests, one type after the other",
}
_NAMED = {
    CLIENT_ID: "PUT Type/id",
    UPDATE: "PUT Type?identifier= (the server assigns the ids)",
    CREATE: "POST Type with If-None-Exist (the server assigns the ids)",
}
NEEDED = (
    "needed is one of: the interaction `update` with `updateCreate`; `conditionalUpdate`; `create` with "
    "`conditionalCreate`; each by transaction, batch or single requests"
)


@dataclass(frozen=True)
class Plan:
    """One way to send."""

    envelope: str = TRANSACTION
    naming: str = CLIENT_ID

    def __str__(self) -> str:
        """Return the plan as people read it."""
        return f"{_SAID[self.envelope]} of {_NAMED[self.naming]}"

    @property
    def name(self) -> str:
        """The plan as the journal keeps it."""
        return f"{self.envelope}, {self.naming}"


def ladder(capabilities: Capabilities, kinds: Sequence[str], remembered: str = "") -> list[Plan]:
    """Return every plan, the one to try first at the top.

    What worked before comes first, then what the statement favours; nothing is left out, since
    statements leave out what a server can do.
    """
    said = capabilities.interactions
    envelopes = [TRANSACTION, BATCH, SINGLE]
    if BATCH in said and TRANSACTION not in said:
        envelopes = [BATCH, TRANSACTION, SINGLE]
    namings = [CLIENT_ID, UPDATE, CREATE]
    types = [capabilities.of(kind) for kind in kinds]
    if any(each.conditional_update is False for each in types):
        namings = [CLIENT_ID, CREATE, UPDATE]
    no_update = bool(capabilities.denied(kinds, "update"))
    if no_update or any(each.update_create is False for each in types):
        namings = [*namings[1:], CLIENT_ID]
    plans = [Plan(envelope, naming) for naming in namings for envelope in envelopes]
    return sorted(plans, key=lambda plan: plan.name != remembered)


class Choice:
    """The plan of a running export: it steps down until a plan has stored a resource."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        """Begin with the first plan."""
        self.plans = list(plans)
        self.plan = self.plans[0]
        self.confirmed = False
        self.notes: list[str] = []
        self.batch_reads = True
        self._lock = threading.Lock()

    def confirm(self, plan: Plan) -> None:
        """Keep to the plan: it stored a resource."""
        with self._lock:
            if not self.confirmed and plan != self.plan:
                self.notes.append(f"the server does not take {self.plan}: sent as {plan}")
            if not self.confirmed:
                self.plan, self.confirmed = plan, True

    def others(self) -> list[Plan]:
        """The plans to try when the present one fails: none once it has worked."""
        return [] if self.confirmed else [plan for plan in self.plans if plan != self.plan]
