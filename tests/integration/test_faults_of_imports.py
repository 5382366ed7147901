"""What goes wrong while a server is read: one line and the old cohort, or the same cohort again."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from imnm_fhir.cohort import read_cohort
from imnm_fhir.compare import compare
from imnm_fhir.server import connect
from imnm_fhir.terminology import load_project
from imnm_fhir.transfer import transfer
from servers.faulty_proxy import (
    Answer,
    Exchange,
    Proxy,
    Script,
    answer,
    every,
    instead,
    late,
    lose_answer,
    pass_through,
    reset_in_answer,
    truncate,
)
from tests.acceptance.canaries import MAPPING
from tests.acceptance.command_line import MAIN, Ran, done, run, run_python

SITE = "import-faults"
PATIENTS = 60
HEADER = "Patient,Sex,Birth,CK,Onset,Comorbidity\n"
ROWS = [
    f"T-{n},{'wm'[n % 2]},1950-02-0{n % 9 + 1},{n}07,2018-11-23,KANARIE {n}\n"
    for n in range(PATIENTS)
]


@pytest.fixture(scope="module")
def sent(fhir_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cohort that the server holds."""
    folder = tmp_path_factory.mktemp("import-faults")
    (folder / "site.toml").write_text(MAPPING.replace("teststadt", SITE), "utf-8")
    (folder / "patients.csv").write_text(HEADER + "".join(ROWS), "utf-8")
    cohort = folder / "cohort"
    done("harmonise", folder / "patients.csv", "--site", folder / "site.toml", "--out", cohort)
    done("export", cohort, "--to", folder / "fhir")
    files = {path.stem: path for path in (folder / "fhir").glob("*.ndjson")}
    with connect(fhir_server) as connection:
        assert transfer(connection, files, cohort).complete
    return cohort


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def import_it(proxy: Proxy, *more: str) -> Ran:
    return run(*words(proxy), *more)


def words(proxy: Proxy) -> list[str]:
    tag = f"{load_project().base}/site|{SITE}"
    choices = ["--tag", tag, "--page-size", "20", "--method", "search", "--patience", "30", "-q"]
    return ["import", proxy.url, "--out", "back", *choices]


def check_same(sent: Path) -> None:
    """The cohort that came is the cohort that was sent, and nothing is left beside it."""
    assert compare(read_cohort(sent), read_cohort(Path("back"))) == []
    assert [path.name for path in Path().iterdir()] == ["back"]


def count_asked(number: str | None) -> Script:
    """The server gives pages of another size than it is asked for: its own (None), or a smaller one."""

    def script(exchange: Exchange) -> None:
        asked = f"_count={number}" if number else "_total=none"
        exchange.send(exchange.forward(re.sub("_count=[0-9]+", asked, exchange.path)))

    return script


def looping(exchange: Exchange) -> None:
    """The next link of every page leads to the page itself."""
    page = exchange.forward()
    here = exchange.path.encode()
    link = rb'"relation"\s*:\s*"next",\s*"url"\s*:\s*"[^"]*"'
    body = re.sub(
        link, b'"relation":"next","url":"http://%s%s"' % (exchange.host.encode(), here), page.body
    )
    exchange.send(Answer(page.status, page.headers, body))


HTML = answer(200, "<html>KANARIE</html>", Content_Type="text/html")
SAT_OUT: dict[str, Callable[[], Script]] = {
    "page size": lambda: count_asked("7"),
    "_count ignored": lambda: count_asked(None),
    "lost": lambda: every(3, lose_answer),
    "latency": lambda: late(0.1),
    "mixed": lambda: mixed(),
}


def mixed() -> Script:
    faults = cycle([Exchange.reset, instead(answer(429, Retry_After="1")), reset_in_answer])
    return every(3, lambda exchange: next(faults)(exchange))


@pytest.mark.parametrize("name", SAT_OUT)
def test_the_cohort_comes_whole(name: str, proxy: Proxy, sent: Path, here: None) -> None:
    proxy.play(SAT_OUT[name]())
    ran = import_it(proxy)
    assert (ran.code, ran.err) == (0, ""), ran
    check_same(sent)


def test_a_slow_line(proxy: Proxy, sent: Path, here: None) -> None:
    proxy.bytes_a_second = 100_000
    assert import_it(proxy, "--timeout", "20").code == 0
    check_same(sent)


REFUSED: dict[str, tuple[Script, str]] = {
    "loop": (looping, "circle"),
    "HTML": (instead(HTML), "answered no Bundle"),
    "truncated": (truncate, "answered no Bundle"),
}


def search(exchange: Exchange) -> bool:
    return "/metadata" not in exchange.path


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_page_ends_in_one_line_and_the_old_cohort_stays(
    name: str, proxy: Proxy, sent: Path, here: None
) -> None:
    assert import_it(proxy).code == 0
    fault, said = REFUSED[name]
    proxy.play(lambda exchange: fault(exchange) if search(exchange) else None)
    ran = import_it(proxy)
    assert (ran.code, len(ran.messages)) == (4, 1) and said in ran.err, ran
    assert "KANARIE" not in ran.err + ran.out
    assert compare(read_cohort(sent), read_cohort(Path("back"))) == []
    proxy.play(pass_through)
    assert import_it(proxy).code == 0
    check_same(sent)


@pytest.mark.parametrize("kilobytes", [4, 40])
def test_a_full_disk_leaves_the_old_cohort_and_is_gone_on_with(
    kilobytes: int, proxy: Proxy, sent: Path, here: None
) -> None:
    """No file may grow beyond a size: at first what the server gives, then what is made of it."""
    assert import_it(proxy).code == 0
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes}000,) * 2); "
    ran = run_python(full + MAIN + "main()", *words(proxy))
    lines = ran.stderr.splitlines()
    assert (ran.returncode, ran.stdout, len(lines)) == (3, "", 1), ran
    assert lines[0].startswith("imnm-fhir: ") and "KANARIE" not in lines[0]
    assert compare(read_cohort(sent), read_cohort(Path("back"))) == []
    assert import_it(proxy).code == 0
    check_same(sent)


@pytest.mark.parametrize("number", [2, 5, 9, 14])
def test_killed_while_reading(number: int, proxy: Proxy, sent: Path, here: None) -> None:
    process = subprocess.Popen([sys.executable, "-c", MAIN + "main()", *words(proxy)])

    def kill(exchange: Exchange) -> None:
        if exchange.number == number:
            process.kill()
            exchange.reset()

    proxy.play(kill)
    assert process.wait() == -signal.SIGKILL
    proxy.play(pass_through)
    assert import_it(proxy).code == 0
    check_same(sent)
