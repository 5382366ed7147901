"""Whether all is there that the server has: a second count, and what is done where it differs."""

import logging
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imnm_fhir.errors import ServerError
from imnm_fhir.server.reading.history import deleted_since
from imnm_fhir.server.reading.search import (
    Query,
    Reading,
    Tag,
    by_ids,
    count_query,
    read_idents,
    read_query,
)
from imnm_fhir.server.reading.spool import Settled, Spool
from imnm_fhir.server.request.connection import Connection

logger = logging.getLogger(__name__)

_ROUNDS = 3


@dataclass
class Outcome:
    """What became of a type: resources, replaced by newer versions, gone from the server, found late."""

    kept: int = 0
    copies: int = 0
    replaced: int = 0
    gone: int = 0
    late: int = 0
    counted: bool = True

    def add(self, settled: Settled) -> None:
        """Count what one settling did."""
        self.kept = settled.kept
        self.copies += settled.copies
        self.replaced += settled.replaced
        self.gone += settled.gone


def check_type(
    connection: Connection, spool: Spool, kind: str, queries: Sequence[Query], reading: Reading,
    deletions_since: str | None = None,
) -> Outcome:  # fmt: skip
    """Settle a type and compare it with the server's own count, until they agree.

    Where they do not, the history is asked for what was deleted since `deletions_since`, then the
    ids of all that is there are compared one by one: what is gone leaves, what is missing is read.
    Raises ServerError when they still differ, since a part would be taken for the whole.
    """
    outcome = Outcome()
    outcome.add(spool.settle(kind))
    total = _total(connection, queries, reading)
    if total != outcome.kept and deletions_since:
        spool.remove(kind, deleted_since(connection, kind, deletions_since) or ())
        outcome.add(spool.settle(kind))
    for _ in range(_ROUNDS):
        if total == outcome.kept:
            return outcome
        same = _compare(connection, spool, kind, queries, reading, total, outcome)
        outcome.add(spool.settle(kind))
        if same and total is None:
            return replace(outcome, counted=False)
        total = _total(connection, queries, reading)
    if total == outcome.kept:
        return outcome
    counts = "lists others" if total is None else f"counts {total}"
    raise ServerError(
        f"{connection.base_url}: {outcome.kept} {kind} came, but the server {counts}: somebody may be "
        "writing to it; repeat the import"
    )


def _total(connection: Connection, queries: Sequence[Query], reading: Reading) -> int | None:
    """The server's count; None where it does not count, or counts what lacks the tag as well."""
    if reading.left_out:
        return None
    total = 0
    for query in queries:
        count = count_query(connection, query)
        if count is None:
            return None
        total += count
    return total


def _compare(
    connection: Connection, spool: Spool, kind: str, queries: Sequence[Query], reading: Reading,
    total: int | None, outcome: Outcome,
) -> bool:  # fmt: skip
    """Compare id by id: remove what is gone, read what is missing; whether nothing was missing.

    A list that is shorter than the server's own count removes nothing: it may lack a page itself.
    """
    import numpy as np

    here = np.unique(np.frombuffer(spool.hashes(kind), dtype=np.int64))
    listed, missing = array("q"), dict[str, Tag | None]()
    for query in queries:
        for ident in read_idents(connection, query):
            listed.append(hash(ident))
            place = int(np.searchsorted(here, hash(ident)))
            if place == len(here) or here[place] != hash(ident):
                missing[ident] = query.tag
    there = np.unique(np.frombuffer(listed, dtype=np.int64))
    if total is not None and len(there) != total:
        return False
    gone_hashes = set(np.setdiff1d(here, there).tolist())
    if gone_hashes:
        if total is None:
            _check_listed_twice(connection, queries, len(there))
        spool.remove(kind, [ident for ident in spool.idents(kind) if hash(ident) in gone_hashes])
    outcome.late += len(missing)
    for query in by_ids(kind, list(missing), next(iter(missing.values()), None)):
        read_query(connection, spool, query, reading)
    return not missing


def _check_listed_twice(connection: Connection, queries: Sequence[Query], found: int) -> None:
    """Raise ServerError when a second list, of other pages, has another length."""
    again = sum(1 for query in queries for _ in read_idents(connection, query, page_size=333))
    if again != found:
        raise ServerError(
            f"{connection.base_url}: lists {found} {queries[0].type} and then {again}: somebody may "
            "be writing to it; repeat the import"
        )


def told(outcomes: Mapping[str, Outcome]) -> list[str]:
    """What is worth saying of the checks, a line each."""
    lines = []
    for kind, outcome in outcomes.items():
        if outcome.copies:
            logger.info("%d %s came more than once", outcome.copies, kind)
        if outcome.gone:
            lines.append(f"{outcome.gone} {kind} are not at the server any more, and left")
        if outcome.late:
            lines.append(
                f"{outcome.late} {kind} appeared while the server was read, and were added"
            )
        if not outcome.counted:
            lines.append(f"{kind}: the server does not count them: compared by their ids instead")
    return lines
