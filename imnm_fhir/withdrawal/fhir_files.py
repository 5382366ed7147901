"""Taking a patient out of FHIR files: NDJSON folders of ours, single files (.gz too) and Bundles."""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.files import (
    MANIFEST,
    changed_files,
    is_sealed,
    own_manifest,
    write_manifest,
)
from imnm_fhir.fhir.text import read_json, write_json
from imnm_fhir.languages import counted
from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.terminology import load_project
from imnm_fhir.withdrawal.cohorts import Redacted
from imnm_fhir.withdrawal.person import Person
from imnm_fhir.written import file_hash, replace_atomically, replace_together


def redact_ndjson_folder(folder: Path, person: Person) -> Redacted | None:
    """Take a patient's lines out of an NDJSON export of ours; its hashes hold for what is left."""
    manifest = own_manifest(folder)
    if manifest is None:
        return None
    taken, untouched = 0, is_sealed(manifest) and not changed_files(folder, manifest)
    with replace_together(folder) as part_of:
        files = dict(manifest["files"])
        for name, about in manifest["files"].items():
            path = folder / name
            gone = sum(_is_of(line, person) for line in _lines(path)) if path.exists() else 0
            if gone:
                part = part_of(name)
                part.write_bytes(
                    b"".join(each for each in _lines(path) if not _is_of(each, person))
                )
                taken += gone
                left = about["resources"] - gone
                files[name] = {**about, "resources": left, "sha256": file_hash(part)}
        if taken:
            redacted = {"patients": (manifest.get("redactions") or {}).get("patients", 0) + 1}
            about = {**manifest, "files": files, "redactions": redacted}
            write_manifest(part_of(MANIFEST), about, untouched)
    return (
        Redacted(folder, f"{counted(taken, 'resource')} taken out (1 redacted)") if taken else None
    )


def redact_fhir_file(path: Path, person: Person) -> Redacted | None:
    """Take a patient out of a single NDJSON file or a Bundle, packed with gzip or not."""
    whole = path.name.removesuffix(".gz").endswith(".json")
    taken, content = _from_bundle(path, person) if whole else _from_lines(path, person)
    if not taken:
        return None
    with replace_atomically(path) as unfinished:
        unfinished.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return Redacted(path, f"{counted(taken, 'resource')} taken out (1 redacted)")


def is_of(resource: Mapping[str, Any], person: Person) -> bool:
    """Whether a resource is a patient's, by our key, by its id or by what it refers to."""
    system = f"{load_project().base}/key"
    keys = [
        str(one.get("value"))
        for one in resource.get("identifier") or ()
        if isinstance(one, Mapping) and one.get("system") == system
    ]
    if any(person.owns(key) for key in keys) or resource.get("id") == person.id:
        return True
    references = (
        as_mapping(resource.get(name)).get("reference") for name in ("subject", "patient")
    )
    return any(str(each).rpartition("/")[2] == person.id for each in references if each)


def _is_of(line: bytes, person: Person) -> bool:
    try:
        resource = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(resource, dict) and is_of(resource, person)


def _lines(path: Path) -> Iterator[bytes]:
    opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    with opened as file:
        yield from file


def _from_lines(path: Path, person: Person) -> tuple[int, bytes]:
    lines = list(_lines(path))
    kept = [each for each in lines if not _is_of(each, person)]
    return len(lines) - len(kept), b"".join(kept)


def _from_bundle(path: Path, person: Person) -> tuple[int, bytes]:
    """How many entries went, and the Bundle without them; every number stays digit by digit."""
    try:
        bundle = read_json(b"".join(_lines(path)))
    except (ImnmFhirError, OSError, EOFError):
        return 0, b""
    entries = bundle.get("entry")
    if bundle.get("resourceType") != "Bundle" or not isinstance(entries, list):
        return 0, b""
    kept = [
        each for each in entries if not is_of(as_mapping(as_mapping(each).get("resource")), person)
    ]
    return len(entries) - len(kept), write_json({**bundle, "entry": kept}) + b"\n"
