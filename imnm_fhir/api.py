"""The verbs of the command line as functions on the same objects, each imported when first used.

from pathlib import Path
from imnm_fhir import api

cohort = api.harmonise([Path("madrid16_es.csv")], api.load_site_mapping("madrid_es"))
validation = api.validate(cohort)
resources = list(api.to_fhir(cohort))
assert api.compare(cohort, api.from_fhir(resources)) == []
print(api.table1(api.derive_cases(cohort, api.load_study()), api.load_study()).text())
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "Cohort": "imnm_fhir.cohort",
    "read_cohort": "imnm_fhir.cohort",
    "write_cohort": "imnm_fhir.cohort",
    "load_dictionary": "imnm_fhir.dictionary",
    "load_site_mapping": "imnm_fhir.sites",
    "new_site": "imnm_fhir.sites",
    "harmonise": "imnm_fhir.harmonise",
    "harmonise_files": "imnm_fhir.flow",
    "load_study": "imnm_fhir.study",
    "derive_cases": "imnm_fhir.derive",
    "validate": "imnm_fhir.validation",
    "validate_folder": "imnm_fhir.validation",
    "gate": "imnm_fhir.validation",
    "fill": "imnm_fhir.shapes",
    "match": "imnm_fhir.shapes",
    "to_fhir": "imnm_fhir.fhir",
    "from_fhir": "imnm_fhir.fhir",
    "as_model": "imnm_fhir.fhir",
    "export": "imnm_fhir.flow",
    "import_fhir": "imnm_fhir.flow",
    "list_queries": "imnm_fhir.flow",
    "take_answers": "imnm_fhir.flow",
    "log_of": "imnm_fhir.flow",
    "audit_table": "imnm_fhir.flow",
    "sign_delivery": "imnm_fhir.flow",
    "make_packet": "imnm_fhir.flow",
    "open_packet": "imnm_fhir.flow",
    "type_question": "imnm_fhir.flow",
    "examine": "imnm_fhir.flow",
    "verify": "imnm_fhir.flow",
    "withdraw": "imnm_fhir.flow",
    "compare": "imnm_fhir.compare",
    "pool": "imnm_fhir.pool",
    "pool_folders": "imnm_fhir.flow",
    "table1": "imnm_fhir.table1",
    "table1_of": "imnm_fhir.flow",
    "write_signing_key": "imnm_fhir.server.identity.signing",
    "list_elements": "imnm_fhir.elements",
    "describe_element": "imnm_fhir.elements",
    "check_table": "imnm_fhir.aggregates",
    "write_contradictions": "imnm_fhir.aggregates",
    "demo": "imnm_fhir.demo",
}
VERBS = {
    "new-site": ("new_site",),
    "harmonise": ("harmonise", "harmonise_files"),
    "validate": ("validate", "validate_folder", "gate"),
    "queries": (
        "list_queries", "take_answers", "log_of", "audit_table", "sign_delivery", "make_packet",
        "open_packet", "type_question",
    ),
    "export": ("export", "to_fhir"),
    "import": ("import_fhir", "from_fhir"),
    "verify": ("verify",),
    "doctor": ("examine",),
    "withdraw": ("withdraw",),
    "compare": ("compare",),
    "pool": ("pool", "pool_folders"),
    "table1": ("derive_cases", "table1", "table1_of"),
    "smart-key": ("write_signing_key",),
    "elements": ("list_elements", "describe_element"),
    "check-table": ("check_table", "write_contradictions"),
    "demo": ("demo",),
}  # fmt: skip
"""The functions that do the work of each command."""
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"imnm_fhir.api has no {name}")
    return getattr(import_module(_PLACES[name]), name)
