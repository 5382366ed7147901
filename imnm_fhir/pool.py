"""The pool: gated cohorts of several sites as one, every row with its site."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError

SiteFlow = Mapping[str, Any]  # received: int, excluded: {reason: int}, pooled: int


def pool(cohorts: Sequence[Cohort], flow: Mapping[str, SiteFlow] | None = None) -> Cohort:
    """The union of cohorts that passed the gate, with a manifest of origin `pool`.

    `flow` says per site how many patients were `received`, `excluded` (by reason) and `pooled`; a
    site without an entry came whole, or brings that of the pool which it comes from. It is kept in
    `manifest["flow"]`. Raises `ImnmFhirError` where a site comes twice, the cohorts speak different
    versions of the dictionary, or a site's flow does not add up to its patients (rule G04).
    """
    import pyarrow as pa

    if not cohorts:
        raise ImnmFhirError("there is nothing to pool; give at least one cohort")
    _check_sites(cohorts)
    _check_versions(cohorts)
    sites = {site: each.manifest["sites"][site] for each in cohorts for site in each.sites}
    manifest = new_manifest("pool", dict(sorted(sites.items())))
    manifest["dictionary_version"] = cohorts[0].manifest["dictionary_version"]
    manifest["stamps"] = [stamp for each in cohorts for stamp in each.manifest.get("stamps", [])]
    manifest["flow"] = _flow(cohorts, flow or {})
    tables = {name: pa.concat_tables([each.tables[name] for each in cohorts]) for name in TABLES}
    return Cohort(manifest, tables, tuple(issue for each in cohorts for issue in each.issues))


def _check_sites(cohorts: Sequence[Cohort]) -> None:
    times = Counter(site for cohort in cohorts for site in cohort.sites)
    twice = sorted(site for site, number in times.items() if number > 1)
    if twice:
        raise ImnmFhirError(
            f"site {', '.join(twice)} stands in more than one cohort, and its patients would count "
            "twice; give its newest cohort only"
        )
    for cohort in cohorts:
        unknown = set(cohort.tables["patients"]["site"].unique().to_pylist()) - set(cohort.sites)
        if unknown:
            raise ImnmFhirError(
                f"a cohort has patients of site {', '.join(sorted(unknown))}, which its manifest "
                "does not name; harmonise or import again"
            )


def _check_versions(cohorts: Sequence[Cohort]) -> None:
    versions = {
        cohort.manifest["dictionary_version"]: ", ".join(cohort.sites) for cohort in cohorts
    }
    if len(versions) > 1:
        said = "; ".join(f"{sites}: {version}" for version, sites in sorted(versions.items()))
        raise ImnmFhirError(
            f"the cohorts were made with different versions of the dictionary ({said}); harmonise "
            "all with the same version"
        )


def _flow(cohorts: Sequence[Cohort], given: Mapping[str, SiteFlow]) -> dict[str, SiteFlow]:
    """The flow of every site, checked against the patients that are there."""
    flow: dict[str, SiteFlow] = {}
    for cohort in cohorts:
        here = Counter(cohort.tables["patients"]["site"].to_pylist())
        known = {**cohort.manifest.get("flow", {}), **given}
        for site in cohort.sites:
            whole = {"received": here[site], "excluded": {}, "pooled": here[site]}
            flow[site] = _checked(site, known.get(site, whole), here[site])
    return dict(sorted(flow.items()))


def _checked(site: str, flow: SiteFlow, here: int) -> SiteFlow:
    left = flow["received"] - sum(flow["excluded"].values())
    if not left == flow["pooled"] == here:
        raise ImnmFhirError(
            f"site {site}: {flow['received']} patients received and {sum(flow['excluded'].values())} "
            f"excluded do not give the {here} that are there; validate its cohort again"
        )
    return {**flow, "excluded": dict(flow["excluded"])}
