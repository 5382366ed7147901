"""A page of search results, its resources cut out as the very text that the server wrote.

Parsing and writing again would turn `1.50` into `1.5` and round long numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from json import JSONDecoder

_SPACE = " \t\n\r"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Only texts are looked at in what is parsed, so numbers stay what they are.
_DECODER = JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant)


@dataclass(frozen=True)
class Entry:
    """One entry: the resource as text in one line and as JSON, and why it was found.

    In a history `deleted` is the `Type/id` of a resource that was deleted, which is not there.
    """

    line: str
    resource: dict[str, object]
    mode: str | None
    deleted: str | None = None


@dataclass
class Page:
    """A Bundle of search results: its entries, the link to the next page, its total if told."""

    type: str = ""
    entries: list[Entry] = field(default_factory=list)
    next: str | None = None
    total: int | None = None


def read_page(body: bytes) -> Page:
    """Return the page that `body` holds.

    Raises ValueError when it is not JSON in UTF-8 or not a Bundle.
    """
    text = body.decode("utf-8-sig")
    members: dict[str, object] = {}
    page = Page()

    def read_member(name: str, at: int) -> int:
        if name == "entry":
            return _walk_array(text, at, lambda start: _read_entry(text, start, page.entries))
        members[name], end = _value(text, at)
        return end

    try:
        end = _walk_object(text, _skip(text, 0), read_member)
    except RecursionError:
        raise ValueError("JSON too deep") from None
    if _skip(text, end) != len(text) or members.get("resourceType") != "Bundle":
        raise ValueError("no Bundle")
    page.type = str(members.get("type", ""))
    page.total = int(str(members["total"])) if "total" in members else None
    page.next = _next_link(members.get("link"))
    return page


def read_resource(line: bytes) -> dict[str, object]:
    """The resource in a line, for a look at its texts; raises ValueError where there is none."""
    import orjson

    try:
        found = orjson.loads(line)
    except ValueError:  # it is stricter than JSON in some numbers and escapes
        try:
            found = _DECODER.decode(line.decode("utf-8"))
        except UnicodeDecodeError:  # its own words show what stands there
            raise ValueError("not UTF-8") from None
        except RecursionError:
            raise ValueError("JSON too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _read_entry(text: str, at: int, entries: list[Entry]) -> int:
    members: dict[str, object] = {}
    span = slice(0)

    def read_member(name: str, start: int) -> int:
        nonlocal span
        members[name], end = _value(text, start)
        if name == "resource":
            span = slice(start, end)
        return end

    end = _walk_object(text, at, read_member)
    resource, search = members.get("resource"), members.get("search")
    if not isinstance(resource, dict):
        entries.append(Entry("", {}, None, _deleted(members.get("request"))))
        return end
    mode = search.get("mode") if isinstance(search, dict) else None
    # Inside of a JSON string a line break is always escaped: these stand between the members.
    line = text[span].replace("\r", " ").replace("\n", " ")
    entries.append(Entry(line, resource, mode if isinstance(mode, str) else None))
    return end


def _deleted(request: object) -> str:
    """What an entry without a resource says was deleted; raises ValueError when it does not."""
    found = request if isinstance(request, dict) else {}
    parts = str(found.get("url", "")).split("/_history")[0].split("?")[0].split("/")
    if found.get("method") != "DELETE" or len(parts) < 2 or not all(parts[-2:]):
        raise ValueError("an entry without a resource")
    return "/".join(parts[-2:])


def _walk_object(text: str, at: int, read_member: Callable[[str, int], int]) -> int:
    """Return where the object that starts at `at` ends; each value is read by `read_member`."""
    _expect(text, at, "{")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        _expect(text, at, '"')
        name, at = _value(text, at)
        at = _skip(text, at)
        _expect(text, at, ":")
        at = _skip(text, read_member(str(name), _skip(text, at + 1)))
        if text[at : at + 1] == "}":
            return at + 1
        _expect(text, at, ",")
        at = _skip(text, at + 1)


def _walk_array(text: str, at: int, read_item: Callable[[int], int]) -> int:
    """Return where the array that starts at `at` ends; each item is read by `read_item`."""
    _expect(text, at, "[")
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, read_item(at))
        if text[at : at + 1] == "]":
            return at + 1
        _expect(text, at, ",")
        at = _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[object, int]:
    found: tuple[object, int] = _DECODER.raw_decode(text, at)
    return found


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, character: str) -> None:
    if text[at : at + 1] != character:
        raise ValueError("no JSON")


def _next_link(links: object) -> str | None:
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else None
    return None
