"""The table of cases: every definition applied to every patient."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive.cancer import cancer_columns
from imnm_fhir.derive.clinic import examination_columns, statin_columns, weakness_columns
from imnm_fhir.derive.columns import case_columns
from imnm_fhir.derive.consent import consent_columns
from imnm_fhir.derive.course import course_columns, course_of
from imnm_fhir.derive.enzymes import enzyme_columns
from imnm_fhir.derive.facts import Facts, each_patient
from imnm_fhir.derive.names import BASELINE, IMMUNOTHERAPY
from imnm_fhir.derive.outcome import outcome_columns
from imnm_fhir.derive.serology import serology_columns
from imnm_fhir.derive.treatment import treatment_columns, treatment_of
from imnm_fhir.derive.visits import visit_values
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.study import Study

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 5_000  # patients whose columns are held as Python objects at a time


def derive_cases(cohort: Cohort, study: Study) -> "pa.Table":
    """One row per patient with the columns of `case_columns`, in the order of site and patient.

    Definitions are those of domain section 8, the study choosing the variants. Null: cannot be
    judged. Raises `ImnmFhirError` where rows belong to no patient or a site has a broken cut-off.
    """
    import pyarrow as pa

    columns = case_columns(tuple(study.visits))
    schema = _schema(columns)
    batches = [
        pa.record_batch(
            [pa.array(each, kind) for each, kind in zip(part, schema.types, strict=True)], schema
        )
        for part in _chunks(_each_case(cohort, study), tuple(columns))
    ]
    return pa.Table.from_batches(batches, schema)


def derive_case(
    facts: Facts, study: Study, site: Mapping[str, Any], today: date, treatment_sent: bool
) -> dict[str, Any]:
    """Every column of one patient; `site` is what the manifest says of the patient's site."""
    course = course_of(facts, study.data_date or _cut_off(facts.site, site))
    treatment = treatment_of(facts, study, course, treatment_sent)
    case: dict[str, Any] = {"site": facts.site, "patient": facts.patient}
    case |= course_columns(facts, study, course)
    case |= consent_columns(facts, today, site.get("legal_basis"))
    case |= visit_values(facts, study, course)
    case |= statin_columns(facts, course)
    case |= weakness_columns(facts, study, case[f"severe_weakness_{BASELINE}"])
    case |= serology_columns(facts, study)
    case |= examination_columns(facts)
    case |= treatment_columns(facts, study, course, treatment)
    case |= enzyme_columns(facts, study, course, treatment)
    case |= outcome_columns(facts, study, course, treatment, case)
    case |= cancer_columns(facts, study, course)
    return case


def _each_case(cohort: Cohort, study: Study) -> Iterator[dict[str, Any]]:
    today = study.today or date.today()
    sending = _sites_with_treatment(cohort)
    sites = cohort.manifest["sites"]
    for facts in each_patient(cohort):
        sent = facts.site in sending
        yield derive_case(facts, study, sites.get(facts.site, {}), today, sent)


def _sites_with_treatment(cohort: Cohort) -> set[str]:
    """The sites that send immunotherapy, or an answer to it, of some patient."""
    import pyarrow.compute as pc

    answer = load_dictionary().elements[IMMUNOTHERAPY].attributes["answer"]
    found: set[str] = set()
    for table, element in (("medications", IMMUNOTHERAPY), ("observations", answer)):
        rows = cohort.tables[table]
        found |= set(rows.filter(pc.equal(rows["element"], element))["site"].unique().to_pylist())
    return found


def _cut_off(site: str, about: Mapping[str, Any]) -> date | None:
    said = about.get("cut_off")
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        raise ImnmFhirError(
            f"manifest.json: the cut-off of site {site} is no date such as 2022-06-30; correct the "
            "site's mapping and harmonise again"
        ) from None


def _schema(columns: Mapping[str, tuple[str, str]]) -> "pa.Schema":
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int32(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
    }
    return pa.schema([(name, types[kind]) for name, (kind, _) in columns.items()])


def _chunks(cases: Iterator[dict[str, Any]], names: tuple[str, ...]) -> Iterator[list[list[Any]]]:
    """The values column by column, `CHUNK` patients at a time."""
    part: list[list[Any]] = [[] for _ in names]
    for number, case in enumerate(cases, 1):
        for values, name in zip(part, names, strict=True):
            values.append(case[name])
        if number % CHUNK == 0:
            yield part
            part = [[] for _ in names]
    if part[0]:
        yield part
