"""One delivery of a site after another: what changed since the last one, and increments put on top."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.cohort.cells import Cells
from imnm_fhir.compare import compare
from imnm_fhir.dictionary import PROVENANCE, TABLES
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.harmonise.corrections import APPLIED, GONE
from imnm_fhir.issues import Issue
from imnm_fhir.languages import translatable

if TYPE_CHECKING:
    import pyarrow as pa

INCREMENTAL = "incremental"
KEPT = ("redactions",)  # of the manifest, whatever is made again
ONLY = {"only in the first": "gone", "only in the second": "new"}
About = tuple[str | None, ...]


def site_of(cohort: Cohort) -> dict[str, Any]:
    """What the manifest says of the one site of a cohort that was made from site files."""
    about: dict[str, Any] = next(iter(cohort.manifest["sites"].values()))
    return about


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


def put_on_top(old: Cohort, new: Cohort, sent: Collection[str] = ()) -> Cohort:
    """The cohort of both deliveries: each row of `new` in the place of the row with its key.

    A row that `new` lacks stays: only a full delivery takes rows away. `sent` are the ids that the rows
    of `new` have in its source, before any correction: by these, too, a row takes the place of an older
    one. Issues of rows that came anew are those of `new`; `sources` of the manifest are those of both.
    What became of a correction is what `new` says of it, and where `new` lacks its row what `old` says.
    Raises as `check_follows`.
    """
    check_follows(old, new)
    doubted = _contested(old, new, sent)
    gone = {*sent, *(str(each["id"]) for each in doubted)}
    tables = {name: _updated(old.tables[name], new.tables[name], gone, doubted) for name in TABLES}
    about = {
        site: {**each, "sources": [*_earlier(old, site, each["sources"]), *each["sources"]]}
        | _replayed(old.manifest["sites"][site], each)
        for site, each in new.manifest["sites"].items()
    }
    issues = (
        *_standing(old, new), *new.issues, *map(_contest, doubted), *map(_doubt, _undated(old, new))
    )  # fmt: skip
    manifest = {**new.manifest, **kept_of(old), "sites": about}
    cells = _cells(old, new, gone, {str(each["id"]) for each in doubted})
    return replace(new, manifest=manifest, tables=tables, issues=issues, cells=cells)


def kept_of(cohort: Cohort) -> dict[str, Any]:
    """What a manifest says that stays, whatever the cohort is made of next."""
    return {name: cohort.manifest[name] for name in KEPT if name in cohort.manifest}


def _replayed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What became of corrections in both deliveries: a row that the newer one lacks is the older one's."""
    before, now = old.get("corrections", {}), new.get("corrections", {})
    both = {**before, **{n: each for n, each in now.items() if each != GONE or n not in before}}
    return {"corrections": both} if both else {}


def _contested(old: Cohort, new: Cohort, sent: Collection[str]) -> list[dict[str, Any]]:
    """Rows that a correction gave the key of another row of `old`: neither may take the other's place.

    A row that the same correction had moved in `old` already is the same row.
    """
    if not sent:
        return []
    fresh = _applied(new) - _applied(old)
    return [
        row
        for name in (TABLES if fresh else ())
        for row in _displacing(name, old.tables[name], _without(new.tables[name], sent))
    ]


def _displacing(name: str, old: "pa.Table", new: "pa.Table") -> list[dict[str, Any]]:
    """The rows of `new` that take the place of rows of `old` which say otherwise; `name` is the table's."""
    import pyarrow.compute as pc

    same = old.filter(pc.is_in(old["id"], value_set=new["id"].combine_chunks()))
    known = {row["id"]: _values(row) for row in same.to_pylist()}
    there = new.filter(pc.is_in(new["id"], value_set=same["id"].combine_chunks()))
    return [{**row, "table": name} for row in there.to_pylist() if known[row["id"]] != _values(row)]


def _applied(cohort: Cohort) -> set[str]:
    """The corrections that were put on top of what the files say."""
    return {
        name
        for about in cohort.manifest["sites"].values()
        for name, state in about.get("corrections", {}).items()
        if state == APPLIED
    }


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in PROVENANCE}


CONTESTED = translatable(
    "as corrected it has the key of a row of an earlier delivery that says otherwise; neither is kept: "
    "send both rows again in one delivery, and tell them apart"
)


REPLACED = translatable(
    "has no date, and took the place of a row without date of an earlier delivery that says otherwise; if "
    "they are two, give each its date and send both again"
)


def _undated(old: Cohort, new: Cohort) -> list[dict[str, Any]]:
    """Rows without date that take the place of others, of elements that come in series by date."""
    import pyarrow as pa
    import pyarrow.compute as pc

    before, now = (each.tables["observations"] for each in (old, new))
    series: set[str] = set()
    for each in (before, now):
        dated = pc.and_(pc.is_null(each["time_point"]), pc.is_valid(each["n"]))
        series |= set(pc.unique(each.filter(dated)["element"]).to_pylist())
    undated = pc.and_(pc.is_null(now["time_point"]), pc.is_null(now["n"]))
    of_series = pc.is_in(now["element"], value_set=pa.array(sorted(series), pa.string()))
    return _displacing("observations", before, now.filter(pc.and_(undated, of_series)))


def _doubt(row: Mapping[str, Any]) -> Issue:
    return replace(_contest(row), kind="improbable", message=REPLACED)


def _contest(row: Mapping[str, Any]) -> Issue:
    known = {name: row.get(name) for name in ("table", "patient", *KEY[1:], *PROVENANCE)}
    return Issue(
        "duplicate-fact", "impossible", "conformance", CONTESTED, site=row["site"], **known
    )


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


def _updated(
    old: "pa.Table", new: "pa.Table", gone: Collection[str], doubted: Sequence[Mapping[str, Any]]
) -> "pa.Table":
    import pyarrow as pa

    fresh = _without(new, [str(each["id"]) for each in doubted]) if doubted else new
    return pa.concat_tables([_without(old, [*new["id"].to_pylist(), *gone]), fresh])


def _without(table: "pa.Table", ids: Collection[str]) -> "pa.Table":
    """The rows with other ids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return table.filter(
        pc.invert(pc.is_in(table["id"], value_set=pa.array(list(ids), pa.string())))
    )


def _cells(
    old: Cohort, new: Cohort, gone: Collection[str], doubted: Collection[str]
) -> Cells | None:
    import pyarrow as pa

    made = []
    if old.cells is not None:
        ids = [ident for each in new.tables.values() for ident in each["id"].to_pylist()]
        made.append(_without(old.cells.table(), [*ids, *gone]))
    made += [_without(new.cells.table(), doubted)] if new.cells is not None else []
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
