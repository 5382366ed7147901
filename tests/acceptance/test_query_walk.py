"""The query loop walked once: a faulty delivery, its list, answers, the next delivery, the pool, a packet."""

import csv
import datetime
import shutil
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from imnm_fhir.cohort import read_manifest
from imnm_fhir.queries.lists.columns import headings
from imnm_fhir.queries.record.log import read_log
from imnm_fhir.queries.record.status import query_states
from tests.acceptance.command_line import done, run

SHEETS = ("patienten", "ck", "medikamente")
WHO = {"by": "Eva Lang", "role": "data manager of the site", "date": datetime.date(2023, 7, 3)}
ONSET, AGE = ("FRB-003", "Symptombeginn"), ("FRB-014", "Alter bei Symptombeginn")
BIRTH, SEX, CK = ("FRB-023", "Geburtsdatum"), ("FRB-019", "Geschlecht"), ("FRB-020", "CK (µkat/L)")
MRC, MRS, MRT = ("FRB-008", "MRC minimal"), ("FRB-015", "mRS 6 Monate"), ("FRB-018", "MRT Datum")
HMGCR, HLA, SRP = ("FRB-014", "Anti-HMGCR"), ("FRB-011", "Biopsie HLA-I"), ("FRB-029", "Serogruppe")
STATIN, LOW_CK = ("FRB-001", "Statin Beginn"), ("FRB-025", "CK (µkat/L)")
UNIT, WORD = (None, "Dosis 40"), (None, "Anti-Jo-1 12")

Cells = dict[str, list[dict[str, str]]]
Query = tuple[str | None, str]


def read(folder: Path) -> Cells:
    cells = {}
    for name in SHEETS:
        with (folder / f"{name}.csv").open(encoding="cp1252", newline="") as lines:
            cells[name] = list(csv.DictReader(lines, delimiter=";"))
    return cells


def write(cells: Cells, folder: Path) -> list[Path]:
    folder.mkdir()
    for name, rows in cells.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8-sig", newline="") as lines:
            writer = csv.DictWriter(lines, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
    return [folder / f"{name}.csv" for name in SHEETS]


def put(cells: Cells, query: Query, text: str, visit: str = "Erstvorstellung") -> None:
    """Write into the cell of a patient, as the site does in its own files."""
    patient, column = query
    for rows in cells.values():
        for row in rows:
            if column in row and row["Pat-ID"] == patient and row.get("Visite") in (None, visit):
                row[column] = text
                return
    raise AssertionError(query)


def plant_columns(cells: Cells) -> None:
    """Two faults of whole columns: no unit in 40 rows, and another word for a negative result."""
    for row in [row for row in cells["medikamente"] if row["Einheit"]][:40]:
        row["Einheit"] = ""
    for row in [row for row in cells["patienten"] if row["Anti-Jo-1"] == "negativ"][:12]:
        row["Anti-Jo-1"] = "neg."


class Filled:
    """The list as its reader fills it in: a row is found by patient and the site's header."""

    def __init__(self, path: Path) -> None:
        self.book = load_workbook(path)
        self.sheet = self.book.worksheets[0]
        titles = {said: name for name, said in headings("de").items()}
        self.places: dict[str, int] = {
            titles[str(cell.value)]: place for place, cell in enumerate(self.sheet[1], 1)
        }
        self.row: dict[Query, int] = {}
        for number in range(2, self.sheet.max_row + 1):
            patient, rows = self.value(number, "patient"), str(self.value(number, "row") or "")
            several = f" {rows.split()[0]}" if " " in rows else ""  # of a whole column
            key = patient or None, f"{self.value(number, 'column')}{several}"
            self.row.setdefault(key, number)

    def value(self, row: int, name: str) -> Any:
        return self.sheet.cell(row, self.places[name]).value

    def answer(self, query: Query, answer: str, new: Any = None, **more: Any) -> None:
        cells = {"answer": answer, "new": new, **WHO, **more}
        for name, value in cells.items():
            self.sheet.cell(self.row[query], self.places[name], value)

    def id(self, query: Query) -> str:
        return str(self.value(self.row[query], "query"))

    def save(self, path: Path) -> Path:
        self.book.save(path)
        return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("walk")
    with as_file(files("imnm_fhir") / "demo_data") as data:
        shutil.copytree(data / "freiburg" / "delivery_1", made / "demo")
        shutil.copy(data / "madrid" / "madrid16.csv", made)
    return made


def states(folder: Path, ids: dict[Query, str]) -> dict[Query, str]:
    """The state of every query about a cell, or one of the two planted columns, that is known."""
    found = query_states(read_log(folder / "freiburg.queries"))
    return {
        query: found[name][0]
        for query, name in ids.items()
        if name in found and (query[0] is not None or query in (UNIT, WORD))
    }


def ids(filled: Filled) -> dict[Query, str]:
    return {query: filled.id(query) for query in filled.row}


def validate(folder: Path) -> Filled:
    ran = run("validate", folder / "freiburg", "--report", folder / "report")
    assert ran.code == 1, ran
    return Filled(folder / "report" / "queries.xlsx")


def harmonise(folder: Path, sources: Iterable[Path]) -> None:
    done("harmonise", *sources, "--site", "freiburg", "--out", folder / "freiburg")


def in_state(found: dict[Query, str], state: str) -> set[Query]:
    return {query for query, each in found.items() if each == state}


def test_the_walk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    cells = read(folder / "demo")
    plant_columns(cells)
    harmonise(folder, write(cells, folder / "first"))
    first = validate(folder)
    known = ids(first)
    _is_short(folder, first)

    _fill_in(first)
    taken = run(
        "queries", "import", first.save(folder / "filled.xlsx"), "--cohort", folder / "freiburg"
    )
    assert taken.code == 0 and "14 answers taken" in taken.out, taken
    again = done("queries", "import", folder / "filled.xlsx", "--cohort", folder / "freiburg")
    assert "0 answers taken, 14 known already" in again.out
    assert 'unit = "mg/Tag"' in (folder / "freiburg.queries/mapping-proposals.toml").read_text(
        "utf-8"
    )

    validate(folder)
    found = states(folder, known)
    assert in_state(found, "closed") == {
        ONSET,
        BIRTH,
        SEX,
        CK,
        HMGCR,
        LOW_CK,
        STATIN,
        HLA,
        AGE,
        SRP,
    }
    assert in_state(found, "miscorrected") == {MRC}
    assert in_state(found, "answered") == {MRS, UNIT, WORD}
    assert in_state(found, "re-opened") | in_state(found, "conflict") == set()

    signed = done(
        "queries", "sign", "--cohort", "freiburg", "--by", "Dr. Roth", "--role", "investigator"
    )
    assert signed.out.startswith("signed: state ")
    assert read_manifest(folder / "freiburg")["signed"]["by"] == "Dr. Roth"

    _second_delivery(cells)
    harmonise(folder, write(cells, folder / "second"))
    second = validate(folder)
    found = states(folder, known | ids(second))
    assert in_state(found, "re-opened") == {MRS, LOW_CK, UNIT, WORD}
    assert in_state(found, "conflict") == {STATIN}
    assert in_state(found, "miscorrected") == {MRC}
    new = {("FRB-002", "Geburtsdatum"), ("FRB-005", "MRC minimal")}
    assert in_state(found, "open") - in_state(states(folder, known), "open") == new
    assert in_state(found, "closed") == {ONSET, BIRTH, SEX, CK, HMGCR, HLA, AGE, SRP}
    to_fix = done("queries", "audit", "--cohort", "freiburg", "--to-fix").out
    assert "FRB-020" in to_fix  # still corrected on top of the source
    assert "FRB-003" not in to_fix  # corrected there by now

    _packet(folder)


def _is_short(folder: Path, listed: Filled) -> None:
    """At least 12 faults, two of whole columns, and fewer questions than faulty cells."""
    with (folder / "report" / "findings.csv").open(encoding="utf-8-sig", newline="") as lines:
        found = list(csv.DictReader(lines))
    faulty = {(each["file"], each["row"], each["column"]) for each in found
              if each["kind"] in ("impossible", "improbable")}  # fmt: skip
    questions = {listed.value(row, "query") for row in range(2, listed.sheet.max_row + 1)}
    assert len(faulty) > 2 * len(questions) > 24
    assert str(listed.value(listed.row[UNIT], "row")).startswith("40 ")
    assert listed.value(listed.row[WORD], "value") == "neg."
    assert listed.value(listed.row[ONSET], "value") == "20.12.2016"


def _fill_in(listed: Filled) -> None:
    """As a data manager would: corrected, confirmed, left open, answered wrongly, fixed at source."""
    listed.answer(ONSET, "corrected", "20.12.2015")
    listed.answer(BIRTH, "corrected", datetime.date(1988, 2, 4))
    listed.answer(AGE, "corrected", "56", comment="digits turned round")
    listed.answer(CK, "corrected", "121,0")
    listed.answer(STATIN, "corrected", "12.10.2015")
    listed.answer(HLA, "not available")
    listed.answer(SEX, "corrected", "w")
    listed.answer(SRP, "corrected", "unklar")
    listed.answer(HMGCR, "confirmed as is")
    listed.answer(LOW_CK, "confirmed as is")
    listed.answer(MRC, "corrected", "8")
    listed.answer(MRS, "fixed in our source, see next delivery")
    listed.answer(UNIT, "corrected", "mg/Tag")
    listed.answer(WORD, "corrected", "negativ")


def _second_delivery(cells: Cells) -> None:
    """Three corrections made at the source, one reverted, a confirmed value changed, two new faults."""
    put(cells, ONSET, "20.12.2015")
    put(cells, AGE, "56")
    put(cells, SEX, "w")
    put(cells, STATIN, "12.12.2014")  # neither the old date nor the corrected one
    put(cells, LOW_CK, "14,70")
    put(cells, ("FRB-002", "Geburtsdatum"), "22.08.1871")
    put(cells, ("FRB-005", "MRC minimal"), "9")


def _packet(folder: Path) -> None:
    """The pool asks by a packet, the site answers in its own list, and the answer comes back."""
    done("harmonise", "madrid16.csv", "--site", "madrid_en", "--out", "madrid")
    done("validate", "madrid")
    done("pool", "madrid", "freiburg", "--exclude-failing-patients", "--out", "pool")
    asked = done("queries", "ask", "pool", "--site", "freiburg", "--element", "ck", "--text",
                 "Was the analyser changed in 2019?", "--due", "2023-09-01", "--by", "C. Mora",
                 "--role", "monitor")  # fmt: skip
    done("queries", "packet", "pool", "--site", "freiburg", "--out", "packet.json")
    text = (folder / "packet.json").read_text("utf-8")
    assert "Pat-ID" not in text and ".csv" not in text and "positiv" not in text
    opened = done("queries", "open", "packet.json", "--cohort", "freiburg")
    assert opened.out.startswith("2 questions of the consortium taken in")
    taken_in = {each["query"]: each["rules"] for each in read_log(folder / "freiburg.queries").of("asked")
                if each["origin"] == "consortium"}  # fmt: skip
    assert sorted(taken_in.values()) == [
        ["G02.srp"],
        ["typed"],
    ]  # a rule across sites, and a person
    done("queries", "list", "--cohort", "freiburg", "--out", "list")
    listed = Filled(folder / "list" / "queries.xlsx")
    typed = next(query for query, row in listed.row.items()
                 if listed.value(row, "query") == asked.out.strip())  # fmt: skip
    assert typed == (None, "CK (µkat/L)")
    assert set(taken_in) <= {listed.id(query) for query in listed.row}
    listed.answer(typed, "confirmed as is", comment="Yes, in May 2019")
    done("queries", "import", listed.save(folder / "typed.xlsx"), "--cohort", "freiburg")
    done("queries", "packet", "freiburg", "--out", "back.json")
    done("queries", "open", "back.json", "--cohort", "pool")
    assert "confirmed as is: Yes, in May 2019" in done("queries", "audit", "--cohort", "pool").out
    run("validate", "freiburg")
    assert query_states(read_log(folder / "freiburg.queries"))[asked.out.strip()][0] == "closed"
