"""Reading a server by search: page after page into a spool, and counting what is there."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from imnm_fhir.errors import ServerError
from imnm_fhir.server.reading.pages import Entry, Page, read_page
from imnm_fhir.server.reading.spool import Spool
from imnm_fhir.server.request.address import join
from imnm_fhir.server.request.connection import Connection, Response
from imnm_fhir.server.request.words import issues_of, words_of

logger = logging.getLogger(__name__)

_EMPTY_PAGES = 100  # in a row; a server that filters late may send some
_EXPIRED = (400, 404, 410)  # what servers answer when a link to a next page has expired
_RESTARTS = 3  # of one query whose links expire
CHUNK = 50  # ids in one search: an address of about 2000 characters
STRICT = {"Prefer": "handling=strict"}  # else a server may ignore _tag and give everything
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Tag = tuple[str, str | None]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Query:
    """A search: type, parameters, and the tag (system and code, None: any) that must be there."""

    type: str
    parameters: tuple[tuple[str, str], ...] = ()
    tag: Tag | None = None


class ExpiredError(ServerError):
    """A link to the next page is no longer known to the server."""


@dataclass
class Reading:
    """Where the reading of one query stands: what is not asked yet, and what came.

    `save` is called after each page, with the link to the next one.
    """

    page_size: int = 500
    progress: Progress | None = None
    save: Callable[[str | None], None] = lambda link: None
    left_out: int = 0


def read_query(
    connection: Connection, spool: Spool, query: Query, reading: Reading,
    link: str | None = None, start: int | None = None,
) -> None:  # fmt: skip
    """Add every resource that `query` finds to `spool`, from page `link` on where one is given.

    `start` is the size that the type had before the first page of the query.

    Each line is a resource in the very text that the server wrote, numbers included. Links that
    expire start the query anew. Raises ServerError for an answer that is no search result, and for
    links that lead elsewhere or in a circle.
    """
    start = spool.size(query.type) if start is None else start
    for attempt in range(_RESTARTS + 1):
        try:
            _read_pages(connection, spool, query, reading, link)
            return
        except ExpiredError:
            if attempt == _RESTARTS:
                raise
            logger.warning(
                "%s: the server forgot its pages of %s: they are read anew",
                connection.base_url,
                query.type,
            )
            link = None
            spool.cut(query.type, start)


def _read_pages(
    connection: Connection, spool: Spool, query: Query, reading: Reading, link: str | None
) -> None:
    response = _ask_link(connection, link, query.type) if link else open_search(
        connection, query, {"_count": str(reading.page_size)}
    )  # fmt: skip
    if query.tag and not link and "_tag=" not in response.url:
        logger.warning(
            "%s: cannot search %s by this tag: all are read, and selected here",
            connection.base_url,
            query.type,
        )
    for page, following in pages(connection, response, query.type):
        for entry in page.entries:
            identifier = check_entry(connection, entry, query.type)
            if identifier is None:
                continue
            if has_tag(entry.resource, query.tag):
                spool.add(query.type, identifier, entry.line.encode())
            else:
                reading.left_out += 1
        reading.save(following)
        if reading.progress:
            reading.progress(len(page.entries))


def read_idents(connection: Connection, query: Query, page_size: int = 1000) -> Iterator[str]:
    """The id of each resource that `query` finds; little more than ids is sent for it."""
    more = {"_elements": "id,meta", "_count": str(page_size)}
    response = open_search(connection, query, more)
    for page, _ in pages(connection, response, query.type):
        for entry in page.entries:
            identifier = check_entry(connection, entry, query.type)
            if identifier is not None and has_tag(entry.resource, query.tag):
                yield identifier


def find(connection: Connection, name: str, parameters: dict[str, str]) -> Iterator[bytes]:
    """Yield what a search for resources of one type finds, each in the text that the server wrote.

    Raises ServerError for an answer that is no search result and for links in a circle.
    """
    seen: set[str] = set()
    response = connection.request("GET", _path(name, parameters), headers=STRICT)
    for page, _ in pages(connection, response, name):
        for entry in page.entries:
            identifier = check_entry(connection, entry, name)
            if identifier is not None and identifier not in seen:
                seen.add(identifier)
                yield entry.line.encode()


def count_query(connection: Connection, query: Query) -> int | None:
    """How many resources the server counts for `query`, None where it does not count them."""
    for more in ({"_summary": "count"}, {"_total": "accurate", "_count": "1"}):
        path = query_path(query, more)
        response = connection.request("GET", path, headers=STRICT)
        if response.status != 200:
            continue
        total = search_result(connection, response, query.type).total
        counted = query.tag is None or query.tag[1] is not None
        if total is not None and counted and 0 <= total < 10**15:
            return total
    return None


def by_ids(kind: str, idents: Sequence[str], tag: Tag | None) -> Iterator[Query]:
    """Searches for resources by their ids."""
    for at in range(0, len(idents), CHUNK):
        yield Query(
            kind, (("_id", ",".join(map(escape_search_value, idents[at : at + CHUNK]))),), tag
        )


def check_entry(connection: Connection, entry: Entry, name: str) -> str | None:
    """The id of a resource that matches, None for what only came along.

    Raises ServerError for an OperationOutcome of errors, another type, or a resource without id.
    """
    found = entry.resource.get("resourceType")
    where = f"{connection.base_url}: searching {name}"
    if found == "OperationOutcome":
        said = words_of(entry.resource)
        if any(issue.get("severity") in ("error", "fatal") for issue in issues_of(entry.resource)):
            raise ServerError(f"{where}: the server says {said}: ask who runs it")
        logger.warning("%s: the server says: %s", where, said)
        return None
    if entry.mode not in (None, "match"):
        return None
    identifier = entry.resource.get("id")
    if found != name or not isinstance(identifier, str) or not identifier:
        raise ServerError(f"{where}: found something else, or without id: ask who runs it")
    return identifier


def has_tag(resource: Mapping[str, object], tag: Tag | None) -> bool:
    """Whether a resource carries the tag; always, where none is asked for."""
    if tag is None:
        return True
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return any(
        isinstance(one, dict) and one.get("system") == tag[0] and tag[1] in (None, one.get("code"))
        for one in (tags if isinstance(tags, list) else ())
    )


def open_search(connection: Connection, query: Query, more: Mapping[str, str]) -> Response:
    """The first page of a search.

    Not every server can sort by id or search a tag (HAPI refuses one without a code): what is
    refused is left out, and the tag is looked at here.
    """
    wanted, order = _wanted(query), {"_sort": "_id"}
    untagged = {name: value for name, value in wanted.items() if name != "_tag"}
    attempts = [(wanted, order), (wanted, {}), (untagged, order), (untagged, {})]
    for selection, ordered in attempts if query.tag else attempts[2:]:
        path = _path(query.type, {**selection, **ordered, **more})
        response = connection.request("GET", path, headers=STRICT)
        if response.status != 400:
            break
    if response.status != 200:
        raise connection.refusal(response, f"searching {query.type}")
    return response


def post_search(connection: Connection, name: str, parameters: Mapping[str, str]) -> Response:
    """The first page of a search whose parameters no log of addresses shall see.

    Servers without `_search` are asked in the usual way.
    """
    body = urlencode(parameters, quote_via=quote).encode()
    headers = {**STRICT, **FORM}
    response = connection.request(
        "POST", f"{name}/_search", body=body, headers=headers, idempotent=True
    )
    if response.status in (404, 405, 415, 501):
        response = connection.request("GET", _path(name, parameters), headers=STRICT)
    if response.status != 200:
        raise connection.refusal(response, f"searching {name}")
    return response


def pages(
    connection: Connection, response: Response, name: str
) -> Iterator[tuple[Page, str | None]]:
    """Yield each page with the address of the next one.

    Raises `ExpiredError` when a next page is not known any more, ServerError for what is no page of
    search results and for links in a circle: to an address or to a page that was there before.
    """
    asked, seen, empty = {response.url}, set[int](), 0
    while True:
        page = search_result(connection, response, name)
        content = hash(tuple(str(entry.resource.get("id")) for entry in page.entries))
        empty = 0 if page.entries else empty + 1
        url = join(response.url, page.next) if page.next is not None else None
        if url in asked or empty > _EMPTY_PAGES or (page.entries and content in seen):
            raise ServerError(
                f"{connection.base_url}: searching {name}: the links to the next page lead in a "
                "circle: try another page size"
            )
        yield page, url
        if url is None:
            return
        seen.add(content)
        asked.add(url)
        response = _ask_link(connection, url, name)


def _ask_link(connection: Connection, url: str, name: str) -> Response:
    response = connection.request("GET", url, headers=STRICT)
    if response.status in _EXPIRED:
        raise ExpiredError(str(connection.refusal(response, f"searching {name}")))
    return response


def search_result(connection: Connection, response: Response, name: str) -> Page:
    """The page that a server answered; raises ServerError where it is none."""
    where = f"{connection.base_url}: searching {name}"
    if response.status != 200:
        raise connection.refusal(response, f"searching {name}")
    try:
        page = read_page(response.body)
    except ValueError:
        raise ServerError(f"{where}: answered no Bundle: check the address, or repeat") from None
    if page.type != "searchset":
        raise ServerError(f"{where}: answered a Bundle that is no search result: check the address")
    return page


def _wanted(query: Query) -> dict[str, str]:
    tag = (
        {"_tag": "|".join(escape_search_value(part or "") for part in query.tag)}
        if query.tag
        else {}
    )
    return {**tag, **dict(query.parameters)}


def query_path(query: Query, more: Mapping[str, str]) -> str:
    """The address, below the base, that asks for a search with further parameters."""
    return _path(query.type, {**_wanted(query), **more})


def _path(name: str, parameters: Mapping[str, str]) -> str:
    return f"{name}?{urlencode(parameters, quote_via=quote)}" if parameters else name


def escape_search_value(text: str) -> str:
    """Return `text` with what separates in a search value escaped (R4, search.html#escaping)."""
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text
