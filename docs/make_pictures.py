"""Takes the pictures of the README and the how-tos from what the demo made: `python docs/make_pictures.py build/demo`.

Needs chromium and its driver, and a certificate in the same folder, of a server that `make server` starts:
`imnm-fhir verify COHORT --at URL --certificate build/demo/certificate.json`. Pictures are committed; look at
them before you do.
"""

import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

IMAGES = Path(__file__).resolve().parent / "images"
PICTURES = {  # page below the demo's folder (and an element's id), width and height in pixels
    "report.png": ("freiburg_1_report/report.html", 1300, 1390),
    "report-ck.png": ("freiburg_1_report/report.html#numbers-ck", 1300, 900),
    "report-dates.png": ("freiburg_1_report/report.html#dates", 1300, 1500),
    "certificate.png": ("certificate.html", 1100, 700),
    "table1.png": ("table1.html", 1300, 800),
}
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip


def take(page: Path, part: str, picture: Path, width: int, height: int) -> None:
    """Write what a browser shows of `page`, or of its element with the id `part`, into `picture`."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as profile:
        for each in (*OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(each)
        driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            driver.get(page.resolve().as_uri())
            if part:
                driver.find_element("id", part).screenshot(str(picture))
            else:
                driver.save_screenshot(str(picture))
        finally:
            driver.quit()


def main() -> None:
    """Take all pictures of the demo in the folder that is named."""
    folder = Path(sys.argv[1])
    IMAGES.mkdir(exist_ok=True)
    for name, (page, width, height) in PICTURES.items():
        file, _, part = page.partition("#")
        take(folder / file, part, IMAGES / name, width, height)


if __name__ == "__main__":
    main()
