"""Comparing two cohorts: identical, or each difference by table, patient, element and column."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imnm_fhir.cohort import Cohort
from imnm_fhir.dictionary import TABLES, Table, load_dictionary
from imnm_fhir.engine import open_engine

if TYPE_CHECKING:
    import duckdb

ONLY = "only in"


@dataclass(frozen=True)
class Difference:
    """One difference: `what` is `only in the first`, `only in the second`, or the columns' names."""

    table: str
    site: str
    patient: str
    element: str | None
    time_point: str | None
    n: str | None
    what: str

    def line(self) -> str:
        """The difference as one line, without a value."""
        place = [self.table, self.site, self.patient, self.element, self.time_point, self.n]
        return " / ".join(part for part in place if part) + f": {self.what}"


def compare(first: Cohort, second: Cohort) -> list[Difference]:
    """Every difference between two cohorts, provenance left out; empty where they are identical."""
    with open_engine(memory_limit="2GB") as engine:
        found: list[Difference] = []
        for name in TABLES:
            engine.register("a", first.tables[name])
            engine.register("b", second.tables[name])
            found += _table(engine, load_dictionary().tables[name])
            engine.unregister("a")
            engine.unregister("b")
    return found


def each_patient_once(found: list[Difference]) -> list[Difference]:
    """The differences, a patient who is in one cohort only named once, however many rows say so."""
    alone = {
        (each.site, each.patient, each.what)
        for each in found
        if each.table == "patients" and each.what.startswith(ONLY)
    }
    return [
        each
        for each in found
        if each.table == "patients" or (each.site, each.patient, each.what) not in alone
    ]


def _table(engine: "duckdb.DuckDBPyConnection", table: Table) -> Iterator[Difference]:
    key = table.key
    numbered = "select *, row_number() over (partition by {k} order by id) as nth from {t}"
    left, right = (numbered.format(k=", ".join(key), t=name) for name in ("a", "b"))
    same = " and ".join(f"x.{k} is not distinct from y.{k}" for k in (*key, "nth"))
    rest = [column for column in table.data_columns if column not in key]
    differ = ", ".join(f"case when x.{c} is distinct from y.{c} then '{c}' end" for c in rest)
    shown = ", ".join(f"coalesce(x.{k}, y.{k})" for k in key)
    query = f"""
        select {shown}, case when x.nth is null then 'only in the second'
            when y.nth is null then 'only in the first' else concat_ws(', ', {differ}) end as what
        from ({left}) x full outer join ({right}) y on {same}
        where what <> '' order by all
    """
    for row in engine.execute(query).fetchall():
        parts = dict(zip((*key, "what"), row, strict=True))
        yield Difference(
            table=table.name,
            site=str(parts["site"]),
            patient=str(parts["patient"]),
            element=parts.get("element"),
            time_point=parts.get("time_point"),
            n=parts.get("n"),
            what=str(parts["what"]),
        )
