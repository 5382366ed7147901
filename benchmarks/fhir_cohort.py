"""A synthetic cohort of any size, about 23 resources per patient, the same for the same number."""

import random
from collections.abc import Iterator
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.keys import resource_id, row_key

Row = dict[str, Any]
SITES = {
    "madrid_es": {"name": "Madrid (synthetic)", "country": "ES", "language": "es"},
    "freiburg_de": {"name": "Freiburg (synthetic)", "country": "DE", "language": "de"},
}


def synthetic_cohort(patients: int, seed: int = 1) -> Cohort:
    """A cohort of so many patients at two sites, about 23 resources each."""
    chance = random.Random(seed)
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for number in range(patients):
        site = list(SITES)[number % len(SITES)]
        for table, row in _patient(chance, number):
            full = {"site": site, "patient": f"P-{number:06}", **row}
            key = load_dictionary().tables[table].key
            full["id"] = resource_id(row_key(full.get(column) for column in key))
            rows[table].append(full | {"file": "synthetic.csv", "row": number + 2})
    tables = {name: table_from_rows(name, listed) for name, listed in rows.items()}
    return Cohort(new_manifest("site file", SITES), tables)


def _patient(chance: random.Random, number: int) -> Iterator[tuple[str, Row]]:
    onset = f"{chance.randint(2008, 2020)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    later = f"{int(onset[:4]) + 1}{onset[4:]}"
    yield "patients", {"birth_date": f"{chance.randint(1930, 1980)}-05", "sex": chance.choice(["male", "female"]), "deceased_boolean": False}  # fmt: skip
    yield "conditions", {"element": "imnm", "value_code": "imnm", "onset_date": onset, "date": later[:7]}  # fmt: skip
    if chance.random() < 0.15:
        yield "conditions", {"element": "cancer_diagnosis", "value_text": "tumour «left»", "date": later}  # fmt: skip
    if chance.random() < 0.6:
        yield "medications", {"element": "statin", "value_code": chance.choice(["atorvastatin", "simvastatin"]), "status": "completed", "start_date": onset[:4], "end_date": onset}  # fmt: skip
    for drug in chance.sample(["prednisone", "methotrexate", "azathioprine"], 2):
        yield "medications", {"element": "immunosuppressant", "n": drug, "value_code": drug, "status": "unknown", "start_date": later, "rate_number": "0.5", "rate_unit": "mg/kg/d", "route": "oral"}  # fmt: skip
    yield "procedures", {"element": "biopsy", "date": later}
    for month in ("baseline", "month_3", "month_6", "month_12"):
        yield "observations", {"element": "ck", "time_point": month, "value_number": str(chance.randint(30, 20000)), "unit": "U/L", "reference_high": "190", "date": later}  # fmt: skip
        yield "observations", {"element": "worst_mrc", "time_point": month, "value_number": str(chance.randint(0, 5)), "unit": "{score}", "date": later}  # fmt: skip
    for element in ("anti_hmgcr", "anti_srp", "anti_jo1", "anti_ro52"):
        yield "observations", {"element": element, "value_code": chance.choice(["positive", "negative"]), "method": "dot_blot", "date": later}  # fmt: skip
    for element in ("myalgia", "dysphagia", "statin_exposure", "extramuscular"):
        yield "observations", {"element": element, "value_boolean": chance.random() < 0.5}
    yield "observations", {"element": "biopsy_hla1", "missing": "not-performed"}
    yield "observations", {"element": "consent_reuse", "value_code": "yes"}
