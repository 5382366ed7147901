"""FHIR files: NDJSON (one file per resource type, with a manifest of hashes) and single Bundles."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.cohorts import Located
from imnm_fhir.fhir.text import read_json, write_json
from imnm_fhir.written import replace_atomically

MANIFEST = "manifest.json"
ENDINGS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")


def write_bundle(resources: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write one Bundle (type `collection`) and return how many resources it holds.

    The Bundle is held in memory: for more than some thousand patients write NDJSON.
    """
    from imnm_fhir.terminology import load_project

    base = load_project().base
    entries = [
        {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each}
        for each in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    with replace_atomically(path) as temporary:
        temporary.write_bytes(write_json(bundle) + b"\n")
    return len(entries)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in chunks."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_manifest(
    folder: Path, counts: Mapping[str, int], cohort: Mapping[str, Any]
) -> dict[str, Any]:
    """Write and return `manifest.json` of an NDJSON folder: each file's hash and resources.

    `cohort` is the cohort's manifest; its sites and table hashes are named, so that what was
    exported can be told from what is there.
    """
    files = {
        f"{kind}.ndjson": {
            "resourceType": kind,
            "resources": count,
            "sha256": file_hash(folder / f"{kind}.ndjson"),
        }
        for kind, count in counts.items()
    }
    manifest = {
        "format": "imnm-fhir ndjson 1",
        "dictionary_version": cohort["dictionary_version"],
        "sites": sorted(cohort["sites"]),
        "stamps": cohort.get("stamps", []),
        "files": files,
    }
    with replace_atomically(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return manifest


def own_files(folder: Path) -> dict[str, Path] | None:
    """The NDJSON files of a folder that we wrote, by resource type, or None for a foreign folder.

    Ours is a folder whose manifest is ours and names every NDJSON file with its right hash.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        named = manifest["files"]
        if manifest["format"] != "imnm-fhir ndjson 1":
            return None
        present = {
            path.name for path in folder.iterdir() if path.name.endswith((".ndjson", ".ndjson.gz"))
        }
        if present != set(named):
            return None
        if any(file_hash(folder / name) != about["sha256"] for name, about in named.items()):
            return None
        return {about["resourceType"]: folder / name for name, about in named.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fhir_files(source: Path) -> list[Path]:
    """The FHIR files that a path names: itself, or those in a folder."""
    if not source.exists():
        raise ImnmFhirError(f"{source}: no such file or folder")
    if source.is_file():
        return [source]
    found = sorted(p for p in source.iterdir() if p.name.endswith(ENDINGS) and p.name != MANIFEST)
    if not found:
        raise ImnmFhirError(f"{source}: holds no {', '.join(ENDINGS)} file")
    return found


def read_resources(source: Path, keep_going: bool = False) -> Iterator[Located]:
    """Every resource of a file or folder; Bundles are opened.

    Raises `ImnmFhirError` with file and line for what is no JSON, has no resource type, or a
    truncated .gz; with `keep_going` such lines come as resources without type, to be listed.
    """
    for path in fhir_files(source):
        yield from _read_file(path, keep_going)


def _read_file(path: Path, keep_going: bool) -> Iterator[Located]:
    number = 0
    try:
        with _open(path) as lines:
            if ".ndjson" not in path.name:
                yield from _opened(read_json(lines.read()), path.name, 1)
                return
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _line(line, path.name, number, keep_going)
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        said = getattr(error, "strerror", None) or "is truncated or damaged"
        message = f"{path.name}, after line {number}: {said}; ask for the file again"
        if not keep_going:
            raise ImnmFhirError(message) from None
        yield Located({}, path.name, number)
    except ImnmFhirError as error:
        if str(error).startswith(path.name):
            raise
        raise ImnmFhirError(f"{path.name}, line {number or 1}: {error}") from None


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")


def _line(line: bytes, file: str, number: int, keep_going: bool) -> Iterator[Located]:
    try:
        yield from _opened(read_json(line), file, number)
    except ImnmFhirError as error:
        if not keep_going:
            raise ImnmFhirError(
                f"{file}, line {number}: {error}; --keep-going skips such lines"
            ) from None
        yield Located({}, file, number)


def _opened(resource: dict[str, Any], file: str, number: int) -> Iterator[Located]:
    if not isinstance(resource.get("resourceType"), str):
        raise ImnmFhirError("has no resourceType")
    if resource["resourceType"] != "Bundle":
        yield Located(resource, file, number)
        return
    for entry in resource.get("entry") or []:
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(inner, dict) or "resourceType" not in inner:
            raise ImnmFhirError("a Bundle entry holds no resource")
        yield Located({**inner, "_fullUrl": entry.get("fullUrl")}, file, number)
