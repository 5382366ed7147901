"""A loop in memory: findings by hand, their log, a list to fill in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from imnm_fhir.cohort import Cohort
from imnm_fhir.findings import Finding, Place, RuleSetting, Validation
from imnm_fhir.issues import Issue
from imnm_fhir.queries.asking import Asked, ask, write_queries
from imnm_fhir.queries.record.log import Log, read_log
from imnm_fhir.validation import load_catalogue
from tests.unit.small_cohort import cohort, person

SITE = "madrid"


def place(element: str, row: int, word: str | None, **more: Any) -> Place:
    """A cell of site.csv: that of an observation unless `more` says otherwise."""
    known: dict[str, Any] = {
        "table": "observations", "element": element, "time_point": None, "n": None, "code": None,
        "field": "value_number", "file": "site.csv", "sheet": None, "row": row,
        "column": element.upper(), "value": word, "word": word,
    }  # fmt: skip
    return Place(**{**known, **more})


def finding(
    rule: str, patient: str, *places: Place, kind: str = "impossible", part: str | None = None
) -> Finding:
    """A finding that stands at the first of the places."""
    own = places[0]
    return Finding(
        rule=rule, kind=kind, category="plausibility", message="m", site=SITE, table=own.table,
        patient=patient, element=own.element, time_point=own.time_point, n=own.n, file=own.file,
        sheet=own.sheet, row=own.row, column=own.column, value=own.value, part=part, places=places,
    )  # fmt: skip


def issue(rule: str, row: int, column: str, value: str | None, kind: str = "impossible") -> Issue:
    """A cell that could not be read."""
    return Issue(rule, kind, "conformance", "m", SITE, "observations", f"P{row}", "ck", None, None,
                 "site.csv", None, row, column, value)  # fmt: skip


def validation(*findings: Issue) -> Validation:
    """A validation that found these."""
    rules = tuple(RuleSetting(each) for each in load_catalogue().values())
    return Validation(
        findings=findings, waived=(), outcomes=(), rules=rules, patients=(), compared={},
        manifest={}, today="2022-07-01", study="",
    )  # fmt: skip


def site_cohort(
    delivery: str = "1", corrections: Mapping[str, str] | None = None, language: str = "en"
) -> Cohort:
    """A cohort of two patients made from one file."""
    made = cohort(person("P1"), person("P2"), name=SITE)
    about = {
        **made.manifest["sites"][SITE],
        "kind": "full",
        "language": language,
        "sources": [{"file": "site.csv", "sheet": None, "sha256": delivery, "rows_in": 50}],
        "corrections": dict(corrections or {}),
    }
    return replace(made, manifest={**made.manifest, "tables": None, "sites": {SITE: about}})


def round_of(
    folder: Path, findings: Sequence[Issue], delivery: str = "1",
    corrections: Mapping[str, str] | None = None, **how: Any,
) -> Asked:  # fmt: skip
    """Settle the queries of these findings in the log of the folder."""
    return ask(
        validation(*findings), site_cohort(delivery, corrections), read_log(folder / "q"), **how
    )


def written(asked: Asked, folder: Path, language: str = "en") -> Path:
    """The list as queries.xlsx."""
    return write_queries(asked, folder / "list", language, neutral=False)[0]


def log_of(folder: Path) -> Log:
    """The log of the loop."""
    return read_log(folder / "q")


MRC = finding("M01", "P1", place("worst_mrc", 2, "6"))
MRS = finding("M08", "P2", place("mrs", 3, "7"))


WHO = {"By": "Eva", "Role": "data manager of the site"}


def fill(
    path: Path, rows: dict[str, dict[str, Any]], out: Path | None = None, by: str = "Patient"
) -> Path:
    """Fill in the rows of these patients, or of what stands in another column."""
    book = load_workbook(path)
    sheet = book.worksheets[0]
    places = {cell.value: number for number, cell in enumerate(sheet[1], 1)}
    for number in range(2, sheet.max_row + 1):
        for name, value in rows.get(str(sheet.cell(number, places[by]).value), {}).items():
            sheet.cell(number, places[name], value)
    book.save(out or path)
    return out or path
