"""The log of a cohort's queries: JSON lines, each bound to the one before by its hash.

The chain shows that a line was changed, taken out or put in; it does not show who wrote it. It stands
beside the cohort's folder (`<cohort>.queries/log.jsonl`), survives the next delivery, and identifies
patients: it stays at the site.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.owner import make_private_folder, user_name
from imnm_fhir.written import alone_in, replace_atomically

LOG = "log.jsonl"
Entry = dict[str, Any]
FIRST = "0" * 64
LINKS = ("seq", "prev", "hash")
REDACTION = "redaction"  # the event that accounts for redacted entries: who took them out, and when
STANDS_FOR = "stands_for"
BY_QUERY = ("states", "rules", "fingerprints")  # of a judged entry, by the id of each query
BLANKED = "was blanked, and no redaction accounts for it"


@dataclass(frozen=True)
class Log:
    """The entries of a log in order, and the folder that it stands in."""

    folder: Path
    entries: tuple[Entry, ...] = ()

    @property
    def head(self) -> str:
        """The hash of the last entry: what a signature is bound to."""
        return str(self.entries[-1]["hash"]) if self.entries else FIRST

    @property
    def id(self) -> str:
        """What tells this log from any other: the hash of its first entry."""
        return str(self.entries[0]["hash"])[:8] if self.entries else ""

    @property
    def redacted(self) -> int:
        """How many entries were taken out for a patient who withdrew."""
        return sum(bool(each.get("redacted")) for each in self.entries)

    def of(self, *events: str) -> list[Entry]:
        """The entries of these events, in order.

        One that was written again without a withdrawn patient has the number of the one it stands for.
        """
        found = (each for each in self.entries if each.get("event") in events)
        return sorted(
            (each | {"seq": each[STANDS_FOR]} if STANDS_FOR in each else each for each in found),
            key=lambda each: int(each["seq"]),
        )


def log_folder(cohort: Path) -> Path:
    """The folder of a cohort's log: beside the cohort's own, so that the next delivery finds it."""
    return cohort.with_name(f"{cohort.name}.queries")


def read_log(folder: Path) -> Log:
    """The log in `folder`, every link of its chain checked; an empty one where there is none.

    Raises `ImnmFhirError` that names the first bad line.
    """
    lines = _lines(folder / LOG)
    entries, fault = _checked(lines)
    place = len(entries)
    if not fault and (blanked := _unaccounted(entries)):
        place, fault = blanked[0]["seq"], BLANKED
    if fault:
        raise ImnmFhirError(
            f"{folder / LOG}, line {place + 1}: {fault}; nothing was done. See "
            "imnm-fhir queries audit --repair, which keeps a copy"
        )
    return Log(folder, tuple(entries))


def _unaccounted(entries: Iterable[Entry]) -> list[Entry]:
    """The redacted entries that no redaction names: anybody can blank a line and keep its hash."""
    listed = list(entries)
    named = {
        name for each in listed if each.get("event") == REDACTION for name in each.get("of") or ()
    }
    return [each for each in listed if each.get("redacted") and each["hash"] not in named]


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")  # a text may hold other breaks
        return lines if lines[-1] else lines[:-1]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ImnmFhirError(f"{path}: cannot be read: {why}; restore it from a copy") from None


def _checked(lines: Iterable[str]) -> tuple[list[Entry], str | None]:
    """The entries up to the first bad line, and what is wrong with that line."""
    entries: list[Entry] = []
    before = FIRST
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return entries, "is no JSON"
        if fault := _fault(entry, before, len(entries)):
            return entries, fault
        entries.append(entry)
        before = entry["hash"]
    return entries, None


def _fault(entry: Any, before: str, seq: int) -> str | None:
    if not isinstance(entry, dict) or not all(name in entry for name in LINKS):
        return "is no entry of a log"
    if entry["prev"] != before or entry["seq"] != seq:
        return "does not follow the line before it: a line was taken out, put in or moved"
    if entry.get("redacted"):
        return None if set(entry) == {*LINKS, "redacted"} else "says more than a redacted entry may"
    return None if entry["hash"] == entry_hash(entry) else "was changed after it was written"


def entry_hash(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an entry without its own hash."""
    said = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(_text(said).encode()).hexdigest()


def _text(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def append(log: Log, entries: Iterable[Mapping[str, Any]]) -> Log:
    """The log with these entries added, each with the time (UTC) and the system's user.

    Raises `ImnmFhirError` where the log was written to meanwhile, or cannot be written.
    """
    new = list(entries)
    if not new:
        return log
    make_private_folder(log.folder, "check permissions and the space on the disk")
    with alone_in(log.folder):
        if read_log(log.folder).head != log.head:
            raise ImnmFhirError(
                f"{log.folder / LOG}: was written to meanwhile; run the command again"
            )
        linked = _linked(log, new)
        _write(log.folder / LOG, [*log.entries, *linked])
    return Log(log.folder, (*log.entries, *linked))


def _linked(log: Log, new: Iterable[Mapping[str, Any]]) -> list[Entry]:
    linked: list[Entry] = []
    at, user, before = datetime.now(UTC).isoformat(timespec="seconds"), user_name(), log.head
    for each in new:
        entry = {**each, "seq": len(log.entries) + len(linked), "prev": before, "at": at}
        entry |= {"user": user}
        entry["hash"] = before = entry_hash(entry)
        linked.append(entry)
    return linked


def _write(path: Path, entries: Iterable[Entry]) -> None:
    text = "".join(f"{_text(each)}\n" for each in entries)
    with replace_atomically(path, private=True) as unfinished:
        unfinished.write_text(text, "utf-8")


def repair(folder: Path) -> tuple[Path, int]:
    """Cut the log before its first bad line; the copy of the whole, and how many lines were cut.

    Lines that were blanked without a redaction stay, and one is written that says that they were found
    so. Nothing is cut from a log whose chain holds.
    """
    path = folder / LOG
    lines = _lines(path)
    entries, fault = _checked(lines)
    blanked = [each["hash"] for each in _unaccounted(entries)]
    if fault is None and not blanked:
        raise ImnmFhirError(f"{path}: its chain holds; there is nothing to repair")
    copy = folder / f"log.damaged.{datetime.now(UTC):%Y%m%dT%H%M%S}.jsonl"
    found = [{"event": REDACTION, "of": blanked, "found": "by a repair"}] if blanked else []
    with alone_in(folder):
        shutil.copy2(path, copy)
        _write(path, [*entries, *_linked(Log(folder, tuple(entries)), found)])
    return copy, len(lines) - len(entries)


def redact(log: Log, patient: str, site: str | None = None) -> Log:
    """The log without what it says of a patient: the hashes stay, so that the chain still holds.

    What was said of the patient's queries goes too, and their ids: an entry that holds them among others
    is written again without them. A further entry accounts for all that was taken out. `site` is asked
    for where several sites use the same pseudonym. Written in one step.
    """
    about = {
        each["query"] for each in log.entries if _about(each, patient, site) and "query" in each
    }
    gone = [
        each
        for each in log.entries
        if _about(each, patient, site) or each.get("query") in about or _names(each, about)
    ]
    if not gone:
        return log
    names = {each["hash"] for each in gone}
    entries = tuple(_redacted(each) if each["hash"] in names else each for each in log.entries)
    again = [_without(each, about) for each in gone if _names(each, about)]
    kept = Log(log.folder, entries)
    more = _linked(kept, [{"event": REDACTION, "of": sorted(names)}, *again])
    with alone_in(log.folder):
        _write(log.folder / LOG, [*entries, *more])
    return Log(log.folder, (*entries, *more))


def _names(entry: Entry, queries: Collection[str]) -> bool:
    """Whether an entry about many queries names one of these."""
    return any(
        not entry.get(name, {}).keys().isdisjoint(queries)
        for name in BY_QUERY
        if entry.get("event") == "judged"
    )


def _without(entry: Entry, queries: Collection[str]) -> Entry:
    """A judged entry as it would be without these queries, to stand for the one that had them."""
    kept = {name: value for name, value in entry.items() if name not in (*LINKS, "at", "user")}
    for name in BY_QUERY:
        kept[name] = {
            query: each for query, each in entry.get(name, {}).items() if query not in queries
        }
    return {STANDS_FOR: entry["seq"], **kept}


def _redacted(entry: Entry) -> Entry:
    return {name: entry[name] for name in LINKS} | {"redacted": True}


def _about(entry: Entry, patient: str, site: str | None) -> bool:
    return entry.get("patient") == patient and site in (None, entry.get("site"))
