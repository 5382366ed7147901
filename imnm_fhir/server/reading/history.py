"""What a server's history says was deleted."""

from urllib.parse import quote, urlencode

from imnm_fhir.server.reading.pages import read_page
from imnm_fhir.server.reading.search import STRICT
from imnm_fhir.server.request.address import join
from imnm_fhir.server.request.connection import Connection

_PAGES = 200  # a history that is longer is no quick way to what was deleted


def deleted_since(connection: Connection, name: str, since: str) -> set[str] | None:
    """The ids of resources of a type that were deleted since an instant, and are so still.

    None where the server keeps no such history, or one that is too long to be worth reading.
    """
    path = f"{name}/_history?{urlencode({'_since': since, '_count': '500'}, quote_via=quote)}"
    deleted, seen, asked = set[str](), set[str](), set[str]()
    for _ in range(_PAGES):
        response = connection.request("GET", path, headers=STRICT)
        try:
            page = read_page(response.body) if response.status == 200 else None
        except ValueError:
            page = None
        if page is None or page.type != "history":
            return None
        for entry in page.entries:  # the newest comes first
            kind, _, ident = (entry.deleted or "").partition("/")
            ident = ident or str(entry.resource.get("id", ""))
            if kind == name and ident not in seen:
                deleted.add(ident)
            seen.add(ident)
        if page.next is None:
            return deleted
        asked.add(path)
        path = join(response.url, page.next)
        if path in asked:
            return None
    return None
