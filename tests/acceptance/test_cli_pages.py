"""What the pages show is what the commands print."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("run_examples", DOCS / "run_examples.py")
assert SPEC is not None and SPEC.loader is not None
EXAMPLES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(EXAMPLES)


@pytest.mark.parametrize("page", EXAMPLES.pages(), ids=lambda page: page.stem)
def test_page_shows_what_commands_print(page: Path) -> None:
    text = page.read_text("utf-8")
    assert EXAMPLES.rerun(text) == text, "stale: run make docs"
