"""Antibodies and the serogroup."""

from typing import Any

from imnm_fhir.derive.clinic import listed, result_of
from imnm_fhir.derive.facts import Facts, Observation, elements_of
from imnm_fhir.derive.names import BORDERLINE, HMGCR, NEGATIVE, POSITIVE, SRP, UNTESTED
from imnm_fhir.derive.periods import first_of, period
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study

TESTED = (POSITIVE, BORDERLINE, NEGATIVE)
DUAL, SERONEGATIVE, UNKNOWN_GROUP = "dual", "seronegative", "unknown"
UNCONFIRMED, OTHER_MSA = "srp-unconfirmed", "other-msa"


def serogroup(hmgcr: str | None, srp: str | None) -> str:
    """hmgcr, srp or dual where positive; seronegative where both are negative; else unknown.

    Borderline is not positive, and not negative either (domain 8).
    """
    match hmgcr == POSITIVE, srp == POSITIVE:
        case True, True:
            return DUAL
        case True, False:
            return "hmgcr"
        case False, True:
            return "srp"
    return SERONEGATIVE if hmgcr == srp == NEGATIVE else UNKNOWN_GROUP


def other_untested(hmgcr: str | None, srp: str | None) -> bool:
    """Whether one of the two decides the group while the other was never tested."""
    results = (hmgcr, srp)
    return POSITIVE in results and any(result in (None, UNTESTED) for result in results)


def srp_unconfirmed(rows: list[Observation]) -> bool:
    """Whether anti-SRP is positive by dot or line blot alone.

    A positive whose assay is not sent may be of either kind and does not count as blot alone.
    """
    assays = load_dictionary().value_sets["assay"].codes
    methods = [assays.get(row.method or "") for row in rows if row.value_code == POSITIVE]
    return bool(methods) and all(each and each.attributes.get("blot", False) for each in methods)


def serology_columns(facts: Facts, study: Study) -> dict[str, Any]:
    """Every antibody's result over all assays, what is positive, and the serogroup."""
    msa, maa = elements_of("msa"), elements_of("maa")
    results = {name: result_of(facts.rows(name)) for name in (*msa, *maa)}
    positive = [name for name in results if results[name] == POSITIVE]
    specific = [name for name in positive if name in msa]
    others = [name for name in msa if name not in (HMGCR, SRP)]
    other = [name for name in specific if name in others]
    default = serogroup(results[HMGCR], results[SRP])
    return {
        **results,
        "ana": result_of(facts.rows("ana")),
        **_details(HMGCR, facts.rows(HMGCR), results[HMGCR]),
        **_details(SRP, facts.rows(SRP), results[SRP]),
        "msa_positive": listed(specific),
        "msa_positive_count": len(specific),
        "other_msa": result_of([row for name in others for row in facts.rows(name)]),
        "other_msa_positive": listed(other),
        "other_msa_positive_count": len(other),
        "antibodies_positive": listed(positive),
        "antibodies_tested_count": sum(result in TESTED for result in results.values()),
        "serogroup": _chosen(default, facts, bool(other), study),
        "serogroup_default": default,
        "serogroup_other_untested": other_untested(results[HMGCR], results[SRP]),
        "serogroup_reported": facts.code("serogroup_reported"),
    }


def _chosen(default: str, facts: Facts, other_msa: bool, study: Study) -> str:
    if UNCONFIRMED in study.serogroup and default == "srp" and srp_unconfirmed(facts.rows(SRP)):
        return UNCONFIRMED
    if OTHER_MSA in study.serogroup and default in (SERONEGATIVE, UNKNOWN_GROUP) and other_msa:
        return OTHER_MSA
    return default


def _details(element: str, rows: list[Observation], result: str | None) -> dict[str, Any]:
    """The assays that gave a result, and when the first that decides was made."""
    first = first_of(period(row.date) for row in rows if result and row.value_code == result)
    return {
        f"{element}_methods": listed(row.method for row in rows if row.value_code in TESTED),
        f"{element}_date_earliest": first.earliest,
        f"{element}_date_latest": first.latest,
    }
