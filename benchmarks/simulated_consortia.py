"""How often the rules about sites cry wolf on clean consortia, and how often they find a planted fault.

Every consortium is simulated: five sites that differ in size, case mix, missing values and laboratory.
Run: python -m benchmarks.simulated_consortia --clean 200 --planted 40 --out build/sites.md
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.derive import derive_cases
from imnm_fhir.dictionary import TABLES
from imnm_fhir.study import load_study
from imnm_fhir.validation.across import prepare_queries, read_queries, run_query
from imnm_fhir.validation.catalogue import evidence_names, expectations, load_catalogue
from imnm_fhir.validation.frames import Given, case_rows, open_tables

SITES = ("A", "B", "C", "D", "E")
FAULTY = "C"
ANSWERS = {
    "myalgia": "myalgia",
    "dysphagia": "dysphagia",
    "neck": "neck_weakness",
    "statin": "statin_exposure",
    "biopsy": "biopsy_done",
}
BETWEEN = 0.05  # standard deviation of a true share between sites
Patient = dict[str, Any]
Fault = Callable[[Random, list[Patient]], None]


def day(random: Random, first: date, span: int) -> date:
    """A day of `span` days from `first` on."""
    return first + timedelta(days=random.randrange(span))


def consortium(random: Random, least: int, most: int) -> dict[str, list[Patient]]:
    """The patients of five clean sites of `least` to `most` patients."""
    found = {}
    for site in SITES:
        shares = {
            "female": random.gauss(0.6, BETWEEN),
            "hmgcr": random.gauss(0.65, BETWEEN),
            "statin": random.gauss(0.55, BETWEEN),
            "missing": random.uniform(0.02, 0.15),
        }
        limits = random.choice([(167, 190), (170, 170), (145, 171), (192, 200)])
        weighs = random.random() < 0.5
        size = random.randint(least, most)
        found[site] = [patient(random, shares, limits, weighs) for _ in range(size)]
    return found


def patient(
    random: Random, shares: Mapping[str, float], limits: tuple[int, int], weighs: bool
) -> Patient:
    """One patient of a site with these shares and limits of its laboratory."""
    female = random.random() < shares["female"]
    onset = day(random, date(2010, 1, 1), 12 * 365)
    diagnosis = onset + timedelta(days=int(random.lognormvariate(4.7, 0.8)) + 5)
    hmgcr = random.random() < shares["hmgcr"]
    person: Patient = {
        "sex": "female" if female else "male",
        "birth": day(random, date(1930, 1, 1), 50 * 365),
        "onset": onset,
        "diagnosis": diagnosis,
        "contact": diagnosis + timedelta(days=random.randrange(200, 1500)),
        "ck": max(1001, int(10 ** random.gauss(3.7, 0.33))),
        "ck_6": int(10 ** random.gauss(2.5, 0.45)) + 20,
        "uln": limits[0] if female else limits[1],
        "weight": round(random.gauss(68 if female else 81, 12), 1) if weighs else None,
        "anti_hmgcr": "positive" if hmgcr else "negative",
        "anti_srp": "positive" if not hmgcr and random.random() < 0.5 else "negative",
        "statin": random.random() < (shares["statin"] + 0.2 if hmgcr else shares["statin"] - 0.2),
        "myalgia": random.random() < 0.6,
        "dysphagia": random.random() < 0.3,
        "neck": random.random() < 0.4,
        "ana": random.choice(["positive", "negative"]),
        "biopsy": random.random() < 0.9,
    }
    for name in ("myalgia", "dysphagia", "neck", "ana", "anti_srp", "ck_6", "contact"):
        if random.random() < shares["missing"]:
            person[name] = None
    return person


# ---------------------------------------------------------------------- faults


def in_ukat(random: Random, patients: list[Patient]) -> None:
    """Every CK in ukat/L, said to be U/L."""
    for each in patients:
        each["ck"], each["ck_6"] = (
            round(each["ck"] / 60),
            each["ck_6"] and round(each["ck_6"] / 60, 1),
        )


def partly_in_ukat(random: Random, patients: list[Patient]) -> None:
    """The same for 30 % of the patients."""
    in_ukat(random, random.sample(patients, max(1, round(0.3 * len(patients)))))


def sexes_exchanged(random: Random, patients: list[Patient]) -> None:
    """Women said to be men and the reverse."""
    for each in patients:
        each["sex"] = "male" if each["sex"] == "female" else "female"


def sexes_exchanged_nothing_else_known(random: Random, patients: list[Patient]) -> None:
    """The same where neither weights nor limits by sex are sent."""
    sexes_exchanged(random, patients)
    for each in patients:
        each["weight"], each["uln"] = None, 170


def column_lost(random: Random, patients: list[Patient]) -> None:
    """Most of one column is not read."""
    for each in patients:
        if random.random() < 0.8:
            each["myalgia"] = None


def rounded(random: Random, patients: list[Patient]) -> None:
    """CK to the nearest hundred."""
    for each in patients:
        each["ck"] = round(each["ck"], -2)


def filled_down(random: Random, patients: list[Patient]) -> None:
    """The first patient's CK filled down over a fifth of the rows."""
    for place in range(1, max(2, len(patients) // 5)):
        patients[place]["ck"] = patients[0]["ck"]
        patients[place]["ck_6"] = patients[0]["ck_6"] = patients[0]["ck_6"] or 415


def first_of_month(random: Random, patients: list[Patient]) -> None:
    """Unknown days of onset given as the first."""
    for each in patients:
        if random.random() < 0.6:
            each["onset"] = each["onset"].replace(day=1)


def antibody_flipped(random: Random, patients: list[Patient]) -> None:
    """Positive said to be negative and the reverse."""
    for each in patients:
        each["anti_hmgcr"] = "negative" if each["anti_hmgcr"] == "positive" else "positive"


FAULTS: dict[str, tuple[Fault, frozenset[str]]] = {
    "CK in ukat/L, whole site": (in_ukat, frozenset({"ck-unit"})),
    "CK in ukat/L, 30 % of the patients": (partly_in_ukat, frozenset({"ck-unit"})),
    "sexes exchanged": (sexes_exchanged, frozenset({"G02.sex-flipped", "G02.sex"})),
    "sexes exchanged, no weight and one limit": (
        sexes_exchanged_nothing_else_known,
        frozenset({"G02.sex-flipped", "G02.sex"}),
    ),
    "anti-HMGCR exchanged": (antibody_flipped, frozenset({"G02.hmgcr"})),
    "80 % of a column lost": (column_lost, frozenset({"missingness"})),
    "CK rounded to hundreds": (rounded, frozenset({"digit-preference"})),
    "values filled down over a fifth of the rows": (
        filled_down,
        frozenset({"copied-values.value", "copied-values.series"}),
    ),
    "60 % of the onsets on a first of the month": (
        first_of_month,
        frozenset({"D08.column", "D08.site"}),
    ),
    "two patients of another site": (lambda random, patients: None, frozenset({"A05.two-sites"})),
}


def plant(random: Random, sites: dict[str, list[Patient]], name: str) -> None:
    """Plant a fault in one site; patients of another site come again with other days and rounding."""
    FAULTS[name][0](random, sites[FAULTY])
    if "A05.two-sites" in FAULTS[name][1]:
        for place, each in enumerate(random.sample(sites["A"], 2)):
            moved = timedelta(days=random.randrange(-20, 20))
            copy = {**each, "onset": each["onset"] + moved, "ck": round(each["ck"] * 1.02)}
            sites[FAULTY][place] = copy


# ---------------------------------------------------------------------- rows, rules, rates


def rows_of(site: str, name: str, each: Patient) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a patient, each with its table."""
    who = {"site": site, "patient": name}
    person = {"sex": each["sex"], "birth_date": str(each["birth"]), "deceased_boolean": False}
    yield "patients", {**who, **person}
    days = {"onset_date": str(each["onset"]), "date": str(each["diagnosis"])}
    yield "conditions", {**who, "element": "imnm", "value_code": "imnm", **days}
    baseline = {"time_point": "baseline", "date": str(each["diagnosis"])}
    later = {"time_point": "month_6", "date": str(each["diagnosis"] + timedelta(days=183))}
    numbers = [
        ("ck", "U/L", each["ck"], baseline),
        ("ck", "U/L", each["ck_6"], later),
        ("weight", "kg", each["weight"], baseline),
    ]
    for element, unit, value, when in numbers:
        if value is not None:
            limit = {"reference_high": str(each["uln"])} if element == "ck" else {}
            number = {"value_number": str(value), "unit": unit, **when, **limit}
            yield "observations", {**who, "element": element, **number}
    for key, element in ANSWERS.items():
        if each[key] is not None:
            yield "observations", {**who, "element": element, "value_boolean": each[key]}
    for element in ("anti_hmgcr", "anti_srp", "ana"):
        if each[element] is not None:
            yield "observations", {**who, "element": element, "value_code": each[element]}
    if each["contact"]:
        yield "observations", {**who, "element": "last_contact", "value_date": str(each["contact"])}
    if each["statin"]:
        drug = {"value_code": "atorvastatin", "start_date": "2009-03-17"}
        yield "medications", {**who, "element": "statin", **drug}


def cohort_of(sites: Mapping[str, list[Patient]]) -> Cohort:
    """The consortium as a cohort."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for site, patients in sites.items():
        for place, each in enumerate(patients):
            for table, row in rows_of(site, f"{site}{place}", each):
                rows[table].append(row)
    tables = {name: table_from_rows(name, rows[name]) for name in TABLES}
    return Cohort(
        new_manifest("site file", {site: {"cut_off": "2026-06-30"} for site in sites}), tables
    )


def alarms(cohort: Cohort) -> set[tuple[str, str]]:
    """The rules about sites that find something, with the site; completeness is no statistic."""
    rules, study = load_catalogue(), load_study()
    limits = {rule: each.limits for rule, each in rules.items()}
    given = Given(date(2026, 6, 30), dict.fromkeys(cohort.sites), limits=limits)
    found = set()
    with open_tables(cohort.tables, given) as engine:
        case_rows(engine, derive_cases(cohort, study), {"site"})
        prepare_queries(engine, expectations())
        for query in read_queries(expectations(), rules):
            rule = rules[query.rule]
            name = f"{query.rule}.{query.part}" if query.part else query.rule
            rows = run_query(engine, query, rule, evidence_names(rule, query.part))
            found |= {(name, each.site) for each in rows if not each.too_few}
    return found


def share(count: int, of: int) -> str:
    """A count of a whole with its percentage."""
    return f"{count} of {of} ({100 * count / of:.1f} %)"


def clean(count: int, least: int, most: int, seed: int) -> tuple[int, Counter[str]]:
    """Of `count` clean consortia, how many have any alarm, and the alarms by rule."""
    crying, rules = 0, Counter[str]()
    for number in range(count):
        found = alarms(cohort_of(consortium(Random(seed + number), least, most)))
        crying += bool(found)
        rules.update({rule for rule, _ in found})
        _progress(f"clean {least}-{most}", number, count)
    return crying, rules


def planted(name: str, count: int, least: int, most: int, seed: int) -> int:
    """Of `count` consortia with the fault, in how many it is found in its site."""
    hits = 0
    for number in range(count):
        random = Random(seed + number)
        sites = consortium(random, least, most)
        plant(random, sites, name)
        found = alarms(cohort_of(sites))
        hits += any(rule in FAULTS[name][1] and site == FAULTY for rule, site in found)
        _progress(name, number, count)
    return hits


def _progress(what: str, number: int, count: int) -> None:
    if number % 10 == 9 or number + 1 == count:
        print(f"{what}: {number + 1} of {count}", file=sys.stderr, flush=True)


def lines(options: argparse.Namespace) -> Iterator[str]:
    """The tables of the result, a line each."""
    yield "| clean consortia, five sites each | with any alarm | by rule |"
    yield "|---|---|---|"
    for least, most in ((15, 60), (5, 5)):
        crying, rules = clean(options.clean, least, most, options.seed)
        by_rule = ", ".join(f"{rule} {times}" for rule, times in rules.most_common()) or "-"
        yield f"| {least} to {most} patients a site | {share(crying, options.clean)} | {by_rule} |"
    yield ""
    yield "| planted in one of five sites of 15 to 60 patients | found |"
    yield "|---|---|"
    for name in FAULTS:
        hits = planted(name, options.planted, 15, 60, options.seed + 10_000)
        yield f"| {name} | {share(hits, options.planted)} |"


def main() -> None:
    """Simulate, judge, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--planted", type=int, default=40)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = "\n".join(lines(options)) + "\n"
    if options.out:
        options.out.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
