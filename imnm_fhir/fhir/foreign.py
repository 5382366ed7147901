"""Foreign resources made equal to ours, where the dictionary says that they mean the same.

Everything here is a rewriting that loses nothing but what is named: a time of day, the display of a
unit whose code is given. What cannot be rewritten stays as it is, and `match` lists or refuses it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from imnm_fhir.dictionary import Element, load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.terminology import load_project

Resolve = Callable[[str], Mapping[str, Any] | None]
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T[\d:.]+(Z|[+-]\d\d:\d\d)?")
DATES = (
    "effectiveDateTime",
    "valueDateTime",
    "onsetDateTime",
    "recordedDate",
    "deceasedDateTime",
    "performedDateTime",
)


def normalise(resource: Mapping[str, Any], resolve: Resolve) -> dict[str, Any]:
    """The resource rewritten in the words of our shapes.

    `resolve` gives the resource that a reference (`urn:uuid:...`, `Patient/1`, an address) names in
    the same Bundle or file, or None.
    """
    out = dict(resource)
    contained = {
        f"#{each.get('id')}": each
        for each in out.get("contained") or []
        if isinstance(each, Mapping)
    }

    def find(reference: str) -> Mapping[str, Any] | None:
        return contained.get(reference) or resolve(reference)

    _references(out, find)
    _medication(out, find, contained)
    if out.get("gender") == "unknown" and "_gender" not in out:
        del out["gender"]
        out["_gender"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    for key in DATES:
        out |= {key: day(out[key])} if key in out else {}
    if "performedDateTime" in out and "performedPeriod" not in out:
        out["performedPeriod"] = {"start": out.pop("performedDateTime")}
    for key in ("effectivePeriod", "performedPeriod"):
        if isinstance(out.get(key), Mapping):
            out[key] = {name: day(value) for name, value in out[key].items()}
    if isinstance(out.get("valueInteger"), int):
        out["valueQuantity"] = {"value": out.pop("valueInteger")}
    return _quantities(out)


def day(value: Any) -> Any:
    """The day of a date with a time, as written there; anything else unchanged."""
    found = DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else value


def _references(out: dict[str, Any], find: Resolve) -> None:
    for key, kind in (("subject", "Patient"), ("managingOrganization", "Organization")):
        reference = out.get(key)
        if not isinstance(reference, Mapping) or not isinstance(reference.get("reference"), str):
            continue
        target = find(reference["reference"])
        ident = (
            target["id"] if target and "id" in target else reference["reference"].rsplit("/", 1)[-1]
        )
        named = reference["reference"].split("/")
        if (target and target.get("resourceType") == kind) or (
            len(named) > 1 and named[-2] == kind
        ):
            out[key] = {**reference, "reference": f"{kind}/{ident}"}


def _medication(
    out: dict[str, Any], find: Resolve, contained: dict[str, Mapping[str, Any]]
) -> None:
    reference = out.get("medicationReference")
    if not isinstance(reference, Mapping) or "medicationCodeableConcept" in out:
        return
    name = str(reference.get("reference"))
    target = find(name)
    if not target or target.get("resourceType") != "Medication" or "code" not in target:
        return
    if set(target) - {"resourceType", "id", "meta", "code", "status", "text"}:
        return  # a form, an ingredient or a batch that the row could not carry
    out["medicationCodeableConcept"] = target["code"]
    del out["medicationReference"]
    if name in contained:
        rest = [each for each in out["contained"] if f"#{each.get('id')}" != name]
        out |= {"contained": rest}
        if not rest:
            del out["contained"]


def _quantities(value: Any) -> Any:
    """Every Quantity with its UCUM code as unit: the code counts, how it is printed does not."""
    if isinstance(value, list):
        return [_quantities(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    out = {key: _quantities(inner) for key, inner in value.items()}
    if "value" in out and "code" in out and out.get("system") == load_project().system("ucum"):
        out["unit"] = out["code"]
    return out


def settle(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with its number in the element's unit; raises `ImnmFhirError` where it cannot be.

    A number without a unit is taken only where the element counts in a unit without dimension.
    """
    if table != "observations":
        return row
    element = load_dictionary().elements[row["element"]]
    if row.get("value_number") is None and row.get("reference_high") is None:
        return row
    if element.unit is None and not element.units:
        return row
    unit = row.get("unit")
    if unit is None:
        if element.unit and element.unit.startswith("{"):
            return row | {"unit": element.unit}
        raise ImnmFhirError("valueQuantity: has no unit")
    return row | _converted(element, row, unit)


def _converted(element: Element, row: Mapping[str, Any], unit: str) -> dict[str, Any]:
    from imnm_fhir.units import convert, factor, ucum

    if unit in (element.unit, *element.units):
        return {}
    known = ucum(unit, element.enzyme)
    if known in (element.unit, *element.units):
        return {"unit": known}
    by = factor(known, element.unit or known)
    changed = {
        column: convert(row[column], by)
        for column in ("value_number", "reference_high")
        if row.get(column) is not None
    }
    return {"unit": element.unit, **changed}


def answer(resource: Mapping[str, Any]) -> tuple[str, str] | None:
    """Table and status of a resource that says that something did *not* happen, else None.

    `not-taken`, `not-done` and `refuted` are answers, kept as Observations (`false`).
    """
    kind, status = resource.get("resourceType"), resource.get("status")
    if kind == "MedicationStatement" and status == "not-taken":
        return "medications", "not-taken"
    if kind == "Procedure" and status == "not-done":
        return "procedures", "not-done"
    codings = (resource.get("verificationStatus") or {}).get("coding") or [{}]
    if kind == "Condition" and codings[0].get("code") == "refuted":
        return "conditions", "refuted"
    return None


def as_happened(resource: Mapping[str, Any], table: str) -> dict[str, Any]:
    """The same resource as if it had happened, so that its shape can read what it is about."""
    out = {key: value for key, value in resource.items() if key != "verificationStatus"}
    if table != "conditions":
        out["status"] = "unknown" if table == "medications" else "completed"
    return out
