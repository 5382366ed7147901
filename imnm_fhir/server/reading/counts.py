"""Counting many searches at once: one batch where the server takes it, else one by one."""

from collections.abc import Sequence

from imnm_fhir.errors import ServerError
from imnm_fhir.server.reading.search import Query, count_query, query_path
from imnm_fhir.server.request.connection import Connection, UnansweredError

_BATCH = 50


def count_queries(
    connection: Connection, queries: Sequence[Query], *, singly: bool = True
) -> list[int | None]:
    """How many resources each search finds, None where the server does not say.

    A server without batch is asked one by one, or with `singly` False not at all.
    """
    counts: list[int | None] = []
    for at in range(0, len(queries), _BATCH):
        chunk = queries[at : at + _BATCH]
        found = _count_batch(connection, chunk)
        if found is None:
            found = [_count_one(connection, each) if singly else None for each in chunk]
        counts += found
    return counts


def _count_one(connection: Connection, query: Query) -> int | None:
    try:
        return count_query(connection, query)
    except UnansweredError:
        raise
    except ServerError:
        return None  # an answer that is no count


def _count_batch(connection: Connection, queries: Sequence[Query]) -> list[int | None] | None:
    entries = [
        {"request": {"method": "GET", "url": query_path(query, {"_summary": "count"})}}
        for query in queries
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = connection.request("POST", "", json=bundle, idempotent=True)
    content = answer.json() if answer.status == 200 else None
    found = content.get("entry") if isinstance(content, dict) else None
    if not isinstance(found, list) or len(found) != len(queries):
        return None
    return [_total(each) for each in found]


def _total(entry: object) -> int | None:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("type") != "searchset":
        return None
    total = resource.get("total")
    whole = isinstance(total, int) and not isinstance(total, bool) and 0 <= total < 10**15
    return total if whole else None
