"""From rows that were read one by one to the tables of a cohort: whose row is it, and is it there twice.

All of it is SQL over files in a temporary folder, so that memory does not grow with the number of
resources. A row that cannot be placed is refused with a reason, never dropped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.fhir.conformance.row_rules import prepare_rules, row_rules, rule_source
from imnm_fhir.fhir.reading.one_by_one import Refusals, Row
from imnm_fhir.fhir.writing.lines import id_expression, sql_text
from imnm_fhir.issues import Issue

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROW_GROUP = 20_480  # rows that DuckDB holds per thread while it writes: small for memory's sake
NO_SITE = "says not which site it is of; give --site"
NO_PATIENT = "is of a patient who is not among the resources that were read"
OTHER_SITE = "its identifier and its Organization are of different sites"
OTHER_PATIENT = "its identifier and its subject are of different patients"
NO_KEY = "has no id, so that nothing tells it from others"
OTHER_TWIN = "another resource has the same key and says something else"
ONE_TAKEN = "denies one of several, of which the patient had another"
# What a row that was read has beside the columns of its table.
EXTRA = ("resource_id", "patient_id", "organization_id", "kind", "denied")


def staged_schema(table: str) -> "pa.Schema":
    """The schema of rows that were read: the table's columns, `EXTRA`, and their place in the order."""
    import pyarrow as pa

    extra = [pa.field(name, pa.string()) for name in EXTRA]
    schema = arrow_schema(load_dictionary().tables[table])
    return pa.schema([*schema, *extra, pa.field("place", pa.int64())])


@dataclass
class Staging:
    """A temporary folder of Parquet files with rows that were read, by table."""

    folder: Path
    files: dict[str, list[Path]] = field(default_factory=lambda: {name: [] for name in TABLES})
    place: int = 0

    def add(self, table: str, rows: list[Row]) -> None:
        """Store rows as `ResourceReader` gives them."""
        import pyarrow as pa

        schema = staged_schema(table)
        columns = {name: [row.get(name) for row in rows] for name in schema.names}
        columns["place"] = list(range(self.place, self.place + len(rows)))
        self.place += len(rows)
        self.add_table(table, pa.table(columns, schema=schema))

    def add_table(self, table: str, rows: "pa.Table") -> None:
        """Store rows that have their places."""
        import pyarrow.parquet as pq

        path = self.folder / f"{table}-{len(self.files[table])}.parquet"
        self.files[table].append(path)
        pq.write_table(rows, path, compression="lz4")


@dataclass(frozen=True)
class Assembled:
    """What became of the rows that were read: relations `final_*` in the engine, and counts."""

    sites: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, int]
    repeated: int
    issues: tuple[Issue, ...]


def assemble(
    engine: "duckdb.DuckDBPyConnection",
    staging: Staging,
    organizations: list[Row],
    site: str | None,
    refusals: Refusals,
) -> Assembled:
    """Make the view `final_<table>` for each table: the rows of the cohort in the order of the key.

    `organizations` are rows of the shape organization with their resource_id; `site` is that of
    patients who say none. Rows that are refused are noted in `refusals`.
    """
    prepare_rules(engine)
    sites = _open_sites(engine, organizations, refusals)
    for table in TABLES:
        _open_staged(engine, table, staging.files[table])
    _place_patients(engine, staging, site)
    for table in TABLES[1:]:
        _place_facts(engine, table, staging)
    _judge_denials(engine, staging)
    rows, repeated = {}, 0
    for table in TABLES:
        _collect_refused(engine, table, refusals)
        rows[table], copies = _count(engine, table)
        repeated += copies
        _open_final(engine, table)
    used = {
        name for (name,) in engine.execute("select distinct site from final_patients").fetchall()
    }
    about = {name: sites.get(name, {}) for name in sorted(used | set(sites))}
    return Assembled(about, rows, repeated, tuple(_denial_notes(engine)))


def _open_sites(
    engine: "duckdb.DuckDBPyConnection", organizations: list[Row], refusals: Refusals
) -> dict[str, dict[str, Any]]:
    """Our sites by id; table `site_of` says which Organization is which site."""
    sites: dict[str, dict[str, Any]] = {}
    engine.execute("create temp table site_of (organization_id varchar, site varchar)")
    for row in organizations:
        if row.get("site") is None:
            why = "is no site of ours; its patients need --site"
            refusals.add("Organization", why, row.get("file"), row.get("row"))
            continue
        sites[row["site"]] = {name: row.get(name) for name in ("name", "country", "language")}
        engine.execute("insert into site_of values (?, ?)", [row["resource_id"], row["site"]])
    return sites


def _open_staged(engine: "duckdb.DuckDBPyConnection", table: str, files: list[Path]) -> None:
    schema = staged_schema(table)
    if files:
        listed = ", ".join(sql_text(str(path)) for path in files)
        read = f"select * from read_parquet([{listed}])"
        engine.execute(f"create temp view staged_{table} as {read}")
    else:
        engine.register(f"staged_{table}", schema.empty_table())


def _fault(first: Mapping[str, str], table: str | None = None) -> str:
    """SQL of why a row `t` is refused: reasons by condition, then the row rules of `table`; or null."""
    rules = [
        f"when {rule.broken} then {sql_text(f'{rule.column}: {rule.message}')}"
        for rule in (row_rules(table) if table else ())
        if rule.column != "id"
    ]
    reasons = [f"when {condition} then {sql_text(said)}" for condition, said in first.items()]
    return f"case {' '.join([*reasons, *rules])} end"


def _store(
    engine: "duckdb.DuckDBPyConnection",
    staging: Staging,
    table: str,
    query: str,
    step: str = "placed",
) -> None:
    """Run a query once, into a file, as view `placed_<table>`; nothing is run for a table without rows."""
    if not staging.files[table]:
        engine.execute(
            f"create temp view placed_{table} as select *, null::varchar as fault from staged_{table}"
        )
        return
    path = sql_text(str(staging.folder / f"{step}_{table}.parquet"))
    engine.execute(f"copy ({query}) to {path} (format parquet, row_group_size {ROW_GROUP})")
    engine.execute(f"create or replace temp view placed_{table} as from read_parquet({path})")


def _find_twins(engine: "duckdb.DuckDBPyConnection", table: str) -> None:
    """Table `twins_<table>`: ids of several rows without fault, whether alike, the first one's place.

    Which ids these may be is asked of their hashes first: that needs a tenth of the memory.
    """
    good = f"from placed_{table} where fault is null"
    data = ", ".join(load_dictionary().tables[table].data_columns)
    engine.execute(
        f"""create or replace temp table twins_{table} as
        select id, min(place) as place, count(distinct hash({data})) = 1 as alike
        {good} and hash(id) in (select hash(id) {good} group by 1 having count(*) > 1)
        group by id having count(*) > 1"""
    )


def _place_patients(
    engine: "duckdb.DuckDBPyConnection", staging: Staging, site: str | None
) -> None:
    known = f"coalesce(s.site, o.site, {sql_text(site) if site else 'null'})"
    placed = f"""select s.* replace ({known} as site, coalesce(s.patient, s.resource_id) as patient),
            o.site as site_of_organization
        from staged_patients s left join (select organization_id, min(site) as site from site_of
        group by organization_id having count(distinct site) = 1) o using (organization_id)"""
    first = {
        "t.site is null": NO_SITE,
        "t.patient is null": NO_KEY,
        "t.site_of_organization <> t.site": OTHER_SITE,
    }
    query = f"""select t.* exclude (site_of_organization) replace ({id_expression("patients")} as id),
        {_fault(first, "patients")} as fault from ({placed}) t"""
    _store(engine, staging, "patients", query)
    _find_twins(engine, "patients")
    engine.execute(
        """create temp table patient_of as
        select resource_id as patient_id, min(site) as site, min(patient) as patient
        from placed_patients p left join twins_patients w using (id)
        where fault is null and coalesce(w.alike, true) and resource_id is not null
        group by resource_id having count(distinct id) = 1"""
    )


def _place_facts(engine: "duckdb.DuckDBPyConnection", table: str, staging: Staging) -> None:
    placed = f"""select s.* replace (m.site as site, m.patient as patient),
            s.site as said_site, s.patient as said_patient
        from staged_{table} s left join patient_of m using (patient_id)"""
    first = {
        "t.patient is null": NO_PATIENT,
        "t.said_patient <> t.patient or t.said_site <> t.site": OTHER_PATIENT,
        "t.said_patient is null and t.n is null": NO_KEY,
    }
    names = [f't."{name}"' for name in staged_schema(table).names if name != "id"]
    query = f"""select {id_expression(table)} as id, {", ".join(names)}, {_fault(first, table)} as fault
        from ({rule_source(table, f"({placed})")}) t"""
    _store(engine, staging, table, query)
    _find_twins(engine, table)


def _judge_denials(engine: "duckdb.DuckDBPyConnection", staging: Staging) -> None:
    """Refuse the denial of one drug or disease to a patient who had another of the same element."""
    if not engine.execute(
        "select count(*) from placed_observations where denied is not null"
    ).fetchone()[0]:  # type: ignore[index]
        return
    had = " union all ".join(
        f"select site, patient, element from placed_{table} where fault is null"
        for table in ("medications", "conditions")
    )
    query = f"""select o.* replace (case when h.patient is not null and o.fault is null
            then {sql_text(ONE_TAKEN)} else o.fault end as fault)
        from placed_observations o left join (select distinct * from ({had})) h
        on h.site = o.site and h.patient = o.patient and h.element = o.denied"""
    _store(engine, staging, "observations", query, "judged")
    _find_twins(engine, "observations")


def _collect_refused(engine: "duckdb.DuckDBPyConnection", table: str, refusals: Refusals) -> None:
    twin = sql_text(OTHER_TWIN)
    query = f"""select p.kind, coalesce(p.fault, {twin}), p.file, p.row from placed_{table} p
        left join twins_{table} w on w.id = p.id and not w.alike and p.fault is null
        where p.fault is not null or w.id is not null order by p.place"""
    found = engine.execute(query)
    while batch := found.fetchmany(1000):
        for kind, why, file, row in batch:
            refusals.add(kind, why, file, row, table)


def _count(engine: "duckdb.DuckDBPyConnection", table: str) -> tuple[int, int]:
    """How many rows are kept, and how many are left out as copies of one that is."""
    query = f"""select count_if(w.id is null or (w.alike and p.place = w.place)),
            count_if(w.alike and p.place <> w.place)
        from placed_{table} p left join twins_{table} w using (id) where p.fault is null"""
    kept, copies = engine.execute(query).fetchone() or (0, 0)
    return int(kept or 0), int(copies or 0)


def _open_final(engine: "duckdb.DuckDBPyConnection", table: str) -> None:
    about = load_dictionary().tables[table]
    columns = ", ".join(f"p.{column}" for column in about.columns)
    key = ", ".join(f"p.{column}" for column in about.key)
    engine.execute(
        f"""create temp view final_{table} as select {columns} from placed_{table} p
        left join twins_{table} w using (id)
        where p.fault is null and (w.id is null or (w.alike and p.place = w.place))
        order by {key}"""
    )


def _denial_notes(engine: "duckdb.DuckDBPyConnection") -> Iterator[Issue]:
    query = """select element, count(*), min(file), min(row) from placed_observations
        where denied is not null and fault is null group by element order by element"""
    for element, count, file, row in engine.execute(query).fetchall():
        said = f"{element}: {count} resources that deny one of several are read as the answer no"
        yield Issue(
            "answer-of-one", "note", "conformance", said,
            table="observations", element=element, file=file, row=row,
        )  # fmt: skip
