"""Resources that say that something did *not* happen: read as answers, kept as Observations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.shapes.found import as_mapping
from imnm_fhir.terminology import load_project

STATUSES = {
    "MedicationStatement": ("not-taken", "unknown"),
    "Procedure": ("not-done", "completed"),
}


@dataclass(frozen=True)
class Denial:
    """The answer that a row gives when what it says did not happen.

    `one_of_many`: it speaks of one drug or disease alone, while the answer is about the whole
    element; then it holds only for a patient who had no other of them.
    """

    row: Mapping[str, Any]
    one_of_many: bool


def as_happened(resource: Mapping[str, Any]) -> dict[str, Any] | None:
    """The resource as if it had happened, so that its shape can read what it is about.

    None for a resource that does not say `not-taken`, `not-done` or `refuted`.
    """
    kind, status = resource.get("resourceType"), resource.get("status")
    denied, happened = STATUSES.get(str(kind), (None, ""))
    if denied is not None and status == denied:
        return {**resource, "status": happened}
    if kind == "Condition" and _is_refuted(resource.get("verificationStatus")):
        return {key: value for key, value in resource.items() if key != "verificationStatus"}
    return None


def _is_refuted(concept: Any) -> bool:
    """Whether `refuted` is all that the verification status says."""
    codings = as_mapping(concept).get("coding")
    if not isinstance(codings, list) or len(codings) != 1 or len(concept) != 1:
        return False
    coding = as_mapping(codings[0])
    wanted = (load_project().system("condition-ver-status"), "refuted")
    return (coding.get("system"), coding.get("code")) == wanted and set(coding) <= {
        "system", "code", "display", "version", "userSelected",
    }  # fmt: skip


def denial(row: Mapping[str, Any]) -> Denial | None:
    """The answer to a row of medications, conditions or procedures that did not happen.

    None where no element takes such an answer.
    """
    element = load_dictionary().elements[row["element"]]
    answer = element.attributes.get("answer")
    if answer is None:
        return None
    date = row.get("date") or row.get("onset_date") or row.get("start_date")
    said = {
        "element": answer,
        "time_point": row.get("time_point"),
        "n": row.get("value_code") or row.get("n"),
        "value_boolean": False,
        "value_text": row.get("value_text") or row.get("value_code"),
        "date": date,
    }
    return Denial(said, _is_one_of_many(row))


def _is_one_of_many(row: Mapping[str, Any]) -> bool:
    element = load_dictionary().elements[row["element"]]
    if element.value_set is None:
        return False
    codes = load_dictionary().value_sets[element.value_set].codes
    takes = element.attributes.get("takes", ())
    members = [key for key, code in codes.items() if code.attributes.get("group") in takes]
    key = row.get("value_code")
    if key is None or len(members) == 1:
        return key is None
    return not (codes[key].attributes.get("unspecified", False) and len(takes) == 1)
