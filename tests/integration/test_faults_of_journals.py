"""Journals that are lost, damaged, of another server or in use: never a second version of anything."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imnm_fhir.cohort import write_cohort
from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.server import Connection, connect
from imnm_fhir.terminology import load_project
from imnm_fhir.transfer import journal_path
from imnm_fhir.validation import validate_folder
from servers.faulty_proxy import Exchange, Proxy
from tests.acceptance.command_line import Ran, done, run
from tests.integration.small_delivery import check_once, cohort, export
from tests.unit.small_cohort import cohort as made
from tests.unit.small_cohort import person

SITE = "journals"
COHORT = Path("cohort")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of three patients that may leave."""
    folder = tmp_path_factory.mktemp("journals") / "cohort"
    write_cohort(made(*map(person, ("P1", "P2", "P3")), name=SITE), folder)
    validate_folder(folder)
    return folder


@pytest.fixture
def here(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it in the current folder."""
    shutil.copytree(built, tmp_path / "here" / "cohort")
    monkeypatch.chdir(tmp_path / "here")


def send(url: str) -> Ran:
    return run("export", "cohort", "--to", url, "--json", "-q")


def remove(url: str, other: str) -> None:
    shutil.rmtree(journal_path(COHORT, url).parent)


def spoil(url: str, other: str) -> None:
    """As a disk that fails does it: the head is there, the rest is not."""
    path = journal_path(COHORT, url)
    path.write_bytes(path.read_bytes()[:2000] + b"\\xff" * 3000)


def exchange_for_another(url: str, other: str) -> None:
    done("export", "cohort", "--to", other, "-q")
    shutil.copy(journal_path(COHORT, other), journal_path(COHORT, url))


DAMAGED: dict[str, Callable[[str, str], None]] = {
    "corrupt": spoil,
    "of another server": exchange_for_another,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_journal_that_cannot_be_used_is_refused_and_made_anew(
    name: str, here: None, fhir_server: str, proxy: Proxy, at_server: Connection
) -> None:
    """The proxy is the other server: another address of the same one."""
    done("export", "cohort", "--to", fhir_server, "-q")
    DAMAGED[name](fhir_server, proxy.url)
    ran = send(fhir_server)
    assert (ran.code, ran.out, len(ran.messages)) == (3, "", 1), ran
    assert "imnm-fhir verify" in ran.err and ".sqlite" in ran.err
    assert "journal made anew" in done("verify", "cohort", "--at", fhir_server).err
    ran = send(fhir_server)
    assert ran.code == 0 and '"requests": 0' in ran.out
    check_journals_site(at_server)


def test_a_journal_that_was_deleted_is_no_reason_to_send_again(
    here: None, fhir_server: str, at_server: Connection
) -> None:
    done("export", "cohort", "--to", fhir_server, "-q")
    remove(fhir_server, "")
    ran = send(fhir_server)
    assert ran.code == 0 and '"requests": 0' in ran.out and '"unchanged": 10' in ran.out
    check_journals_site(at_server)


def check_journals_site(connection: Connection) -> None:
    check_once(connection, SITE, 10, f"{load_project().base}/site")


def held_back(release: threading.Event, arrived: threading.Event) -> Callable[[Exchange], None]:
    def script(exchange: Exchange) -> None:
        if exchange.writes:
            arrived.set()
            assert release.wait(120)

    return script


def test_two_exports_at_once_with_one_journal(
    proxy: Proxy, at_server: Connection, site: str, tmp_path: Path
) -> None:
    """The second says so, or waits and finds nothing left to do."""
    release, arrived = threading.Event(), threading.Event()
    proxy.play(held_back(release, arrived))
    resources = cohort(site, 54)
    with connect(proxy.url) as connection, ThreadPoolExecutor(2) as pool:
        first = pool.submit(export, connection, tmp_path, resources)
        assert arrived.wait(120)
        with pytest.raises(ImnmFhirError, match="another") as refused:
            export(connection, tmp_path, resources)
        assert "--wait" in str(refused.value) and "\\n" not in str(refused.value)
        second = pool.submit(export, connection, tmp_path, resources, wait=120)
        release.set()
        assert first.result().total("created") == 60
        assert second.result().total("unchanged") == 60 and second.result().requests == 0
    check_once(at_server, site, 60)


def test_two_exports_at_once_from_two_places(
    at_server: Connection, site: str, tmp_path: Path
) -> None:
    """Each has a journal of its own: nothing is there twice all the same."""
    places = [tmp_path / "one", tmp_path / "two"]
    together = threading.Barrier(2)

    def send_from(place: Path) -> bool:
        place.mkdir()
        together.wait()
        return export(at_server, place, cohort(site, 294), bundle_size=20).complete

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(send_from, places)) == [True, True]
    check_once(at_server, site, 300)
