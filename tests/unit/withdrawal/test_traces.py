"""The search that proves an absence finds a patient in whatever form a file has."""

import gzip
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imnm_fhir.errors import ImnmFhirError, UsageError
from imnm_fhir.withdrawal import find_traces, parse_person
from imnm_fhir.withdrawal.traces import PIECE

WHO = parse_person("madrid/MAD-03")
TEXT = "x;MAD-03;y\n"


def write_zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", text * 50)


def write_sqlite(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table t (a text)")
        database.execute("insert into t values (?)", (text,))


FORMS: dict[str, Callable[[Path, str], object]] = {
    "plain.csv": lambda path, text: path.write_text(text, "utf-8"),
    "wide.csv": lambda path, text: path.write_text(text * 3, "utf-16"),
    "later.log": lambda path, text: path.write_text("x" * (PIECE - 6) + " " + text, "utf-8"),
    "packed.ndjson.gz": lambda path, text: path.write_bytes(gzip.compress(text.encode() * 50)),
    "book.xlsx": write_zip,
    "rows.sqlite": write_sqlite,
    "table.parquet": lambda path, text: pq.write_table(
        pa.table({"a": [text, None], "n": [1, 2]}), path, compression="zstd"
    ),
    "coded.parquet": lambda path, text: pq.write_table(
        pa.table({"a": pa.array([text]).dictionary_encode()}), path
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_file_of_any_form_that_names_the_patient_is_found(tmp_path: Path, name: str) -> None:
    FORMS[name](tmp_path / name, TEXT)
    assert find_traces([tmp_path], WHO.pattern()) == [tmp_path / name]


@pytest.mark.parametrize("name", FORMS)
def test_another_patient_is_not_taken_for_this_one(tmp_path: Path, name: str) -> None:
    FORMS[name](tmp_path / name, "x;MAD-031;XMAD-03;MAD-03-2\n")
    assert find_traces([tmp_path], WHO.pattern()) == []


def test_a_name_of_a_file_and_an_id_are_traces(tmp_path: Path) -> None:
    (tmp_path / "MAD-03.txt").write_text("")
    (tmp_path / "ids.txt").write_text(f"Patient/{WHO.id}")
    assert len(find_traces([tmp_path], WHO.pattern())) == 2


def test_a_short_pseudonym_is_found_by_its_key_not_in_every_number(tmp_path: Path) -> None:
    who = parse_person("madrid/7")
    (tmp_path / "numbers.csv").write_text("7;8;9\n")
    assert find_traces([tmp_path], who.pattern()) == []
    (tmp_path / "key.json").write_text('{"value": "madrid/7/ck"}')
    assert find_traces([tmp_path], who.pattern()) == [tmp_path / "key.json"]


@pytest.mark.parametrize("text", ["", "MAD-03", "madrid/", "/x", "madrid/a/b", "MADRID/x"])
def test_what_is_no_patient_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises((UsageError, ImnmFhirError)) as refused:
        parse_person(text)
    assert "MAD-03" not in str(refused.value).replace("such as madrid/MAD-03", "")


def test_a_folder_that_another_command_removes_meanwhile_is_no_error(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
        (folder / "file.txt").write_text(f"{TEXT} in {folder.name}")
    pattern = WHO.pattern()

    class Removing:
        def search(self, seen: bytes) -> object:
            for folder in folders if b" in " in seen else ():
                if not seen.endswith(folder.name.encode()):
                    shutil.rmtree(folder, ignore_errors=True)
            return pattern.search(seen)

    found = find_traces([tmp_path], cast("re.Pattern[bytes]", Removing()))
    assert len(found) == 1 and found[0].exists()


def test_what_only_begins_like_an_archive_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 cut off")
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04 " + TEXT.encode())
    assert find_traces([tmp_path], WHO.pattern()) == [tmp_path / "b.xlsx"]


def test_what_cannot_be_read_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is made here."""
    (tmp_path / "closed.csv").write_text(TEXT)
    (tmp_path / "open.csv").write_text(TEXT)
    opened = Path.open

    def refusing(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "closed.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    problems: list[str] = []
    assert find_traces([tmp_path], WHO.pattern(), problems=problems) == [tmp_path / "open.csv"]
    assert len(problems) == 1 and "closed.csv: cannot be searched" in problems[0]
