"""The documentation: generated pages as they should be, links that lead somewhere, no network needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from imnm_fhir.derive.columns import CASE_COLUMNS
from imnm_fhir.dictionary import load_dictionary
from imnm_fhir.validation.catalogue import load_catalogue
from scripts.reference import PAGES as PAGES_MADE
from scripts.reference import page as page_made

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("name", PAGES_MADE)
def test_generated_page_is_not_stale(name: str) -> None:
    written = (DOCS / "reference" / f"{name}.md").read_text("utf-8")
    assert written == page_made(name), "stale: run make docs"


def test_every_element_rule_and_variable_has_a_line() -> None:
    """Three exhaustive lists, each checked against what the program itself reads."""
    lists = {
        "elements": load_dictionary().elements,
        "rules": load_catalogue(),
        "cases": CASE_COLUMNS,
    }
    for name, entries in lists.items():
        page = (DOCS / "reference" / f"{name}.md").read_text("utf-8")
        assert [each for each in entries if f'<a id="{each}"></a>' not in page] == []
    sets = (DOCS / "reference" / "value-sets.md").read_text("utf-8")
    assert [each for each in load_dictionary().value_sets if f"\n## {each}\n" not in sets] == []


def test_every_environment_variable_is_documented() -> None:
    page = (DOCS / "reference" / "environment.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (REPOSITORY / "imnm_fhir").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"IMNM_FHIR_[A-Z_]+", text)}
    built = {f"{name}_FILE" for name in named if 'f"{name}_FILE"' in "".join(sources)}
    assert named
    assert sorted(name for name in named if f"`{name}`" not in page) == []
    assert built  # secrets are read from files, too: environment.md lists those


def test_every_key_of_a_mapping_is_documented() -> None:
    page = (DOCS / "reference" / "site-mapping.md").read_text("utf-8")
    source = (REPOSITORY / "imnm_fhir" / "sites" / "load.py").read_text("utf-8")
    taken = re.findall(
        r"\.(?:take|text|texts|required_text|flag|whole_number|pairs|words)\(\"(\w+)\"", source
    )
    keys = {*taken, *re.findall(r'^    "(\w+)": \(', source, re.MULTILINE)}
    assert len(keys) > 25
    assert sorted(key for key in keys if not re.search(rf"[`\[\n]{key}\b", page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in targets:
        assert "://" not in target or target.startswith("https://"), target
        path = (page.parent / target.partition("#")[0]).resolve()
        assert "://" in target or path == page.parent.resolve() or path.exists(), target


def test_pages_name_no_machine() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        assert not re.search(r"/(work|root|tmp|home)/", text), page


def test_commands_in_readme_exist() -> None:
    from imnm_fhir.cli.main import COMMANDS

    text = (REPOSITORY / "README.md").read_text("utf-8")
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    used = set(re.findall(r"^imnm-fhir ([\w-]+)", blocks, re.MULTILINE))
    assert used <= set(COMMANDS) and len(used) == len(COMMANDS) - 1  # demo has make demo


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as make docs builds them."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    built = subprocess.run(
        [*command, "--site-dir", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_site_asks_nothing_of_a_network(site: Path) -> None:
    """Links that a person may follow are there; nothing is fetched by the browser itself."""
    fetched = re.compile(
        r"<(?:script|img|iframe|source|video|audio)[^>]*\bsrc=[\"']?(?:https?:)?//"
        r"|<link[^>]*\bhref=[\"']?(?:https?:)?//|@import[^;]*//|url\([\"']?(?:https?:)?//",
        re.IGNORECASE,
    )
    pages = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(pages) > 20
    assert [str(path) for path in pages if fetched.search(path.read_text("utf-8"))] == []


def test_every_page_is_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text("utf-8")
    pages = [path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")]
    assert [
        str(page)
        for page in pages
        if f'href="{page.as_posix()}"' not in start and page.name != "index.html"
    ] == []
    assert not list(site.rglob("*.py"))


def test_every_cell_of_the_fault_matrix_has_its_test() -> None:
    page = (DOCS / "reference" / "fault-matrix.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)", page))
    sources = (REPOSITORY / "tests").rglob("test_*.py")
    there = {name for path in sources for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) > 30 and named <= there
    faults = (REPOSITORY / "tests" / "integration").glob("test_faults_*.py")
    proven = {name for path in faults for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert proven <= named
