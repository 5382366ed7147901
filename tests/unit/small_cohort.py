"""Small cohorts for tests of validation, gate and report."""

from collections.abc import Mapping, Sequence
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.issues import Issue
from imnm_fhir.keys import resource_id, row_key

Row = Mapping[str, Any]
SITE = {"name": "Madrid", "cut_off": "2022-06-30", "legal_basis": "ethics committee"}


def person(patient: str, **columns: Any) -> dict[str, list[Row]]:
    """A patient with an IMNM, a CK and nothing wrong."""
    return {
        "patients": [{"patient": patient, "birth_date": "1950-02-03", "sex": "female", **columns}],
        "conditions": [
            {"patient": patient, "element": "imnm", "value_code": "imnm",
             "onset_date": "2018-11-10", "date": "2019-03-04"}
        ],
        "observations": [
            {"patient": patient, "element": "ck", "time_point": "baseline", "value_number": "5000",
             "unit": "U/L", "date": "2019-03-01"},
        ],
    }  # fmt: skip


def observation(patient: str, element: str, **columns: Any) -> dict[str, list[Row]]:
    """One observation."""
    return {"observations": [{"patient": patient, "element": element, **columns}]}


def cohort(
    *parts: Mapping[str, list[Row]],
    site: Mapping[str, Any] = SITE,
    issues: Sequence[Issue] = (),
    name: str = "madrid",
) -> Cohort:
    """A cohort of one site from patients and observations."""
    together: dict[str, list[Row]] = {table: [] for table in TABLES}
    for part in parts:
        for table, rows in part.items():
            together[table] += [
                _row(table, {"site": name, **row}, len(together[table])) for row in rows
            ]
    tables = {table: table_from_rows(table, rows) for table, rows in together.items()}
    return Cohort(new_manifest("site file", {name: site}), tables, tuple(issues))


def _row(table: str, row: dict[str, Any], number: int) -> Row:
    key = row_key([row.get(column) for column in load_dictionary().tables[table].key])
    column = row.get("element", "NHC")
    return {"id": resource_id(key), "file": "data.csv", "row": number + 2, "column": column, **row}
