"""Our own resources as others give them: as a server answers, and as another system would write them."""

import re
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from imnm_fhir.fhir.text import read_json, write_json
from imnm_fhir.terminology import load_project

Resource = dict[str, Any]
LOCAL = "http://hospital.example/codes"
META = re.compile(rb'"id":"i(\w{16})(\w+)","meta":\{"source":"([^"]*)"')
AS_SERVER = (
    rb'"id":"i\1\2","meta":{"versionId":"1","lastUpdated":"2026-11-29T10:15:30.123+00:00",'
    rb'"source":"\3#\1"'
)
PUBLIC = ("Patient", "Observation", "MedicationStatement", "Condition")


def make_as_server(source: Path, folder: Path) -> Path:
    """The files of `source` as a FHIR server gives them back: with version, time, request in meta."""
    return _make(source, folder, _as_server)


def make_foreign(source: Path, folder: Path) -> Path:
    """The resources that have a public code, without ours: local codes beside, other units and displays.

    Dates have a time, quantities of enzymes are in microkatal, a narrative, a performer and an
    extension that nobody knows stand in each. Fewer resources than in `source`.
    """
    return _make(source, folder, _as_foreign)


def _make(source: Path, folder: Path, change: Callable[[bytes], bytes | None]) -> Path:
    """Change the files line by line; a line that becomes None is left out."""
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.ndjson")):
        with path.open("rb") as lines, (unfinished / path.name).open("wb") as file:
            file.writelines(line for line in map(change, lines) if line)
    for path in unfinished.iterdir():
        if not path.stat().st_size:
            path.unlink()
    unfinished.rename(folder)
    return folder


def _as_server(line: bytes) -> bytes:
    return META.sub(AS_SERVER, line, count=1)


def _as_foreign(line: bytes) -> bytes | None:
    changed = _changed(read_json(line))
    return write_json(changed) + b"\n" if changed else None


def _changed(resource: Resource) -> Resource | None:
    kind = resource["resourceType"]
    if kind not in PUBLIC:
        return None
    kept = {k: v for k, v in resource.items() if k not in ("meta", "identifier", "extension")}
    kept["meta"] = {"versionId": "3", "lastUpdated": "2026-11-29T10:15:30.123+00:00"}
    kept["text"] = {"status": "generated", "div": "<div>made from the resource</div>"}
    kept["extension"] = [{"url": "http://hospital.example/ward", "valueString": "4B"}]
    if kind == "Patient":
        return kept | {"managingOrganization": {"reference": "Organization/hospital"}}
    if kind == "Observation":
        return _observation(kept)
    concept = "code" if kind == "Condition" else "medicationCodeableConcept"
    kept.pop("category", None)
    kept[concept] = _public(kept[concept], len(kept[concept].get("coding", ())))
    return kept if kept[concept]["coding"] else None


def _observation(kept: Resource) -> Resource | None:
    kept["code"] = _public(kept["code"], 1)
    if not kept["code"]["coding"]:
        return None
    kept["performer"] = [{"reference": "Practitioner/17"}]
    if len(kept.get("effectiveDateTime", "")) == 10:
        kept["effectiveDateTime"] += "T08:30:00+01:00"
    quantity = kept.get("valueQuantity")
    if quantity and quantity.get("code") == "U/L" and "comparator" not in quantity:
        _in_microkatal(kept, quantity)
    return kept


def _in_microkatal(kept: Resource, quantity: Resource) -> None:
    """60 U/L are 1 ukat/L; a number whose sixtieth has more than six decimals stays as it is."""
    ranges = [each["high"] for each in kept.get("referenceRange", ())]
    sixtieths = [Decimal(each["value"]) / 60 for each in (quantity, *ranges)]
    if any(each != round(each, 6) for each in sixtieths):
        return
    for each, value in zip((quantity, *ranges), sixtieths, strict=True):
        each |= {"value": value.normalize(), "unit": "µkat/L", "code": "ukat/L"}


def _public(concept: Resource, at_least: int) -> Resource:
    """The public codings with other displays and a local one; none where there is no public one."""
    base = load_project().base
    public = [each for each in concept.get("coding", ()) if not each["system"].startswith(base)]
    shown = [each | {"display": each.get("display", "") + " (lab)"} for each in public]
    local = [{"system": LOCAL, "code": "L-17"}] if at_least and public else []
    return {"coding": [*shown, *local], "text": "as the ward calls it"}


def make_bundles(source: Path, folder: Path, share: float, size: int = 500) -> Path:
    """A share of the resources of each kind as searchset Bundles, a file each."""
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.ndjson")):
        wanted = path.stat().st_size * share
        with path.open("rb") as content:
            place = 0
            while content.tell() <= wanted and (lines := list(islice(content, size))):
                entries = b",".join(b'{"resource":' + line.rstrip() + b"}" for line in lines)
                bundle = b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"
                (unfinished / f"{path.stem}.{place:05d}.json").write_bytes(bundle)
                place += 1
    unfinished.rename(folder)
    return folder
