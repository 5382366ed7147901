"""Comparing what a server holds with what should be there, resource by resource."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.fhir.likeness import CHANGED, FOREIGN, IDENTICAL, MISSING, content_hash, likeness
from imnm_fhir.fhir.text import read_json
from imnm_fhir.keys import key_parts
from imnm_fhir.proof.shelf import Held, Shelf, key_of
from imnm_fhir.shapes.match import shape_of

BATCH = 100  # resources looked for again in one request
Places = Sequence[tuple[str, str]]  # type and id
LookAgain = Callable[[Places], Iterator[bytes]]
IsDeleted = Callable[[str, str], bool]


@dataclass(frozen=True)
class Compared:
    """One resource: what it is, how both ends hold it. Hashes are SHA-256 of the contents.

    `id` is ours (made from the key, of which nobody can read it), `server_id` the server's.
    """

    type: str
    id: str
    element: str
    state: str
    differs: tuple[str, ...] = ()
    sent: str | None = None
    found: str | None = None
    server_id: str | None = None
    version: str | None = None
    updated: str | None = None

    def record(self) -> dict[str, Any]:
        """The comparison as a flat JSON object."""
        return {name: value for name, value in vars(self).items() if value not in (None, ())}


@dataclass
class Verification:
    """Counts by type, element and state; all that is not identical; a digest of every resource.

    `digests` by type are SHA-256 over the lines `id version sent found` in the order of ids: two
    ends that hold the same have the same.
    """

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    exceptions: list[Compared] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def states(self) -> Counter[str]:
        """How many resources are in each state."""
        total: Counter[str] = Counter()
        for (_, _, state), count in self.counts.items():
            total[state] += count
        return total

    @property
    def holds(self) -> bool:
        """Whether the server holds everything, unchanged, and nothing else of these sites."""
        return not {CHANGED, MISSING, FOREIGN} & {state for state, n in self.states.items() if n}


def verify_files(
    files: Mapping[str, Path],
    shelf: Shelf,
    *,
    look_again: LookAgain,
    is_deleted: IsDeleted,
    report: IO[bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Compare the resources of `files` (NDJSON by type, as exported) with what `shelf` holds.

    What is not on the shelf is asked for by `look_again` (a resource may have lost its tag), what is
    not found then is *missing*; what nobody asked for is *foreign*. `report` is given a line of JSON
    for each resource. `progress` counts resources of `files`.
    """
    done = Verification()
    for kind, path in sorted(files.items()):
        digest = hashlib.sha256()
        for batch in _batches(path):
            for one in _compare_batch(batch, shelf, look_again, is_deleted):
                _note(done, one, digest, report)
            if progress:
                progress(len(batch))
        done.digests[kind] = digest.hexdigest()
    for kind, ident in shelf.not_met():
        _note(done, Compared(kind, ident, "", FOREIGN, server_id=ident), None, report)
    return done


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as lines:
        while batch := [read_json(line) for line in islice(lines, BATCH)]:
            yield batch


def _compare_batch(
    batch: Sequence[Mapping[str, Any]], shelf: Shelf, look_again: LookAgain, is_deleted: IsDeleted
) -> Iterator[Compared]:
    held = [shelf.take(each["resourceType"], each["id"], key_of(each)) for each in batch]
    lost = [each for each, found in zip(batch, held, strict=True) if found is None]
    if lost:
        shelf.put(look_again([(each["resourceType"], each["id"]) for each in lost]))
    for each, found in zip(batch, held, strict=True):
        kind, ident = each["resourceType"], each["id"]
        again = found or shelf.take(kind, ident, key_of(each))
        if again is None:
            deleted = ("deleted at the server",) if is_deleted(kind, ident) else ()
            yield Compared(
                kind, ident, element_of(each), MISSING, deleted, content_hash(each, each)
            )
        else:
            yield _compare(each, again, shelf, tagged=found is not None)


def _compare(sent: Mapping[str, Any], held: Held, shelf: Shelf, tagged: bool) -> Compared:
    like = likeness(sent, held.resource, shelf.our_id)
    return Compared(
        sent["resourceType"],
        sent["id"],
        element_of(sent),
        like.state,
        (*like.differs, *(() if tagged else ("its tag was taken away",))),
        content_hash(sent, sent),
        content_hash(held.resource, sent),
        held.id,
        held.version,
        held.updated,
    )


def element_of(resource: Mapping[str, Any]) -> str:
    """The element that a resource of ours is about, empty for patients and organisations."""
    shape, key = shape_of(resource), key_of(resource)
    table = load_dictionary().tables.get(shape.name) if shape else None
    if table is None or key is None or "element" not in table.key:
        return ""
    return key_parts(key)[table.key.index("element")] or ""


def _note(done: Verification, one: Compared, digest: Any, report: IO[bytes] | None) -> None:
    done.counts[one.type, one.element, one.state] += 1
    if one.state != IDENTICAL:
        done.exceptions.append(one)
    if digest is not None:
        digest.update(f"{one.id} {one.version} {one.sent} {one.found}\n".encode())
    if report is not None:
        report.write(orjson.dumps(one.record()) + b"\n")
