"""Takes the pictures of the README from what the demo made: `python docs/make_pictures.py build/demo`.

Needs chromium. Pictures are committed; look at them before you do.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
PICTURES = {  # page below the demo's folder, width and height in pixels
    "report.png": ("freiburg_1_report/report.html", 1300, 1390),
    "table1.png": ("table1.html", 1300, 800),
}
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


def take(page: Path, picture: Path, width: int, height: int) -> None:
    """Write what a browser shows of `page` into `picture`."""
    with tempfile.TemporaryDirectory() as profile:
        place = f"--user-data-dir={profile}", f"--window-size={width},{height}"
        command = ["chromium", *OPTIONS, *place, f"--screenshot={picture}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Take all pictures of the demo in the folder that is named."""
    folder = Path(sys.argv[1])
    IMAGES.mkdir(exist_ok=True)
    for name, (page, width, height) in PICTURES.items():
        take(folder / page, IMAGES / name, width, height)


if __name__ == "__main__":
    main()
