"""Writes docs/reference/ from what the program itself reads: commands, dictionary, rules, cases, study.

`python docs/make_reference.py` writes the pages that changed and says which, then has
docs/run_examples.py run the commands in all other pages; `make docs` calls it.
The pages are made in scripts/reference/. They are committed, so that they can be read in the repository and
reviewed with the change that made them; tests/unit/test_docs.py fails when one is stale.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts.reference import PAGES, page

DOCS = Path(__file__).resolve().parent


def main() -> None:
    """Write each page that is not there as it should be."""
    folder = DOCS / "reference"
    folder.mkdir(exist_ok=True)
    for name in PAGES:
        path, text = folder / f"{name}.md", page(name)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: docs/reference/{name}.md", file=sys.stderr)
    subprocess.run([sys.executable, DOCS / "run_examples.py"], check=True)


if __name__ == "__main__":
    main()
