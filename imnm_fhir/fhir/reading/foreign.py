"""Foreign resources made equal to ours, where the dictionary says that they mean the same.

Everything here is a rewriting that loses nothing but what is named: a time of day, how a unit is
printed beside its code. What cannot be rewritten stays as it is, and `match` lists or refuses it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.terminology import load_project

Resource = Mapping[str, Any]
Resolve = Callable[[str], str | None]
Medication = Callable[[str], Resource | None]
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII
)
DATES = (
    "effectiveDateTime",
    "valueDateTime",
    "onsetDateTime",
    "recordedDate",
    "deceasedDateTime",
    "performedDateTime",
)
TITRE = "{titer}"
PERIODS = ("effectivePeriod", "performedPeriod")
REFERENCES = {"subject": "Patient", "managingOrganization": "Organization"}
# Fields of a Medication that say nothing of which drug it is, or nothing at all.
MEDICATION_KEYS = frozenset({"resourceType", "id", "meta", "code", "status", "text", "language"})


def normalise(resource: Resource, resolve: Resolve, medication: Medication) -> dict[str, Any]:
    """The resource rewritten in the words of our shapes.

    `resolve` gives the `Patient/1` that a Bundle's address (`urn:uuid:...`) stands for, `medication`
    the Medication that a reference names; both None where it is not known.
    """
    out = dict(resource)
    for key, kind in REFERENCES.items():
        reference = as_mapping(out.get(key)).get("reference")
        if isinstance(reference, str):
            out[key] = {**out[key], "reference": relative(reference, kind, resolve)}
    _inline_medication(out, medication)
    _cut_dates(out)
    _gender(out)
    if isinstance(out.get("valueInteger"), int) and "valueQuantity" not in out:
        out["valueQuantity"] = {"value": out.pop("valueInteger")}
    _titre(out)
    return {key: _quantities(value) for key, value in out.items()}


def relative(reference: str, kind: str, resolve: Resolve) -> str:
    """The reference as `Patient/1`, of whatever address of a server or a Bundle."""
    known = resolve(reference)
    if known:
        return known
    parts = reference.split("/_history/")[0].split("/")
    if len(parts) > 1:
        return "/".join(parts[-2:])
    if reference.startswith(("urn:uuid:", "urn:oid:")):
        return f"{kind}/{reference.rsplit(':', 1)[-1]}"
    return reference


def _inline_medication(out: dict[str, Any], medication: Medication) -> None:
    """Put the code of the Medication that is referred to in the place of the reference."""
    reference = as_mapping(out.get("medicationReference")).get("reference")
    if not isinstance(reference, str) or "medicationCodeableConcept" in out:
        return
    listed = out.get("contained")
    contained = (
        [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    )
    inside = next((each for each in contained if f"#{each.get('id')}" == reference), None)
    target = inside or medication(reference)
    if target is None or not is_usable_medication(target):
        return
    out["medicationCodeableConcept"] = target["code"]
    shown = ("reference", "display", "type")
    more = {k: v for k, v in out.pop("medicationReference").items() if k not in shown}
    out |= {"medicationReference": more} if more else {}
    if inside is not None:
        rest = {key: value for key, value in inside.items() if key not in MEDICATION_KEYS}
        kept = [rest if each is inside else each for each in out["contained"]]
        out["contained"] = [each for each in kept if each]
        if not out["contained"]:
            del out["contained"]


def is_usable_medication(resource: Resource) -> bool:
    """Whether a Medication says which drug it is and is not entered in error."""
    return (
        resource.get("resourceType") == "Medication"
        and "code" in resource
        and resource.get("status", "active") in ("active", "inactive")
        and not any(key in resource for key in ("modifierExtension", "implicitRules"))
    )


def _cut_dates(out: dict[str, Any]) -> None:
    for key in DATES:
        if key in out:
            out[key] = day(out[key])
    if "effectiveInstant" in out and "effectiveDateTime" not in out:
        out["effectiveDateTime"] = day(out.pop("effectiveInstant"))
    if "performedPeriod" not in out:
        moved = {"performedDateTime": "start", "_performedDateTime": "_start"}
        period = {new: out.pop(old) for old, new in moved.items() if old in out}
        if period:
            out["performedPeriod"] = period
    for key in PERIODS:
        if isinstance(out.get(key), Mapping):
            out[key] = {name: day(value) for name, value in out[key].items()}
    if isinstance(out.get("extension"), list):
        out["extension"] = [
            {**each, "valueDateTime": day(each["valueDateTime"])}
            if isinstance(each, Mapping) and "valueDateTime" in each
            else each
            for each in out["extension"]
        ]


def day(value: Any) -> Any:
    """The day of a date with a time, as it is written there; anything else unchanged."""
    found = DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value


def _gender(out: dict[str, Any]) -> None:
    """`unknown` without a reason is the reason `unknown`."""
    if out.get("gender") == "unknown" and "_gender" not in out:
        out["_gender"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}


def _titre(out: dict[str, Any]) -> None:
    """A dilution of 1:n as n {titer}, where neither part has a unit of its own."""
    ratio = as_mapping(out.get("valueRatio"))
    one, dilution = (as_mapping(ratio.get(part)) for part in ("numerator", "denominator"))
    plain = ratio.keys() == {"numerator", "denominator"} and one.keys() == {"value"}
    if (
        plain
        and one["value"] in ("1", 1)
        and {"value"} <= dilution.keys() <= {"value", "comparator"}
    ):
        unit = {"unit": TITRE, "system": load_project().system("ucum"), "code": TITRE}
        out["valueQuantity"] = {**dilution, **unit}
        del out["valueRatio"]


def _quantities(value: Any) -> Any:
    """Every Quantity with its UCUM code as unit: the code counts, how it is printed does not."""
    if isinstance(value, list):
        return [_quantities(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    out = {key: _quantities(inner) for key, inner in value.items()}
    if "value" in out and isinstance(out.get("system"), str):
        out["system"] = load_project().canonical_system(out["system"])
        if "code" in out and out["system"] == load_project().system("ucum"):
            out["unit"] = out["code"]
    return out
