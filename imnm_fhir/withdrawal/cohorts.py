"""Taking a patient out of a cohort's folder, whose hashes and validation then still hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import (
    Cohort,
    keep_patients,
    read_cohort,
    table_hashes,
    write_cohort,
    write_manifest,
)
from imnm_fhir.dictionary import TABLES
from imnm_fhir.languages import counted
from imnm_fhir.withdrawal.person import Person

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Redacted:
    """What was taken out of one place."""

    place: Path
    what: str

    def line(self) -> str:
        """What was done, in one line."""
        return f"{self.place}: {self.what}"


def resource_ids(folder: Path, person: Person) -> dict[str, list[str]]:
    """The ids of a patient's rows in a cohort's folder, by table; nothing else is read."""
    import pyarrow.parquet as pq

    from imnm_fhir.cohort import read_manifest, table_file

    manifest = read_manifest(folder)
    mine = [("site", "=", person.site), ("patient", "=", person.patient)]
    return {
        name: pq.read_table(table_file(folder, manifest, name), columns=["id"], filters=mine)[
            "id"
        ].to_pylist()
        for name in TABLES
    }


def redact_cohort(folder: Path, person: Person) -> Redacted | None:
    """Take a patient out of every table, the issues, the cells and the manifest of a cohort.

    A validation that held for the tables goes on holding for what is left. Returns None where the
    cohort knows nothing of the patient.
    """
    cohort = read_cohort(folder)
    kept = keep_patients(cohort, _others(cohort, person))
    rows = {
        name: cohort.tables[name].num_rows - kept.tables[name].num_rows
        for name in TABLES
        if cohort.tables[name].num_rows != kept.tables[name].num_rows
    }
    issues = len(cohort.issues) - len(kept.issues)
    manifest = _without(kept.manifest, person)
    if not rows and not issues and manifest == kept.manifest:
        return None
    manifest["redactions"] = _redactions(manifest.get("redactions"), rows)
    valid = _is_valid(cohort.manifest)
    written = write_cohort(replace(kept, manifest=manifest), folder)
    if valid:
        validation = {
            **written.manifest["validation"],
            "table_hashes": table_hashes(written.manifest),
            "redacted": manifest["redactions"]["patients"],
        }
        write_manifest({**written.manifest, "validation": validation}, folder)
    return Redacted(
        folder,
        f"{counted(sum(rows.values()), 'row')} and {counted(issues, 'issue')} taken out (1 redacted)",
    )


def _others(cohort: Cohort, person: Person) -> set[tuple[str, str]]:
    pairs: set[tuple[str, str]] = set()
    for table in cohort.tables.values():
        pairs |= _pairs(table)
    pairs |= {(each.site or "", each.patient) for each in cohort.issues if each.patient}
    return pairs - {(person.site, person.patient)}


def _pairs(table: "pa.Table") -> set[tuple[str, str]]:
    return set(zip(table["site"].to_pylist(), table["patient"].to_pylist(), strict=True))


def _is_valid(manifest: Mapping[str, Any]) -> bool:
    validation = manifest.get("validation") or {}
    return bool(validation.get("table_hashes") == table_hashes(manifest))


def _without(value: Any, person: Person) -> Any:
    """A manifest without the entries that name the patient, alone or with the site."""
    if isinstance(value, Mapping):
        return {
            name: _without(inner, person)
            for name, inner in value.items()
            if not _names(name, person)
        }
    if isinstance(value, list):
        return [_without(inner, person) for inner in value if not _names(inner, person)]
    return value


def _names(value: Any, person: Person) -> bool:
    if isinstance(value, list):
        return value == [person.site, person.patient]
    if isinstance(value, Mapping):
        return value.get("patient") == person.patient and value.get("site") in (None, person.site)
    return value in (person.key, person.patient)


def _redactions(before: Any, rows: Mapping[str, int]) -> dict[str, Any]:
    """How many patients were taken out and when last: a count takes the place of their rows."""
    known = before if isinstance(before, dict) else {}
    total = {name: known.get("rows", {}).get(name, 0) + rows.get(name, 0) for name in TABLES}
    return {
        "patients": known.get("patients", 0) + 1,
        "rows": {name: count for name, count in total.items() if count},
        "last": datetime.now(UTC).isoformat(timespec="seconds"),
    }
