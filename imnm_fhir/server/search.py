"""Reading a server by search, page after page, to NDJSON on disk."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode, urljoin

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server.connection import Connection, Response
from imnm_fhir.server.pages import Entry, Page, read_page
from imnm_fhir.server.words import issues_of, words_of

logger = logging.getLogger(__name__)

_PAGES_WITHOUT_NEWS = 100  # in a row; a server that filters late may send some
_STRICT = {"Prefer": "handling=strict"}  # else a server may ignore _tag and give everything

Tag = tuple[str, str | None]


def import_resources(
    connection: Connection,
    folder: Path,
    types: Sequence[str],
    *,
    tag: Tag | None = None,
    page_size: int = 500,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Path]:
    """Return one NDJSON file in `folder` for each of `types` that the server has resources of.

    Each line is a resource in the very text that the server wrote, numbers included. `tag` is a
    system and a code (None: any code of it) that each resource must carry in `meta.tag`. `progress`
    is called with the number of resources of each page. Files take their names when every type is
    complete; before that a file of the same name stays as it is.

    Raises ServerError when a type is not complete: an answer that is no search result, a link that
    leads elsewhere or in a circle, or a second count that differs; ImnmFhirError when the disk
    refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            parts: dict[str, tuple[Path, int]] = {}
            for name in types:
                part = folder / f".{name}.ndjson.part"
                undo.callback(part.unlink, missing_ok=True)
                with part.open("wb") as file:
                    found = _import_type(connection, file, name, tag, page_size, progress)
                parts[name] = part, found
            return _publish(folder, parts)
    except OSError as error:
        place = error.filename or folder
        raise ImnmFhirError(
            f"{place}: cannot be written ({error.strerror}): free space or choose another folder"
        ) from None


def find(connection: Connection, name: str, parameters: dict[str, str]) -> Iterator[bytes]:
    """Yield what a search for resources of one type finds, each in the text that the server wrote.

    Raises ServerError for an answer that is no search result and for links in a circle.
    """
    seen: set[str] = set()
    response = connection.request("GET", _query(name, parameters), headers=_STRICT)
    for page in _pages(connection, response, name, seen):
        for entry in page.entries:
            identifier = _check_entry(connection, entry, name)
            if identifier is not None and identifier not in seen:
                seen.add(identifier)
                yield entry.line.encode()


def _publish(folder: Path, parts: dict[str, tuple[Path, int]]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name, (part, found) in parts.items():
        path = folder / f"{name}.ndjson"
        if found:
            os.replace(part, path)
            files[name] = path
        else:
            path.unlink(missing_ok=True)  # of an earlier import: the server has none any more
    return files


def _import_type(
    connection: Connection,
    file: BinaryIO,
    name: str,
    tag: Tag | None,
    page_size: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Write every resource of the type and tag to `file`; return how many, once all have come."""
    response, wanted = _open_search(connection, name, tag, page_size)
    seen: set[str] = set()
    written = came = 0
    for page in _pages(connection, response, name, seen):
        for entry in page.entries:
            identifier = _check_entry(connection, entry, name)
            if identifier is None:
                continue
            came += 1
            if identifier not in seen and (tag is None or _has_tag(entry.resource, tag)):
                file.write(entry.line.encode() + b"\n")
                written += 1
            seen.add(identifier)
        if progress:
            progress(len(page.entries))
    _check_count(connection, name, wanted, len(seen))
    if came > len(seen):
        logger.warning("%s: %d %s came twice", connection.base_url, came - len(seen), name)
    if written < len(seen):
        left = len(seen) - written
        logger.warning("%s: %d %s without the tag left out", connection.base_url, left, name)
    return written


def _check_entry(connection: Connection, entry: Entry, name: str) -> str | None:
    """Return the id of a resource that matches, None for what only came along."""
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
    if found != name or not isinstance(identifier, str):
        raise ServerError(f"{where}: found something else, or without id: ask who runs it")
    return identifier


def _has_tag(resource: dict[str, object], tag: Tag) -> bool:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return any(
        isinstance(one, dict) and one.get("system") == tag[0] and tag[1] in (None, one.get("code"))
        for one in (tags if isinstance(tags, list) else ())
    )


def _open_search(
    connection: Connection, name: str, tag: Tag | None, page_size: int
) -> tuple[Response, dict[str, str]]:
    """Return the first page, and the parameters that select what is searched.

    Not every server can sort by id or search a tag (HAPI refuses one without a code): what is
    refused is left out, and the tag is looked at here.
    """
    wanted = {"_tag": "|".join(_escape(part or "") for part in tag)} if tag else {}
    attempts = [(wanted, {"_sort": "_id"}), (wanted, {}), ({}, {"_sort": "_id"}), ({}, {})]
    for selection, order in attempts if tag else attempts[2:]:
        path = _query(name, {**selection, **order, "_count": str(page_size)})
        response = connection.request("GET", path, headers=_STRICT)
        if response.status != 400:
            break
    if tag and response.status == 200 and not selection:
        logger.warning(
            "%s: cannot search %s by this tag: all are read, and selected here",
            connection.base_url,
            name,
        )
    return response, selection


def _pages(connection: Connection, response: Response, name: str, seen: set[str]) -> Iterator[Page]:
    """Yield page after page; `seen`, which the caller fills, shows whether they bring news."""
    asked = {response.url}
    without_news = 0
    while True:
        page = _search_result(connection, response, name)
        before = len(seen)
        yield page
        without_news = 0 if len(seen) > before else without_news + 1
        if page.next is None:
            return
        url = urljoin(response.url, page.next)
        if url in asked or without_news >= _PAGES_WITHOUT_NEWS:
            raise ServerError(
                f"{connection.base_url}: searching {name}: the links to the next page lead in a "
                "circle: try another page size"
            )
        asked.add(url)
        response = connection.request("GET", url, headers=_STRICT)


def _search_result(connection: Connection, response: Response, name: str) -> Page:
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


def _check_count(connection: Connection, name: str, wanted: dict[str, str], found: int) -> None:
    """Compare with a second count, which tells of gaps and of changes while paging."""
    path = _query(name, {**wanted, "_summary": "count"})
    response = connection.request("GET", path, headers=_STRICT)
    total = _search_result(connection, response, name).total
    if total is None:
        logger.warning("%s: does not count its %s: unchecked", connection.base_url, name)
    elif total != found:
        raise ServerError(
            f"{connection.base_url}: {found} {name} came, but the server counts {total}: somebody "
            "may be writing to it; repeat the import"
        )


def _query(name: str, parameters: dict[str, str]) -> str:
    return f"{name}?{urlencode(parameters, quote_via=quote)}"


def _escape(text: str) -> str:
    """Return `text` with what separates in a search value escaped (R4, search.html#escaping)."""
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text
