"""Validate a cohort: conformance of single rows, other rules of single rows, cases, across sites."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from imnm_fhir.cohort import Cohort
from imnm_fhir.derive import derive_cases
from imnm_fhir.dictionary import TABLES
from imnm_fhir.errors import ImnmFhirError, Problems
from imnm_fhir.findings import Finding, Rule, Validation, Waiver
from imnm_fhir.keys import row_key
from imnm_fhir.languages import number_text
from imnm_fhir.study import Study, load_study
from imnm_fhir.validation.across import (
    ACROSS,
    Query,
    prepare_queries,
    read_demands,
    read_queries,
    run_query,
)
from imnm_fhir.validation.catalogue import (
    COUNTED,
    evidence_names,
    expectations,
    load_catalogue,
)
from imnm_fhir.validation.checks import Check, used_columns
from imnm_fhir.validation.expectations import (
    build_expectations,
    build_faults,
    failing_rows,
    new_source,
)
from imnm_fhir.validation.frames import Given, case_rows, known_columns, open_tables, table_rows
from imnm_fhir.validation.hits import Hit, Run, findings_of
from imnm_fhir.validation.outcomes import (
    NOT_APPLICABLE,
    SATISFIED,
    TOO_FEW,
    VIOLATED,
    outcome,
    patient_states,
    row_states,
)
from imnm_fhir.validation.places import Patient, shown_columns
from imnm_fhir.validation.refused import without_refused
from imnm_fhir.validation.rows import Rows, combinations, judged_together
from imnm_fhir.validation.study_rules import for_study
from imnm_fhir.validation.suites import read_checks, unfinished_rules
from imnm_fhir.validation.waivers import check_waivers, unused_waivers, waive

COMPLETENESS = "completeness"

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


def validate(
    cohort: Cohort, study: Study | None = None, waivers: Sequence[Waiver] = ()
) -> Validation:
    """What the rules find in a cohort, as the study has them (default: `mappings/study.toml`).

    Raises `ImnmFhirError` where there is nobody to judge, where suites, study or waivers have
    faults (`Problems`), and where a rule could not run (`RuleError`).
    """
    study = study or load_study()
    rules, settings = for_study(load_catalogue(), study.rules, study.place)
    today = study.today or date.today()
    holding, idle = check_waivers(waivers, load_catalogue(), _patients(cohort), today)
    run = run_rules(cohort, study, rules)
    left, waived = waive([*cohort.issues, *findings_of(run)], holding)
    return Validation(
        findings=tuple(left),
        waived=tuple((each, by) for each, by in waived if isinstance(each, Finding)),
        outcomes=tuple(outcome(rule, run.states[rule]) for rule in rules),
        rules=settings,
        patients=tuple(row_key(patient) for patient in run.patients),
        compared=run.compared,
        manifest=cohort.manifest,
        today=today.isoformat(),
        study=study.hash,
        waivers=tuple(waivers),
        idle_waivers=(*idle, *unused_waivers(holding, waived)),
        demands=run.demands,
    )


def run_rules(cohort: Cohort, study: Study, rules: Mapping[str, Rule]) -> Run:
    """Run the rules over a cohort: what breaks them and the state of every patient."""
    patients = _patients(cohort)
    if not patients:
        raise ImnmFhirError("the cohort has no patients, so nothing can be judged; harmonise again")
    checks, queries = _declared(study, rules)
    run = Run(cohort, patients, rules, new_source())
    _run_all(run, checks, queries, study, _given(cohort, study, rules))
    return run


def _given(cohort: Cohort, study: Study, rules: Mapping[str, Rule]) -> Given:
    """What the rules in SQL read beside the tables."""
    sites = cohort.manifest["sites"]
    said = {
        site: about["relapse_definition"] or ""
        for site, about in sites.items()
        if "relapse_definition" in about
    }
    limits = {rule: each.limits for rule, each in {**load_catalogue(), **rules}.items()}
    today = study.today or date.today()
    return Given(today, _cut_offs(cohort, study), said, study.demanded, study.visits, limits)


def _patients(cohort: Cohort) -> list[Patient]:
    table = cohort.tables["patients"]
    return sorted(set(zip(table["site"].to_pylist(), table["patient"].to_pylist(), strict=True)))


def _cut_offs(cohort: Cohort, study: Study) -> dict[str, date | None]:
    """The last day of each site's data: the study's, else the site's own, else none."""
    cut_offs: dict[str, date | None] = {}
    for site, about in cohort.manifest["sites"].items():
        said = about.get("cut_off")
        try:
            cut_offs[site] = study.data_date or (date.fromisoformat(said) if said else None)
        except ValueError:
            raise ImnmFhirError(f"site {site}: its cut_off is no day such as 2022-06-30") from None
    return cut_offs


@cache
def _columns(visits: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    return known_columns(visits)


def _declared(
    study: Study, rules: Mapping[str, Rule]
) -> tuple[tuple[Check, ...], tuple[Query, ...]]:
    """Every check and query of the rules that the study has on; all faults of all files at once."""
    catalogue = {**load_catalogue(), **rules}
    checks, faults = read_checks(expectations(), catalogue, _columns(tuple(study.visits)))
    queries: tuple[Query, ...] = ()
    try:
        queries = read_queries(expectations(), catalogue)
    except Problems as error:
        faults += error.problems
    if faults:
        raise Problems("the rules have faults:", [*faults, *build_faults(checks)])
    faults = unfinished_rules(catalogue, checks, [(each.rule, each.part) for each in queries])
    if faults:
        raise Problems("the catalogue of rules has faults:", faults)
    on = tuple(check for check in checks if check.rule in rules)
    return on, tuple(query for query in queries if query.rule in rules)


def _run_all(
    run: Run, checks: Sequence[Check], queries: Sequence[Query], study: Study, given: Given
) -> None:
    """The four steps; what a conformance rule refuses is taken out before the next one."""
    built = build_expectations(checks)
    first = {check for check in checks if _refuses(check, run.rules)}
    tables = run.cohort.tables
    refused: dict[Check, frozenset[int]] = {}
    with open_tables(tables, given) as engine:
        for suite in TABLES:
            mine = {check: built[check] for check in first if check.suite == suite}
            refused |= _judge_table(run, engine, suite, tables, mine)
    if any(refused.values()):
        tables = without_refused(tables, refused)
    with open_tables(tables, given) as engine:
        for suite in TABLES:
            mine = {check: built[check] for check in checks if check.suite == suite}
            _judge_table(run, engine, suite, tables, _without(mine, first))
        mine = {check: each for check, each in built.items() if check.suite == "cases"}
        cases = derive_cases(replace(run.cohort, tables=tables), study)
        _judge(run, None, case_rows(engine, cases, _columns_of(run, mine)), mine)
        _run_queries(run, engine, queries)


Built = Mapping[Check, tuple[Any, Any]]
NOTHING_MORE: Mapping[str, Any] = {}


def _without(built: Built, others: Collection[Check]) -> Built:
    return {check: each for check, each in built.items() if check not in others}


def _judge_table(
    run: Run, engine: Any, suite: str, tables: Mapping[str, "pa.Table"], built: Built
) -> dict[Check, frozenset[int]]:
    if not built:
        return {}
    rows = table_rows(engine, suite, _columns_of(run, built))
    return _judge(run, tables[suite], rows, built)


def _columns_of(run: Run, built: Built) -> frozenset[str]:
    """The columns that the checks read: no others are made."""
    columns = {"site", "patient"}
    for check in built:
        columns |= used_columns(check) | set(check.shows)
        columns |= {at.like for at in check.at if at.like}
        columns |= set(evidence_names(run.rules[check.rule], check.part)) - set(COUNTED)
    return frozenset(columns)


def _refuses(check: Check, rules: Mapping[str, Rule]) -> bool:
    part = rules[check.rule].part(check.part)
    return check.suite in TABLES and part.kind == "impossible" and part.category == "conformance"


def _judge(
    run: Run,
    table: "pa.Table | None",
    rows: Rows,
    built: Built,
) -> dict[Check, frozenset[int]]:
    """Run the checks of one suite; the places that broke each one."""
    owners = _owners(rows, run.patients)
    broken, hits = {}, {}
    for checks, judged in judged_together(rows, built):
        frame = judged.frame
        asked = _asked(frame, {check: built[check] for check in checks})
        failing = failing_rows(frame, asked, run.source)
        for check in checks:
            violated, unsure = failing.get(check, (frozenset(), frozenset()))
            found = row_states(check, frame, violated, unsure)
            states = found[judged.number]
            _compare(run, check, rows, states)
            run.states[check.rule][check] = patient_states(check, states, owners, len(run.patients))
            broken[check], hits[check] = _broken(run, check, rows, table, states, bool(violated))
    run.hits += [hit for check in built for hit in hits[check]]
    return broken


def _broken(
    run: Run, check: Check, rows: Rows, table: "pa.Table | None", states: Any, any_of: bool
) -> tuple[frozenset[int], list[Hit]]:
    """The places of the rows that break a check, and what is to be said of each."""
    import numpy as np

    places = np.flatnonzero(states == VIOLATED).tolist() if any_of else []
    if not places:
        return frozenset(), []
    numbers = _numbers(run.rules[check.rule], check, rows, states)
    hits = [
        replace(hit, numbers=numbers(place)) for place, hit in _hits(check, rows, table, places)
    ]
    return frozenset(places), hits


def _asked(
    frame: "pd.DataFrame", built: Mapping[Check, tuple[Any, Any]]
) -> dict[Check, tuple[Any, Any]]:
    """What there is to ask: no check without a row to judge, no `sure` where all is exact."""
    asked = {}
    for check, (expectation, sure) in built.items():
        judged = row_states(check, frame, frozenset(), frozenset()) == SATISFIED
        if judged.any():
            asked[check] = (expectation, sure if _inexact(check, frame, judged) else None)
    return asked


def _inexact(check: Check, frame: "pd.DataFrame", judged: Any) -> bool:
    """Whether `sure` can answer otherwise: not where it names columns that hold the same."""
    sure = check.sure or check.kwargs
    for name, value in sure.items():
        plain = check.kwargs.get(name)
        if value == plain:
            continue
        columns = isinstance(value, str) and isinstance(plain, str)
        if not columns or not frame[plain][judged].equals(frame[value][judged]):
            return True
    return False


def _hits(
    check: Check, rows: Rows, table: "pa.Table | None", places: Sequence[int]
) -> Iterator[tuple[int, Hit]]:
    """What is to be said of each row that breaks a check."""
    sites, patients = (rows.at(name, places).to_numpy() for name in ("site", "patient"))
    named = {at.like: rows.at(at.like, places).to_numpy() for at in check.at if at.like}
    for number, place in enumerate(places):
        likes = {name: values[number] for name, values in named.items()} or NOTHING_MORE
        who = (str(sites[number]), str(patients[number]))
        shown = shown_columns(check, rows, place)
        yield place, Hit(check, who, likes, table, place, shown)


def _numbers(
    rule: Rule, check: Check, rows: Rows, states: Any
) -> Callable[[int], tuple[tuple[str, str], ...]]:
    """What the rule's evidence says of a row: its columns, and how many of the site's rows fail."""
    import numpy as np

    names = evidence_names(rule, check.part)
    counted: dict[str, Any] = {}
    if set(names) & set(COUNTED):
        sites = rows.columns["site"].codes
        failing = states == VIOLATED
        counted = {
            "failing": np.bincount(sites[failing]),
            "judged": np.bincount(sites[failing | (states == SATISFIED)]),
        }

    def of(place: int) -> tuple[tuple[str, str], ...]:
        site = rows.columns["site"].codes[place]
        found = {
            name: int(counted[name][site]) if name in counted else rows.value(name, place)
            for name in names
        }
        return tuple((name, number_text(value)) for name, value in found.items())

    return of


def _owners(rows: Rows, patients: Sequence[Patient]) -> "np.ndarray[Any, Any]":
    """For each row the number of its patient, -1 for none."""
    import numpy as np

    number = {patient: place for place, patient in enumerate(patients)}
    each = combinations(rows, ("site", "patient"))
    pairs = zip(each.frame["site"], each.frame["patient"], strict=True)
    owner = [number.get(pair, -1) for pair in pairs]  # -1: a row that has lost its patient
    return np.array(owner, dtype=np.int64)[each.number]


def _compare(run: Run, check: Check, rows: Rows, states: Any) -> None:
    """Count the site's word beside the derived one, for every row that could be judged."""
    import numpy as np

    if run.rules[check.rule].part(check.part).kind != "definition" or len(check.shows) != 2:
        return
    shown = combinations(rows, check.shows)
    for state in (SATISFIED, VIOLATED):
        times = np.bincount(shown.number[states == state], minlength=len(shown.frame))
        pairs = zip(*(shown.frame[name] for name in check.shows), times.tolist(), strict=True)
        run.compared[check.rule].update(
            {
                (str(ours or "-"), str(theirs or "-"), state == VIOLATED): n
                for ours, theirs, n in pairs
                if n
            }
        )


def _run_queries(run: Run, engine: Any, queries: Sequence[Query]) -> None:
    """Run the rules about sites; a rule across sites asks nothing of a site that is alone."""
    import numpy as np

    prepare_queries(engine, expectations())
    if COMPLETENESS in run.rules:
        run.demands = read_demands(engine)
    site_of = np.array([site for site, _ in run.patients])
    number = {patient: place for place, patient in enumerate(run.patients)}
    alone = len(run.cohort.sites) < 2
    for query in queries:
        idle = alone and query.file == ACROSS
        rule = run.rules[query.rule]
        found = [] if idle else run_query(engine, query, rule, evidence_names(rule, query.part))
        states = np.full(len(run.patients), NOT_APPLICABLE if idle else SATISFIED, dtype=np.int8)
        for each in found:
            meant = number[each.site, each.patient] if each.patient else site_of == each.site
            state = TOO_FEW if each.too_few else VIOLATED
            states[meant] = np.maximum(states[meant], state)
            if not each.too_few:
                run.about_sites.append((query, each))
        run.states[query.rule][query] = states
