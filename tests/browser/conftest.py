"""Chromium with its driver, offline. Without it tests fail: they are never skipped."""

import json
import shutil
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from imnm_fhir.flow import harmonise_files
from imnm_fhir.validation import validate_folder

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
MISSING = "sh scripts/need_chromium.sh installs what is missing, or says how"


class Browser:
    """One Chromium: opens pages without a network and tells what they asked for."""

    def __init__(self, profile: Path) -> None:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if not chromium or not driver or not AXE.is_file():
            pytest.fail(f"no Chromium, chromedriver or axe-core; {MISSING}", pytrace=False)
        options = ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.driver = Chrome(options=options, service=Service(driver))
        self.command("Network.enable")
        offline = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.command("Network.emulateNetworkConditions", offline=True, **offline)

    def command(self, name: str, **options: Any) -> Any:
        """What Chromium answers to a command of its DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, options)

    def open(
        self, page: Path, *, dark: bool = False, width: int = 1280, scripts: bool = True
    ) -> None:
        """Open a page in light or dark, as wide as a screen or a phone, with or without scripts."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media="", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        self.driver.get(page.resolve().as_uri())

    def requests(self) -> list[str]:
        """The addresses that the page asked for since it was opened."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        said = [json.loads(each["message"])["message"] for each in entries]
        return [
            each["params"]["request"]["url"]
            for each in said
            if each["method"] == "Network.requestWillBeSent"
        ]

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script answers that runs in the page."""
        return self.driver.execute_script(script, *arguments)

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical on the page, with the places."""
        self.run(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then(r => done(r.violations), e => done([String(e)]))"
        )
        return [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    def shown_rows(self) -> list[str]:
        """The texts of the units of findings that can be seen."""
        rows: list[str] = self.run(
            "return [...document.querySelectorAll('.group tbody.unit')]"
            ".filter(row => row.checkVisibility()).map(row => row.textContent)"
        )
        return rows


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The one Chromium of this test run."""
    started = Browser(tmp_path_factory.mktemp("chromium"))
    yield started
    started.driver.quit()


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second site's faulty first delivery as a cohort, with its report in English beside it."""
    folder = tmp_path_factory.mktemp("freiburg")
    with as_file(files("imnm_fhir") / "demo_data" / "freiburg" / "delivery_1") as data:
        harmonise_files(sorted(data.glob("*.csv")), "freiburg", folder / "cohort")
    validate_folder(folder / "cohort", report=folder / "report")
    return folder


@pytest.fixture(scope="session")
def report(delivery: Path) -> Path:
    """The page of that report."""
    return delivery / "report" / "report.html"
