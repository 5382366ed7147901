"""From FHIR on disk or on a server to a cohort's folder."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imnm_fhir.cohort import read_issues
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.flow.places import Progress, is_url
from imnm_fhir.terminology import load_project

if TYPE_CHECKING:
    from imnm_fhir.server import ServerOptions


@dataclass(frozen=True)
class Imported:
    """What an import read: rows by table, and the issues (refused resources, leaves not read)."""

    source: str
    rows: Mapping[str, int]
    issues: Sequence[str]

    def lines(self) -> list[str]:
        """What was read and what was not, a line each."""
        rows = ", ".join(f"{count} {name}" for name, count in self.rows.items())
        return [f"{self.source}: {rows}", *self.issues]


def import_fhir(
    source: str,
    out: Path,
    *,
    site: str | None = None,
    everything: bool = False,
    keep_going: bool = False,
    server: "ServerOptions | None" = None,
    progress: Progress | None = None,
) -> Imported:
    """Import FHIR from a server's URL, NDJSON or a Bundle into the cohort folder `out`."""
    from imnm_fhir.fhir import import_files

    if not is_url(source):
        manifest = import_files(Path(source), out, site=site, keep_going=keep_going)
    else:
        with tempfile.TemporaryDirectory(prefix="imnm-fhir-") as temporary:
            _download(source, Path(temporary), everything, server, progress)
            manifest = import_files(Path(temporary), out, site=site, keep_going=keep_going)
    issues = [f"{issue.place()}: {issue.message}" for issue in read_issues(out)]
    return Imported(
        source, {name: about["rows"] for name, about in manifest["tables"].items()}, issues
    )


def _download(
    url: str, folder: Path, everything: bool, server: "ServerOptions | None",
    progress: Progress | None,
) -> None:  # fmt: skip
    from imnm_fhir.server import connect, import_resources, read_credentials
    from imnm_fhir.shapes.tree import load_shapes

    types = [shape.resource for shape in load_shapes().values()]
    tag = None if everything else (f"{load_project().base}/project", "imnm-fhir")
    with connect(url, read_credentials(), server) as connection:
        files = import_resources(connection, folder, types, tag=tag, progress=progress)
    if not files:
        hint = "" if everything else " with our tag; --all reads resources of others too"
        raise ImnmFhirError(f"{url}: holds no resource{hint}")
