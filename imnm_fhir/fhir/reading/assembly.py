"""From rows that were read one by one to the tables of a cohort: whose row is it, and is it there twice.

All of it is SQL over files in a temporary folder, part by part (`imnm_fhir.fhir.reading.parts`), so
that memory does not grow with the number of resources. A row that cannot be placed is refused with a
reason, never dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import arrow_schema
from imnm_fhir.dictionary import TABLES, load_dictionary
from imnm_fhir.engine import streamed
from imnm_fhir.fhir.conformance.row_rules import prepare_rules, row_rules, rule_source
from imnm_fhir.fhir.reading.one_by_one import Refusals, Row
from imnm_fhir.fhir.reading.parts import BATCH, part_expression, write_parts
from imnm_fhir.fhir.writing.lines import id_expression, sql_text
from imnm_fhir.issues import Issue
from imnm_fhir.languages import counted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

NO_SITE = "says not which site it is of; give --site"
NO_PATIENT = "is of a patient who is not among the resources that were read"
OTHER_SITE = "its identifier and its Organization are of different sites"
OTHER_PATIENT = "its identifier and its subject are of different patients"
NO_KEY = "has no id, so that nothing tells it from others"
OTHER_TWIN = "another resource has the same key and says something else"
ONE_TAKEN = "denies one of several, of which the patient had another"
# Facts, those last that are judged by others.
FACTS = ("medications", "conditions", "procedures", "observations")
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
    """What became of the rows that were read.

    `final`: for each table the views in the engine whose rows, one view after the other, are the
    table in the order of its key. `refusals`: those of reading and of placing.
    """

    sites: Mapping[str, Mapping[str, Any]]
    final: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]
    repeated: int
    refusals: Refusals
    issues: tuple[Issue, ...]


def assemble(
    engine: "duckdb.DuckDBPyConnection",
    staging: Staging,
    organizations: list[Row],
    site: str | None,
    refusals: Refusals,
) -> Assembled:
    """Make views of the rows of the cohort in the order of the key.

    `organizations` are rows of the shape organization with their resource_id; `site` is that of
    patients who say none. `refusals` are those of reading, and stay as they are.
    """
    refusals = refusals.copy()
    prepare_rules(engine)
    sites = _open_sites(engine, organizations, refusals)
    for table in TABLES:
        _open_staged(engine, table, staging.files[table])
    parts = {"patients": _place_patients(engine, staging, site)}
    for table in FACTS:
        parts[table] = _place_facts(engine, table, staging)
    rows, repeated, final = {}, 0, {}
    for table in TABLES:
        _collect_refused(engine, table, refusals)
        counts = [_count(engine, table, part) for part in parts[table]]
        rows[table] = sum(kept for kept, _ in counts)
        repeated += sum(copies for _, copies in counts)
        final[table] = [_open_final(engine, table, part) for part in parts[table]]
    people = " union all ".join(f"from {view}" for view in final["patients"])
    used = {name for (name,) in engine.execute(f"select distinct site from ({people})").fetchall()}
    about = {name: sites.get(name, {}) for name in sorted(used | set(sites))}
    return Assembled(about, final, rows, repeated, refusals, tuple(_denial_notes(engine)))


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
    engine: "duckdb.DuckDBPyConnection", staging: Staging, table: str, query: str
) -> list[int]:
    """Run a query once, into a file per part, as views `placed_<table>_<part>` and `placed_<table>`.

    Nothing is run for a table without rows. Returns the parts.
    """
    if not staging.files[table]:
        none = f"select *, null::varchar as fault, 0 as part from staged_{table}"
        engine.execute(f"create temp view placed_{table} as {none}")
        engine.execute(f"create temp view placed_{table}_0 as {none}")
        return [0]
    files = write_parts(*streamed(engine, query, BATCH), staging.folder, table)
    for part, path in files.items():
        read = f"from read_parquet({sql_text(str(path))})"
        engine.execute(f"create temp view placed_{table}_{part} as {read}")
    listed = ", ".join(sql_text(str(path)) for path in files.values())
    engine.execute(f"create temp view placed_{table} as from read_parquet([{listed}])")
    return list(files)


def _find_twins(engine: "duckdb.DuckDBPyConnection", table: str, parts: Sequence[int]) -> None:
    """Table `twins_<table>`: ids of several rows without fault, whether alike, the first one's place.

    Which ids these may be is asked of their hashes first: that needs a tenth of the memory.
    """
    data = ", ".join(load_dictionary().tables[table].data_columns)
    engine.execute(
        f"create temp table twins_{table} (part integer, id varchar, place bigint, alike boolean)"
    )
    for part in parts:
        good = f"from placed_{table}_{part} where fault is null"
        engine.execute(
            f"""insert into twins_{table}
            select {part}, id, min(place), count(distinct hash({data})) = 1
            {good} and hash(id) in (select hash(id) {good} group by 1 having count(*) > 1)
            group by id having count(*) > 1"""
        )


def _twins(table: str, part: int) -> str:
    return f"(from twins_{table} where part = {part})"


def _place_patients(
    engine: "duckdb.DuckDBPyConnection", staging: Staging, site: str | None
) -> list[int]:
    """Find the patients' sites; table `patient_of` says who a resource is, and which part is theirs."""
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
        {_fault(first, "patients")} as fault, 0 as part from ({placed}) t"""
    parts = _store(engine, staging, "patients", query)
    _find_twins(engine, "patients", parts)
    engine.execute(
        """create temp table person_of as
        select resource_id as patient_id, min(site) as site, min(patient) as patient
        from placed_patients p left join twins_patients w using (id)
        where fault is null and coalesce(w.alike, true) and resource_id is not null
        group by resource_id having count(distinct id) = 1"""
    )
    part = part_expression(engine, "person_of", staging.place)
    engine.execute(f"create temp table patient_of as select *, {part} as part from person_of")
    engine.execute("drop table person_of")
    return parts


def _place_facts(engine: "duckdb.DuckDBPyConnection", table: str, staging: Staging) -> list[int]:
    placed = f"""select s.* replace (m.site as site, m.patient as patient),
            s.site as said_site, s.patient as said_patient, coalesce(m.part, 0) as part
        from staged_{table} s left join patient_of m using (patient_id)"""
    first = {
        "t.patient is null": NO_PATIENT,
        "t.said_patient <> t.patient or t.said_site <> t.site": OTHER_PATIENT,
        "t.said_patient is null and t.n is null": NO_KEY,
    }
    names = [f't."{name}"' for name in (*staged_schema(table).names, "part") if name != "id"]
    query = f"""select {id_expression(table)} as id, {", ".join(names)}, {_fault(first, table)} as fault
        from ({rule_source(table, f"({placed})")}) t"""
    if table == "observations":
        query = _denials_judged(engine, query)
    parts = _store(engine, staging, table, query)
    _find_twins(engine, table, parts)
    return parts


def _denials_judged(engine: "duckdb.DuckDBPyConnection", observations: str) -> str:
    """The query that also refuses to deny a patient one drug or disease of which they had another."""
    denied = "select distinct denied from staged_observations where denied is not null"
    if not engine.execute(denied).fetchall():
        return observations
    had = " union all ".join(
        f"select site, patient, element from placed_{table} where fault is null"
        for table in ("medications", "conditions")
    )
    engine.execute(
        f"create temp table had as select distinct * from ({had}) where element in ({denied})"
    )
    return f"""select o.* replace (coalesce(o.fault,
            case when h.patient is not null then {sql_text(ONE_TAKEN)} end) as fault)
        from ({observations}) o left join had h
        on h.site = o.site and h.patient = o.patient and h.element = o.denied"""


def _collect_refused(engine: "duckdb.DuckDBPyConnection", table: str, refusals: Refusals) -> None:
    twin = sql_text(OTHER_TWIN)
    query = f"""select p.kind, coalesce(p.fault, {twin}), p.file, p.row from placed_{table} p
        left join twins_{table} w on w.id = p.id and not w.alike and p.fault is null
        where p.fault is not null or w.id is not null order by p.place"""
    found = engine.execute(query)
    while batch := found.fetchmany(1000):
        for kind, why, file, row in batch:
            refusals.add(kind, why, file, row, table)


def _count(engine: "duckdb.DuckDBPyConnection", table: str, part: int) -> tuple[int, int]:
    """How many rows are kept, and how many are left out as copies of one that is."""
    query = f"""select count_if(w.id is null or (w.alike and p.place = w.place)),
            count_if(w.alike and p.place <> w.place)
        from placed_{table}_{part} p left join {_twins(table, part)} w using (id)
        where p.fault is null"""
    [(kept, copies)] = engine.execute(query).fetchall()
    return int(kept or 0), int(copies or 0)


def _open_final(engine: "duckdb.DuckDBPyConnection", table: str, part: int) -> str:
    """Make the view of the rows of a part that are kept; returns its name."""
    about, name = load_dictionary().tables[table], f"final_{table}_{part}"
    columns = ", ".join(f"p.{column}" for column in about.columns)
    key = ", ".join(f"p.{column}" for column in about.key)
    engine.execute(
        f"""create temp view {name} as select {columns} from placed_{table}_{part} p
        left join {_twins(table, part)} w using (id)
        where p.fault is null and (w.id is null or (w.alike and p.place = w.place))
        order by {key}"""
    )
    return name


def _denial_notes(engine: "duckdb.DuckDBPyConnection") -> Iterator[Issue]:
    query = """select element, count(*), min(file), min(row) from placed_observations
        where denied is not null and fault is null group by element order by element"""
    for element, count, file, row in engine.execute(query).fetchall():
        said = f"{element}: {counted(count, 'resource denies', 'resources deny')} one of several, read as the answer no"
        yield Issue(
            "answer-of-one", "note", "conformance", said,
            table="observations", element=element, file=file, row=row,
        )  # fmt: skip
