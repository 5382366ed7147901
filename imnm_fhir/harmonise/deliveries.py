"""One delivery of a site after another: what changed since the last one, and increments put on top."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.cohort.cells import Cells
from imnm_fhir.compare import compare
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import pyarrow as pa

INCREMENTAL = "incremental"
ONLY = {"only in the first": "gone", "only in the second": "new"}
About = tuple[str | None, ...]


def check_follows(old: Cohort, new: Cohort) -> None:
    """Nothing where `new` can be put on top of `old`: site files of the same site, not older.

    Raises `ImnmFhirError` with what to do.
    """
    site = ", ".join(new.sites)
    if old.manifest["origin"] != "site file" or old.sites != new.sites:
        raise ImnmFhirError(
            f"an incremental delivery of {site} needs its earlier deliveries as --out, and the cohort "
            f"there is of {', '.join(old.sites)} ({old.manifest['origin']}); choose another --out"
        )
    for name in new.sites:
        before, now = (each.manifest["sites"][name].get("cut_off") for each in (old, new))
        if before and now and now < before:
            raise ImnmFhirError(
                f"{site}: the cut-off {now} of this delivery is before {before}, that of what is there; "
                "correct cut_off, or give deliveries in their order"
            )


def put_on_top(old: Cohort, new: Cohort) -> Cohort:
    """The cohort of both deliveries: each row of `new` in the place of the row with its key.

    A row that `new` lacks stays: only a full delivery takes rows away. Issues of rows that came
    anew are those of `new`; `sources` of the manifest are those of both. Raises as `check_follows`.
    """
    check_follows(old, new)
    tables = {name: _updated(old.tables[name], new.tables[name]) for name in TABLES}
    about = {
        site: {**each, "sources": [*_earlier(old, site, each["sources"]), *each["sources"]]}
        for site, each in new.manifest["sites"].items()
    }
    issues = (*_standing(old, new), *new.issues)
    kept = {name: old.manifest[name] for name in ("redactions",) if name in old.manifest}
    manifest = {**new.manifest, **kept, "sites": about}
    return replace(new, manifest=manifest, tables=tables, issues=issues, cells=_cells(old, new))


def changes(old: Cohort, new: Cohort) -> dict[str, Any]:
    """What a delivery changed: by table the rows that are new, changed and gone, and who is gone.

    `withdrawn` are the patients (pseudonyms) whom the earlier delivery had and this one has not.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
    for each in compare(old, new):
        counts[each.table][ONLY.get(each.what, "changed")] += 1
    before, now = (set(each.tables["patients"]["patient"].to_pylist()) for each in (old, new))
    return {
        "since": {site: about.get("cut_off") for site, about in old.manifest["sites"].items()},
        "rows": {name: {kind: each[kind] for kind in KINDS} for name, each in counts.items()},
        "withdrawn": sorted(before - now),
    }


KINDS = ("new", "changed", "gone")


def change_lines(manifest: Mapping[str, Any]) -> list[str]:
    """What changed since the last delivery, a line for patients and one for all other rows."""
    found = manifest.get("changes")
    if not found:
        return []
    since = (
        ", ".join(sorted(each for each in found["since"].values() if each)) or "the last delivery"
    )
    people = found["rows"]["patients"]
    facts = {kind: sum(found["rows"][n][kind] for n in TABLES if n != "patients") for kind in KINDS}
    lines = [
        f"since {since}: {said} {_counted(each)}"
        for said, each in (("patients", people), ("other rows", facts))
    ]
    if found["withdrawn"]:
        lines.append(
            f"not in this full delivery any more and taken out: {len(found['withdrawn'])} patient(s)"
        )
    return lines


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)


def _updated(old: "pa.Table", new: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables([_without(old, new["id"]), new])


def _without(table: "pa.Table", ids: "pa.ChunkedArray") -> "pa.Table":
    """The rows with other ids."""
    import pyarrow.compute as pc

    return table.filter(pc.invert(pc.is_in(table["id"], value_set=ids.combine_chunks())))


def _cells(old: Cohort, new: Cohort) -> Cells | None:
    import pyarrow as pa

    made = []
    if old.cells is not None:
        ids = pa.chunked_array([c for each in new.tables.values() for c in each["id"].chunks])
        made.append(_without(old.cells.table(), ids))
    made += [new.cells.table()] if new.cells is not None else []
    return Cells(pa.concat_tables(made)) if made else None


def _earlier(
    cohort: Cohort, site: str, new: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The sources of the earlier deliveries; the same file given again is one source."""
    again = {tuple(each.get(name) for name in SOURCE) for each in new}
    found: list[Mapping[str, Any]] = cohort.manifest["sites"][site].get("sources") or []
    return [each for each in found if tuple(each.get(name) for name in SOURCE) not in again]


SOURCE = ("file", "sheet", "sha256")


def _standing(old: Cohort, new: Cohort) -> list[Issue]:
    """The issues of the earlier delivery whose row did not come again.

    Those of no patient are the mapping's and the files', and said anew.
    """
    came: set[About] = {_about(each) for each in new.issues}
    for name in TABLES:
        key = [each for each in KEY if each in new.tables[name].column_names]
        rows = new.tables[name].select(key).to_pylist()
        came |= {tuple(row.get(each) for each in KEY) for row in rows}
    return [each for each in old.issues if each.patient is not None and _about(each) not in came]


KEY = ("patient", "element", "time_point", "n")


def _about(issue: Issue) -> About:
    return (
        issue.patient,
        issue.element if issue.table != "patients" else None,
        issue.time_point,
        issue.n,
    )
