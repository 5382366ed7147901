"""Whether what resources point to is at the server, and under which id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imnm_fhir.server.request.connection import Connection
from imnm_fhir.transfer.delivery import Item, references
from imnm_fhir.transfer.journal import CONFLICT, DELETING, WITHDRAWN, Journal
from imnm_fhir.transfer.reading import exists

_REMEMBERED = 20_000  # of what is there: the patients of the bundles under way
Target = tuple[str, str]  # type and id, as the cohort has them


@dataclass
class Targets:
    """What is at the server, by the journal and, for what is not ours, by the server itself."""

    journal: Journal
    connection: Connection
    _strange: dict[Target, bool] = field(default_factory=dict)
    _known: set[Target] = field(default_factory=set)

    def is_there(self, target: Target) -> bool:
        """Whether the server holds a resource in any version that we know of."""
        if target in self._known:
            return True
        entry = self.journal.get(*target)
        if entry:
            gone = entry.state == CONFLICT and entry.status in (404, 410)
            there = entry.hash is not None and entry.state not in (DELETING, WITHDRAWN) and not gone
            if there:
                self._remember(target)
            return there
        if target not in self._strange:
            self._strange[target] = exists(self.connection, *target)
        return self._strange[target]

    def _remember(self, target: Target) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known = set()
        self._known.add(target)

    def server_id(self, kind: str, identifier: str) -> str | None:
        """The id at the server of a resource of ours, None where it is not there."""
        entry = self.journal.get(kind, identifier)
        if entry is None:
            return identifier if self.is_there((kind, identifier)) else None
        return entry.server_id or identifier

    def missing(self, item: Item) -> list[Target]:
        """What a resource points to and the server does not hold."""
        return [target for target in references(item.line) if not self.is_there(target)]

    def part(self, items: Sequence[Item], together: bool) -> tuple[list[Item], list[Item]]:
        """Part `items` into those whose references lead somewhere and those that would dangle.

        `together`: resources of one request may point to each other.
        """
        inside: Iterable[Target] = {(item.type, item.id) for item in items} if together else ()
        ready: list[Item] = []
        held: list[Item] = []
        for item in items:
            dangling = [target for target in self.missing(item) if target not in inside]
            (held if dangling else ready).append(item)
        if not held or not inside:
            return ready, held
        again, more = self.part(ready, together)  # what pointed to one that is held
        return again, [*held, *more]
