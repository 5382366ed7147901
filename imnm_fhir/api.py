"""The verbs of the command line as functions on the same objects, each imported when first used.

from imnm_fhir.api import compare, derive_cases, from_fhir, harmonise, load_site_mapping, ...

cohort = harmonise([Path("madrid16_es.csv")], load_site_mapping("madrid_es"))
validation = validate(cohort)
resources = list(to_fhir(cohort))
assert compare(cohort, from_fhir(resources)) == []
print(table1(derive_cases(cohort, load_study()), load_study()).text())
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
    "load_study": "imnm_fhir.study",
    "derive_cases": "imnm_fhir.derive",
    "validate": "imnm_fhir.validation",
    "gate": "imnm_fhir.validation",
    "fill": "imnm_fhir.shapes",
    "match": "imnm_fhir.shapes",
    "to_fhir": "imnm_fhir.fhir",
    "from_fhir": "imnm_fhir.fhir",
    "as_model": "imnm_fhir.fhir",
    "export": "imnm_fhir.flow",
    "import_fhir": "imnm_fhir.flow",
    "verify": "imnm_fhir.flow",
    "withdraw": "imnm_fhir.flow",
    "compare": "imnm_fhir.compare",
    "pool": "imnm_fhir.pool",
    "table1": "imnm_fhir.table1",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"imnm_fhir.api has no {name}")
    return getattr(import_module(_PLACES[name]), name)
