"""The folder of a cohort: Parquet under names that hold their hash, and the manifest that names them.

`manifest.json` is the only commit point: tables are written under names that hold their hash, then
the manifest is replaced in one step, then tables that no manifest names are removed. So nothing is
ever half-written, and a patient who is taken out is in no file that remains.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort.cells import Cells, cells_schema, write_cells
from imnm_fhir.cohort.manifest import FORMAT, manifest_fault
from imnm_fhir.cohort.model import Cohort, arrow_schema, sort_rows, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.issues import COLUMNS as ISSUE_COLUMNS
from imnm_fhir.issues import Issue
from imnm_fhir.written import alone_in, file_hash, reason, remove_unfinished, replace_atomically

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
# What a first writing leaves that was killed before its manifest.
UNFINISHED = re.compile(
    r"tables(/\.?[a-z]+\.[0-9a-f]+\.(parquet|part))?|\.manifest\.[0-9a-f]+\.part\.json"
)
ROW_GROUP = 100_000  # rows of a table that are read at a time


def write_cohort(cohort: Cohort, folder: Path) -> Cohort:
    """Write the cohort into `folder` and return it with the manifest as written.

    A folder that holds a cohort is replaced in one step; one that holds anything else is refused.
    Raises `ImnmFhirError` where the folder cannot be written; the old data stay as they were.
    """
    tables = {name: sort_rows(cohort.tables[name], name) for name in TABLES}

    def write_table(name: str, path: Path) -> int:
        return _write_parquet(tables[name], path)

    manifest = write_folder(folder, cohort.manifest, write_table, cohort.issues, cohort.cells)
    return replace(cohort, manifest=manifest, tables=tables, cells=_cells(folder, manifest))


def write_folder(
    folder: Path,
    manifest: Mapping[str, Any],
    write_table: Callable[[str, Path], int],
    issues: Sequence[Issue],
    cells: Cells | None = None,
) -> dict[str, Any]:
    """Write a cohort whose tables need not be in memory; returns the manifest as written.

    `write_table` is called with each table's name and the path to write it to, as Parquet in the
    order of the key, and returns its rows. Otherwise as `write_cohort`.
    """
    check_place(folder)
    new = [each for each in (folder / "tables", folder) if not each.exists()]
    try:
        (folder / "tables").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImnmFhirError(
            f"{folder}: cannot be made ({error.strerror}); choose another --out"
        ) from None
    written = dict(manifest)
    with alone_in(folder):
        try:
            written["tables"] = {name: _commit_table(name, folder, write_table) for name in TABLES}
            written["issues"] = _commit_table(
                "issues", folder, lambda _, path: _write_parquet(_issue_table(issues), path)
            )
            written["cells"] = _commit_cells(folder, cells) if cells else None
            _commit(written, folder)
        except BaseException:  # Ctrl-C too
            _take_back(folder, new)
            raise
    return written


def write_manifest(manifest: Mapping[str, Any], folder: Path) -> None:
    """Commit: replace the manifest in one step, then remove the tables that it does not name.

    Raises `ImnmFhirError` where the tables that it names were replaced meanwhile.
    """
    with alone_in(folder):
        if not all((folder / name).is_file() for name in _named(manifest)):
            raise ImnmFhirError(f"{folder}: was written anew meanwhile; run the command again")
        _commit(manifest, folder)


def _commit(manifest: Mapping[str, Any], folder: Path) -> None:
    with replace_atomically(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    _remove_others(folder, _named(manifest))


def _named(manifest: Mapping[str, Any]) -> set[str]:
    entries = [*manifest["tables"].values(), manifest["issues"], manifest.get("cells")]
    return {str(entry["file"]) for entry in entries if entry}


def _remove_others(folder: Path, named: set[str]) -> None:
    for path in (folder / "tables").iterdir():
        if f"tables/{path.name}" not in named:
            try:
                path.unlink()
            except OSError as error:
                raise ImnmFhirError(
                    f"{path}: is of no use any more and cannot be removed ({error.strerror}); close "
                    "the program that holds it open and remove it"
                ) from None


def _take_back(folder: Path, new: Sequence[Path]) -> None:
    """Remove what was written and not committed; the folder is as it was before."""
    with suppress(OSError, ImnmFhirError):  # the error that led here is the one to tell
        named = _named(read_manifest(folder)) if (folder / MANIFEST).is_file() else set()
        _remove_others(folder, named)
        for each in new:
            each.rmdir()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the cohort in `folder`; raises `ImnmFhirError` where there is none."""
    path = folder / MANIFEST
    if folder.is_file():
        raise ImnmFhirError(
            f"{folder}: is a file, not a cohort; give the --out folder of a harmonise or import"
        )
    if not folder.exists():
        raise ImnmFhirError(
            f"{folder}: no such folder; give the --out of an earlier harmonise or import"
        )
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ImnmFhirError(
            f"{folder}: holds no cohort (no {MANIFEST}); run imnm-fhir harmonise first"
        ) from None
    except OSError as error:
        raise ImnmFhirError(
            f"{path}: cannot be read: {error.strerror}; see to its rights, or copy the folder"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ImnmFhirError(f"{path}: cannot be read ({error}); harmonise again") from None
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != FORMAT
        or "sites" not in manifest
    ):
        raise ImnmFhirError(
            f"{path}: is no cohort manifest of format {FORMAT}; harmonise again (a folder that export "
            "wrote is read with imnm-fhir import)"
        )
    if fault := manifest_fault(manifest):
        raise ImnmFhirError(f"{path}: '{fault}' is not as it was written; harmonise again")
    return manifest


def read_cohort(folder: Path) -> Cohort:
    """The cohort in `folder`, each table checked against its hash."""
    manifest = read_manifest(folder)
    tables = {name: _read_table(folder, manifest, name) for name in TABLES}
    _check_sites(folder, manifest, tables)
    return Cohort(manifest, tables, _issues(folder, manifest), _cells(folder, manifest))


def read_issues(folder: Path) -> tuple[Issue, ...]:
    """The issues of the cohort in `folder`; its tables are not read."""
    return _issues(folder, read_manifest(folder))


def _issues(folder: Path, manifest: Mapping[str, Any]) -> tuple[Issue, ...]:
    rows = _read_table(folder, manifest, "issues").to_pylist()
    return tuple(Issue(**row) for row in rows)


def _cells(folder: Path, manifest: Mapping[str, Any]) -> Cells | None:
    """The cells of the cohort in `folder`, read when they are asked for."""
    return Cells(table_file(folder, manifest, "cells")) if manifest.get("cells") else None


def _check_sites(
    folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, "pa.Table"]
) -> None:
    """Raise `ImnmFhirError` for rows of a site that the manifest does not name."""
    for name, table in tables.items():
        if set(table["site"].unique().to_pylist()) - manifest["sites"].keys():
            raise ImnmFhirError(
                f"{folder}: {name} has rows of a site that the manifest does not name; harmonise again"
            )


def _check_kind(folder: Path, name: str, path: Path) -> None:
    """Raise `ImnmFhirError` for a file that holds another table than the manifest says."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    beside = {"issues": _issue_schema, "cells": cells_schema}
    known = beside[name]() if name in beside else arrow_schema(load_dictionary().tables[name])
    try:
        same = pq.read_schema(path).equals(known)
    except pa.ArrowException:
        same = False
    if not same:
        raise ImnmFhirError(
            f"{folder / MANIFEST}: names a file for {name} that is none; harmonise again"
        )


def read_people(folder: Path, elements: Sequence[str]) -> Cohort:
    """The patients of a cohort with observations and issues of some elements; nothing else is in memory.

    The other tables are empty: enough to say who may leave, however large the cohort is.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    manifest = read_manifest(folder)
    tables = {name: table_from_rows(name, []) for name in TABLES}
    tables["patients"] = _read_table(folder, manifest, "patients")
    path = table_file(folder, manifest, "observations")
    wanted = pc.field("element").isin(pa.array(list(elements), pa.string()))
    tables["observations"] = pq.read_table(path, filters=wanted)
    _check_sites(folder, manifest, tables)
    issues = pq.read_table(table_file(folder, manifest, "issues"), filters=wanted)
    return Cohort(manifest, tables, tuple(Issue(**row) for row in issues.to_pylist()))


def check_place(folder: Path) -> None:
    """Raise `ImnmFhirError` for a place where no cohort may be written, before any work is done."""
    if folder.is_file():
        raise ImnmFhirError(f"{folder}: is a file; give a folder as --out")
    if not folder.is_dir() or (folder / MANIFEST).is_file():
        return
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    if not all(UNFINISHED.fullmatch(name) for name in names):
        raise ImnmFhirError(f"{folder}: exists and holds no cohort; choose an empty or new folder")


def _issue_table(issues: Sequence[Issue]) -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_pylist([issue.record() for issue in issues], schema=_issue_schema())


def _issue_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        [(name, pa.int32() if name == "row" else pa.string()) for name in ISSUE_COLUMNS]
    )


def _write_parquet(table: "pa.Table", path: Path) -> int:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)
    return int(table.num_rows)


def _commit_cells(folder: Path, cells: Cells) -> dict[str, Any]:
    return _commit_table("cells", folder, lambda _, path: write_cells(cells, path, ROW_GROUP))


def _commit_table(
    name: str, folder: Path, write_table: Callable[[str, Path], int]
) -> dict[str, Any]:
    """Write a table beside its place, then give it the name that holds its hash."""
    unfinished = folder / "tables" / f".{name}.{token_hex(4)}.part"
    try:
        rows = write_table(name, unfinished)
        digest = file_hash(unfinished)
        file = f"tables/{name}.{digest[:16]}.parquet"
        os.replace(unfinished, folder / file)
    except OSError as error:
        raise ImnmFhirError(f"{folder}: cannot be written: {reason(error, unfinished)}") from error
    finally:
        remove_unfinished(unfinished)
    return {"file": file, "sha256": digest, "rows": rows}


def table_file(folder: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """The Parquet file of a table (or `issues`, `cells`), checked against its hash in the manifest."""
    entry = manifest[name] if name in ("issues", "cells") else manifest["tables"][name]
    path = folder / str(entry["file"])
    if path.resolve().parent != (folder / "tables").resolve():
        raise ImnmFhirError(
            f"{folder / MANIFEST}: names a file outside its folder; harmonise again"
        )
    try:
        found = file_hash(path)
    except OSError:
        raise ImnmFhirError(f"{path}: is missing or unreadable; harmonise again") from None
    if found != entry["sha256"]:
        raise ImnmFhirError(f"{path}: was changed after it was written; harmonise again")
    _check_kind(folder, name, path)
    return path


def _read_table(folder: Path, manifest: Mapping[str, Any], name: str) -> "pa.Table":
    import pyarrow.parquet as pq

    return pq.read_table(table_file(folder, manifest, name), memory_map=False)
