"""What a server holds of a cohort: all that has a site's tag, and what is asked for by its id."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from imnm_fhir.server import Connection, import_resources
from imnm_fhir.server.reading.search import find
from imnm_fhir.shapes.tree import load_shapes
from imnm_fhir.terminology import load_project


def read_held(connection: Connection, folder: Path, site: str) -> Iterator[bytes]:
    """Every resource that the server holds with a site's tag, a line each; `folder` is for the time between."""
    types = [shape.resource for shape in load_shapes().values()]
    tag = f"{load_project().base}/site", site
    for path in import_resources(connection, folder, types, tag=tag).values():
        with path.open("rb") as lines:
            yield from lines
        path.unlink()


def look_again(connection: Connection, places: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    """Resources asked for by type and id, whatever tags they carry; those that are there."""
    for kind in sorted({kind for kind, _ in places}):
        ids = [ident for other, ident in places if other == kind]
        yield from find(connection, kind, {"_id": ",".join(ids), "_count": str(len(ids))})


def is_deleted(connection: Connection, kind: str, ident: str) -> bool:
    """Whether the server says that a resource was there once (410, R4 http.html#read)."""
    return connection.request("GET", f"{kind}/{ident}?_elements=id").status == 410
