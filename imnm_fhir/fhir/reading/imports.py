"""Reading FHIR, ours or foreign, from memory and from files, into a cohort."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.engine import FEW, open_engine, within_memory
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.endorsement import endorsements_entry
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
from imnm_fhir.fhir.reading.own_export import (
    FINAL,
    OWN_MEMORY,
    check_whole,
    open_own_export,
    trusted_manifest,
)
from imnm_fhir.issues import Issue
from imnm_fhir.keys import check_site_id
from imnm_fhir.owner import temporary_folder

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
Progress = Callable[[int], None]
FLUSH = 20_000  # rows that are held before they are stored
MEMORY = "128MB"  # for placing and sorting rows; 72 MB are enough for 2.3 million
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
        return within_memory(OWN_MEMORY, lambda limit: _own_cohort(source, exported, limit))
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
        manifest = within_memory(
            OWN_MEMORY, lambda limit: _import_own(source, exported, out, limit)
        )
        if progress:
            progress(manifest["imported"]["resources"])
        return manifest
    with _Import.open(site) as state:
        state.notes += check_whole(source, keep_going)
        state.read_files(source, keep_going, progress)
        state.check_not_empty(source)
        return state.assembled(
            lambda engine, assembled: write_cohort_folder(
                engine, assembled.final, state.manifest(assembled), state.issues(assembled), out
            )
        )


def _own_cohort(source: Path, exported: Mapping[str, Any], limit: str) -> Cohort:
    with open_own_export(source, exported, limit) as (engine, manifest):
        return Cohort(manifest, tables_in_memory(engine, FINAL))


def _import_own(source: Path, exported: Mapping[str, Any], out: Path, limit: str) -> dict[str, Any]:
    with open_own_export(source, exported, limit) as (engine, manifest):
        return write_cohort_folder(engine, FINAL, manifest, (), out)


@dataclass
class _Import:
    """One import: what was read so far, in a temporary folder that ends with it."""

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
        with temporary_folder() as folder:
            staging, reader = Staging(folder), ResourceReader()
            yield cls(staging, reader, chosen, [], BulkReader(reader, staging), [])

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

    def assembled(self, use: "Callable[[duckdb.DuckDBPyConnection, Assembled], T]") -> T:
        """Find each row's patient and site, and what is made of them while the engine is open."""

        def work(limit: str) -> T:
            read = self.reader.refusals
            with open_engine(limit, FEW, ordered=True) as engine:
                made = assemble(engine, self.staging, self.organizations, self.site, read)
                return use(engine, made)

        return within_memory(MEMORY, work)

    def manifest(self, assembled: Assembled) -> dict[str, Any]:
        """The manifest without tables, with a count of what became of every resource."""
        refusals, others = assembled.refusals, self.reader.others
        imported = {
            "resources": sum(self.reader.resources.values()),
            "sites": len(self.organizations) - refusals.organizations,
            "rows": sum(assembled.rows.values()),
            "repeated": assembled.repeated,
            "refused": refusals.total,
            "not_read": dict(sorted(others.items())),
        }
        said = endorsements_entry(self.reader.endorsements, assembled.sites)
        return new_manifest("fhir", assembled.sites) | {"imported": imported} | said

    def issues(self, assembled: Assembled) -> tuple[Issue, ...]:
        """Every issue: what was refused, then what was not understood."""
        refused = assembled.refusals.all_issues()
        return (*self.notes, *refused, *assembled.issues, *self.reader.notes())

    def check_not_empty(self, source: Path) -> None:
        """Raises `ImnmFhirError` where nothing at all was read: an empty cohort is no import."""
        if not self.reader.resources and not self.reader.refusals.total:
            raise ImnmFhirError(f"{source}: holds no resource; ask for the files again")

    def cohort(self) -> Cohort:
        """The cohort in memory."""
        return self.assembled(
            lambda engine, assembled: Cohort(
                self.manifest(assembled),
                tables_in_memory(engine, assembled.final),
                self.issues(assembled),
            )
        )
