import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from imnm_fhir.errors import ImnmFhirError
from imnm_fhir.transfer.journal import (
    CONFLICT,
    SENDING,
    STORED,
    Entry,
    journal_path,
    line_hash,
    open_journal,
    read_journal,
    rebuild,
)

URL = "https://fhir.example.org/fhir"
ENTRY = Entry("Patient", "i1", STORED, "h", None, "7", "1", 201, 1, "2026-01-01", "i1", "words")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return tmp_path / "madrid"


def test_entries_are_there_again(cohort: Path) -> None:
    other = Entry("Observation", "i2", SENDING, pending="p", subject="i1")
    with open_journal(cohort, URL) as journal:
        journal.put([ENTRY, other])
        journal.note({"software": "HAPI"})
    with open_journal(cohort, URL + "/") as journal:
        assert journal.get("Patient", "i1") == ENTRY
        assert [each.id for each in journal.entries()] == ["i2", "i1"]
        assert [each.id for each in journal.entries([STORED])] == ["i1"]
        assert [each.type for each in journal.entries(subject="i1")] == ["Observation", "Patient"]
        assert [each.id for each in journal.entries(kind="Observation")] == ["i2"]
        assert journal.counts() == {("Observation", SENDING): 1, ("Patient", STORED): 1}
        assert journal.about()["software"] == "HAPI" and journal.about()["base_url"] == URL
        found = journal.get("Observation", "i2")
        assert found is not None and found.time > "2026" and found.place == "Observation/i2"
        journal.put([replace(ENTRY, state=CONFLICT)])
        assert journal.counts()["Patient", CONFLICT] == 1
        journal.forget([("Patient", "i1")])
        assert journal.get("Patient", "i1") is None
    assert ENTRY.place == "Patient/7"


def test_many_entries_are_read_in_pieces(cohort: Path) -> None:
    with open_journal(cohort, URL) as journal:
        journal.put(Entry("Patient", f"i{n:05}", STORED) for n in range(2500))
        seen = []
        for each in journal.entries():
            if each.id.endswith("99"):
                journal.put([replace(each, state=SENDING)])
            seen.append(each.id)
    assert seen == [f"i{n:05}" for n in range(2500)]


def test_each_server_has_its_own_file(cohort: Path) -> None:
    paths = {journal_path(cohort, url) for url in (URL, "http://127.0.0.1:8080/fhir", URL + "/a")}
    assert len(paths) == 3
    assert {path.parent.name for path in paths} == {"madrid.journal"}
    assert journal_path(cohort, URL).name.startswith("fhir.example.org-")


def test_line_hash_is_of_the_line_without_its_break() -> None:
    assert line_hash(b'{"id":"1"}\r\n') == line_hash(b'{"id":"1"}')
    assert line_hash(b"{}") != line_hash(b"[]")


def test_second_export_says_so_or_waits(cohort: Path) -> None:
    with open_journal(cohort, URL):
        for wait in (0, 0.05):
            with (
                pytest.raises(ImnmFhirError, match="under way"),
                open_journal(cohort, URL, wait=wait),
            ):
                pass
        with read_journal(cohort, URL) as journal:
            assert journal is not None and journal.counts() == {}
        with open_journal(cohort, URL + "2") as other:
            assert other.counts() == {}


def test_lock_ends_with_a_killed_process(cohort: Path) -> None:
    code = f"""
from pathlib import Path
from imnm_fhir.transfer.journal import Entry, open_journal
with open_journal(Path({str(cohort)!r}), {URL!r}) as journal:
    journal.put([Entry("Patient", "i1", "sending")])
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        with pytest.raises(ImnmFhirError, match="under way"), open_journal(cohort, URL):
            pass
        process.kill()
    with open_journal(cohort, URL) as journal:
        assert journal.counts() == {("Patient", SENDING): 1}


@pytest.mark.parametrize("damage", ["text", "middle", "tables"])
def test_damage_is_seen_with_the_way_out(cohort: Path, damage: str) -> None:
    with open_journal(cohort, URL) as journal:
        journal.put(Entry("Patient", f"i{n:05}", STORED) for n in range(3000))
    path = journal_path(cohort, URL)
    if damage == "text":
        path.write_text("no journal")
    elif damage == "middle":
        content = bytearray(path.read_bytes())
        content[8192:40000] = b"\xff" * (40000 - 8192)
        path.write_bytes(content)
    else:
        with closing(sqlite3.connect(path)) as database:
            database.execute("drop table resources")
    with pytest.raises(ImnmFhirError, match="imnm-fhir verify"), open_journal(cohort, URL):
        pass
    rebuild(cohort, URL, [ENTRY], about={"software": "HAPI"})
    with open_journal(cohort, URL) as journal:
        assert list(journal.entries()) == [ENTRY]
        assert journal.about()["origin"] == "rebuilt"
    assert len(list(path.parent.glob("*replaced*"))) == 1


def test_journal_of_another_server_or_a_newer_version_is_refused(cohort: Path) -> None:
    with open_journal(cohort, URL):
        pass
    journal_path(cohort, URL).rename(journal_path(cohort, URL + "2"))
    with pytest.raises(ImnmFhirError, match="of another server"), open_journal(cohort, URL + "2"):
        pass
    with closing(sqlite3.connect(journal_path(cohort, URL + "2"))) as database:
        database.execute("pragma user_version = 9")
    with pytest.raises(ImnmFhirError, match="newer"), open_journal(cohort, URL + "2"):
        pass


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "madrid.journal").write_text("a file")
    with pytest.raises(ImnmFhirError, match="--journal"), open_journal(tmp_path / "madrid", URL):
        pass


def test_no_journal_to_read(cohort: Path) -> None:
    with read_journal(cohort, URL) as journal:
        assert journal is None
