"""The pool: gated cohorts of several sites as one, every row with its site."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort, new_manifest
from imnm_fhir.dictionary import PROVENANCE, TABLES
from imnm_fhir.errors import ImnmFhirError

if TYPE_CHECKING:
    import pyarrow as pa

# What a manifest says of a site's own files: it stays there.
AT_HOME = ("sources", "mapping", "corrections", "read_from", "deliveries", "searched")
SiteFlow = dict[str, Any]  # as the gate writes it: site, received, failing, consent, passed_on


def pool(cohorts: Sequence[Cohort]) -> Cohort:
    """The union of cohorts that passed the gate, with a manifest of origin `pool`.

    What became of every site's patients at the gate (`manifest["flow"]`) is kept; a site without
    such an entry counts as whole. Raises `ImnmFhirError` where a site comes twice, the cohorts
    speak different versions of the dictionary, or a site's flow does not add up to its patients
    (rule G04).
    """
    import pyarrow as pa

    if not cohorts:
        raise ImnmFhirError("there is nothing to pool; give at least one cohort")
    _check_sites(cohorts)
    _check_versions(cohorts)
    sites = {site: _about(each.manifest["sites"][site]) for each in cohorts for site in each.sites}
    manifest = new_manifest("pool", dict(sorted(sites.items())))
    manifest["dictionary_version"] = cohorts[0].manifest["dictionary_version"]
    manifest["stamps"] = [stamp for each in cohorts for stamp in each.manifest.get("stamps", [])]
    manifest["flow"] = sorted(_flow(cohorts), key=lambda each: str(each["site"]))
    manifest["endorsements"] = {
        site: said
        for each in cohorts
        for site, said in each.manifest.get("endorsements", {}).items()
    }
    tables = {
        name: pa.concat_tables([_without_places(each.tables[name]) for each in cohorts])
        for name in TABLES
    }
    _check_rows(cohorts, tables)
    issues = (issue for each in cohorts for issue in each.issues)
    kept = (
        replace(each, file=None, sheet=None, row=None, column=None, value=None) for each in issues
    )
    return Cohort(manifest, tables, tuple(kept))


def _check_rows(cohorts: Sequence[Cohort], tables: Mapping[str, "pa.Table"]) -> None:
    """Rule G04: of every site and table as many rows as its cohort handed over."""
    for name, table in tables.items():
        pooled, given = _by_site(table), Counter[str]()
        for each in cohorts:
            given.update(_by_site(each.tables[name]))
        wrong = sorted(site for site in pooled | given if pooled[site] != given[site])
        if wrong:
            raise ImnmFhirError(
                f"{name}: the pool does not hold the rows that site {', '.join(wrong)} handed over "
                "(rule G04); pool again from the accepted cohorts"
            )


def _by_site(table: "pa.Table") -> Counter[str]:
    counts = table["site"].value_counts()
    return Counter({each["values"]: each["counts"] for each in counts.to_pylist()})


def _about(site: dict[str, Any]) -> dict[str, Any]:
    """What is said of a site, without its files and their headers: these stay there."""
    return {name: value for name, value in site.items() if name not in AT_HOME}


def _without_places(table: "pa.Table") -> "pa.Table":
    """The rows without the site's file, sheet, row and column."""
    import pyarrow as pa

    for name in PROVENANCE:
        place = table.schema.get_field_index(name)
        kind = table.schema.field(place).type
        table = table.set_column(place, name, pa.nulls(table.num_rows, kind))
    return table


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


def _flow(cohorts: Sequence[Cohort]) -> Iterator[SiteFlow]:
    """The flow of every site, checked against the patients that are there."""
    for cohort in cohorts:
        here = Counter(cohort.tables["patients"]["site"].to_pylist())
        said = {each["site"]: each for each in cohort.manifest.get("flow", [])}
        for site in cohort.sites:
            whole = {"received": here[site], "passed_on": here[site]}
            flow = {"site": site, "failing": 0, "consent": {}, "waived": 0, **said.get(site, whole)}
            _check_flow(flow, here[site])
            yield flow


def _check_flow(flow: SiteFlow, here: int) -> None:
    stayed = flow["failing"] + sum(flow["consent"].values())
    if not flow["received"] - stayed == flow["passed_on"] == here:
        raise ImnmFhirError(
            f"site {flow['site']}: {flow['received']} patients received and {stayed} kept at home do "
            f"not give the {here} that are there; validate its cohort again"
        )
