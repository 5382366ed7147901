"""The report in a real browser: offline, light and dark, on a phone, with and without scripts, on paper."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.report.causes import MOST_UNITS
from imnm_fhir.report.page import report_page
from imnm_fhir.report.words import load_words
from imnm_fhir.validation import validate
from tests.browser.conftest import Browser
from tests.unit.small_cohort import cohort, observation, person

PHONE = 380


def test_the_page_asks_the_network_for_nothing(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.requests() == [report.resolve().as_uri()]


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, report: Path, dark: bool, width: int) -> None:
    browser.open(report, dark=dark, width=width)
    assert browser.violations() == []


def test_axe_sees_a_planted_fault(browser: Browser, report: Path, tmp_path: Path) -> None:
    page = report.read_text("utf-8").replace("<main>", '<main><img src="">', 1)
    (tmp_path / "page.html").write_text(page, "utf-8")
    browser.open(tmp_path / "page.html")
    assert [each for each in browser.violations() if each.startswith("image-alt (critical)")]


def test_dark_is_dark(browser: Browser, report: Path) -> None:
    colours = []
    for dark in (False, True):
        browser.open(report, dark=dark)
        colours.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


def test_a_phone_scrolls_down_only(browser: Browser, report: Path) -> None:
    browser.open(report, width=PHONE)
    assert browser.run("return document.scrollingElement.scrollWidth") <= PHONE


def test_the_verdict_is_seen_first(browser: Browser, report: Path) -> None:
    browser.open(report)
    top = browser.run("return document.querySelector('.verdict').getBoundingClientRect().bottom")
    assert top < 900


def test_search_and_filters_leave_what_fits(browser: Browser, report: Path) -> None:
    browser.open(report)
    every = browser.shown_rows()
    set_to = (
        "const f = document.getElementById('tools'); f.reset();"
        "f.elements[arguments[0]].value = arguments[1]; f.requestSubmit()"
    )
    browser.run(set_to, "text", "SYMPTOMBEGINN frb-003")
    found = browser.shown_rows()
    assert 0 < len(found) < len(every)
    assert all("FRB-003" in row for row in found)
    browser.run(set_to, "text", "no such thing at all")
    assert browser.shown_rows() == []
    assert browser.run("return document.querySelector('output').textContent").startswith("0 of ")
    browser.run(set_to, "patient", "freiburg/FRB-018")
    assert all("FRB-018" in row for row in browser.shown_rows())
    browser.run("const f = document.getElementById('tools'); f.reset()")
    browser.run("document.querySelector('[name=kind][value=impossible]').click()")
    browser.run("document.getElementById('tools').requestSubmit()")
    kinds = browser.run(
        "return [...document.querySelectorAll('.group')].filter(g => g.checkVisibility()).map(g => g.dataset.kind)"
    )
    assert kinds and "impossible" not in kinds


def test_a_patient_of_the_verdict_leads_to_the_findings(browser: Browser, report: Path) -> None:
    browser.open(report)
    patient = browser.run(
        "const a = document.querySelector('a[data-patient]'); a.click(); return a.textContent"
    )
    browser.driver.set_script_timeout(5)
    browser.driver.execute_async_script("setTimeout(arguments[0], 50)")
    rows = browser.shown_rows()
    assert rows and all(patient in row for row in rows)


def test_a_query_of_the_verdict_leads_to_its_cause(browser: Browser, report: Path) -> None:
    browser.open(report)
    to, block = browser.run(
        "const a = document.querySelector('.verdict a.to'); a.click();"
        "return [a.textContent, document.querySelector(':target').textContent]"
    )
    assert to in block and "?" in block


def test_headings_without_a_cause_that_fits_are_hidden(browser: Browser, report: Path) -> None:
    browser.open(report)
    seen = "return [...document.querySelectorAll('.topic')].filter(t => t.checkVisibility()).length"
    every = browser.run(seen)
    browser.run(
        "const f = document.getElementById('tools'); f.elements.text.value = 'symptombeginn frb-003';"
        "f.requestSubmit()"
    )
    assert 0 < browser.run(seen) < every


def test_a_phone_shows_cells_below_each_other(browser: Browser, report: Path) -> None:
    browser.open(report, width=PHONE)
    wide = browser.run(
        "return [...document.querySelectorAll('.cells')]"
        ".filter(table => table.scrollWidth > table.parentElement.clientWidth).length"
    )
    assert wide == 0


def test_everything_can_be_read_without_scripts(browser: Browser, report: Path) -> None:
    browser.open(report)
    every = browser.shown_rows()
    browser.open(report, scripts=False)
    browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.shown_rows() == every
    assert not browser.run("return document.getElementById('tools').checkVisibility()")
    assert browser.run("return document.querySelectorAll('figure svg').length") == 3


def test_the_keyboard_reaches_findings_and_filters(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.run("document.body.focus()")
    reached = []
    for _ in range(60):
        for kind in ("rawKeyDown", "keyUp"):
            browser.command("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        reached.append(
            browser.run(
                "const e = document.activeElement; return e.name || e.className || e.localName"
            )
        )
    assert reached[0] == "skip"
    assert {"text", "patient", "kind", "scroll"} <= set(reached)


def pages(browser: Browser) -> int:
    printed = browser.command("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", base64.b64decode(printed["data"])))


def test_it_prints_on_paper_what_is_shown(browser: Browser, report: Path) -> None:
    browser.open(report)
    whole = pages(browser)
    browser.run(
        "const f = document.getElementById('tools'); f.elements.text.value = 'FRB-003'; f.requestSubmit()"
    )
    assert 8 <= whole <= 40
    assert pages(browser) < whole


def test_fifty_thousand_findings_are_summarised(browser: Browser, tmp_path: Path) -> None:
    given = cohort(
        person("P1"),
        observation("P1", "worst_mrc", time_point="baseline", value_number="6", unit="{score}"),
    )
    found = validate(given)
    (one,) = [each for each in found.findings if each.rule == "M01"]
    many = tuple(replace(one, patient=f"P{n}", row=n) for n in range(50_000))
    page = tmp_path / "report.html"
    page.write_text(report_page(replace(found, findings=many), given, load_words("en")), "utf-8")
    assert page.stat().st_size < 20_000_000
    browser.open(page)
    assert 0 < len(browser.shown_rows()) <= MOST_UNITS
    assert "Further rows in findings.csv" in browser.run("return document.body.textContent")
