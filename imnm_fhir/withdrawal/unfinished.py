"""What a server may still hold of withdrawn patients, kept where it went away in the middle.

A search finds what is there, but not the old versions of what was deleted just before; and the cohort,
which knew the ids, has forgotten the patient by then. Types and ids stand in the file, nothing else, and
it goes with the next withdrawal that every server answers.
"""

import json
from collections.abc import Collection
from pathlib import Path

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.withdrawal.tombstones import FILE as TOMBSTONES
from imnm_fhir.written import replace_atomically

FILE = f"{TOMBSTONES}.unfinished"
Place = tuple[str, str]  # type and the server's id


def read_unfinished(tombstones: Path) -> set[Place]:
    """Places at servers that are kept beside a file of tombstones; raises `ImnmFhirError` if damaged."""
    path = tombstones.with_name(FILE)
    if not path.exists():
        return set()
    try:
        return {(str(kind), str(ident)) for kind, ident in json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, TypeError):
        raise ImnmFhirError(
            f"{path}: is damaged: old versions of withdrawn resources may stay at the server: ask who "
            "runs it, then remove the file"
        ) from None


def keep_unfinished(tombstones: Path, places: Collection[Place]) -> None:
    """Keep `places` beside a file of tombstones; none: the file goes."""
    path = tombstones.with_name(FILE)
    if not places:
        path.unlink(missing_ok=True)
        return
    with replace_atomically(path) as unfinished:
        unfinished.write_text(json.dumps(sorted(places)) + "\n", "utf-8")
