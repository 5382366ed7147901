"""FHIR files: NDJSON (one file per resource type, with a manifest of hashes) and single Bundles."""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.fhir.text import read_json, write_json
from imnm_fhir.written import file_hash, replace_atomically

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
FORMAT = "imnm-fhir ndjson 1"
ENDINGS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")


@dataclass(frozen=True)
class Located:
    """A resource and where it stands: `file` without folder, `line` counted from 1.

    In a Bundle `line` counts the entries, and `full_url` is the entry's. `problem` says why there is
    no resource, where a damaged line was to be skipped.
    """

    resource: Mapping[str, Any]
    file: str | None = None
    line: int | None = None
    full_url: str | None = None
    problem: str | None = None


def write_bundle(resources: Iterable[Mapping[str, Any]], path: Path) -> dict[str, int]:
    """Write one Bundle (type `collection`); returns how many resources of each type it holds.

    The Bundle is held in memory: for more than some thousand patients write NDJSON.
    """
    from imnm_fhir.terminology import load_project

    base, counts = load_project().base, Counter[str]()
    entries = []
    for each in resources:
        counts[each["resourceType"]] += 1
        address = f"{base}/{each['resourceType']}/{each['id']}"
        entries.append({"fullUrl": address, "resource": each})
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
    if entries:  # FHIR knows no empty list
        bundle["entry"] = entries
    with replace_atomically(path) as unfinished:
        unfinished.write_bytes(write_json(bundle) + b"\n")
    return dict(counts)


def export_manifest(
    parts: Mapping[str, tuple[Path, int]], cohort: Mapping[str, Any], checked: bool
) -> dict[str, Any]:
    """The manifest of an NDJSON folder: each file's hash and resources, by type in `parts`.

    `cohort` is the cohort's manifest: its sites and what was allowed against the rules are named.
    """
    files = {
        f"{kind}.ndjson": {"resourceType": kind, "resources": count, "sha256": file_hash(path)}
        for kind, (path, count) in parts.items()
    }
    return {
        "format": FORMAT,
        "dictionary_version": cohort["dictionary_version"],
        "checked": checked,
        "sites": sorted(cohort["sites"]),
        "stamps": cohort.get("stamps", []),
        "files": files,
    }


def write_json_file(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON for people to read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_manifest(path: Path, manifest: Mapping[str, Any], untouched: bool = True) -> None:
    """Write the manifest of an NDJSON folder, sealed where its files are `untouched` since we wrote them.

    Who edits a file and puts its new hash into the manifest breaks the seal: such a folder is read leaf
    by leaf, as another system's. The seal is no signature: it keeps tools from being taken for us, not
    a forger.
    """
    said = {key: value for key, value in manifest.items() if key != "seal"}
    write_json_file(path, {**said, "seal": _seal(said)} if untouched else said)


def is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest is as we wrote it, the hashes of its files included."""
    said = {key: value for key, value in manifest.items() if key != "seal"}
    return manifest.get("seal") == _seal(said)


def _seal(said: Mapping[str, Any]) -> str:
    text = json.dumps([FORMAT, said], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def own_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an NDJSON folder that we wrote, or None where there is none of ours.

    Raises `ImnmFhirError` where it is ours and damaged: nobody can say then whether a file lacks.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return None
    if not _names_files(manifest.get("files")):
        raise ImnmFhirError(
            f"{folder / MANIFEST}: is damaged; ask for the folder again, or take this file out to read "
            "what is there"
        )
    return manifest


def _names_files(files: object) -> bool:
    """Whether it is what a manifest says of files: by name a type, how many resources, a hash."""
    return isinstance(files, dict) and all(
        isinstance(each, dict)
        and isinstance(each.get("resourceType"), str)
        and isinstance(each.get("sha256"), str)
        and type(each.get("resources")) is int
        for each in files.values()
    )


def is_own_folder(folder: Path) -> bool:
    """Whether a folder holds an NDJSON export of ours and may be replaced by another."""
    return own_manifest(folder) is not None


def changed_files(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """The names of FHIR files that are not as the manifest says: changed, missing or added.

    A file that was packed since (`Patient.ndjson.gz`) counts as there; its lines are read as foreign.
    """
    named: Mapping[str, Mapping[str, Any]] = manifest["files"]
    present = {path.name for path in folder.iterdir() if _is_fhir_file(path)}
    packed = {name for name in named if f"{name}.gz" in present and name not in present}
    strange = (present - {f"{name}.gz" for name in packed}) ^ (set(named) - packed)
    changed = {
        name for name in present & set(named) if file_hash(folder / name) != named[name]["sha256"]
    }
    return sorted(strange | changed)


def _is_fhir_file(path: Path) -> bool:
    return path.name.endswith(ENDINGS) and path.name != MANIFEST and not path.name.startswith(".")


def is_bundle_file(path: Path) -> bool:
    """Whether the file holds one JSON value (a Bundle, a resource), not a resource per line."""
    return path.name.endswith((".json", ".json.gz"))


def fhir_files(source: Path) -> list[Path]:
    """The FHIR files that a path names: itself, or those in a folder."""
    if not source.exists():
        raise ImnmFhirError(f"{source}: no such file or folder")
    if source.is_file():
        return [source]
    found = sorted(path for path in source.iterdir() if _is_fhir_file(path))
    if not found:
        raise ImnmFhirError(f"{source}: holds no file that ends in {', '.join(ENDINGS)}")
    return found


@contextmanager
def open_fhir_file(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it ends in .gz; `ImnmFhirError` where it cannot be read."""
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as lines:
            yield cast(IO[bytes], lines)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ImnmFhirError(
            f"{path.name}: is truncated or damaged; ask for the file again"
        ) from None
    except OSError as error:
        raise ImnmFhirError(f"{path.name}: cannot be read ({error.strerror})") from None


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of an NDJSON file that are not blank, numbered from 1.

    Raises `ImnmFhirError` with the last good line where a .gz is truncated.
    """
    number = 0
    try:
        with open_fhir_file(path) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except ImnmFhirError as error:
        place, _, said = str(error).partition(": ")
        raise ImnmFhirError(f"{place}, after line {number}: {said}") from None


@dataclass(frozen=True)
class Block:
    """Whole lines of a file: `lines` is an Arrow array over `text`, `first` the number of the first."""

    lines: "pa.StringArray"
    first: int
    text: bytes

    def line(self, index: int) -> bytes:
        """The bytes of one line."""
        return cast(bytes, self.lines[index].as_buffer().to_pybytes())


def read_blocks(path: Path, size: int = 1 << 24) -> Iterator[Block]:
    """The lines of an NDJSON file in blocks of about `size` bytes, blank lines included.

    The text is not checked to be UTF-8. Raises `ImnmFhirError` with the last good line where a .gz is
    truncated.
    """
    first, rest = 1, b""
    try:
        with open_fhir_file(path) as content:
            while chunk := content.read(size):
                whole, found, last = (rest + chunk).rpartition(b"\n")
                rest = last
                if found:
                    block = _block(whole + found, first)
                    yield block
                    first += len(block.lines)
    except ImnmFhirError as error:
        place, _, said = str(error).partition(": ")
        raise ImnmFhirError(f"{place}, after line {first - 1}: {said}") from None
    if rest.strip():
        yield _block(rest + b"\n", first)


def is_text(block: Block) -> bool:
    """Whether the block is UTF-8 throughout; else its bad lines are told one by one."""
    import pyarrow as pa

    try:
        block.lines.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _block(text: bytes, first: int) -> Block:
    import numpy as np
    import pyarrow as pa

    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] != len(text):
        ends = np.append(ends, len(text))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    buffers = (pa.py_buffer(offsets), pa.py_buffer(text))
    return Block(pa.StringArray.from_buffers(len(ends), *buffers), first, text)


def read_resources(source: Path, keep_going: bool = False) -> Iterator[Located]:
    """Every resource of a file or folder; Bundles are opened.

    Raises `ImnmFhirError` with file and line for what is no JSON, has no resource type, or a
    truncated .gz; with `keep_going` such lines come as `Located` with a problem, to be listed.
    """
    for path in fhir_files(source):
        yield from read_file(path, keep_going)


def read_file(path: Path, keep_going: bool = False) -> Iterator[Located]:
    """Every resource of one file, as `read_resources`."""
    found = _read_bundle(path) if is_bundle_file(path) else _read_ndjson(path)
    try:
        for located in found:
            if located.problem and not keep_going:
                place = f"{path.name}, line {located.line}" if located.line else path.name
                raise ImnmFhirError(f"{place}: {located.problem}; --keep-going skips such lines")
            yield located
    except ImnmFhirError as error:
        if not keep_going:
            raise
        yield Located({}, path.name, None, problem=str(error))


def _read_ndjson(path: Path) -> Iterator[Located]:
    for number, line in read_lines(path):
        yield from parse_line(line, path.name, number)


def parse_line(line: bytes, file: str, number: int) -> Iterator[Located]:
    """The resource (or, of a Bundle, the resources) of one line, or what is wrong with it."""
    try:
        resource = read_json(line)
    except ImnmFhirError as error:
        yield Located({}, file, number, problem=str(error))
        return
    if resource.get("resourceType") == "Bundle":
        yield from _entries(resource, file)
    elif not isinstance(resource.get("resourceType"), str):
        yield Located({}, file, number, problem="has no resourceType")
    else:
        yield Located(resource, file, number)


def _read_bundle(path: Path) -> Iterator[Located]:
    with open_fhir_file(path) as content:
        text = content.read()
    if not text.strip():
        raise ImnmFhirError(f"{path.name}: is empty; ask for the file again")
    yield from parse_line(text, path.name, 1)


def _entries(bundle: Mapping[str, Any], file: str) -> Iterator[Located]:
    """The resources of a Bundle; what asks to delete or is no resource comes as a problem."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            yield Located(
                {}, file, 1, problem="the Bundle is one page of several; import the server"
            )
    entries = bundle.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        entry = entry if isinstance(entry, dict) else {}
        resource, request = entry.get("resource"), entry.get("request")
        method = request.get("method") if isinstance(request, dict) else None
        if method not in (None, "PUT", "POST"):
            yield Located({}, file, number, problem=f"Bundle entry with method {method}: no data")
        elif not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            yield Located({}, file, number, problem="a Bundle entry holds no resource")
        else:
            yield Located(resource, file, number, full_url=entry.get("fullUrl"))
