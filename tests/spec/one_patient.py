"""One patient as a cohort, written so that a case reads as a small table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imnm_fhir.cohort import Cohort, new_manifest, table_from_rows
from imnm_fhir.derive import derive_cases
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.study import Study, load_study

SITE = "anywhere"
Fact = dict[str, Any]


def saw(element: str, value: Any = None, when: str | None = "baseline", **fields: Any) -> Fact:
    """One observation; the value goes to the field of the element's type."""
    known = load_dictionary().elements[element]
    kind = "value_" + {
        "number": "number",
        "boolean": "boolean",
        "date": "date",
        "text": "text",
    }.get(known.type, "code")
    value = str(value) if kind == "value_number" and value is not None else value
    fact = {"element": element, "time_point": when, kind: value, "unit": known.unit, **fields}
    return {**fact, "table": "observations"}


def took(drug: str, start: str | None = None, end: str | None = None, **fields: Any) -> Fact:
    """One drug; a statin or an immunotherapy by its group in the dictionary."""
    group = load_dictionary().value_sets["drug"].codes[drug].attributes["group"]
    element = "statin" if group == "statin" else "immunosuppressant"
    fact = {"element": element, "value_code": drug, "start_date": start, "end_date": end, **fields}
    return {"n": f"{drug} {start}", **fact, "table": "medications"}


def had(element: str, code: str | None = None, date: str | None = None, **fields: Any) -> Fact:
    """One condition."""
    fact = {"element": element, "value_code": code, "date": date, "n": code, **fields}
    return {**fact, "table": "conditions"}


def underwent(element: str, date: str | None = None, **fields: Any) -> Fact:
    """One procedure."""
    return {"element": element, "date": date, "n": date, **fields, "table": "procedures"}


def cohort_of(
    *facts: Fact,
    onset: str | None = None,
    diagnosis: str | None = None,
    born: str | None = None,
    died: str | None = None,
    cut_off: str | None = None,
    others: Iterable[Fact] = (),
) -> Cohort:
    """The patient `P` as a cohort; `others` are facts of a second patient `Q` of the site."""
    imnm = had("imnm", "imnm", diagnosis, onset_date=onset)
    person = {"birth_date": born, "deceased_date": died, "table": "patients"}
    rows = [{**fact, "patient": "P"} for fact in (person, imnm, *facts)]
    rows += [{**fact, "patient": "Q"} for fact in ({"table": "patients"}, *others) if others]
    tables = {
        name: table_from_rows(
            name,
            [
                {"site": SITE, **{key: value for key, value in row.items() if key != "table"}}
                for row in rows
                if row["table"] == name
            ],
        )
        for name in load_dictionary().tables
    }
    return Cohort(new_manifest("site file", {SITE: {"cut_off": cut_off}}), tables)


def case(*facts: Fact, study: Study | None = None, **dates: Any) -> dict[str, Any]:
    """What is derived of the patient."""
    row: dict[str, Any] = derive_cases(
        cohort_of(*facts, **dates), study or load_study()
    ).to_pylist()[0]
    return row


def study_with(folder: Path, text: str) -> Study:
    """A study that says `text`."""
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return load_study(path)
