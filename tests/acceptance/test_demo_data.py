"""The embedded demo data: they say what they claim, and can be made again byte for byte."""

import csv
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

import imnm_fhir

DEMO = Path(next(iter(imnm_fhir.__path__))) / "demo_data"
FREIBURG = DEMO / "freiburg"
SHEETS = ("patienten", "ck", "medikamente")
ENCODINGS = {"delivery_1": "cp1252", "delivery_2": "utf-8-sig"}

Row = dict[str, str]


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-X", "utf8", str(script), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def read(path: Path, encoding: str) -> list[Row]:
    with path.open(encoding=encoding, newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";", strict=True))


def delivered(delivery: str, sheet: str) -> list[Row]:
    return read(FREIBURG / delivery / f"{sheet}.csv", ENCODINGS[delivery])


def planted() -> list[Row]:
    return read(FREIBURG / "planted.csv", "utf-8")


def check(delivery: str) -> tuple[int, dict[tuple[str, str], str], set[tuple[str, ...]]]:
    """Exit code, figures, and findings (rule, kind, patient, file, row, column)."""
    done = run(FREIBURG / "freiburg_check.py", str(FREIBURG / delivery))
    assert not done.stderr
    lines = [tuple(line.split(";")) for line in done.stdout.splitlines()]
    figures = {(line[1], line[2]): line[3] for line in lines if line[0] == "figure"}
    return done.returncode, figures, {line[1:] for line in lines if line[0] == "finding"}


def test_madrid_reproduces_the_printed_figures() -> None:
    done = run(DEMO / "madrid" / "madrid16_check.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "B. figures reproduced by the rows: 83; failed: 0" in done.stdout


def test_generator_writes_the_committed_files_again(tmp_path: Path) -> None:
    done = run(FREIBURG / "make_freiburg.py", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.csv"))
    assert len(made) == 7
    for path in made:
        assert (tmp_path / path).read_bytes() == (FREIBURG / path).read_bytes(), path


def test_groups_and_consent_of_the_corrected_delivery() -> None:
    patients = delivered("delivery_2", "patienten")
    assert [row["Pat-ID"] for row in patients] == [f"FRB-{n:03d}" for n in range(1, 31)]
    groups = Counter(row["Serogruppe"] for row in patients)
    assert groups == {"HMGCR": 12, "SRP": 10, "HMGCR+SRP": 1, "seronegativ": 4, "unklar": 3}
    assert Counter(row["Einwilligung"] for row in patients) == {
        "ja": 28, "nein": 1, "widerrufen": 1,
    }  # fmt: skip
    assert Counter(row["Anti-HMGCR"] for row in patients)["positiv"] == 13
    assert Counter(row["Anti-SRP"] for row in patients)["positiv"] == 11


def test_record_numbers_are_unique_and_patients_known() -> None:
    known = {row["Pat-ID"] for row in delivered("delivery_2", "patienten")}
    for sheet, record in (("ck", "Laufnr"), ("medikamente", "Verordnung")):
        rows = delivered("delivery_2", sheet)
        assert len({row[record] for row in rows}) == len(rows)
        assert {row["Pat-ID"] for row in rows} == known


@pytest.mark.parametrize("delivery", ENCODINGS)
def test_encoding_and_line_ends(delivery: str) -> None:
    for sheet in SHEETS:
        content = (FREIBURG / delivery / f"{sheet}.csv").read_bytes()
        assert content.startswith(b"\xef\xbb\xbf") == (delivery == "delivery_2")
        assert content.count(b"\n") == content.count(b"\r\n")
    with pytest.raises(UnicodeDecodeError):
        (FREIBURG / "delivery_1" / "ck.csv").read_bytes().decode()


def test_corrected_delivery_breaks_nothing_impossible() -> None:
    code, figures, findings = check("delivery_2")
    assert code == 0
    assert {finding[1] for finding in findings} == {"definition", "improbable"}
    assert figures["consent", "patients"] == "28"
    assert figures["all", "serogroup"] == figures["all", "reported serogroup"]
    assert figures["consent", "baseline CK"] == "6940.5 (888-14371.2) n=28"


def test_readme_tells_what_the_corrected_delivery_breaks() -> None:
    text = (FREIBURG / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| ([A-Z]\d\d.*) \| (definition|improbable) \| (FRB-\d{3}) ", text, re.M)
    told = {(rule, kind, who) for rules, kind, who in lines for rule in rules.split(", ")}
    assert told == {finding[:3] for finding in check("delivery_2")[2]}


def test_readme_names_every_column_and_drug() -> None:
    text = (FREIBURG / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([^|]+) \|", text, re.M)
    told = {name for cell in table for name in re.split(r"[,;] ", cell)} | set(table)
    for sheet in SHEETS:
        assert set(delivered("delivery_2", sheet)[0]) <= told
    drugs = {row["Medikament"] for row in delivered("delivery_2", "medikamente")}
    drugs |= {row["Statin (Präparat)"] for row in delivered("delivery_2", "patienten")}
    assert drugs - {""} <= told


def test_faulty_delivery_is_found_out_and_for_nothing_else() -> None:
    code, _, found = check("delivery_1")
    assert code == 1
    faults = planted()
    refused = {fault["patient"] for fault in faults if fault["rule"] == "A05"}
    expected = {(fault["rule"], fault["patient"]) for fault in faults}
    expected |= {(also, f["patient"]) for f in faults for also in f["also"].split()}
    stays = {f[:3:2] for f in check("delivery_2")[2] if f[2] not in refused}
    assert {finding[:3:2] for finding in found} == expected | stays


def test_deliveries_differ_exactly_where_planted_says() -> None:
    planted_cells = {
        (fault["file"], int(fault["row"]), fault["column"])
        for fault in planted() if fault["rule"] != "A05"
    }  # fmt: skip
    differing = {
        (f"{sheet}.csv", number, column)
        for sheet in SHEETS
        for number, (faulty, right) in enumerate(
            zip(delivered("delivery_1", sheet), delivered("delivery_2", sheet), strict=False), 2
        )
        for column in right if faulty[column] != right[column]
    }  # fmt: skip
    assert differing == planted_cells
    assert len(planted()) == 28


def test_the_patient_that_stands_twice() -> None:
    (twice,) = (fault for fault in planted() if fault["rule"] == "A05")
    rows = delivered("delivery_1", "patienten")
    again = rows[int(twice["row"]) - 2]
    first = next(row for row in rows if row["Pat-ID"] == twice["patient"])
    assert again["Pat-ID"] == twice["patient"]
    assert again["Geburtsdatum"] != first["Geburtsdatum"]


def test_planted_faults_carry_no_more_than_one_fault_per_patient() -> None:
    assert set(Counter(fault["patient"] for fault in planted()).values()) == {1}


def german(value: object) -> str:
    """A typed cell as the CSV file writes it, without the dots of thousands."""
    if isinstance(value, datetime):
        return value.strftime("%d.%m.%Y")
    return "" if value is None else str(value).replace(".", ",") if _number(value) else str(value)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def plain(cell: str) -> str:
    """A cell of the CSV file without what a typed number cannot keep: dots, zeros at the end."""
    if not re.fullmatch(r"\d+(\.\d{3})*(,\d+)?", cell) or cell.startswith("00"):
        return cell
    whole, _, decimals = cell.replace(".", "").partition(",")
    return f"{whole},{decimals.rstrip('0')}".rstrip(",")


def test_workbook_holds_the_corrected_delivery() -> None:
    from openpyxl import load_workbook

    book = load_workbook(FREIBURG / "delivery_2" / "freiburg.xlsx")
    assert tuple(book.sheetnames) == SHEETS
    kinds: Counter[str] = Counter()
    for sheet in SHEETS:
        rows = delivered("delivery_2", sheet)
        header, *lines = book[sheet].iter_rows(values_only=True)
        assert list(header) == list(rows[0])
        assert len(lines) == len(rows)
        for row, line in zip(rows, lines, strict=True):
            assert [plain(german(value)) for value in line] == [
                plain(cell) for cell in row.values()
            ]
            kinds.update(type(value).__name__ for value in line)
    assert set(kinds) == {"str", "int", "float", "datetime", "NoneType"}
