"""From FHIR on disk or on a server to a cohort's folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from imnm_fhir.cohort import read_issues
from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.flow.endorsed import endorsement_lines
from imnm_fhir.flow.places import Progress, is_url
from imnm_fhir.flow.withdrawn import leave_out_of_folder
from imnm_fhir.terminology import load_project

if TYPE_CHECKING:
    from imnm_fhir.download import Wanted
    from imnm_fhir.server import Connection, ServerOptions


@dataclass(frozen=True)
class FromServer:
    """What of a server is imported, and how: the choices of a user.

    `method` is search, everything, bulk, or None for the best. `since` is `last` or a date: only
    changes are read, into what an earlier import kept. `everything`: resources of other programs
    too; `tag`: those with this tag (system|code) in place of the project's. `group` is the id of a
    Group, `patients` a file of identifiers. `poll`: the most seconds between two questions whether
    an export is ready.
    """

    method: str | None = None
    since: str | None = None
    everything: bool = False
    tag: str | None = None
    group: str | None = None
    patients: Path | None = None
    poll: float = 30
    page_size: int = 500
    server: "ServerOptions | None" = None

    @property
    def given(self) -> bool:
        """Whether anything was chosen that makes no sense for files."""
        return any((self.method, self.since, self.everything, self.tag, self.group, self.patients))


@dataclass(frozen=True)
class Imported:
    """What an import read: rows by table, and the issues (refused resources, leaves not read).

    `notes` tell how a server was read.
    """

    source: str
    rows: Mapping[str, int]
    issues: Sequence[str]
    notes: Sequence[str] = field(default=())

    def lines(self) -> list[str]:
        """What was read and what was not, a line each."""
        rows = ", ".join(f"{count} {name}" for name, count in self.rows.items())
        return [*self.notes, f"{self.source}: {rows}", *self.issues]


def import_fhir(
    source: str,
    out: Path,
    *,
    site: str | None = None,
    keep_going: bool = False,
    chosen: FromServer | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Import FHIR from a server's URL, NDJSON or a Bundle into the cohort folder `out`.

    What a server gives is kept in `<out>.import` until the cohort is written: a command that was
    interrupted goes on from there. With `since` it stays, for the next import to add changes to.
    """
    from imnm_fhir.fhir import import_files

    notes: list[str] = []
    if is_url(source):
        manifest, notes = _import_server(
            source, out, site, keep_going, chosen or FromServer(), progress
        )
    elif chosen and chosen.given:
        raise UsageError(
            "--method, --since, --all, --tag, --group and --patients are for a server's URL"
        )
    elif Path(source).suffix.lower() in SITE_FILES and Path(source).is_file():
        raise ImnmFhirError(
            f"{source}: is a site's file, not FHIR; read it with imnm-fhir harmonise {source} --site MAPPING "
            "--out FOLDER (imnm-fhir new-site writes a mapping to fill in)"
        )
    else:
        manifest = import_files(Path(source), out, site=site, keep_going=keep_going)
    leave_out_of_folder(out)
    notes += endorsement_lines(out)
    issues = [f"{issue.place()}: {issue.message}" for issue in read_issues(out)]
    rows = {name: about["rows"] for name, about in manifest["tables"].items()}
    return Imported(source, rows, issues, notes)


SITE_FILES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls")  # what harmonise is for


def kept_folder(out: Path) -> Path:
    """Where an import keeps what a server gave, beside the cohort's folder."""
    whole = out.resolve()
    return whole.with_name(f"{whole.name}.import")


def _import_server(
    url: str, out: Path, site: str | None, keep_going: bool, chosen: FromServer,
    progress: Progress | None,
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    from imnm_fhir.cohort import check_place
    from imnm_fhir.download import How, conclude, download, open_download, unread_types
    from imnm_fhir.fhir import import_files
    from imnm_fhir.server import connect, read_credentials
    from imnm_fhir.server.reading.bulk import Polling

    check_place(out)
    wanted = _wanted(chosen, site)
    how = How(
        chosen.method,
        chosen.since,
        chosen.page_size,
        Polling(most=chosen.poll),
        keep_going,
    )
    with connect(url, read_credentials(), chosen.server) as connection:
        with open_download(kept_folder(out)) as spool:
            got = download(connection, spool, wanted, how, progress)
            others = [] if wanted.group or wanted.listed else unread_types(connection, wanted)
            if not got.resources:
                conclude(spool, keep=False)
                which = "that" if chosen.tag else "our"
                hint = "" if chosen.everything else f" with {which} tag; --all reads others' too"
                raise ImnmFhirError(f"{url}: holds no resource{hint}")
            with _endorsements(connection, spool.folder) as unread:
                manifest = import_files(spool.folder, out, site=site, keep_going=keep_going)
            conclude(spool, keep=chosen.since is not None)
    return manifest, [f"{url}: {got.method.sentence()}", *got.notes, *others, *unread]


UNKNOWN_TYPE = (400, 404, 405, 501)  # how servers say that they have no such type


@contextmanager
def _endorsements(connection: "Connection", folder: Path) -> Iterator[list[str]]:
    """What investigators have endorsed at the server, beside what was read from it for as long as it lasts.

    They are about sites, so that no list of patients finds them. Yields what hindered the reading.
    """
    from imnm_fhir.errors import ServerError
    from imnm_fhir.fhir.endorsement import KIND
    from imnm_fhir.server.reading.search import find

    path, unread = folder / f"{KIND}.ndjson", []
    if path.exists():  # the server's bulk export brought them
        yield []
        return
    tag = {"_tag": "|".join(_tag(None))}
    try:
        first = connection.request("GET", f"{KIND}?{urlencode({**tag, '_summary': 'count'})}")
        lines = [] if first.status in UNKNOWN_TYPE else list(find(connection, KIND, tag))
    except ServerError as error:
        lines, unread = [], [f"endorsements were not read: {error}"]
    try:
        if lines:
            path.write_bytes(b"".join(line + b"\n" for line in lines))
        yield unread
    finally:
        path.unlink(missing_ok=True)


def _wanted(chosen: FromServer, site: str | None) -> "Wanted":
    from imnm_fhir.download import Wanted, read_list
    from imnm_fhir.shapes.tree import load_shapes

    if chosen.group and chosen.patients:
        raise UsageError("--group and --patients both say whom to import; give one of them")
    if chosen.tag and chosen.everything:
        raise UsageError("--all takes no heed of tags; leave out --tag")
    types = [shape.resource for shape in load_shapes().values()]
    tag = None if chosen.everything else _tag(chosen.tag)
    listed = read_list(chosen.patients, site) if chosen.patients else None
    more = ["Medication"] if chosen.everything else []  # statements may only refer to it
    return Wanted((*types, *more), tag, chosen.group, listed)


def _tag(text: str | None) -> tuple[str, str]:
    """The tag that a text names; the project's own where there is none."""
    if text is None:
        return load_project().tag
    system, _, code = text.rpartition("|")
    if not system or not code:
        raise UsageError("--tag is no system|code; write both parts, in quotes")
    return system, code
