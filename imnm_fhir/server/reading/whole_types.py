"""Reading whole types of a server by search to NDJSON on disk, in one go."""

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server.reading.check import Outcome, check_type
from imnm_fhir.server.reading.search import Query, Reading, Tag, read_query
from imnm_fhir.server.reading.spool import Spool, open_spool
from imnm_fhir.server.request.connection import Connection

logger = logging.getLogger(__name__)


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
        with tempfile.TemporaryDirectory(dir=folder, prefix=".reading-") as temporary:
            spool = open_spool(Path(temporary))
            for name in types:
                reading, query = Reading(page_size, progress), Query(name, (), tag)
                read_query(connection, spool, query, reading)
                outcome = check_type(connection, spool, name, [query], reading)
                _tell(connection, name, reading, outcome)
            return _publish(spool, folder, types)
    except OSError as error:
        place = error.filename or folder
        raise ImnmFhirError(
            f"{place}: cannot be written ({error.strerror}): free space or choose another folder"
        ) from None


def _tell(connection: Connection, name: str, reading: Reading, outcome: Outcome) -> None:
    if reading.left_out:
        said = "%s: %d %s without the tag left out"
        logger.warning(said, connection.base_url, reading.left_out, name)
    if outcome.copies:
        logger.warning("%s: %d %s came twice", connection.base_url, outcome.copies, name)
    if not outcome.counted:
        said = "%s: does not count its %s: compared by their ids"
        logger.warning(said, connection.base_url, name)


def _publish(spool: Spool, folder: Path, types: Sequence[str]) -> dict[str, Path]:
    spool.save()
    files: dict[str, Path] = {}
    for name in types:
        path = folder / f"{name}.ndjson"
        if spool.count(name):
            os.replace(spool.folder / path.name, path)
            files[name] = path
        else:
            path.unlink(missing_ok=True)  # of an earlier import: the server has none any more
    return files
