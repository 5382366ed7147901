"""Reading FHIR, ours or foreign, from memory and from files, into a cohort."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.engine import open_engine
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.files import (
    Located,
    fhir_files,
    is_bundle_file,
    parse_line,
    read_blocks,
    read_file,
)
from imnm_fhir.fhir.reading.assembly import Assembled, Staging, assemble
from imnm_fhir.fhir.reading.bulk import BulkReader, Prepared, prepared_ahead
from imnm_fhir.fhir.reading.finished import tables_in_memory, write_cohort_folder
from imnm_fhir.fhir.reading.one_by_one import ResourceReader, Row
from imnm_fhir.fhir.reading.own_export import check_whole, open_own_export, trusted_manifest
from imnm_fhir.issues import Issue
from imnm_fhir.keys import check_site_id
from imnm_fhir.owner import temporary_folder

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int], None]
FLUSH = 20_000  # rows that are held before they are stored
MEMORY = "200MB"  # at 128 MB DuckDB could not place the rows of 100,000 patients
BLOCK = 1 << 22  # bytes of lines that are read at a time


def from_fhir(resources: Iterable[Located | Mapping[str, Any]], site: str | None = None) -> Cohort:
    """The cohort that resources hold, in any order, ours or foreign.

    `site` is taken where a Patient says neither by key nor by Organization which site it is of.
    What is not understood stands in `issues`: each refused resource, and each unread path with how
    often it was met. Contained resources, `urn:uuid` references, other units and codes are read
    where the dictionary says that they mean the same.
    """
    listed = [
        each if isinstance(each, Located) else Located(each, line=number)
        for number, each in enumerate(resources, 1)
    ]
    with _Import.open(site) as state:
        state.read_all(listed)
        return state.cohort()


def read_cohort_from_files(
    source: Path, *, site: str | None = None, keep_going: bool = False
) -> Cohort:
    """The cohort that FHIR files hold: an NDJSON folder or file (.gz too), or a Bundle.

    Raises `ImnmFhirError` with file and line for what is no FHIR; with `keep_going` such lines stand
    in `issues`.
    """
    exported = trusted_manifest(source)
    if exported:
        with open_own_export(source, exported, MEMORY, None) as (engine, manifest):
            return Cohort(manifest, tables_in_memory(engine))
    with _Import.open(site) as state:
        state.notes += check_whole(source, keep_going)
        state.read_files(source, keep_going, None)
        return state.cohort()


def import_files(
    source: Path,
    out: Path,
    *,
    site: str | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Read FHIR files into the cohort folder `out` with bounded memory; returns its manifest.

    As `read_cohort_from_files`; a cohort that is in `out` is replaced in one step.
    """
    exported = trusted_manifest(source)
    if exported:
        with open_own_export(source, exported, MEMORY, progress) as (engine, manifest):
            return write_cohort_folder(engine, manifest, (), out)
    with _Import.open(site) as state:
        state.notes += check_whole(source, keep_going)
        state.read_files(source, keep_going, progress)
        state.check_not_empty(source)
        assembled = state.assemble()
        manifest = state.manifest(assembled)
        return write_cohort_folder(state.engine, manifest, state.issues(assembled), out)


@dataclass
class _Import:
    """One import: what was read so far, in a temporary folder and an engine that end with it."""

    engine: "duckdb.DuckDBPyConnection"
    staging: Staging
    reader: ResourceReader
    site: str | None
    organizations: list[Row]
    bulk: BulkReader
    notes: list[Issue]

    @classmethod
    @contextmanager
    def open(cls, site: str | None) -> Iterator["_Import"]:
        chosen = check_site_id(site) if site else None
        with (
            temporary_folder() as folder,
            open_engine(memory_limit=MEMORY, ordered=True) as engine,
        ):
            staging, reader = Staging(folder), ResourceReader()
            yield cls(engine, staging, reader, chosen, [], BulkReader(reader, staging), [])

    def read_all(self, listed: Iterable[Located]) -> None:
        """Read resources that are in memory, after all their addresses are known."""
        listed = list(listed)
        for located in listed:
            self.reader.announce(located)
        for located in listed:
            self._read(located)
        self._store()

    def read_files(self, source: Path, keep_going: bool, progress: Progress | None) -> None:
        """Read every file; statements whose Medication comes later are read at the end."""
        waiting: list[Located] = []
        for path in fhir_files(source):
            if is_bundle_file(path):
                listed = list(read_file(path, keep_going))
                self.read_all(listed)
                if progress:
                    progress(len(listed))
            else:
                self._read_lines(path, keep_going, waiting, progress)
        self.read_all(waiting)
        self.bulk.close()

    def _read_lines(
        self, path: Path, keep_going: bool, waiting: list[Located], progress: Progress | None
    ) -> None:
        """Read lines in bulk where they allow it, the others one by one."""
        problem = None
        try:
            for prepared in prepared_ahead(read_blocks(path, BLOCK)):
                for located in self._others(prepared, path.name):
                    self._read_other(located, path, keep_going, waiting)
                if progress:
                    progress(len(prepared.block.lines))
        except ImnmFhirError as error:
            if not keep_going:
                raise
            problem = error
        if problem:
            self._read(Located({}, path.name, problem=str(problem)))
        self._store()

    def _others(self, prepared: Prepared, file: str) -> Iterator[Located]:
        """What the lines hold that were not read in bulk."""
        block = prepared.block
        for index in (~self.bulk.read(prepared, file)).nonzero()[0].tolist():
            line = block.line(index)
            if line.strip():
                yield from parse_line(line, file, block.first + index)

    def _read_other(
        self, located: Located, path: Path, keep_going: bool, waiting: list[Located]
    ) -> None:
        if located.problem and not keep_going:
            raise ImnmFhirError(
                f"{path.name}, line {located.line}: {located.problem}; --keep-going skips such lines"
            )
        self.reader.announce(located)
        if self.reader.needs_medication(located.resource):
            waiting.append(located)
        else:
            self._read(located)

    def _read(self, located: Located) -> None:
        self.reader.read(located)
        if sum(map(len, self.reader.rows.values())) >= FLUSH:
            self._store()

    def _store(self) -> None:
        for table, rows in self.reader.rows.items():
            if table == "organization":
                self.organizations += rows
            else:
                self.staging.add(table, rows)
        self.reader.rows = {}

    def assemble(self) -> Assembled:
        """Find each row's patient and site; the views `final_*` are there afterwards."""
        return assemble(
            self.engine, self.staging, self.organizations, self.site, self.reader.refusals
        )

    def manifest(self, assembled: Assembled) -> dict[str, Any]:
        """The manifest without tables, with a count of what became of every resource."""
        refusals, others = self.reader.refusals, self.reader.others
        imported = {
            "resources": sum(self.reader.resources.values()),
            "sites": len(self.organizations) - refusals.organizations,
            "rows": sum(assembled.rows.values()),
            "repeated": assembled.repeated,
            "refused": refusals.total,
            "not_read": dict(sorted(others.items())),
        }
        return new_manifest("fhir", assembled.sites) | {"imported": imported}

    def issues(self, assembled: Assembled) -> tuple[Issue, ...]:
        """Every issue: what was refused, then what was not understood."""
        refused = self.reader.refusals.all_issues()
        return (*self.notes, *refused, *assembled.issues, *self.reader.notes())

    def check_not_empty(self, source: Path) -> None:
        """Raises `ImnmFhirError` where nothing at all was read: an empty cohort is no import."""
        if not self.reader.resources and not self.reader.refusals.total:
            raise ImnmFhirError(f"{source}: holds no resource; ask for the files again")

    def cohort(self) -> Cohort:
        """The cohort in memory."""
        assembled = self.assemble()
        tables = tables_in_memory(self.engine)
        return Cohort(self.manifest(assembled), tables, self.issues(assembled))
