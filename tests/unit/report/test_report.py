"""The report: one page that needs nothing else, and tables that no spreadsheet runs."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.findings import Validation, Waiver
from imnm_fhir.issues import Issue
from imnm_fhir.keys import row_key
from imnm_fhir.languages import known_languages
from imnm_fhir.report import report_page, write_report
from imnm_fhir.report.rows import FINDING_COLUMNS
from imnm_fhir.report.words import load_words
from imnm_fhir.validation import validate
from imnm_fhir.written import read_own_csv
from tests.unit.small_cohort import cohort, observation, person

HOSTILE = "<script>alert(1)</script>"
WAIVER = Waiver("P3", "M01", "Dr. Ana Ruiz", "scale of 0 to 10", "2022-07-01")
COHORT = cohort(
    person("P1"),
    person("P2"),
    person("P3"),
    observation("P2", "worst_mrc", time_point="baseline", value_number="6", unit="{score}"),
    observation("P3", "worst_mrc", time_point="baseline", value_number="6", unit="{score}"),
    observation("P1", "onset_class_reported", value_code="acute"),
    issues=[Issue("unreadable-number", "improbable", "conformance", "expected a number", "madrid",
                  "observations", "P1", "ck", file="data.csv", row=2, column=HOSTILE, value="=1+1")],
)  # fmt: skip


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validate(COHORT, waivers=[WAIVER])


def page_of(validation: Validation, language: str = "en") -> str:
    return report_page(validation, COHORT, load_words(language))


class Outline(HTMLParser):
    """Tags with their attributes; open tags must be closed in order."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_the_page_asks_for_nothing(validation: Validation) -> None:
    found = outline(page_of(validation))
    for tag, attributes in found.tags:
        assert tag not in ("link", "img", "iframe", "object", "image", "use")
        for name in ("src", "action", "data", "poster"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    page = page_of(validation)
    assert not re.search(r"url\(|@import|https?://", page)


def test_only_the_pages_own_script_may_run(validation: Validation) -> None:
    page = page_of(validation)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    assert not re.search(r" on\w+=", page)


def test_sentences_without_a_translation_are_counted(
    validation: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'msgid ""\nmsgstr ""\n\nmsgid "Validation report"\nmsgstr "Relatório"\n'
    (tmp_path / "pt.po").write_text(text, "utf-8")
    monkeypatch.setenv("IMNM_FHIR_LANGUAGES", str(tmp_path))
    page = page_of(validation, "pt")
    assert "<h1>Relatório</h1>" in page
    assert re.search(r"without a translation, in English: [1-9]\d+\.", page)
    assert "without a translation" not in page_of(validation, "en")


def test_the_page_is_well_formed_and_says_its_language(validation: Validation) -> None:
    for language in known_languages():
        found = outline(page_of(validation, language))
        assert ("html", {"lang": language}) in found.tags
        ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        links = [each["href"] for tag, each in found.tags if tag == "a"]
        assert {str(link)[1:] for link in links} <= set(ids)


def test_the_verdict_is_on_top(validation: Validation) -> None:
    assert "Can be pooled without 1 of 3 patients" in page_of(validation)
    assert "Se puede integrar sin 1 de 3 pacientes" in page_of(validation, "es")
    passed = validate(cohort(person("P1")))
    assert "Can be pooled: yes" in report_page(passed, COHORT, load_words("en"))


def test_the_page_shows_place_header_and_value(validation: Validation) -> None:
    page = page_of(validation)
    row = page[page.index("The MRC grade is outside 0 to 5") :]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
    assert cells[:7] == ["P2", "Worst MRC grade, baseline", "6", "", "worst_mrc", "data.csv",
                         '<span class="narrow">Row </span>5']  # fmt: skip
    assert "El grado MRC queda fuera de 0 a 5" in page_of(validation, "es")


def test_whatever_a_site_wrote_is_escaped(validation: Validation) -> None:
    page = page_of(validation)
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_definitions_stand_side_by_side(validation: Validation) -> None:
    page = page_of(validation)
    assert re.search(
        r"<td>acute</td><td><strong>≠ subacute</strong></td><td class=\"number\">1</td>", page
    )


def test_what_could_not_be_judged_and_waivers_are_listed(validation: Validation) -> None:
    page = page_of(validation)
    assert re.search(r"<code>K06</code>.*?not sent.*?>3<", page, re.S)
    assert re.search(
        r"<td>P3</td><td><code>M01</code></td><td>Dr. Ana Ruiz</td>.*?<td>yes</td>", page
    )


@pytest.mark.parametrize(("patient", "named"), [("A/1%", True), ("GONE", False)])
def test_a_waiver_names_a_patient_who_is_there_alone(
    validation: Validation, patient: str, named: bool
) -> None:
    waiver = replace(WAIVER, patient=patient, place="waivers.toml, line 1")
    there = (*validation.patients, row_key(("madrid", "A/1%")))
    page = page_of(replace(validation, patients=there, waivers=(waiver,)))
    assert f"<td>{patient if named else waiver.place}</td><td><code>M01</code>" in page
    assert named or patient not in page


def test_tables_are_written_and_escaped(validation: Validation, tmp_path: Path) -> None:
    from openpyxl import load_workbook

    written = write_report(validation, COHORT, tmp_path / "report", language="en")
    assert written.page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert "'=1+1" in written.csv.read_text("utf-8-sig")
    rows = read_own_csv(written.csv)
    assert tuple(rows[0]) == FINDING_COLUMNS
    by_rule = {row["rule"]: row for row in rows}
    assert by_rule["unreadable-number"]["value"] == "=1+1"
    waived = [row for row in rows if row["waived_by"]]
    assert [(row["patient"], row["rule"]) for row in waived] == [("P3", "M01")]
    assert load_workbook(written.excel).sheetnames == [
        "Findings", "Could not be judged", "Definitions side by side", "Rules that ran",
    ]  # fmt: skip


def test_a_folder_made_for_the_report_is_its_owners_only(
    validation: Validation, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    write_report(validation, COHORT, folder)
    modes = {path.name: path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]}
    assert set(modes.values()) == {0}
    note = (folder / "README.txt").read_text("utf-8")
    assert [name for name in modes if name != "report" and name not in note] == []


def test_a_place_that_cannot_be_written_is_said(validation: Validation, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("a file")
    with pytest.raises(ImnmFhirError, match="choose another --report"):
        write_report(validation, COHORT, tmp_path / "report")


def test_a_language_without_words_is_refused() -> None:
    with pytest.raises(UsageError, match="no sentences in 'xx'; there are in en, de, es"):
        load_words("xx")


def test_long_groups_are_cut_on_the_page_and_whole_in_the_table(tmp_path: Path) -> None:
    from imnm_fhir.report.causes import MOST

    many = MOST + 5
    weak = [
        observation("P1", "worst_mrc", n=str(n), value_number="6", unit="{score}")
        for n in range(many)
    ]
    given = cohort(person("P1"), *weak)
    found = validate(given)
    assert "Further rows in findings.csv: 5" in report_page(found, given, load_words("en"))
    written = write_report(found, given, tmp_path / "report")
    assert sum(row["rule"] == "M01" for row in read_own_csv(written.csv)) == many


def test_what_the_study_demands_stands_beside_what_was_sent() -> None:
    late = [person(f"P{n}") for n in range(3)]
    later = [observation("P0", "ck", time_point="month_6", value_number="300", unit="U/L"),
             observation("P1", "mrs", time_point="month_6", value_number="2", unit="{score}"),
             observation("P2", "last_contact", value_date="2019-08-01")]  # fmt: skip
    found = validate(cohort(*late, *later))
    page = report_page(found, cohort(*late, *later), load_words("en"))
    table = page[page.index('<section id="demands">') :].partition("</section>")[0]
    rows = [re.sub(r"<[^>]+>", "|", row) for row in table.split("<tr>")[2:]]
    cells = [[cell for cell in row.strip().split("|") if cell] for row in rows]
    ck = next(row for row in cells if row[1] == "Creatine kinase" and row[2] == "month 6")
    assert ck[3:] == ["2", "1 (50 %)", "0", "1", "P1", "80 %, ", "below the demand",
                      "last contact before: 1"]  # fmt: skip
